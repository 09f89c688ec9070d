"""Rates and the cases in which there is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.counters import WRAP32, elapsed_s, rate32_bps, rate64_bps, rebooted


def test_a_64_bit_counter_that_fell_was_reset() -> None:
    assert rate64_bps(1000, 2250, 10.0, 1000) == 1000.0
    assert rate64_bps(1000, 999, 10.0, 1000) is None


@given(st.integers(0, WRAP32 - 1), st.integers(0, 10**8))
def test_a_32_bit_counter_wraps_once_at_a_possible_rate(before: int, octets: int) -> None:
    after = (before + octets) % WRAP32
    assert rate32_bps(before, after, 60.0, 100) == (octets * 8 / 60 if octets * 8 / 60 <= 120_000_000 else None)


def test_a_wrap_that_cannot_be_is_dropped() -> None:
    assert rate32_bps(2**31, 5, 1.0, 10) is None
    assert rate32_bps(2**31, 5, 60.0, None) is None


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((3, 1000), (4, 100), True),
        ((3, 1000), (3, 100), True),
        ((3, 1000), (4, 2000), False),
        ((3, WRAP32 - 10), (3, 50), False),
        ((3, WRAP32 - 10), (4, 50), True),
        ((None, None), (4, 50), False),
    ],
)
def test_reboot_agent_restart_and_wrap_are_told_apart(
    before: tuple[int | None, int | None], after: tuple[int | None, int | None], expected: bool
) -> None:
    assert rebooted(before, after) is expected


def test_time_is_the_agents_own_across_its_wrap() -> None:
    assert elapsed_s(100, 6100) == 60.0
    assert elapsed_s(WRAP32 - 3000, 3000) == 60.0
    assert elapsed_s(6100, 100) is None
    assert elapsed_s(WRAP32 - 80 * 86_400 * 100, 100) is None  # an agent restarted after 417 days has not wrapped
    assert elapsed_s(100, 100) is None
