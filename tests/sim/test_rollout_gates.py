"""What has to hold before nodes restart: backups, somebody on call, few dark nodes, second ways, quiet alarms."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from local_store import alerts, configs, evidence, nodes, rollouts
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import AlertKey, NodeState
from local_store.rollout_rows import NodeRow, RolloutRow
from mesh_mgmt.topology import Link, build, thinned
from playbooks.firmware.batches import Around, choose
from tests.sim.rollout_fleet import QUICK, Fleet, backed_up, decide, go, planned, runner, tree

SMALL = {"g0": "", "n00": "g0", "n01": "g0", "n02": "g0"}
PATIENT = replace(QUICK, max_tries=9)


def state_of(store: Store, row: RolloutRow) -> str:
    return store.read(lambda cx: rollouts.expect(cx, row.rollout_id)).state


def node_of(store: Store, row: RolloutRow, name: str) -> NodeRow:
    return next(one for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id)) if one.node_id == name)


@pytest.mark.parametrize("spoilt", ["old", "damaged"])
def test_a_node_without_a_fresh_whole_backup_waits_for_one_that_is_asked_for(store: Store, spoilt: str) -> None:
    fleet = Fleet(dict(SMALL))
    row = planned(store, fleet, PATIENT, only={"n00"})
    if spoilt == "old":
        fleet.now_ms += 1000 * PATIENT.backup_age_s
    else:
        store.ops.write(lambda cx: cx.execute("UPDATE config_body SET body = x'00'"))
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: node_of(store, row, "n00").reason == "no_backup")
    assert store.read(configs.looks)["n00"].tried_ms == 0, "the configuration service is to look at once"
    assert fleet.flashes() == {}
    store.ops.write(lambda cx: cx.execute("DELETE FROM config_backup"))
    store.ops.write(lambda cx: cx.execute("DELETE FROM config_body"))
    store.ops.write(lambda cx: backed_up(cx, fleet, ["n00"]))
    go(run, fleet, lambda: state_of(store, row) == "complete")


def test_a_plan_may_waive_backups(store: Store) -> None:
    fleet = Fleet(dict(SMALL))
    row = planned(store, fleet, replace(QUICK, backup_age_s=0), only={"n00"})
    store.ops.write(lambda cx: cx.execute("DELETE FROM config_backup"))
    decide(store, fleet, "start", row.rollout_id)
    go(runner(store, fleet), fleet, lambda: state_of(store, row) == "complete")


def test_cut_nodes_want_somebody_on_call_and_the_proof_names_them(store: Store) -> None:
    fleet = Fleet({"g0": "", "n00": "g0", "n01": "n00"})
    row = planned(store, fleet, only={"n00"})
    with pytest.raises(StoreRefused, match="1 nodes that others hang on: name who can be sent out"):
        decide(store, fleet, "start", row.rollout_id, on_call=" ")
    decide(store, fleet, "start", row.rollout_id, on_call="tina")
    go(runner(store, fleet), fleet, lambda: state_of(store, row) == "complete")
    (proof,) = store.read(lambda cx: evidence.of_rollout(cx, row.rollout_id))
    body = json.loads(proof.body)
    assert (body["on_call"], body["approved_by"]) == ("tina", [])


def test_a_plan_that_touches_no_cut_node_starts_without_a_name(store: Store) -> None:
    fleet = Fleet(dict(SMALL))
    row = planned(store, fleet, only={"n00"})
    decide(store, fleet, "start", row.rollout_id, on_call="")
    assert state_of(store, row) == "running"


def test_nobody_restarts_where_too_many_are_dark_already_and_no_try_is_lost(store: Store) -> None:
    fleet = Fleet(dict(SMALL))
    row = planned(store, fleet, replace(QUICK, max_dark_district=1), only={"n00"})
    store.ops.write(lambda cx: cx.execute("UPDATE node SET district = 'Buer'"))

    def seen(state: str) -> None:
        store.telemetry.write(
            lambda cx: nodes.save_states(cx, [NodeState("n01", state, fleet.now_ms, "", None, fleet.now_ms)])
        )  # type: ignore[arg-type]

    seen("down")
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: node_of(store, row, "n00").reason == "too_many_dark")
    end_ms = fleet.now_ms + 3_600_000
    go(run, fleet, lambda: fleet.now_ms >= end_ms, step_ms=30_000)
    assert (fleet.flashes(), node_of(store, row, "n00").tries) == ({}, 0)
    seen("ok")
    go(run, fleet, lambda: state_of(store, row) == "complete")


def test_a_wave_does_not_close_over_new_alarms_until_somebody_has_seen_them(store: Store) -> None:
    fleet = Fleet(tree(6))
    row = planned(store, fleet)
    decide(store, fleet, "start", row.rollout_id)
    run = runner(store, fleet)
    go(run, fleet, lambda: bool(fleet.flashes()))
    (first, *_rest) = fleet.flashes()
    opened = store.ops.write(
        lambda cx: alerts.open_alert(cx, AlertKey("node", first, "down"), "critical", "{}", fleet.now_ms)
    )
    go(run, fleet, lambda: state_of(store, row) == "paused")
    found = store.read(lambda cx: rollouts.expect(cx, row.rollout_id))
    assert (found.pause_reason, json.loads(found.pause_detail)) == ("alarms", {"alarms": "1, <= 0"})
    store.ops.write(
        lambda cx: alerts.acknowledge(
            cx, opened.alert_id, "anna", "seen", until_ms=fleet.now_ms + 86_400_000, now_ms=fleet.now_ms
        )
    )
    decide(store, fleet, "resume", row.rollout_id)
    go(run, fleet, lambda: state_of(store, row) == "complete")


RING = [Link("a", "g", "5"), Link("b", "h", "5"), Link("x", "a", "5"), Link("x", "b", "5")]


def test_who_loses_the_second_way() -> None:
    ring = build(["g", "h", "a", "b", "x"], ["g", "h"], RING)
    assert thinned(ring, frozenset({"a"})) == {"b", "x"}
    assert thinned(ring, frozenset({"x"})) == {"a", "b"}
    assert thinned(ring, frozenset({"a", "b"})) == frozenset(), "x has no way left: that is another rule"
    single = build(["g", "h", "a", "b", "x"], ["g", "h"], RING[:3])
    assert thinned(single, frozenset({"b"})) == frozenset()


def test_a_second_way_is_taken_only_from_whom_the_plan_lists() -> None:
    ring = build(["g", "h", "a", "b", "x"], ["g", "h"], RING)
    row = NodeRow("R-0001", "a", "op", 1, "pending", 0, "m", "m", "", "aa")
    assert choose([row], 1, ring, QUICK, Around(listed={"b", "x"}), 0).batch == ("a",)
    held = choose([row], 1, ring, QUICK, Around(), 0)
    assert (held.batch, dict(held.held)) == ((), {"a": "thins_others"})


def test_a_batch_shrinks_to_what_the_limit_on_dark_nodes_allows() -> None:
    star = build(["g", "h", "a", "b", "c"], ["g", "h"], [Link(name, "g", "wired") for name in "abc"])
    rows = [NodeRow("R-0001", name, name, 1, "pending", 0, "m", "m", "", "aa") for name in "abc"]
    around = Around(district_of=dict.fromkeys("abc", "Buer"))
    limits = replace(QUICK, max_dark_district=2)
    assert choose(rows, 1, star, limits, around, 0).batch == ("a", "b")
