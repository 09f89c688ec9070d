"""One journaled push: per node apply and confirm, each probed first; what is not confirmed goes back by itself.

The node compares before it applies: only the configuration the difference was shown against is ever replaced.
"""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

from device_drivers.capabilities import LinuxNode, OpenNode
from device_drivers.errors import DriverError, Stale, Unreachable
from local_store import configs, journal
from local_store.db import Store
from local_store.errors import BodyDamaged, StoreRefused
from local_store.journal import PlannedStep, Run, Step
from local_store.sqlite import Connection
from local_store.uuid7 import uuid7
from mesh_mgmt.config_change import NotChanged, apply_to, confirm_on
from mesh_mgmt.config_text import NotStored
from mesh_mgmt.uci_change import NotPossible
from playbooks.configuration.planning import NodeTarget, PushPlan, decode

PLAYBOOK: Final = "configuration"
WORKERS: Final = 8
PAUSE_S: Final = 1.0
GRACE_S: Final = 60
"""After the node's own deadline: it goes back, reloads, and is heard again."""
SETTLE_S: Final = 6
"""The node reloads a second after it has answered: whoever confirms earlier confirms what does not run yet."""
_IDS: Final = random.SystemRandom()


class Interrupted(Exception):
    """The engine stops; the run stays open and is gone on with by probing."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What a push needs of the world."""

    store: Store
    open_node: OpenNode
    """Every time over a new connection: one that is kept open proves nothing about the next."""
    now_ms: Callable[[], int]
    stop: threading.Event
    pause_s: float = PAUSE_S
    grace_s: float = GRACE_S
    settle_s: float = SETTLE_S


def create(cx: Connection, plan: PushPlan, actor: str, now_ms: int) -> str:
    """Write the run with two steps for every node, in order; returns its id, which is the operation's on the nodes."""
    run_id = uuid7(now_ms, _IDS)
    targets = [one for batch in plan.batches for one in batch]
    steps = [PlannedStep(f"{what} {one.node}", "observable") for one in targets for what in ("apply", "confirm")]
    journal.create(cx, Run(run_id, PLAYBOOK, plan.encoded(), actor, "running", now_ms, None), steps)
    return run_id


def carry_out(ports: Ports, run: Run) -> str:
    """Go through a run from wherever it stands; returns `done`, `failed` or `running` when interrupted."""
    plan = decode(run.plan)
    failed = 0
    at = 0
    for batch in plan.batches:
        if failed >= plan.budget:
            break
        numbered = list(enumerate(batch, start=at))
        at += len(batch)
        with ThreadPoolExecutor(min(WORKERS, len(batch)), thread_name_prefix="push") as executor:
            ends = list(executor.map(lambda one: _node(ports, run, plan, one[1], 2 * one[0] + 1), numbered))
        if None in ends:
            return "running"
        failed += ends.count(False)
    end: journal.RunEnd = "failed" if failed else "done"
    ports.store.ops.write(lambda cx: journal.end_run(cx, run.run_id, end, ports.now_ms()))
    return end


def _node(ports: Ports, run: Run, plan: PushPlan, target: NodeTarget, first: int) -> bool | None:
    """Both steps of one node: whether it has its configuration now; None when interrupted."""
    steps = {step.seq: step for step in ports.store.read(lambda cx: journal.steps_of(cx, run.run_id))}
    works: Sequence[Callable[[], Mapping[str, object]]] = (
        lambda: _apply(ports, run, plan, target),
        lambda: _confirm(ports, run, plan, target),
    )
    for step, work in zip((steps[first], steps[first + 1]), works, strict=True):
        if step.state == "done":
            continue
        if step.state == "failed" or ports.stop.is_set():
            return False if step.state == "failed" else None
        try:
            if not _step(ports, step, work):
                return False
        except Interrupted:
            return None
    return True


def _step(ports: Ports, step: Step, work: Callable[[], Mapping[str, object]]) -> bool:
    ports.store.ops.write(lambda cx: journal.start(cx, step.run_id, step.seq, ports.now_ms()))
    try:
        evidence, end = dict(work()), True
    except (NotChanged, NotStored, NotPossible, DriverError, StoreRefused, BodyDamaged) as error:
        evidence, end = {"why": str(error)}, False
    text = json.dumps(evidence, ensure_ascii=False)
    ports.store.ops.write(
        lambda cx: journal.finish(cx, step.run_id, step.seq, "done" if end else "failed", text, now_ms=ports.now_ms())
    )
    return end


def _apply(ports: Ports, run: Run, plan: PushPlan, target: NodeTarget) -> Mapping[str, object]:
    """Probe, stage, compare what the node says with what was wanted, apply. A lost connection is settled by probing."""
    until_ms = ports.now_ms() + int(ports.grace_s * 1000)
    text = ports.store.read(lambda cx: configs.body(cx, target.target))
    while True:
        try:
            with ports.open_node(target.node) as node:
                return apply_to(target.node, node, run.run_id, target.base, text, plan.revert_after_s)
        except Unreachable:
            _wait(ports, until_ms)


def _confirm(ports: Ports, run: Run, plan: PushPlan, target: NodeTarget) -> Mapping[str, object]:
    """Reach the changed node over a new connection and keep what it runs; without that it goes back by itself."""
    until_ms = ports.now_ms() + int((plan.revert_after_s + ports.grace_s) * 1000)
    if ports.stop.wait(ports.settle_s):
        raise Interrupted
    while True:
        try:
            with ports.open_node(target.node) as node:
                return _confirm_on(ports, run, target, node)
        except (Unreachable, Stale) as error:
            _wait(ports, until_ms, f"not heard again in time, it has gone back by itself by now ({error})")


def _confirm_on(ports: Ports, run: Run, target: NodeTarget, node: LinuxNode) -> Mapping[str, object]:
    text = confirm_on(target.node, node, run.run_id, target.base, target.target)
    now_ms = ports.now_ms()

    def keep(cx: Connection) -> None:
        configs.add_applied(cx, target.node, text, run.run_id, run.actor, now_ms)
        configs.add_backup(cx, target.node, text, "uci", cause="after_push", actor=run.actor, now_ms=now_ms)

    ports.store.ops.write(keep)
    return {"running": target.target}


def _wait(ports: Ports, until_ms: int, too_late: str = "") -> None:
    """Pause before the next try; raises what the last try raised once it is too late."""
    if ports.now_ms() >= until_ms:
        if too_late:
            raise NotChanged(too_late)
        raise NotChanged("not reached, nothing was changed on it")
    if ports.stop.wait(ports.pause_s):
        raise Interrupted
