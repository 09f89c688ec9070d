"""How links count what their two ends say: rounds, flapping, and ends that cannot tell."""

from __future__ import annotations

from device_drivers.capabilities import NeighbourSeen
from local_store.mesh_records import LinkState
from local_store.records import Node
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.links import Links, Report

MACS = {"a": "02:00:00:00:00:01", "b": "02:00:00:00:00:02"}


class Pair:
    """Two nodes and their link, minute by minute."""

    def __init__(self) -> None:
        self.links = Links(HealthLimits())
        self.links.set_nodes(Node(name, name, "127.0.0.1", "mesh") for name in MACS)
        self.minute = 0
        self.states: list[str] = []

    def told(self, heard: bool, *ends: str) -> None:
        """A round in which these ends report, or both."""
        self.minute += 1
        for end in ends or MACS:
            far = MACS["b" if end == "a" else "a"]
            seen = [NeighbourSeen("batadv", "mesh0", MACS[end], far, "5", quality_pct=80.0)] if heard else []
            report = Report(end, self.minute * 60_000, {"mesh0": MACS[end]}, seen)
            for link in self.links.take(report).links.values():
                self.states.append(link.state)

    def link(self) -> LinkState:
        """Theirs."""
        return self.links.links()[0]


def test_three_rounds_there_three_rounds_gone_is_flapping_though_two_ends_report() -> None:
    pair = Pair()
    pair.told(True)
    for _ in range(4):
        for heard in (False, False, False, True, True, True):
            pair.told(heard)
    assert pair.states[-1] == "flapping"
    assert "down" in pair.states, "at first it was only down"
    for _ in range(20):
        pair.told(True)
    assert pair.states[-1] == "up"


def test_an_end_that_falls_silent_leaves_the_counting_to_the_other() -> None:
    pair = Pair()
    pair.told(True)
    for _ in range(6):
        for heard in (False, False, False, True, True, True):
            pair.told(heard, "b")
    assert pair.states[-1] == "flapping"


def test_one_outage_is_no_flapping() -> None:
    pair = Pair()
    for heard in (True, True, False, False, False, True, True):
        pair.told(heard)
    assert "flapping" not in pair.states
    assert pair.states[-1] == "up"


def test_a_node_that_never_named_anybody_contradicts_nobody() -> None:
    pair = Pair()
    for _ in range(4):
        pair.told(False, "b")
        pair.told(True, "a")
    assert (pair.link().state, pair.link().conflict) == ("up", "")
    pair.told(True, "b")
    for _ in range(3):
        pair.told(True, "a")
        pair.told(False, "b")
    assert pair.link().conflict == "one_sided", "it can tell, and does not hear what the other hears"


def test_the_counting_goes_on_after_a_restart() -> None:
    pair = Pair()
    pair.told(True)
    for _ in range(4):
        for heard in (False, False, False, True, True, True):
            pair.told(heard)
    before = pair.links.links()
    pair.links = Links(HealthLimits())
    pair.links.restore(before, [])
    pair.links.set_nodes(Node(name, name, "127.0.0.1", "mesh") for name in MACS)
    pair.told(True)
    assert pair.link().state == "flapping"
