"""Slots, spread, budget; a sleeping laptop and a jumping clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mesh_mgmt.schedule import Schedule

NODES = [(f"ge-bue-{number:04}", "") for number in range(200)]
MINUTE = 60_000
START = 1_760_000_000_000


def test_every_node_is_asked_once_a_minute_and_they_are_spread() -> None:
    schedule = Schedule(MINUTE)
    schedule.set_nodes(NODES, START)
    asked: dict[str, int] = {}
    busiest = 0
    for second in range(61):
        found = schedule.due(START + second * 1000)
        busiest = max(busiest, len(found))
        for one in found:
            asked[one.node_id] = asked.get(one.node_id, 0) + 1
            schedule.finished(one.node_id)
    assert set(asked) == {node for node, _ in NODES}
    assert busiest < 20


def test_waking_up_starts_no_storm() -> None:
    schedule = Schedule(MINUTE)
    schedule.set_nodes(NODES, START)
    assert schedule.due(START + 8 * 3_600_000) == []
    later = schedule.due(START + 8 * 3_600_000 + MINUTE - 1)
    assert len({one.node_id for one in later}) == len(later) <= len(NODES)


@given(st.integers(-120 * MINUTE, 120 * MINUTE))
def test_a_clock_that_jumps_does_not_stop_polling_and_costs_one_poll_a_node_at_most(jump_ms: int) -> None:
    schedule = Schedule(MINUTE)
    schedule.set_nodes(NODES, START)
    for second in range(61):
        for one in schedule.due(START + second * 1000):
            schedule.finished(one.node_id)
    asked: list[str] = []
    for second in range(62):
        for one in schedule.due(START + MINUTE + jump_ms + second * 1000):
            asked.append(one.node_id)
            schedule.finished(one.node_id)
    assert set(asked) == {node for node, _ in NODES}
    in_time = 62_000 / MINUTE * len(NODES)
    assert len(asked) < in_time + 1.1 * len(NODES)


def test_dead_nodes_do_not_pile_up_and_everybody_gets_a_turn() -> None:
    schedule = Schedule(MINUTE, max_in_flight=10)
    schedule.set_nodes(NODES, START)
    asked: set[str] = set()
    running: list[str] = []
    for second in range(0, 3600, 6):
        running += [one.node_id for one in schedule.due(START + second * 1000)]
        assert len(running) <= 10
        assert schedule.waiting() <= len(NODES)
        asked.update(running)
        for node_id in running:  # six seconds each: half of what the interval would need
            schedule.finished(node_id)
        running.clear()
    assert asked == {node for node, _ in NODES}


def test_a_busy_uplink_does_not_hold_up_the_others() -> None:
    schedule = Schedule(MINUTE, max_per_uplink=2)
    schedule.set_nodes([(node, "slow" if at % 2 else "fast") for at, (node, _) in enumerate(NODES)], START)
    slow = {node for at, (node, _) in enumerate(NODES) if at % 2}
    fast = set()
    for second in range(61):
        for one in schedule.due(START + second * 1000):
            if one.node_id not in slow:
                fast.add(one.node_id)
                schedule.finished(one.node_id)
    assert len(fast) > 90
    assert schedule.waiting() >= len(slow) - 2


def test_a_node_that_leaves_and_comes_back_is_asked_once() -> None:
    schedule = Schedule(MINUTE)
    schedule.set_nodes(NODES[:1], START)
    for turn in range(5):
        schedule.set_nodes([], START + turn)
        schedule.set_nodes(NODES[:1], START + turn)
    found = [one for second in range(61) for one in schedule.due(START + second * 1000)]
    assert len(found) == 1


def test_a_node_that_leaves_while_it_waits_is_not_asked() -> None:
    schedule = Schedule(MINUTE, max_in_flight=0)
    schedule.set_nodes(NODES, START)
    assert schedule.due(START + MINUTE) == []
    schedule.set_nodes(NODES[:7], START + MINUTE)
    assert schedule.waiting() == 7


@given(st.lists(st.integers(0, 3 * MINUTE), max_size=40), st.integers(1, 5))
def test_an_uplink_never_carries_more_than_its_share(steps: list[int], share: int) -> None:
    schedule = Schedule(MINUTE, max_per_uplink=share)
    schedule.set_nodes([(node, f"u{int(node[-1]) % 3}") for node, _ in NODES], START)
    running: dict[str, str] = {}
    now = START
    for step in steps:
        now += step
        for one in schedule.due(now):
            assert one.node_id not in running
            running[one.node_id] = f"u{int(one.node_id[-1]) % 3}"
        for uplink in ("u0", "u1", "u2"):
            assert sum(1 for other in running.values() if other == uplink) <= share
        for node_id in sorted(running)[::2]:
            del running[node_id]
            schedule.finished(node_id)


@given(st.integers(1, 10), st.integers(0, 5_000), st.integers(1, 40), st.integers(1, 30))
def test_a_round_longer_than_the_interval_piles_nothing_up_and_what_is_left_out_is_counted(
    interval_s: int, lasts_ms: int, nodes: int, places: int
) -> None:
    """Every slot of every node was used, still waits or was left out; nobody is asked twice at a time."""
    schedule = Schedule(interval_s * 1000, max_in_flight=places)
    schedule.set_nodes(NODES[:nodes], START)
    running: dict[str, int] = {}
    started, rounds = 0, 6
    for now in range(START, START + rounds * interval_s * 1000 + 1, 50):
        for node_id in [node_id for node_id, ends in running.items() if ends <= now]:
            del running[node_id]
            schedule.finished(node_id)
        for one in schedule.due(now):
            assert one.node_id not in running
            running[one.node_id] = now + lasts_ms
            started += 1
        assert len(running) <= places
        assert len(running) + schedule.waiting() <= nodes
    assert started + schedule.waiting() + schedule.skipped() == rounds * nodes
    if lasts_ms < interval_s * 1000 - 50 and places >= nodes:
        assert schedule.skipped() == 0
