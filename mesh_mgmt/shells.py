"""Asks nodes over SSH whom they hear, a few at a time, each at most once at a time. What fails is tried more rarely.

No SQL. A node that does not let us in says nothing of its links: what SNMP told of it is then a part of a view.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from queue import SimpleQueue
from typing import Final

from device_drivers.capabilities import SeesNeighbours
from device_drivers.errors import DriverError, Unsupported
from mesh_mgmt.handed import handed
from mesh_mgmt.links import Report

WORKERS: Final = 4
LONGEST_PAUSE_MS: Final = 3_600_000
OpenShell = Callable[[str], AbstractContextManager[SeesNeighbours]]
"""From an inventory node id to a node that tells its neighbours; raises the five errors."""


@dataclass(frozen=True, slots=True)
class Told:
    """How one question ended: the node's view, with a `trouble` only what SNMP told of it.

    That is the whole of it where nobody can log in.
    """

    report: Report
    trouble: str = ""


@dataclass(slots=True)
class _Failing:
    times: int = 0
    again_ms: int = 0
    for_good: bool = False


class Shells:
    """The questions on their way and those that failed lately. `pause_ms` is the first pause after a failure."""

    def __init__(self, open_node: OpenShell, now_ms: Callable[[], int], pause_ms: int) -> None:
        self._open_node = open_node
        self._now_ms = now_ms
        self._pause_ms = pause_ms
        self._asked: set[str] = set()
        self._failing: dict[str, _Failing] = {}
        self._answers: SimpleQueue[Future[Told]] = SimpleQueue()
        self._pool = ThreadPoolExecutor(WORKERS, "mesh-ssh")

    def ask(self, told: Report) -> Report | None:
        """Ask the node for what SNMP did not tell. If that has to wait, what SNMP told is given back as it counts."""
        node_id = told.node_id
        if node_id in self._asked:
            return replace(told, whole=False)
        failing = self._failing.get(node_id)
        if failing is not None and self._now_ms() < failing.again_ms:
            return replace(told, whole=failing.for_good)
        self._asked.add(node_id)
        self._pool.submit(self._ask, told).add_done_callback(self._answers.put)
        return None

    def waiting(self) -> int:
        """Nodes that were asked and have not answered."""
        return len(self._asked)

    def answers(self) -> Iterator[Told]:
        """What came since the last time."""
        for answer in handed(self._answers):
            told = answer.result()
            self._asked.discard(told.report.node_id)
            self._note(told)
            yield told

    def forgive(self, node_id: str) -> None:
        """Whatever kept the node from answering may be over: the next question is asked."""
        self._failing.pop(node_id, None)

    def close(self) -> None:
        """Ask nobody else."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _note(self, told: Told) -> None:
        node_id = told.report.node_id
        if not told.trouble:
            self._failing.pop(node_id, None)
            return
        failing = self._failing.setdefault(node_id, _Failing())
        failing.again_ms = self._now_ms() + min(self._pause_ms << failing.times, LONGEST_PAUSE_MS)
        failing.times = min(failing.times + 1, 16)
        failing.for_good = told.report.whole

    def _ask(self, told: Report) -> Told:
        """In a thread of the pool."""
        try:
            with self._open_node(told.node_id) as shell:
                seen = [*told.seen, *shell.neighbours()]
                macs = {**told.macs, **shell.own_macs()}
        except DriverError as error:
            view = replace(told, whole=isinstance(error, Unsupported))
            return Told(view, f"{error.word}: {error.evidence}")
        return Told(replace(told, at_ms=self._now_ms(), macs=macs, seen=seen))
