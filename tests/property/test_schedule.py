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


def test_a_clock_set_back_does_not_stop_polling() -> None:
    schedule = Schedule(MINUTE)
    schedule.set_nodes(NODES, START)
    asked = set()
    for second in range(62):
        for one in schedule.due(START - 30 * MINUTE + second * 1000):
            asked.add(one.node_id)
            schedule.finished(one.node_id)
    assert len(asked) == len(NODES)


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
