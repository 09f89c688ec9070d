"""A console killed at every point where something is made durable: no node is ever flashed twice by one operation."""

from __future__ import annotations

import pytest

from local_store import evidence, rollouts
from local_store.db import Store
from playbooks.firmware.books import POINTS, Hook
from tests.sim.rollout_fleet import NEW, OLD, SIGNER, Crash, Fleet, decide, go, planned, runner, tree

REACHED = [
    "precheck.written", "staging.written", "image.uploaded", "staged.written", "tested.written",
    "commit_intent.written", "flash.sent", "dark.written", "booted.written", "proving.written", "confirmed.written",
    "batch.written", "gate.written", "wave.written", "rollout.written",
]  # fmt: skip
"""The points a rollout without trouble passes; the others are passed in test_rollout_trouble.py."""


def test_every_point_of_an_untroubled_rollout_is_a_known_one() -> None:
    assert set(REACHED) <= set(POINTS)


class CrashAt:
    """Kills the process the n-th time a point is passed."""

    def __init__(self, point: str, nth: int) -> None:
        self._point = point
        self._left = nth

    def __call__(self, point: str) -> None:
        if point == self._point:
            self._left -= 1
            if self._left == 0:
                raise Crash(point)


def run_to_end(store: Store, fleet: Fleet, rollout_id: str, hook: Hook) -> int:
    """Let the rollout run, with a new engine after every crash; returns how many crashes there were."""
    crashes = 0
    run = runner(store, fleet, hook)
    while True:
        try:
            go(run, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, rollout_id)).state == "complete")
        except Crash:
            crashes += 1
            fleet.now_ms += 7_000
            run = runner(store, fleet, hook)
        else:
            return crashes


@pytest.mark.parametrize("point", REACHED)
def test_killed_anywhere_it_goes_on_and_flashes_each_node_once(store: Store, point: str) -> None:
    for nth in (1, 3):
        fleet = Fleet(tree(9), seed=nth)
        row = planned(store, fleet)
        decide(store, fleet, "start", row.rollout_id)
        crashes = run_to_end(store, fleet, row.rollout_id, CrashAt(point, nth))
        seed = f"point {point} nth {nth}"
        assert crashes == (1 if nth == 1 or point != "rollout.written" else 0), seed
        assert {name: len(of) for name, of in fleet.flashes().items()} == dict.fromkeys(fleet.uplinks, 1), seed
        states = {one.state for one in store.read(lambda cx, of=row: rollouts.nodes(cx, of.rollout_id))}
        assert states == {"confirmed"}, seed
        assert fleet.runs_new() == set(fleet.uplinks), seed
        rows = store.read(lambda cx, of=row: evidence.of_rollout(cx, of.rollout_id))
        assert len(rows) == len(fleet.uplinks), seed
        assert evidence.check(row.rollout_id, row.plan_hash, rows, SIGNER.public_key()) is None, seed


class CrashFirst:
    """Kills the process the first so many times a point is passed."""

    def __init__(self, point: str, times: int) -> None:
        self._point = point
        self._left = times

    def __call__(self, point: str) -> None:
        if point == self._point and self._left:
            self._left -= 1
            raise Crash(point)


@pytest.mark.parametrize("kills", [1, 4])
def test_a_flash_that_was_intended_but_never_sent_is_sent_once_after_a_probe(store: Store, kills: int) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"})
    row = planned(store, fleet, only={"n00"})
    decide(store, fleet, "start", row.rollout_id)
    run_to_end(store, fleet, row.rollout_id, CrashFirst("commit_intent.written", kills))
    (node,) = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))
    assert (node.deliveries, fleet.nodes["n00"].flashes) == (1 + kills, [node.op_id])
    events = [one.event for one in store.read(lambda cx: rollouts.events(cx, row.rollout_id))]
    assert events.count("not_delivered") == kills
    assert fleet.nodes["n00"].make.version == NEW[0]


def test_a_connection_that_broke_once_is_no_verdict_after_an_engine_that_was_killed_once(store: Store) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"})
    row = planned(store, fleet, only={"n00"})
    decide(store, fleet, "start", row.rollout_id)
    intents = iter(["killed", "breaks", "arrives"])

    def hook(point: str) -> None:
        if point == "commit_intent.written":
            fate = next(intents)
            if fate == "killed":
                raise Crash(point)
            fleet.nodes["n00"].generation += fate == "breaks"

    run_to_end(store, fleet, row.rollout_id, hook)
    (node,) = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))
    assert (node.state, node.deliveries, fleet.nodes["n00"].flashes) == ("confirmed", 3, [node.op_id])


@pytest.mark.parametrize("away_ms", [0, 30_000])
def test_a_flash_that_arrives_after_a_probe_found_no_trace_of_it_is_proven_like_any_other(
    store: Store, away_ms: int
) -> None:
    """What a killed engine sent was still on its way. The next one finds the node restarting, or in its new boot."""
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"})
    rollout = planned(store, fleet, only={"n00"})
    decide(store, fleet, "start", rollout.rollout_id)
    node, points = fleet.nodes["n00"], list[str]()

    def hook(point: str) -> None:
        points.append(point)
        if point == "commit_intent.written" and points.count(point) == 1:
            raise Crash(point)
        if point == "tested.written" and points.count(point) == 2:
            (row,) = store.read(lambda cx: rollouts.nodes(cx, rollout.rollout_id))
            node.begin_flash(row.op_id, row.path, keep_config=True)
            fleet.now_ms += 2_000
            assert not node.awake()
            fleet.now_ms += away_ms

    before = node.boot_id
    run_to_end(store, fleet, rollout.rollout_id, hook)
    (row,) = store.read(lambda cx: rollouts.nodes(cx, rollout.rollout_id))
    assert (row.state, node.flashes, row.boot_id_before, row.version_before) == (
        "confirmed", [row.op_id], before, OLD[0],
    )  # fmt: skip


def test_an_engine_that_was_taken_over_can_write_nothing_more(store: Store) -> None:
    fleet = Fleet(tree(6))
    row = planned(store, fleet)
    decide(store, fleet, "start", row.rollout_id)
    old = runner(store, fleet)
    go(old, fleet, lambda: bool(fleet.flashes()))
    new = runner(store, fleet)
    with pytest.raises(rollouts.StaleEpoch):
        go(old, fleet, lambda: False)
    go(new, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state == "complete")
    assert {len(of) for of in fleet.flashes().values()} == {1}
