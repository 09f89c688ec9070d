"""Journaled runs (`ops.db`): what begins is written down before it acts; a crash leaves a question, no guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from local_store import columns
from local_store.errors import StoreRefused
from local_store.sqlite import Connection

Promise = Literal["idempotent", "observable", "once"]
StepEnd = Literal["done", "failed", "asks"]
RunEnd = Literal["done", "failed", "aborted"]


@dataclass(frozen=True, slots=True)
class PlannedStep:
    """A step as planned: its name and what it promises about being repeated."""

    name: str
    promise: Promise


@dataclass(frozen=True, slots=True)
class Run:
    """One journaled run. `plan` is encoded JSON."""

    run_id: str
    playbook: str
    plan: str
    actor: str
    state: str
    created_ms: int
    finished_ms: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run. `evidence` is encoded JSON."""

    run_id: str
    seq: int
    name: str
    promise: Promise
    state: str
    attempts: int
    started_ms: int | None
    finished_ms: int | None
    evidence: str


_RUN = columns.select("run", Run)
_STEP = columns.select("step", Step)


def create(cx: Connection, run: Run, steps: Sequence[PlannedStep]) -> None:
    """Write a run with all its steps waiting, numbered from 1."""
    cx.execute(columns.insert("run", Run), columns.values(Run)(run))
    cx.executemany(
        "INSERT INTO step (run_id, seq, name, promise) VALUES (?, ?, ?, ?)",
        [(run.run_id, seq, step.name, step.promise) for seq, step in enumerate(steps, start=1)],
    )


def start(cx: Connection, run_id: str, seq: int, now_ms: int) -> None:
    """Note that a step is about to act; commit before it does.

    Raises StoreRefused for a step that is done, or that may act only once and was started before.
    """
    changed = cx.execute(
        "UPDATE step SET state = 'started', attempts = attempts + 1, started_ms = ?, finished_ms = NULL"
        " WHERE run_id = ? AND seq = ? AND (state = 'waiting'"
        " OR (promise <> 'once' AND state IN ('started', 'failed')))"
        " AND EXISTS (SELECT 1 FROM run WHERE run.run_id = step.run_id AND run.state = 'running')",
        (now_ms, run_id, seq),
    )
    if changed.rowcount == 0:
        raise StoreRefused(f"step {seq} of run {run_id} may not act now: {_found(cx, run_id, seq)}")


def finish(cx: Connection, run_id: str, seq: int, end: StepEnd, evidence: str, *, now_ms: int) -> None:
    """Note how a started step ended and what shows it; `asks` waits for a person. Raises StoreRefused otherwise."""
    changed = cx.execute(
        "UPDATE step SET state = ?, evidence = ?, finished_ms = ?"
        " WHERE run_id = ? AND seq = ? AND state IN ('started', 'asks')",
        (end, evidence, now_ms, run_id, seq),
    )
    if changed.rowcount == 0:
        raise StoreRefused(f"step {seq} of run {run_id} cannot end as {end}: {_found(cx, run_id, seq)}")


def let_again(cx: Connection, run_id: str, seq: int) -> None:
    """A person looked and says that a step that asks has not happened: it may act. Raises StoreRefused otherwise."""
    changed = cx.execute(
        "UPDATE step SET state = 'waiting' WHERE run_id = ? AND seq = ? AND state = 'asks'", (run_id, seq)
    )
    if changed.rowcount == 0:
        raise StoreRefused(f"step {seq} of run {run_id} does not ask: {_found(cx, run_id, seq)}")


def _found(cx: Connection, run_id: str, seq: int) -> str:
    row = cx.execute(
        "SELECT step.state, step.promise, run.state FROM step JOIN run USING (run_id) WHERE run_id = ? AND seq = ?",
        (run_id, seq),
    ).fetchone()
    return f"it is {row[0]} ({row[1]}), its run is {row[2]}" if row else "there is no such step"


def end_run(cx: Connection, run_id: str, end: RunEnd, now_ms: int) -> None:
    """Close a run. Raises StoreRefused when it is closed, or is to be done with steps that are not."""
    if end == "done" and any(step.state != "done" for step in steps_of(cx, run_id)):
        raise StoreRefused(f"run {run_id} cannot be done: at least one step is not")
    changed = cx.execute(
        "UPDATE run SET state = ?, finished_ms = ? WHERE run_id = ? AND state IN ('running', 'paused')",
        (end, now_ms, run_id),
    )
    if changed.rowcount == 0:
        raise StoreRefused(f"run {run_id} is not open: it was closed before or never created")


def unfinished(cx: Connection) -> list[Run]:
    """Runs to go on with after a restart, oldest first."""
    return [Run(*row) for row in cx.execute(f"{_RUN} WHERE finished_ms IS NULL ORDER BY created_ms, run_id")]


def steps_of(cx: Connection, run_id: str) -> list[Step]:
    """The steps of one run in order."""
    return [Step(*row) for row in cx.execute(f"{_STEP} WHERE run_id = ? ORDER BY seq", (run_id,))]


def to_probe(cx: Connection) -> list[Step]:
    """Steps that were started and never ended: nobody knows what they did until their effect is looked at."""
    return [
        Step(*row)
        for row in cx.execute(
            f"{_STEP} WHERE state = 'started'"
            " AND run_id IN (SELECT run_id FROM run WHERE finished_ms IS NULL) ORDER BY run_id, seq"
        )
    ]
