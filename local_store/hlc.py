"""Hybrid logical clock: stamps that sort by cause even where wall clocks are wrong. Pure.

After Kulkarni et al., "Logical Physical Clocks" (2014), section 3: 48 bits of milliseconds, 16 bits of counter.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from local_store.errors import StoreRefused

MAX_AHEAD_MS = 5 * 60_000
_MAX_COUNTER = 0xFFFF
_TEXT = re.compile(r"([0-9a-f]{12})-([0-9a-f]{4})-([0-9a-f]{16})")


class Stamp(NamedTuple):
    """One point of the clock; compares by time, then counter, then replica."""

    ms: int
    counter: int
    replica: str

    def text(self) -> str:
        """Fixed-width hexadecimal, so that text sorts as the stamp does."""
        return f"{self.ms:012x}-{self.counter:04x}-{self.replica}"


class StampAhead(StoreRefused):
    """A remote stamp too far in the future: taking it would drag this clock along."""


def parse(text: str) -> Stamp:
    """Read a stamp. Raises StoreRefused when the text is none."""
    match = _TEXT.fullmatch(text)
    if match is None:
        raise StoreRefused(f"{text!r} is no clock stamp: expected 12, 4 and 16 hexadecimal digits joined by '-'")
    return Stamp(int(match[1], 16), int(match[2], 16), match[3])


def start(replica: str) -> Stamp:
    """The clock of a replica that has done nothing yet."""
    return Stamp(0, 0, replica)


def _after(ms: int, counter: int, replica: str) -> Stamp:
    """The next counter; a full one carries into the milliseconds."""
    return Stamp(ms, counter + 1, replica) if counter < _MAX_COUNTER else Stamp(ms + 1, 0, replica)


def tick(last: Stamp, now_ms: int) -> Stamp:
    """The stamp of a local event: greater than `last`. A clock that jumped back only raises the counter."""
    if now_ms > last.ms:
        return Stamp(now_ms, 0, last.replica)
    return _after(last.ms, last.counter, last.replica)


def receive(last: Stamp, remote: Stamp, now_ms: int) -> Stamp:
    """The stamp after taking in a remote event: greater than both.

    Raises StampAhead when the remote stamp is more than five minutes ahead of wall time and of this clock.
    """
    if remote.ms > max(now_ms + MAX_AHEAD_MS, last.ms):
        raise StampAhead(
            f"an operation of {remote.replica} is stamped {(remote.ms - now_ms) // 1000} s ahead of this clock, "
            f"{MAX_AHEAD_MS // 1000} s are taken: correct the clock there or here, then take it again"
        )
    if now_ms > max(last.ms, remote.ms):
        return Stamp(now_ms, 0, last.replica)
    ms, counter, _ = max(last, remote)
    return _after(ms, counter, last.replica)
