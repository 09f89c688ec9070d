"""When each node is asked: fixed slots in UTC, spread over the interval, bounded per uplink. Pure, time is given.

A slot that passed while the machine slept is skipped, not made up for: waking up starts no storm. A node waits at
most once, however long its uplink or the whole is busy.
"""

from __future__ import annotations

import heapq
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

STEP_MS: Final = 1000
"""A clock that goes back by less is being slewed, not set."""


@dataclass(frozen=True, slots=True)
class Due:
    """One poll to start now; `due_ms` is the slot it belongs to."""

    node_id: str
    due_ms: int


class Schedule:
    """Slots of all nodes. `due` hands out what may start, `finished` gives its place on the uplink back."""

    def __init__(self, interval_ms: int, max_in_flight: int = 1000, max_per_uplink: int = 32) -> None:
        self._interval_ms = interval_ms
        self._max_in_flight = max_in_flight
        self._max_per_uplink = max_per_uplink
        self._uplink: dict[str, str] = {}
        self._slot: dict[str, int] = {}
        self._heap: list[tuple[int, str]] = []
        self._queues: dict[str, deque[Due]] = {}  # by uplink, the one served longest ago first
        self._queued: set[str] = set()
        self._busy: dict[str, int] = {}
        self._running: dict[str, str] = {}
        self._latest_ms = 0
        self._skipped = 0

    def set_nodes(self, nodes: Iterable[tuple[str, str]], now_ms: int) -> None:
        """Take over the inventory as (node id, uplink); nodes that stay keep their slot and their place."""
        wanted = dict(nodes)
        for node_id in self._uplink.keys() - wanted.keys():
            del self._slot[node_id]
        for node_id in wanted.keys() - self._uplink.keys():
            self._give_slot(node_id, now_ms)
        waiting = [one for queue in self._queues.values() for one in queue if one.node_id in wanted]
        self._uplink = wanted
        self._forget_waiting()
        for one in sorted(waiting, key=lambda one: one.due_ms):
            self._enqueue(one)

    def due(self, now_ms: int) -> list[Due]:
        """Everything to start now, at most one poll per node at a time."""
        if now_ms < self._latest_ms - STEP_MS:
            self._start_over(now_ms)  # the clock was set back: old slots lie too far ahead
        self._latest_ms = max(self._latest_ms, now_ms)
        while self._heap and self._heap[0][0] <= now_ms:
            slot_ms, node_id = heapq.heappop(self._heap)
            if self._slot.get(node_id) != slot_ms:
                continue  # of a node that left, or left and came back
            self._give_slot(node_id, now_ms)
            if now_ms - slot_ms >= self._interval_ms:
                continue
            if node_id in self._running or node_id in self._queued:
                self._skipped += 1
            else:
                self._enqueue(Due(node_id, slot_ms))
        return self._admit()

    def finished(self, node_id: str) -> None:
        """A poll ended, well or not."""
        uplink = self._running.pop(node_id, None)
        if uplink is not None:
            self._busy[uplink] -= 1

    def waiting(self) -> int:
        """Nodes that are due and find no place: above zero for long, the interval is too short."""
        return len(self._queued)

    def skipped(self) -> int:
        """Slots so far in which a node was not asked, because its last poll had not ended or not even begun."""
        return self._skipped

    def _enqueue(self, one: Due) -> None:
        self._queued.add(one.node_id)
        self._queues.setdefault(self._uplink[one.node_id], deque()).append(one)

    def _admit(self) -> list[Due]:
        """As many of the waiting as uplinks and the whole allow; uplinks take turns."""
        admitted: list[Due] = []
        for uplink in list(self._queues):
            places = self._places(uplink)
            if places <= 0:
                continue
            queue = self._queues.pop(uplink)
            for _ in range(min(places, len(queue))):
                one = queue.popleft()
                self._queued.discard(one.node_id)
                self._running[one.node_id] = uplink
                self._busy[uplink] = self._busy.get(uplink, 0) + 1
                admitted.append(one)
            if queue:
                self._queues[uplink] = queue
        return admitted

    def _places(self, uplink: str) -> int:
        """Polls that may start now through this uplink; nodes without one share only the whole."""
        free = self._max_in_flight - len(self._running)
        return min(free, self._max_per_uplink - self._busy.get(uplink, 0)) if uplink else free

    def _give_slot(self, node_id: str, now_ms: int) -> None:
        """The next time this node's place in the interval comes round."""
        offset = zlib.crc32(node_id.encode()) % self._interval_ms
        slot_ms = (now_ms - offset) // self._interval_ms * self._interval_ms + offset + self._interval_ms
        self._slot[node_id] = slot_ms
        heapq.heappush(self._heap, (slot_ms, node_id))

    def _forget_waiting(self) -> None:
        self._queues.clear()
        self._queued.clear()

    def _start_over(self, now_ms: int) -> None:
        self._latest_ms = now_ms
        self._forget_waiting()
        self._heap.clear()
        for node_id in self._uplink:
            self._give_slot(node_id, now_ms)
