"""The hybrid logical clock: order by cause under any wall clock, and no dragging along."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_store import hlc
from local_store.errors import StoreRefused
from local_store.hlc import MAX_AHEAD_MS, Stamp, StampAhead

NAMES = st.sampled_from([f"{n:016x}" for n in (0, 1, 2**64 - 1)])
TIMES = st.integers(0, 2**44)
STAMPS = st.builds(Stamp, TIMES, st.integers(0, 0xFFFF), NAMES)


@given(STAMPS, STAMPS)
def test_text_sorts_as_the_stamps_do(one: Stamp, other: Stamp) -> None:
    assert (one < other) == (one.text() < other.text())
    assert hlc.parse(one.text()) == one


@given(STAMPS, st.lists(TIMES, min_size=1, max_size=30))
def test_a_local_clock_only_goes_forward_whatever_the_wall_says(start: Stamp, walls: list[int]) -> None:
    last = start
    for now_ms in walls:
        after = hlc.tick(last, now_ms)
        assert after > last
        assert after.replica == start.replica
        assert after.ms >= now_ms
        last = after


@given(STAMPS, STAMPS, TIMES)
def test_what_was_received_is_before_what_follows(last: Stamp, remote: Stamp, now_ms: int) -> None:
    if remote.ms > max(now_ms + MAX_AHEAD_MS, last.ms):
        with pytest.raises(StampAhead):
            hlc.receive(last, remote, now_ms)
        return
    after = hlc.receive(last, remote, now_ms)
    assert after > last
    assert after.ms > remote.ms or (after.ms, after.counter) > (remote.ms, remote.counter)
    assert after.replica == last.replica
    assert after.ms <= max(now_ms + MAX_AHEAD_MS, last.ms) + 1


def test_a_jump_back_only_raises_the_counter() -> None:
    last = hlc.tick(hlc.start("0" * 16), 10_000)
    assert hlc.tick(last, 5_000) == Stamp(10_000, 1, "0" * 16)


def test_a_full_counter_carries_into_the_time() -> None:
    assert hlc.tick(Stamp(10, 0xFFFF, "0" * 16), 9) == Stamp(11, 0, "0" * 16)


@pytest.mark.parametrize("text", ["", "abc", "0" * 34, f"{0:012x}-{0:04x}-xyz", f"{0:012X}-{0:04x}-{'A' * 16}"])
def test_what_is_no_stamp_is_refused(text: str) -> None:
    with pytest.raises(StoreRefused, match="no clock stamp"):
        hlc.parse(text)
