"""A console killed at every way out of the upgrade, and the whole way back: no second flash, one proof each."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_drivers.simcity import images
from local_store import evidence, firmware, rollouts
from local_store.db import Store
from mesh_mgmt.catalogue import Image
from playbooks.firmware import decisions, observe
from playbooks.firmware.books import POINTS
from playbooks.firmware.planning import make_back
from tests.sim.rollout_fleet import NEW, OLD, QUICK, SIGNER, START_MS, Crash, Fleet, decide, go, planned, runner, tree
from tests.sim.test_rollout_crash import REACHED, CrashAt

FATES = {"unchanged": "unchanged_pct", "reverted": "fall_back_pct", "lost": "brick_pct"}
EXITS = ["skipped", "deferred", "refused", "unchanged", "reverted", "degraded", "lost", "identity_mismatch"]


def test_every_point_is_crashed_at_here_or_on_the_way() -> None:
    in_the_field = {"pending.written", "field.written"}  # a merge writes them, in one transaction with all it takes
    assert {*REACHED, *(f"{state}.written" for state in EXITS), *in_the_field} == set(POINTS)


def troubled(state: str) -> Fleet:
    """A fleet in which n00 ends in this state."""
    fates = {FATES[state]: 100} if state in FATES else {}
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "g0"}, images.make(["acme,ap5"], *NEW, size=500, **fates), banks=2)
    node = fleet.nodes["n00"]
    if state == "skipped":
        node.make = replace(node.make, version=NEW[0], revision=NEW[1])
    elif state == "refused":
        node.make = replace(node.make, free_bytes=1 << 20)
    elif state == "identity_mismatch":
        fleet.keys["n00"] = "SHA256:somebody"
    elif state == "deferred":
        fleet.cut.add("n00")
    return fleet


@pytest.mark.parametrize("state", EXITS)
def test_killed_on_a_way_out_it_rests_there_with_one_proof(store: Store, state: str) -> None:
    fleet = troubled(state)
    row = planned(store, fleet, only={"n00"})
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet, CrashAt(f"{state}.written", 1))
    if state == "degraded":
        go(run, fleet, lambda: bool(fleet.flashes()))
        fleet.quiet.add("n00")
    with pytest.raises(Crash):
        go(run, fleet, lambda: False)
    fleet.now_ms += 7_000
    fleet.cut.clear()
    rests = {"paused", "complete", "complete_with_exceptions"}
    go(runner(store, fleet), fleet, lambda: store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state in rests)
    (node,) = store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))
    assert node.state == ("confirmed" if state == "deferred" else state)
    assert all(len(of) == 1 for of in fleet.flashes().values())
    proofs = store.read(lambda cx: evidence.of_rollout(cx, row.rollout_id))
    assert len(proofs) == 1
    assert evidence.check(row.rollout_id, row.plan_hash, proofs, SIGNER.public_key()) is None


def moment(store: Store, rollout_id: str, name: str, after: str) -> int:
    events = store.read(lambda cx: rollouts.events(cx, rollout_id, name))
    return next(one.at_ms for one in events if one.after == after)


def leaf_first(store: Store, fleet: Fleet, rollout_id: str) -> bool:
    """Everything was proven before what it hangs on was told to restart."""
    return all(
        moment(store, rollout_id, name, "confirmed") <= moment(store, rollout_id, up, "commit_intent")
        for name, up in fleet.uplinks.items()
        if up
    )


def test_the_whole_way_there_and_back_leaf_first_both_times(store: Store) -> None:
    fleet = Fleet(tree(9))
    old = images.make(["acme,ap5"], *OLD, size=400)
    older = Image(images.hashlib.sha256(old).hexdigest(), *OLD, ("acme,ap5",), len(old),
                  expires_ms=START_MS + 90 * 86_400_000, name="old.bin")  # fmt: skip
    fleet.others[older.sha256] = old
    there = planned(store, fleet)
    decide(store, fleet, "start", there.rollout_id)
    go(
        runner(store, fleet),
        fleet,
        lambda: store.read(lambda cx: rollouts.expect(cx, there.rollout_id)).state == "complete",
    )
    assert fleet.runs_new() == set(fleet.uplinks)
    assert leaf_first(store, fleet, there.rollout_id)

    before = store.read(lambda cx: decisions.to_undo(cx, there.rollout_id))
    running = store.read(lambda cx: decisions.running_after(cx, there.rollout_id))
    facts = store.read(lambda cx: observe.facts(cx, [older, fleet.image], running))
    plan = make_back(facts, before, there.rollout_id, QUICK, now_ms=fleet.now_ms)
    back = store.ops.write(lambda cx: decisions.store_plan(cx, plan, "anna", fleet.now_ms))
    decide(store, fleet, "approve", back.rollout_id, "bert")
    decide(store, fleet, "start", back.rollout_id)
    go(
        runner(store, fleet),
        fleet,
        lambda: store.read(lambda cx: rollouts.expect(cx, back.rollout_id)).state == "complete",
    )
    assert {node.make.version for node in fleet.nodes.values()} == {OLD[0]}
    assert {len(of) for of in fleet.flashes().values()} == {2}, "once there, once back"
    assert leaf_first(store, fleet, back.rollout_id)
    assert store.read(lambda cx: rollouts.expect(cx, back.rollout_id)).rollback_of == there.rollout_id
    assert store.read(lambda cx: firmware.image(cx, older.sha256)) is not None
