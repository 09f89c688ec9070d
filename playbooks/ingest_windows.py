"""Which uplinks of a device were seen: a window of counters per session, told apart by session and time. Pure.

A repeat carries the time of its original, so it is never newer than the newest one seen. A counter that falls and
is newer means that the device has started to count again.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from local_store.hearing import NOBODY, Heard

WIDTH = 64
_FULL = (1 << WIDTH) - 1
LONGEST_JUMP = 16_384  # LoRaWAN 1.0.3 MAX_FCNT_GAP: further ahead is another count, not that many lost uplinks
JOINED = -1


class Window(msgspec.Struct, frozen=True, array_like=True):
    """Counters seen in one session: the highest, those just below it as bits (bit 0 = the highest itself),
    the first from which gaps are counted, and the newest time."""

    session: str
    top: int
    seen: int
    first: int
    newest_ms: int


class Memory(msgspec.Struct, frozen=True, array_like=True):
    """The current session of a device and the one before it, whose late uplinks may still come."""

    now: Window | None = None
    before: Window | None = None


class Verdict(NamedTuple):
    """Whether an uplink is new, by how much the number of missing ones changes, and what to remember."""

    new: bool
    gaps: int
    memory: Memory


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """A memory and who heard the device, as `local_store.hearing` reads it."""

    now: Window | None = None
    before: Window | None = None
    heard: Heard = NOBODY


EMPTY = Memory()
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Kept).decode


def to_bytes(memory: Memory, heard: Heard) -> bytes:
    """As kept in `sensor_state.dedup`."""
    return _encode(_Kept(memory.now, memory.before, heard))


def from_bytes(kept: bytes) -> tuple[Memory, Heard]:
    """As read from `sensor_state.dedup`, where empty means never seen."""
    if not kept:
        return EMPTY, NOBODY
    found = _decode(kept)
    return Memory(found.now, found.before), found.heard


def joined(memory: Memory, session: str, at_ms: int) -> Memory:
    """A join starts a session whose counter begins at 0; an old or repeated join changes nothing."""
    now = memory.now
    if now is None:
        return Memory(Window(session, JOINED, 0, JOINED, at_ms))
    known = session == now.session or (memory.before is not None and session == memory.before.session)
    if known or at_ms < now.newest_ms:
        return memory
    return Memory(Window(session, JOINED, 0, JOINED, at_ms), now)


def judge(memory: Memory, session: str, counter: int, at_ms: int | None) -> Verdict:
    """Judge one uplink; `at_ms` is None when the message has no time of its own."""
    now, before = memory.now, memory.before
    if now is None:
        return Verdict(True, 0, Memory(_start(session, counter, at_ms)))
    if before is not None and session == before.session and _late(now, before, at_ms):
        new, gaps, window = _within(before, counter, at_ms)
        return Verdict(new, gaps, Memory(now, window))
    if session == now.session and not _counts_again(now, counter, at_ms):
        new, gaps, window = _within(now, counter, at_ms)
        return Verdict(new, gaps, Memory(window, before))
    if session != now.session and at_ms is not None and at_ms < now.newest_ms:
        return Verdict(False, 0, memory)  # of a session older than both we remember
    return Verdict(True, 0, Memory(_start(session, counter, at_ms), now))


def _start(session: str, counter: int, at_ms: int | None) -> Window:
    return Window(session, counter, 1, counter, at_ms or 0)


def _late(now: Window, before: Window, at_ms: int | None) -> bool:
    """Whether an uplink of the session before is meant; with one name for both the time decides."""
    return before.session != now.session or (at_ms is not None and at_ms <= before.newest_ms)


def _counts_again(window: Window, counter: int, at_ms: int | None) -> bool:
    """Whether the device began a new count under the same session: rebooted, or its server reset it."""
    if counter > window.top:
        return window.top != JOINED and counter - window.top > LONGEST_JUMP
    below = window.top - counter
    lacking = below < WIDTH and not window.seen >> below & 1
    return at_ms is not None and at_ms > window.newest_ms and not lacking


def _within(window: Window, counter: int, at_ms: int | None) -> tuple[bool, int, Window]:
    newest_ms = max(window.newest_ms, at_ms or 0)
    ahead = counter - window.top
    if ahead > 0:
        seen = ((window.seen << ahead) & _FULL | 1) if ahead < WIDTH else 1
        return True, ahead - 1, Window(window.session, counter, seen, window.first, newest_ms)
    if -ahead >= WIDTH or window.seen >> -ahead & 1:
        return False, 0, window
    seen = window.seen | 1 << -ahead
    return True, -1 if counter > window.first else 0, Window(window.session, window.top, seen, window.first, newest_ms)
