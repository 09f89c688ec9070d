"""Goes through the runs of new nodes: what is written before each step, what a person answers, what stays open."""

from __future__ import annotations

import json
import os
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Literal

from device_drivers.errors import DriverError
from local_store import intents, journal, lease, nodes
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.journal import Run
from local_store.journal import Step as StepRow
from local_store.records import Intent
from local_store.sqlite import Connection
from local_store.uuid7 import uuid7
from mesh_mgmt.config_change import NotChanged
from mesh_mgmt.config_text import NotStored
from mesh_mgmt.desired import DesiredError
from mesh_mgmt.uci_change import NotPossible
from playbooks.provisioning.job import PLAYBOOK, Job, JobError, checked, decode, serial_of
from playbooks.provisioning.steps import STEPS, Asks, Interrupted, Ports, Work

End = Literal["done", "asks", "failed", "open", "interrupted", "closed"]
"""`closed`: somebody gave the run up while it was under way."""
LOCK: Final = "provisioning.lock"
PREFIX: Final = "provision."
STEP_S: Final = 0.5
REACH_EVERY_MS: Final = 60_000
_IDS: Final = random.SystemRandom()
Report = Callable[[Mapping[str, object]], None]


def create(cx: Connection, job: Job, actor: str, now_ms: int) -> str:
    """Write the run; returns its id.

    Raises JobError, or StoreRefused while another run sets the same node up or another node has its address.
    """
    job = checked(job)
    _expect_free(cx, job)
    for run in open_runs(cx):
        other = decode(run.plan)
        if job.node_id == other.node_id or job.serial == other.serial:
            raise StoreRefused(
                f"run {run.run_id} already sets up {other.node_id} ({other.serial}): go on with it, or abort it"
            )
    run_id = uuid7(now_ms, _IDS)
    journal.create(cx, Run(run_id, PLAYBOOK, job.encoded(), actor, "running", now_ms, None),
                   [planned for planned, _work in STEPS.values()])  # fmt: skip
    return run_id


def _expect_free(cx: Connection, job: Job) -> None:
    """Two nodes at one address are one of them twice, or a mistyped one: found here, not after the work at the mast."""
    made = job.node()
    for node in nodes.all_nodes(cx):
        if (node.address, node.port) == (made.address, made.port) and node.node_id != made.node_id:
            raise StoreRefused(f"{node.node_id} has the address {node.address} already: give {made.node_id} its own")


def open_runs(cx: Connection) -> list[Run]:
    """Runs that are not closed, oldest first."""
    return [run for run in journal.unfinished(cx) if run.playbook == PLAYBOOK]


def find(cx: Connection, run_id: str) -> Run:
    """An open run by its id or the beginning of it. Raises StoreRefused."""
    found = [run for run in open_runs(cx) if run.run_id.startswith(run_id)]
    if len(found) != 1:
        raise StoreRefused(f"{'no' if not found else 'more than one'} open run begins with {run_id!r}")
    return found[0]


@contextmanager
def alone(store: Store) -> Iterator[bool]:
    """Whether no other process goes through runs of this store: two must not work on one node."""
    handle = lease.lock(store.directory, LOCK)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            os.close(handle)


def go_on(ports: Ports, run: Run, told: Callable[[StepRow], None] = lambda _step: None) -> End:
    """Do step after step until one asks, fails or all are done. A failed step is tried again by the next call."""
    try:
        return _steps(ports, run, told)
    except StoreRefused:
        if run.run_id in {one.run_id for one in ports.store.read(open_runs)}:
            raise
        return "closed"


def _steps(ports: Ports, run: Run, told: Callable[[StepRow], None]) -> End:
    for row in ports.store.read(lambda cx: journal.steps_of(cx, run.run_id)):
        if row.state == "done":
            continue
        if row.state == "asks":
            return "asks"
        end = _step(ports, run, row)
        after = ports.store.read(lambda cx: journal.steps_of(cx, run.run_id))[row.seq - 1]
        told(after)
        if end != "done":
            return "open" if end == "failed" and row.name == "reach" else end
    ports.store.ops.write(lambda cx: journal.end_run(cx, run.run_id, "done", ports.now_ms()))
    return "done"


def _step(ports: Ports, run: Run, row: StepRow) -> End:
    rows = ports.store.read(lambda cx: journal.steps_of(cx, run.run_id))
    work = Work(run, decode(run.plan), {one.name: json.loads(one.evidence) for one in rows})
    ports.store.ops.write(lambda cx: journal.start(cx, run.run_id, row.seq, ports.now_ms()))
    end: journal.StepEnd = "done"
    try:
        evidence = dict(STEPS[row.name][1](ports, work))
    except Interrupted:
        return "interrupted"
    except Asks as question:
        evidence, end = dict(question.evidence), "asks"
    except (DriverError, NotChanged, NotPossible, NotStored, DesiredError, StoreRefused) as error:
        kept = {"fingerprint": work.key} if row.name == "contact" and work.key else {}
        evidence, end = {**kept, "why": str(error)}, "failed"
    text = json.dumps(evidence, ensure_ascii=False)
    ports.store.ops.write(lambda cx: journal.finish(cx, run.run_id, row.seq, end, text, now_ms=ports.now_ms()))
    return end


