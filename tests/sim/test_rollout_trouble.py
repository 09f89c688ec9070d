"""What a rollout does when things go wrong, in virtual time with the real driver, store and rules."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from device_drivers.simcity import images
from local_store import evidence, rollouts
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.rollout_rows import NodeRow, RolloutRow
from mesh_mgmt.gates import Window
from tests.sim.rollout_fleet import NEW, QUICK, SIGNER, Fleet, decide, go, planned, runner, tree


def state_of(store: Store, row: RolloutRow) -> str:
    return store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state


def node_of(store: Store, row: RolloutRow, name: str) -> NodeRow:
    found = store.read(lambda cx: rollouts.node(cx, row.rollout_id, name))
    assert found is not None
    return found


def started(store: Store, fleet: Fleet, **wanted: object) -> RolloutRow:
    row = planned(store, fleet, **wanted)  # type: ignore[arg-type]
    decide(store, fleet, "start", row.rollout_id)
    return row


def rest(store: Store, fleet: Fleet, row: RolloutRow, *states: str) -> None:
    go(runner(store, fleet), fleet, lambda: state_of(store, row) in states)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_image_that_bricks_stops_within_the_budget_and_cuts_off_nobody(store: Store, seed: int) -> None:
    content = images.make(["acme,ap5"], *NEW, size=500, brick_pct=10)
    fleet = Fleet(tree(40), content, seed=seed)
    row = started(store, fleet)
    rest(store, fleet, row, "paused", "complete", "complete_with_exceptions")
    rows = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))
    flashed = fleet.flashes()
    bricked = {name for name in flashed if not fleet.nodes[name].awake()}
    assert {one.node_id for one in rows if one.state == "lost"} == bricked
    assert all(len(of) == 1 for of in flashed.values())
    if state_of(store, row) == "paused":
        assert store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).pause_reason == "budget"
        batches = {(one.wave, one.batch) for one in rows if one.node_id in bricked}
        allowed = int(len(rows) * QUICK.failure_pct / 100)
        assert len(bricked) <= allowed + QUICK.max_batch, batches
    for name in set(fleet.uplinks) - set(flashed):
        assert fleet.answers(name), f"{name} was cut off un-upgraded (seed {seed})"


def test_without_our_uplink_it_pauses_blind_and_nobody_is_lost(store: Store) -> None:
    fleet = Fleet(tree(12))
    row = started(store, fleet)
    run = runner(store, fleet)
    go(run, fleet, lambda: any(node_of(store, row, name).state == "dark" for name in fleet.uplinks))
    fleet.online = False
    go(run, fleet, lambda: state_of(store, row) == "paused")
    assert store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).pause_reason == "blind"
    flashed = dict(fleet.flashes())
    end_ms = fleet.now_ms + 3_600_000
    go(run, fleet, lambda: fleet.now_ms >= end_ms, step_ms=10_000)
    assert "lost" not in {one.state for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))}
    fleet.online = True
    end_ms = fleet.now_ms + 600_000
    go(run, fleet, lambda: fleet.now_ms >= end_ms, step_ms=10_000)
    assert (state_of(store, row), fleet.flashes()) == ("paused", flashed)
    decide(store, fleet, "resume", row.rollout_id)
    rest(store, fleet, row, "complete")
    assert {len(of) for of in fleet.flashes().values()} == {1}


def test_gateways_that_are_only_polled_are_witnesses_before_anybody_is_called_lost(store: Store) -> None:
    fleet = Fleet(tree(12))
    fleet.no_login = {"g0", "g1"}
    row = started(store, fleet, only=set(fleet.uplinks) - fleet.no_login)
    run = runner(store, fleet)
    go(
        run,
        fleet,
        lambda: any(one.state == "dark" for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))),
    )
    fleet.online = False
    deadline_ms = max(one.deadline_ms for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id)))
    go(run, fleet, lambda: state_of(store, row) == "paused")
    assert store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).pause_reason == "blind"
    assert fleet.now_ms < deadline_ms
    end_ms = fleet.now_ms + 3_600_000
    go(run, fleet, lambda: fleet.now_ms >= end_ms, step_ms=10_000)
    assert "lost" not in {one.state for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))}


def test_silence_behind_a_dead_parent_is_not_the_childs_fault(store: Store) -> None:
    fleet = Fleet({"g0": "", "g1": "", "n00": "g0", "n01": "n00"})
    row = started(store, fleet, only={"n01"})
    run = runner(store, fleet)
    go(run, fleet, lambda: node_of(store, row, "n01").state == "dark")
    fleet.cut.add("n00")
    end_ms = fleet.now_ms + 3_600_000
    go(run, fleet, lambda: fleet.now_ms >= end_ms, step_ms=10_000)
    assert (node_of(store, row, "n01").state, node_of(store, row, "n01").reason) == ("dark", "path_down")
    fleet.cut.clear()
    rest(store, fleet, row, "complete")


def test_a_pause_holds_before_the_next_flash_and_follows_what_restarts(store: Store) -> None:
    fleet = Fleet(tree(12))
    row = started(store, fleet)
    run = runner(store, fleet)
    go(run, fleet, lambda: bool(fleet.flashes()))
    decide(store, fleet, "pause", row.rollout_id, actor="bert")
    flashed = set(fleet.flashes())
    end_ms = fleet.now_ms + 1_200_000
    go(run, fleet, lambda: fleet.now_ms >= end_ms, step_ms=10_000)
    assert set(fleet.flashes()) == flashed
    assert {node_of(store, row, name).state for name in flashed} == {"confirmed"}
    decide(store, fleet, "resume", row.rollout_id)
    rest(store, fleet, row, "complete")


def test_an_abort_ends_it_and_still_learns_what_became_of_the_last_batch(store: Store) -> None:
    fleet = Fleet(tree(12))
    row = started(store, fleet)
    run = runner(store, fleet)
    go(run, fleet, lambda: bool(fleet.flashes()))
    decide(store, fleet, "abort", row.rollout_id)
    flashed = set(fleet.flashes())
    go(run, fleet, lambda: {node_of(store, row, name).state for name in flashed} == {"confirmed"})
    assert (state_of(store, row), set(fleet.flashes())) == ("aborted", flashed)


@pytest.mark.parametrize(
    ("trouble", "state", "reason"),
    [
        ("foreign_board", "identity_mismatch", "identity_mismatch"),
        ("changed_key", "identity_mismatch", "identity_mismatch"),
        ("little_memory", "refused", "too_little_memory"),
        ("spoilt_on_node", "refused", "staged_differs"),
        ("offline", "deferred", "unreachable"),
    ],
)
def test_a_node_that_is_not_as_planned_is_left_untouched(store: Store, trouble: str, state: str, reason: str) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0", "n02": "g0"})
    row = started(store, fleet, only={"n00", "n01"})
    node = fleet.nodes["n00"]
    if trouble == "foreign_board":
        node.make = replace(node.make, board_name="other,board")
    elif trouble == "changed_key":
        fleet.keys["n00"] = "SHA256:somebody"
    elif trouble == "little_memory":
        node.make = replace(node.make, free_bytes=1 << 20)
    elif trouble == "offline":
        fleet.cut.add("n00")
    run = runner(store, fleet)
    if trouble == "spoilt_on_node":
        go(run, fleet, lambda: node_of(store, row, "n00").state == "tested")
        (path,) = [path for path in node.files if path.endswith("image.bin")]
        node.files[path] = b"something else"
    go(run, fleet, lambda: (node_of(store, row, "n00").state, node_of(store, row, "n00").reason) == (state, reason))
    rest(store, fleet, row, "paused", "complete_with_exceptions")
    assert node.flashes == []
    assert node.make.version != NEW[0]


@pytest.mark.parametrize(
    ("fate", "state"),
    [("unchanged_pct", "unchanged"), ("fall_back_pct", "reverted"), ("hang_pct", "lost"), ("brick_pct", "lost")],
)
def test_what_did_not_take_the_image_counts_as_failure_with_evidence(store: Store, fate: str, state: str) -> None:
    content = images.make(["acme,ap5"], *NEW, size=500, **{fate: 100})
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0", "n02": "n01"}, content, banks=2)
    row = started(store, fleet, only={"n00", "n02"})
    rest(store, fleet, row, "paused")
    assert store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).pause_reason == "budget"
    proof = store.read(lambda cx: evidence.of_rollout(cx, row.rollout_id))
    assert {json.loads(one.body)["result"] for one in proof} == {state}
    assert evidence.check(row.rollout_id, row.plan_hash, proof, SIGNER.public_key()) is None
    left = 2 - len(fleet.flashes())
    with pytest.raises(StoreRefused, match=f"affects {left} nodes"):
        decide(store, fleet, "resume", row.rollout_id, confirm=left + 1)
    decide(store, fleet, "resume", row.rollout_id, confirm=left)
    assert state_of(store, row) == "running"


def test_a_node_that_hears_fewer_neighbours_than_before_is_degraded(store: Store) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"})
    row = started(store, fleet, only={"n00"})
    run = runner(store, fleet)
    go(run, fleet, lambda: bool(fleet.flashes()))
    fleet.quiet.add("n00")
    rest(store, fleet, row, "paused")
    found = node_of(store, row, "n00")
    assert (found.state, found.reason, found.detail) == ("degraded", "under_baseline", "neighbours 5: 0, >= 90 % of 1")


def test_a_reboot_before_the_flash_stages_again(store: Store) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"})
    row = started(store, fleet, only={"n00"})
    run = runner(store, fleet)
    go(run, fleet, lambda: node_of(store, row, "n00").state == "tested")
    fleet.nodes["n00"].reboot()
    rest(store, fleet, row, "complete")
    events = [one.event for one in store.read(lambda cx: rollouts.events(cx, row.rollout_id, "n00"))]
    assert "offline" in events or "rebooted_before_commit" in events
    assert len(fleet.nodes["n00"].flashes) == 1


@pytest.mark.parametrize("reason", ["withdrawn", "tampered", "expired"])
def test_an_image_nobody_vouches_for_any_more_pauses_everything(store: Store, reason: str) -> None:
    fleet = Fleet(tree(6))
    row = started(store, fleet)
    fleet.withheld = reason
    rest(store, fleet, row, "paused")
    found = store.read(lambda cx: rollouts.expect(cx, row.rollout_id))
    assert (found.pause_reason, fleet.flashes()) == ("image", {})
    assert reason in found.pause_detail


def test_no_batch_begins_that_would_not_end_inside_the_window(store: Store) -> None:
    limits = replace(QUICK, windows=(Window("01:00", "05:00", "UTC"),))  # START_MS is 08:00 UTC
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"})
    row = started(store, fleet, limits=limits, only={"n00"})
    run = runner(store, fleet)
    go(run, fleet, lambda: state_of(store, row) == "paused")
    assert fleet.flashes() == {}
    go(run, fleet, lambda: state_of(store, row) == "complete", step_ms=20_000, limit_ms=86_400_000)
    assert len(fleet.nodes["n00"].flashes) == 1


def test_gateways_need_a_second_person_and_one_rollout_runs_at_a_time(store: Store) -> None:
    fleet = Fleet({"g0": "", "g1": "", "n00": "g0", "n01": "g1"})
    first = planned(store, fleet, only={"n00"})
    row = planned(store, fleet)
    decide(store, fleet, "start", first.rollout_id)
    with pytest.raises(StoreRefused, match=f"{first.rollout_id} is running"):
        decide(store, fleet, "start", row.rollout_id)
    decide(store, fleet, "abort", first.rollout_id)
    again = planned(store, fleet)
    store.ops.write(lambda cx: cx.execute("UPDATE rollout SET state = 'planned' WHERE rollout_id = ?",
                                          (again.rollout_id,)))  # fmt: skip
    with pytest.raises(StoreRefused, match="needs a second person"):
        decide(store, fleet, "start", again.rollout_id)
    with pytest.raises(StoreRefused, match="planned by anna"):
        decide(store, fleet, "approve", again.rollout_id, actor="anna")
    decide(store, fleet, "approve", again.rollout_id, actor="bert")
    decide(store, fleet, "start", again.rollout_id)
    assert state_of(store, again) == "running"


def test_an_offline_canary_does_not_hold_up_what_others_have_proven_and_comes_later(store: Store) -> None:
    fleet = Fleet(tree(14))
    limits = replace(QUICK, canaries=3, retry_s=900, max_tries=5)
    row = started(store, fleet, limits=limits)
    away = next(one.node_id for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id)) if one.wave == 1)
    fleet.cut.add(away)
    run = runner(store, fleet)
    go(run, fleet, lambda: node_of(store, row, away).wave > 1, limit_ms=600_000)
    assert node_of(store, row, away).state == "deferred"
    fleet.cut.clear()
    rest(store, fleet, row, "complete")
    assert len(fleet.nodes[away].flashes) == 1


def test_canaries_that_prove_nothing_halt_before_the_many(store: Store) -> None:
    fleet = Fleet(tree(10))
    row = started(store, fleet)
    first = {one.node_id for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id)) if one.wave == 1}
    fleet.cut |= first
    rest(store, fleet, row, "paused")
    found = store.read(lambda cx: rollouts.expect(cx, row.rollout_id))
    assert (found.pause_reason, fleet.flashes()) == ("canaries", {})
    assert "canaries acme,ap5" in found.pause_detail
