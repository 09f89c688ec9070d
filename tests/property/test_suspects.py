"""Whatever dies in whatever mesh, and in whatever order it is noticed: only causes are ever called down."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from mesh_mgmt.causes import explain
from mesh_mgmt.suspects import Suspects, Verdict
from mesh_mgmt.topology import Topology, immediate_dominators, reachable
from tests.property.test_topology import meshes

ROUND_MS = 60_000
FAILS_DOWN = 3


class City:
    """Polls of every node in virtual time: each has its place in the round, probes come at once."""

    def __init__(self, mesh: Topology, seed: int) -> None:
        self.mesh = mesh
        self.suspects = Suspects(ROUND_MS)
        self.suspects.set_graph(mesh)
        self.silent: set[str] = set()
        self.failed = dict.fromkeys(mesh.links_of, 0)
        self.verdict = Verdict()
        self.ever_down: set[str] = set()
        self.now_ms = 0
        self._place = {node: random.Random(f"{seed}{node}").randrange(ROUND_MS) for node in mesh.links_of}

    def poll(self, node: str) -> None:
        answered = node not in self.silent
        self.failed[node] = 0 if answered or node in self.verdict.unreachable else self.failed[node] + 1
        is_down = self.failed[node] >= FAILS_DOWN
        self.suspects.saw(node, answered=answered, is_down=is_down, now_ms=self.now_ms)
        self.judge()

    def judge(self) -> None:
        verdict = self.suspects.judge(self.now_ms)
        if verdict is None:
            return
        self.verdict = verdict
        self.ever_down |= verdict.down.keys()
        for node in verdict.released | verdict.unreachable.keys():
            self.failed[node] = 0
        for node in verdict.probe:
            self.poll(node)

    def rounds(self, count: int) -> None:
        for _ in range(count):
            for node in sorted(self._place, key=self._place.__getitem__):
                start = self.now_ms // ROUND_MS * ROUND_MS
                self.now_ms = start + self._place[node]
                self.poll(node)
            self.now_ms = (self.now_ms // ROUND_MS + 1) * ROUND_MS
            self.judge()


@settings(max_examples=60)
@given(meshes(), st.data(), st.integers(0, 1000))
def test_only_causes_are_called_down_and_all_is_well_afterwards(mesh: Topology, data: st.DataObject, seed: int) -> None:
    if not mesh.gateways:
        return
    alive = sorted(reachable(mesh))
    dead = data.draw(st.sets(st.sampled_from(alive), min_size=1, max_size=3))
    city = City(mesh, seed)
    outside = set(mesh.links_of) - set(alive)
    city.silent |= outside  # cut off from the first day: each is its own cause
    city.rounds(6)
    before = set(city.ever_down)
    gone = set(alive) - reachable(mesh, dead) | dead
    city.silent |= gone
    city.rounds(12)
    causes = {cause.node for cause in explain(mesh, immediate_dominators(mesh), frozenset(city.silent)).causes}
    assert city.verdict.down.keys() == causes
    assert city.ever_down - before <= causes
    assert city.verdict.unreachable.keys() == city.silent - causes
    city.silent -= gone
    city.rounds(3)
    assert city.verdict.down.keys() == outside & city.verdict.down.keys()
    assert not city.verdict.unreachable.keys() & set(alive)
    assert city.ever_down - before <= causes
