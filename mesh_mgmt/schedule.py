"""When each node is asked: fixed slots in UTC, spread over the interval, bounded per uplink. Pure, time is given.

A slot that passed while the machine slept is skipped, not made up for: waking up starts no storm.
"""

from __future__ import annotations

import heapq
import zlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass


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
        self._heap: list[tuple[int, str]] = []
        self._waiting: deque[Due] = deque()
        self._busy: dict[str, int] = {}
        self._running: dict[str, str] = {}

    def set_nodes(self, nodes: Iterable[tuple[str, str]], now_ms: int) -> None:
        """Take over the inventory as (node id, uplink); nodes that stay keep their slot."""
        wanted = dict(nodes)
        for node_id in wanted.keys() - self._uplink.keys():
            heapq.heappush(self._heap, (self._slot_after(node_id, now_ms), node_id))
        self._uplink = wanted

    def due(self, now_ms: int) -> list[Due]:
        """Everything to start now, at most one poll per node at a time."""
        if self._heap and self._heap[0][0] > now_ms + 2 * self._interval_ms:
            self._reset(now_ms)  # the clock was set back: old slots lie too far ahead
        while self._heap and self._heap[0][0] <= now_ms:
            slot_ms, node_id = heapq.heappop(self._heap)
            if node_id in self._uplink:
                heapq.heappush(self._heap, (self._slot_after(node_id, now_ms), node_id))
                if now_ms - slot_ms < self._interval_ms:
                    self._waiting.append(Due(node_id, slot_ms))
        return self._admit()

    def finished(self, node_id: str) -> None:
        """A poll ended, well or not."""
        uplink = self._running.pop(node_id, None)
        if uplink is not None:
            self._busy[uplink] -= 1

    def wait_ms(self, now_ms: int, longest_ms: int) -> int:
        """How long nothing new can become due."""
        if not self._heap:
            return longest_ms
        return max(0, min(longest_ms, self._heap[0][0] - now_ms))

    def _admit(self) -> list[Due]:
        """As many of the waiting as uplinks and the whole allow; who waited longer than a slot is dropped."""
        admitted: list[Due] = []
        held: deque[Due] = deque()
        queued: set[str] = set()
        while self._waiting and len(self._running) < self._max_in_flight:
            one = self._waiting.popleft()
            uplink = self._uplink.get(one.node_id)
            if uplink is None or one.node_id in self._running or one.node_id in queued:
                continue
            if uplink and self._busy.get(uplink, 0) >= self._max_per_uplink:
                held.append(one)
                queued.add(one.node_id)
                continue
            self._running[one.node_id] = uplink
            self._busy[uplink] = self._busy.get(uplink, 0) + 1
            admitted.append(one)
        self._waiting.extendleft(reversed(held))
        return admitted

    def _slot_after(self, node_id: str, now_ms: int) -> int:
        """The next time this node's place in the interval comes round."""
        offset = zlib.crc32(node_id.encode()) % self._interval_ms
        return (now_ms - offset) // self._interval_ms * self._interval_ms + offset + self._interval_ms

    def _reset(self, now_ms: int) -> None:
        self._waiting.clear()
        self._heap = [(self._slot_after(node_id, now_ms), node_id) for node_id in self._uplink]
        heapq.heapify(self._heap)
