"""The gates: silence counts, numbers are honest, and windows end when the city's clocks say so."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.gates import (
    Health,
    Member,
    Window,
    alarms,
    backup,
    budget,
    dark,
    health,
    latest_start,
    longest_s,
    next_window,
    on_call,
    passed,
    redundancy,
    shows_rate_below,
    window_end,
)
from mesh_mgmt.rollout_states import FAILURES, State

NIGHT = Window("01:00", "05:00", "Europe/Berlin")
HOUR_MS = 3_600_000


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@given(st.lists(st.sampled_from(sorted(State)), min_size=1, max_size=60), st.floats(0, 20))
def test_the_budget_holds_exactly_while_failures_are_within_it(states: list[State], pct: float) -> None:
    members = [Member(str(number), 1, "m", "", State(state)) for number, state in enumerate(states)]
    failed = sum(state in FAILURES for state in states)
    assert passed(budget(members, 1, pct)) == (failed <= int(len(states) * pct / 100))


@given(st.lists(st.sampled_from(sorted(State)), min_size=1, max_size=30), st.integers(0, 30))
def test_one_more_silent_node_never_helps(states: list[State], where: int) -> None:
    members = [Member(str(number), 1, "m", "", State(state)) for number, state in enumerate(states)]
    worse = list(members)
    spot = where % len(members)
    worse[spot] = Member(members[spot].node, 1, "m", "", State.LOST)
    assert passed(budget(worse, 1, 5.0)) <= passed(budget(members, 1, 5.0))


def test_a_model_that_fails_everywhere_halts_even_in_a_large_wave() -> None:
    many = [Member(f"a{number}", 1, "a", "", State.CONFIRMED) for number in range(200)]
    few = [Member(f"b{number}", 1, "b", "", State.LOST) for number in range(2)]
    checks = budget([*many, *few], 1, 2.0)
    assert [(check.what, check.ok) for check in checks] == [
        ("failures_wave", True), ("failures_model a", True), ("failures_model b", False),
    ]  # fmt: skip
    assert passed(budget([*many, *few], 1, 2.0, accepted=2))


@pytest.mark.parametrize(("good", "below"), [(20, 13.9), (59, 5.0), (0, 100.0)])
def test_canaries_show_only_so_much(good: int, below: float) -> None:
    assert shows_rate_below(good) == pytest.approx(below, abs=0.06)


@given(st.integers(0, 40), st.integers(0, 40), st.floats(-90, -30), st.floats(-90, -30))
def test_health_wants_the_neighbours_back_and_the_signal_kept(
    before: int, after: int, signal: float, now: float
) -> None:
    checks = health(Health({"5": before}, {"5": signal}), Health({"5": after}, {"5": now}))
    assert passed(checks) == (after >= 0.9 * before and signal - now < 6)


def test_a_band_nobody_is_heard_on_any_more_is_missed() -> None:
    assert not passed(health(Health({"5": 3, "60": 1}), Health({"5": 9})))


@pytest.mark.parametrize(
    ("now", "hours_left"),
    [
        ("2026-01-15T00:00", 4),  # 01:00 in winter
        ("2026-07-15T00:00", 3),  # 02:00 in summer
        ("2026-03-29T00:00", 3),  # the night that lacks 02:00 to 03:00
        ("2026-10-24T23:00", 5),  # the night that has it twice
        ("2026-01-15T04:00", None),
        ("2026-01-14T23:59", None),
    ],
)
def test_a_window_ends_by_the_citys_clock(now: str, hours_left: int | None) -> None:
    end = window_end((NIGHT,), at(now))
    assert (None if end is None else (end - at(now)) / HOUR_MS) == hours_left


def test_a_window_over_midnight_belongs_to_the_day_it_begins_on() -> None:
    friday = Window("22:00", "02:00", "UTC", days=(5,))
    assert window_end((friday,), at("2026-01-17T01:00")) == at("2026-01-17T02:00")
    assert window_end((friday,), at("2026-01-18T01:00")) is None
    assert next_window((friday,), at("2026-01-17T03:00")) == at("2026-01-23T22:00")


def test_the_longest_window_counts_also_over_midnight_and_round_the_clock() -> None:
    assert longest_s((Window("22:00", "02:00"), Window("01:00", "01:05"))) == 4 * 3600
    assert longest_s((Window("03:00", "03:00"),)) == 24 * 3600
    assert longest_s(()) == 0


@given(st.integers(0, 366 * 24 * 60), st.integers(1, 8 * 60))
def test_what_may_start_also_ends_inside(minute: int, takes_min: int) -> None:
    now_ms = at("2026-01-01T00:00") + minute * 60_000
    takes_ms = takes_min * 60_000
    check = latest_start((NIGHT,), now_ms, takes_ms)
    end = window_end((NIGHT,), now_ms)
    assert check.ok == (end is not None and now_ms + takes_ms < end)
    if check.ok:
        assert window_end((NIGHT,), now_ms + takes_ms - 1) == end


@pytest.mark.parametrize(
    ("read_ms", "restorable", "age_s", "ok"),
    [(9_001, True, 1, True), (9_000, True, 1, False), (None, False, 1, False), (9_999, False, 1, False),
     (None, False, 0, True)],
)  # fmt: skip
def test_a_backup_is_fresh_and_whole_or_waived(read_ms: int | None, restorable: bool, age_s: int, ok: bool) -> None:
    assert backup(read_ms, restorable, age_s, 10_000).ok == ok


names = st.sets(st.sampled_from("abcdefgh"))


@given(names, names, st.integers(0, 8), st.integers(0, 8))
def test_the_dark_are_counted_with_those_who_are_already(
    going: set[str], already: set[str], in_all: int, per_district: int
) -> None:
    district_of = {name: "west" if name < "e" else "" for name in "abcdefgh"}
    gone = going | already
    west = {name for name in gone if district_of[name] == "west"}
    touches = any(district_of[name] for name in going)
    wanted = len(gone) <= in_all and (not touches or len(west) <= per_district)
    assert passed(dark(going, already, district_of, in_all, per_district)) == wanted
    assert passed(dark(going, already, district_of, None, None))


def test_nobody_loses_a_second_way_that_was_not_told() -> None:
    assert redundancy({"a"}, {"a", "b"}).ok
    assert not redundancy({"a", "c"}, {"a", "b"}).ok
    assert redundancy({"a", "c"}, {"a", "b"}).seen == "c"


def test_a_cut_node_wants_somebody_on_call() -> None:
    assert on_call((), "").ok
    assert on_call(("a",), "tina").ok
    assert not on_call(("a",), " ").ok


def test_alarms_may_fall_but_not_rise() -> None:
    assert [alarms(2, now).ok for now in (1, 2, 3)] == [True, True, False]


@pytest.mark.parametrize(("lost", "ok"), [(1, True), (2, False)])
def test_two_failures_behind_one_cut_node_halt_where_the_wave_would_not(lost: int, ok: bool) -> None:
    many = [Member(f"a{number}", 1, "a", "", State.CONFIRMED) for number in range(200)]
    few = [Member(f"b{number}", 1, "a", "", State.LOST if number < lost else State.CONFIRMED) for number in range(9)]
    behind = {"cut": frozenset(one.node for one in few), "other": frozenset({"a1", "a2"})}
    assert passed(budget([*many, *few], 1, 2.0))
    assert passed(budget([*many, *few], 1, 2.0, behind=behind)) == ok
    assert passed(budget([*many, *few], 1, 2.0, accepted=lost, behind=behind))
