"""A rollout while a technician holds some of its nodes: nobody is forgotten, nobody is touched twice."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from local_store import rollouts
from local_store.db import Store
from local_store.errors import StoreRefused
from mesh_mgmt.rollout_states import State
from playbooks.firmware import field, lease_files, observe
from playbooks.firmware.lease_files import Lease, NotALease
from playbooks.firmware.planning import decode, make
from playbooks.firmware.runner import Runner
from tests.sim.field_pair import HOUR_MS, LAPTOP_KEY, Two, ended, nothing_else_until_proven, rollout_of, rows_of
from tests.sim.rollout_fleet import NEW, QUICK, Fleet, decide, go, planned, runner, tree

DAY_MS = 24 * HOUR_MS


def passed(two: Two, wave: int) -> Callable[[], bool]:
    return lambda: two.console.read(lambda cx: rollouts.waves(cx, two.rollout_id))[wave - 1].state == "passed"


def unused(two: Two, lease: Lease) -> None:
    """The technician comes home without having begun."""
    decide(two.laptop, two.fleet, "abort", lease.lease_id, "tina")
    assert dict(two.bring_back(lease).taken) == {one.row.node_id: State.PENDING for one in lease.nodes}


def rests(two: Two, run: Runner, seconds: int = 1800) -> None:
    """Look for a while, whatever happens."""
    for _ in range(seconds // 5):
        two.fleet.now_ms += 5_000
        run.tick()


@pytest.mark.parametrize("way", ["merge", "reclaim"])
def test_a_node_that_comes_back_unused_after_its_wave_goes_with_a_later_one(two: Two, way: str) -> None:
    name = next(row.node_id for row in rows_of(two.console, two.rollout_id) if row.wave == 2)
    lease = two.give(name)
    two.take(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)
    go(run, two.fleet, passed(two, 2))
    assert two.state(name) == State.FIELD
    if way == "merge":
        unused(two, lease)
    else:
        two.fleet.now_ms += 4 * HOUR_MS
        field.reclaim(two.console, lease.lease_id, two.fleet.open_node, "anna", two.fleet.now_ms)
    go(run, two.fleet, lambda: ended(two.console, two.rollout_id))
    assert rollout_of(two.console, two.rollout_id).state == "complete"
    assert len(two.fleet.nodes[name].flashes) == 1


def test_canaries_in_the_field_are_waited_for_and_prove_their_board(two: Two) -> None:
    first = [row.node_id for row in rows_of(two.console, two.rollout_id) if row.wave == 1]
    lease = two.give(*first)
    two.take(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    rests(two, runner(two.console, two.fleet))
    assert (rollout_of(two.console, two.rollout_id).state, two.fleet.flashes()) == ("running", {})
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, lease.lease_id))
    two.bring_back(lease)
    go(runner(two.console, two.fleet), two.fleet, lambda: ended(two.console, two.rollout_id))
    assert rollout_of(two.console, two.rollout_id).state == "complete"


def test_canaries_that_come_back_unused_are_tried_by_the_console(two: Two) -> None:
    first = [row.node_id for row in rows_of(two.console, two.rollout_id) if row.wave == 1]
    lease = two.give(*first)
    two.take(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    rests(two, runner(two.console, two.fleet))
    unused(two, lease)
    go(runner(two.console, two.fleet), two.fleet, lambda: ended(two.console, two.rollout_id))
    assert two.fleet.runs_new() == set(two.fleet.uplinks)


def test_a_rollout_does_not_end_while_somebody_holds_a_node_of_it(two: Two) -> None:
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)
    last = rows_of(two.console, two.rollout_id)[-1].wave
    go(run, two.fleet, passed(two, last - 1), step_ms=1_000)
    lease = two.give("g0", "g1")
    two.take(lease)
    rests(two, run)
    assert {row.state for row in rows_of(two.console, two.rollout_id)} == {"confirmed", "field"}
    assert rollout_of(two.console, two.rollout_id).state == "running"
    unused(two, lease)
    go(run, two.fleet, lambda: ended(two.console, two.rollout_id))
    assert [len(two.fleet.nodes[name].flashes) for name in ("g0", "g1")] == [1, 1]


def test_while_a_laptop_holds_a_gateway_no_other_gateway_restarts(two: Two) -> None:
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)
    last = rows_of(two.console, two.rollout_id)[-1].wave
    go(run, two.fleet, passed(two, last - 1), step_ms=1_000)
    lease = two.give("g1")
    two.take(lease)
    rests(two, run)
    row = two.console.read(lambda cx: rollouts.node(cx, two.rollout_id, "g0"))
    assert row is not None
    assert (row.state, row.reason, row.detail, row.tries) == (State.DEFERRED, "waits_for", "g1", 0)
    unused(two, lease)
    go(run, two.fleet, lambda: ended(two.console, two.rollout_id))
    assert two.fleet.runs_new() == set(two.fleet.uplinks)


def test_a_node_that_carries_others_is_given_out_only_with_them_or_after_them(two: Two) -> None:
    with pytest.raises(StoreRefused, match="n00 carries n06, not upgraded yet"):
        two.give("n00")
    lease = two.give("n00", "n06")
    assert [batch for wave in decode(lease.plan).waves for batch in wave.batches] == [("n06",), ("n00",)]


def test_a_second_lease_of_a_node_makes_the_first_ones_return_stale(two: Two) -> None:
    first = two.give("n05")
    two.take(first)
    unused(two, first)
    second = two.give("n05")
    two.take(second)
    assert two.bring_back(first).known == ("n05",)
    assert two.state("n05") == State.FIELD
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, second.lease_id))
    assert dict(two.bring_back(second).taken) == {"n05": State.CONFIRMED}
    assert len(two.fleet.nodes["n05"].flashes) == 1


def test_nothing_else_restarts_while_a_node_a_laptop_left_in_mid_upgrade_is_on_its_way(two: Two) -> None:
    lease = two.give("n05")
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: two.state("n05", two.laptop, lease.lease_id) == State.DARK)
    two.bring_back(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    nothing_else_until_proven(two, runner(two.console, two.fleet), "n05")


def test_a_node_that_comes_back_while_its_wave_is_watched_still_goes_with_it(two: Two) -> None:
    """The last wave waits for those in the field; one more may come back when it is watched already."""
    other = rows_of(two.console, two.rollout_id)[-1]
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)
    last = other.wave

    def soaks() -> bool:
        return two.console.read(lambda cx: rollouts.waves(cx, two.rollout_id))[last - 1].state == "soak"

    go(run, two.fleet, soaks, step_ms=1_000)
    row = next(row for row in rows_of(two.console, two.rollout_id) if row.node_id == "n05")
    two.console.ops.write(lambda cx: rollouts.change_node(cx, row, state="tested"))  # lost, then found untouched
    go(run, two.fleet, lambda: ended(two.console, two.rollout_id))
    assert two.state("n05") in {State.CONFIRMED, State.SKIPPED}


def test_no_other_rollout_touches_a_node_a_laptop_holds(two: Two) -> None:
    second = planned(two.console, two.fleet)
    lease = two.give("n05")
    two.take(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    decide(two.console, two.fleet, "abort", two.rollout_id)
    with pytest.raises(StoreRefused, match=r"n05 is in the field with tina for R-0001.*lease reclaim L-0001"):
        decide(two.console, two.fleet, "start", second.rollout_id)
    facts = two.console.read(lambda cx: observe.facts(cx, [two.fleet.image]))
    plan = make(facts, NEW[0], QUICK, now_ms=two.fleet.now_ms)
    assert [(one.node, one.reason) for one in plan.excluded] == [("n05", "leased")]
    with pytest.raises(StoreRefused, match="n05 is in the field with tina"):
        two.give_of(second.rollout_id, "n05")
    unused(two, lease)
    decide(two.console, two.fleet, "start", second.rollout_id)
    third = planned(two.console, two.fleet)
    with pytest.raises(StoreRefused, match="R-0002 still works on n06"):
        two.give_of(third.rollout_id, "n06")


def test_a_laptop_whose_clock_stands_before_the_lease_takes_nothing(two: Two) -> None:
    lease = two.give("n05")
    two.fleet.now_ms -= HOUR_MS
    own = lease_files.public_hex(LAPTOP_KEY)
    with pytest.raises(NotALease, match="this laptop's clock says"):
        two.laptop.ops.write(lambda cx: field.take(cx, lease, own, "tina", two.fleet.now_ms))


def test_a_laptop_whose_clock_was_set_back_flashes_nothing_until_it_is_right(two: Two) -> None:
    lease = two.give("n05", hours=48)
    two.take(lease)
    right_ms = two.fleet.now_ms
    two.fleet.now_ms -= 30 * DAY_MS
    go(two.laptop_runner(), two.fleet, lambda: rollout_of(two.laptop, lease.lease_id).state == "paused")
    assert rollout_of(two.laptop, lease.lease_id).pause_reason == "clock"
    assert not two.fleet.flashes()
    two.fleet.now_ms = right_ms + HOUR_MS
    decide(two.laptop, two.fleet, "resume", lease.lease_id, "tina")
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, lease.lease_id))
    assert len(two.fleet.nodes["n05"].flashes) == 1


def test_an_upgraded_node_taken_back_has_time_to_answer(two: Two) -> None:
    """Its way to us may be gone again when the console looks next: one silent look loses nobody."""
    lease = two.give("n05", hours=1)
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, lease.lease_id))
    two.fleet.now_ms += 2 * HOUR_MS
    field.reclaim(two.console, lease.lease_id, two.fleet.open_node, "anna", two.fleet.now_ms)
    decide(two.console, two.fleet, "start", two.rollout_id)
    two.fleet.no_login.add("n05")
    run = runner(two.console, two.fleet)
    for _ in range(6):
        two.fleet.now_ms += 5_000
        run.tick()
    assert two.state("n05") == State.BOOTED
    two.fleet.no_login.clear()
    go(run, two.fleet, lambda: two.state("n05") == State.CONFIRMED)


def test_boards_without_a_proven_canary_go_on_one_by_one_once_a_person_agrees(store: Store) -> None:
    fleet = Fleet(tree(10))
    row = planned(store, fleet, replace(QUICK, max_tries=1, failure_pct=100.0))
    first = {one.node_id for one in rows_of(store, row.rollout_id) if one.wave == 1}
    fleet.cut |= first
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: rollout_of(store, row.rollout_id).state == "paused")
    assert (rollout_of(store, row.rollout_id).pause_reason, fleet.flashes()) == ("canaries", {})
    with pytest.raises(StoreRefused, match=r"since no canary was proven.*--confirm"):
        decide(store, fleet, "resume", row.rollout_id)
    left = sum(one.state in {"pending", "deferred"} for one in rows_of(store, row.rollout_id))
    decide(store, fleet, "resume", row.rollout_id, confirm=left)

    def one_proven() -> bool:
        proven = any(one.state == State.CONFIRMED for one in rows_of(store, row.rollout_id))
        assert proven or len(fleet.flashes()) <= 1, "a second one before the first is proven"
        return proven

    go(run, fleet, one_proven)
    go(run, fleet, lambda: rollout_of(store, row.rollout_id).state in rollouts.ENDED)
    assert fleet.flashes().keys().isdisjoint(first)
    assert len(fleet.flashes()) > 1
    assert "canaries acme,ap5" in [one.what for one in store.read(lambda cx: rollouts.approvals(cx, row.rollout_id))]
