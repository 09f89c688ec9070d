"""The health table: no flutter between thresholds, down needs N of M, recovery is earned, flapping calms down."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.health import Health, HealthLimits, Reading, Threshold, judge, loss_pct

LIMITS = HealthLimits({"rtt": Threshold(200, 150)})
GOOD = Reading("", {"rtt": 10.0})
LOST = Reading("silent", {})


def run(*readings: Reading, start: Health | None = None) -> list[Health]:
    health, seen = start or Health(), []
    for at, reading in enumerate(readings):
        health = judge(health, reading, LIMITS, at)
        seen.append(health)
    return seen


def test_down_needs_three_of_five_and_recovery_two_in_a_row() -> None:
    states = [health.state for health in run(GOOD, LOST, LOST, LOST, GOOD, GOOD, GOOD, GOOD, GOOD, GOOD)]
    assert states == ["ok", "warning", "warning", "down", "down", "down", "warning", "warning", "ok", "ok"]


def test_one_lost_poll_is_loss_and_not_down() -> None:
    last = run(GOOD, GOOD, LOST)[-1]
    assert (last.state, last.cause) == ("warning", "loss")
    assert loss_pct(last, LIMITS) == 100 / 3


@given(st.lists(st.floats(150, 199.9), max_size=30), st.booleans())
def test_nothing_changes_between_the_thresholds(values: list[float], raised: bool) -> None:
    first = Reading("", {"rtt": 500.0 if raised else 10.0})
    states = [health.state for health in run(first, *(Reading("", {"rtt": value}) for value in values))]
    assert set(states) == {"warning" if raised else "ok"}


def test_flapping_is_named_once_and_ends() -> None:
    bad = Reading("", {"rtt": 500.0})
    states = run(*([GOOD, bad] * 10), *([GOOD] * 25))
    assert states[19].cause == "flapping"
    first = next(at for at, health in enumerate(states) if health.flapping)
    assert {health.state for health in states[first:20]} == {"warning"}
    assert (states[-1].state, states[-1].cause, states[-1].flapping) == ("ok", "", False)


def test_a_node_that_comes_and_goes_is_one_warning_until_it_is_gone_for_good() -> None:
    cycle = [LOST, LOST, LOST, GOOD, GOOD, GOOD]
    states = run(*(cycle * 8), *([LOST] * 6), *([GOOD] * 3))
    first = next(at for at, health in enumerate(states) if health.cause == "flapping")
    assert first < 24
    assert {(health.state, health.cause) for health in states[first:48]} == {("warning", "flapping")}
    assert (states[53].state, states[53].cause) == ("down", "silent")
    assert [health.state for health in states[54:]] == ["down", "down", "warning"]


def test_who_comes_back_is_down_for_the_reason_it_went() -> None:
    refused = Reading("refused", {})
    assert [health.cause for health in run(refused, refused, refused, GOOD)][-1] == "refused"


@given(st.lists(st.sampled_from([GOOD, LOST, Reading("", {"rtt": 500.0}), Reading("refused", {})]), max_size=60))
def test_since_moves_only_with_the_state(readings: list[Reading]) -> None:
    before = Health()
    for health in run(*readings):
        if health.state == before.state:
            assert health.since_ms == before.since_ms
        before = health


ANY = st.lists(st.sampled_from([GOOD, LOST, Reading("", {"rtt": 500.0})]), max_size=80)
CALM = HealthLimits({"rtt": Threshold(200, 150)}, flap_start_pct=1000.0)


@given(ANY)
def test_down_is_n_of_m_and_recovery_is_earned(readings: list[Reading]) -> None:
    health, failed = Health(), list[bool]()
    for reading in readings:
        before, health = health, judge(health, reading, CALM, 0)
        failed.append(bool(reading.failure))
        enough = sum(failed[-5:]) >= 3
        recovered = not any(failed[-2:])
        assert (health.state == "down") == (enough or (before.state == "down" and not recovered))


@given(ANY)
def test_flap_suppression_never_hides_that_a_node_is_gone(readings: list[Reading]) -> None:
    last = run(*readings, *([LOST] * 5))[-1]
    assert (last.state, last.cause) == ("down", "silent")


@given(ANY)
def test_whatever_was_is_over_after_a_calm_window_and_a_calm_memory(readings: list[Reading]) -> None:
    last = run(*readings, *([GOOD] * 25))[-1]
    assert (last.state, last.cause, last.flapping) == ("ok", "", False)