def answer(cx: Connection, run: Run, agreed: bool, actor: str, reason: str, now_ms: int) -> None:
    """What a person decided on the step that asks. Raises StoreRefused when none does.

    A host key that is not agreed to leaves the question open; an acceptance that is not is tried again.
    """
    row = next((one for one in journal.steps_of(cx, run.run_id) if one.state == "asks"), None)
    if row is None:
        raise StoreRefused(f"run {run.run_id} asks nothing")
    found = json.loads(row.evidence)
    if found.get("question") == "acceptance" and agreed:
        if not reason.strip():
            raise StoreRefused("taking a node that falls short needs a reason")
        found.update(accepted_by=actor, reason=reason)
        journal.finish(cx, run.run_id, row.seq, "done", json.dumps(found, ensure_ascii=False), now_ms=now_ms)
        return
    if found.get("question") == "host_key":
        if not agreed:
            return
        found.update(confirmed_by=actor)
        journal.finish(cx, run.run_id, row.seq, "asks", json.dumps(found, ensure_ascii=False), now_ms=now_ms)
    journal.let_again(cx, run.run_id, row.seq)


class Provisioning:
    """One run of the engine's service: does what was asked for, and tries open registrations again."""

    def __init__(self, make_ports: Callable[[threading.Event], Ports]) -> None:
        self._make_ports = make_ports
        self._tried: dict[str, int] = {}
        self._again: set[str] = set()

    def run(self, stop: threading.Event, report: Report) -> None:
        """Look twice a second until told to stop."""
        ports = self._make_ports(stop)
        while True:
            self._again |= execute(ports.store, ports.now_ms())
            runs = ports.store.read(open_runs)
            report({"open": len(runs)})
            due = [run for run in runs if self._is_due(ports, run)]
            if due:
                self._go_on(ports, due)
            if stop.wait(STEP_S):
                return

    def _go_on(self, ports: Ports, due: Sequence[Run]) -> None:
        """All that are due, unless a command at the terminal is at it: it goes on itself, and may have begun first."""
        with alone(ports.store) as mine:
            for run in due if mine else ():
                self._again.discard(run.run_id)
                self._tried[run.run_id] = ports.now_ms()
                go_on(ports, run)

    def _is_due(self, ports: Ports, run: Run) -> bool:
        """A step that failed waits for a person, but the last one is tried every minute."""
        rows = ports.store.read(lambda cx: journal.steps_of(cx, run.run_id))
        following = next((row for row in rows if row.state != "done"), None)
        if following is None or following.state in ("waiting", "started") or run.run_id in self._again:
            return True
        return following.name == "reach" and ports.now_ms() - self._tried.get(run.run_id, 0) >= REACH_EVERY_MS


def execute(store: Store, now_ms: int) -> set[str]:
    """Decide every queued intent about new nodes; returns the runs that a person wants to go on."""
    again = set()
    for intent in store.read(intents.queued):
        if intent.kind.startswith(PREFIX):
            again.add(_execute(store, intent, now_ms))
    return again


def _execute(store: Store, intent: Intent, now_ms: int) -> str:
    def apply(cx: Connection) -> str:
        result = _decide(cx, intent, json.loads(intent.body), now_ms)
        intents.decide(cx, intent.intent_id, "done", result, now_ms)
        return result

    try:
        return store.ops.write(apply)
    except (StoreRefused, JobError, AttributeError, KeyError, TypeError, ValueError) as error:
        known = isinstance(error, StoreRefused | JobError)
        text = str(error) if known else f"the request is incomplete: {error!r}"
        store.ops.write(lambda cx: intents.refuse(cx, intent.intent_id, text, now_ms))
        return ""


def _decide(cx: Connection, intent: Intent, body: Mapping[str, Any], now_ms: int) -> str:
    if intent.kind == "provision.start":
        job = Job(**body["job"])
        return create(cx, replace(job, serial=serial_of(job.serial)), intent.actor, now_ms)
    run = find(cx, str(body["run"]))
    if intent.kind == "provision.answer":
        answer(cx, run, bool(body["agreed"]), intent.actor, str(body.get("reason", "")), now_ms)
    elif intent.kind == "provision.abort":
        journal.end_run(cx, run.run_id, "aborted", now_ms)
    return run.run_id
