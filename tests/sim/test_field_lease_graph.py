"""What a laptop holds may restart at any moment: what the console may do beside it."""

from __future__ import annotations

from local_store import rollouts
from local_store.rollout_rows import NodeRow
from mesh_mgmt.rollout_states import State
from mesh_mgmt.topology import Link, Topology, build
from playbooks.firmware.batches import Around, choose, cut_by
from tests.sim.field_pair import Two, ended, nothing_else_until_proven, rows_of
from tests.sim.rollout_fleet import QUICK, decide, go, runner


def row(name: str, state: str = "pending", board: str = "acme,ap5") -> NodeRow:
    return NodeRow("R-0001", name, f"op-{name}", 1, state, 0, board, board, "", "aa")


def diamond() -> Topology:
    """`c` has two ways, over `a` and over `b`; `d` hangs on `a` alone."""
    pairs = [("a", "g"), ("b", "g"), ("a", "c"), ("b", "c"), ("a", "d")]
    return build("abcdg", "g", [Link(one, two, "wired") for one, two in pairs])


def test_without_leases_both_ways_may_go_before_the_node_behind_them() -> None:
    found = choose([row("b"), row("c", "confirmed"), row("d")], 1, diamond(), QUICK, Around(), 0)
    assert set(found.batch) == {"b", "d"}


def test_the_other_way_of_a_node_waits_while_a_laptop_may_restart_the_first() -> None:
    rows = [row("a", "field"), row("b"), row("c"), row("d")]
    found = choose(rows, 1, diamond(), QUICK, Around(), 0)
    assert (found.batch, dict(found.held)) == (("c",), {"b": "waits_for c", "d": "waits_for a"})


def test_the_last_look_counts_on_no_leased_node() -> None:
    rows = [row("a", "field"), row("b", "tested"), row("c")]
    assert cut_by(diamond(), rows, {"b"}) == {"c"}
    assert cut_by(diamond(), [row("a", "confirmed"), *rows[1:]], {"b"}) == set()


def test_of_an_unproven_board_one_node_goes_at_a_time() -> None:
    rows = [row("b"), row("c"), row("d"), row("a", board="other,one")]
    free = build("abcdg", "g", [Link(one, "g", "wired") for one in "abcd"])
    assert set(choose(rows, 1, free, QUICK, Around(), 0).batch) == set("abcd")
    assert choose(rows, 1, free, QUICK, Around(alone=frozenset({"acme,ap5"})), 0).batch == ("a", "b")


def test_a_batch_that_is_ready_waits_for_what_comes_back_in_mid_upgrade(two: Two) -> None:
    lease = two.give("n05")
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: two.state("n05", two.laptop, lease.lease_id) == State.DARK)
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)

    def ready() -> bool:
        return any(one.state == State.TESTED and one.batch for one in rows_of(two.console, two.rollout_id))

    go(run, two.fleet, ready, step_ms=1_000)
    two.bring_back(lease)
    nothing_else_until_proven(two, run, "n05")


def test_a_node_left_in_mid_upgrade_long_ago_has_time_to_answer(two: Two) -> None:
    lease = two.give("n05")
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: two.state("n05", two.laptop, lease.lease_id) == State.DARK)
    two.fleet.now_ms += 7_200_000
    two.fleet.no_login.add("n05")
    two.bring_back(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)
    for _ in range(6):
        two.fleet.now_ms += 5_000
        run.tick()
    assert two.state("n05") == State.DARK
    two.fleet.no_login.clear()
    go(run, two.fleet, lambda: two.state("n05") == State.CONFIRMED)


def set_state(two: Two, name: str, state: str) -> None:
    """As if it had been lost and seen again."""
    (here,) = [one for one in rows_of(two.console, two.rollout_id) if one.node_id == name]
    deadline_ms = two.fleet.now_ms + 600_000
    two.console.ops.write(lambda cx: rollouts.change_node(cx, here, state=state, deadline_ms=deadline_ms))


def test_a_wave_does_not_close_over_a_node_that_is_seen_again(two: Two) -> None:
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)

    def watched() -> bool:
        return two.console.read(lambda cx: rollouts.waves(cx, two.rollout_id))[-1].state == "soak"

    go(run, two.fleet, watched, step_ms=1_000)
    set_state(two, "n05", "booted")
    go(run, two.fleet, lambda: ended(two.console, two.rollout_id), step_ms=1_000)
    assert {one.state for one in rows_of(two.console, two.rollout_id)} == {State.CONFIRMED}


def test_nobody_loses_a_try_behind_a_node_that_is_on_its_way(two: Two) -> None:
    """Seen again after it was lost, a node restarts outside any batch; who hangs on it is not given up for that."""
    set_state(two, "n00", "booted")
    two.fleet.no_login.add("n00")
    decide(two.console, two.fleet, "start", two.rollout_id)
    run = runner(two.console, two.fleet)
    for _ in range(60):
        two.fleet.now_ms += 5_000
        run.tick()
    assert {one.tries for one in rows_of(two.console, two.rollout_id)} == {0}
