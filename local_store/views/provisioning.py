"""New nodes under way and done: each run with its steps, and the protocol of one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from local_store import journal
from local_store.sqlite import Connection

PLAYBOOK = "provisioning"
SHOWN = 200


@dataclass(frozen=True, slots=True)
class ProvisionRun:
    """One run; `steps` are (name, state) in order, `question` is what the step that asks shows."""

    run_id: str
    node_id: str
    serial: str
    site: str
    actor: str
    state: str
    created_ms: int
    steps: tuple[tuple[str, str], ...]
    question: dict[str, Any]
    trouble: str


def runs(cx: Connection) -> list[ProvisionRun]:
    """Runs, the newest first."""
    rows = cx.execute(
        "SELECT run_id, plan, actor, state, created_ms FROM main.run WHERE playbook = ?"
        " ORDER BY created_ms DESC LIMIT ?",
        (PLAYBOOK, SHOWN),
    ).fetchall()
    return [_run(cx, *row) for row in rows]


def _run(cx: Connection, run_id: str, plan: str, actor: str, state: str, created_ms: int) -> ProvisionRun:
    job = json.loads(plan)
    steps = journal.steps_of(cx, run_id)
    asking: dict[str, Any] = next((json.loads(step.evidence) for step in steps if step.state == "asks"), {})
    failed = next((json.loads(step.evidence).get("why", "") for step in steps if step.state == "failed"), "")
    named = tuple((step.name, step.state) for step in steps)
    return ProvisionRun(
        run_id, job["node_id"], job["serial"], job["site"], actor, state, created_ms, named, asking, str(failed)
    )


def protocol(cx: Connection, run_id: str) -> str | None:
    """The signed protocol of the run whose id begins so; None when there is none yet or more than one such run."""
    rows = cx.execute(
        "SELECT s.evidence FROM main.step s JOIN main.run r USING (run_id) WHERE r.playbook = ? AND s.name = 'protocol'"
        " AND s.state = 'done' AND substr(r.run_id, 1, ?) = ?",
        (PLAYBOOK, len(run_id), run_id),
    ).fetchall()
    return str(json.loads(rows[0][0])["protocol"]) if len(rows) == 1 else None
