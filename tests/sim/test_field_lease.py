"""A technician's laptop and the console over one fleet: same state machine, same fence, one flash a node."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from local_store import evidence, rollouts
from local_store.errors import StoreRefused
from mesh_mgmt.rollout_states import State
from playbooks.firmware import field, lease_files, report
from playbooks.firmware.lease_files import NotALease, Returned
from tests.sim.field_pair import HOUR_MS, LAPTOP_KEY, Two, ended
from tests.sim.rollout_fleet import NEW, SIGNER, decide, go, runner


def test_the_laptop_does_its_nodes_and_the_console_the_others(two: Two) -> None:
    lease = two.give("n05", "n06")
    two.take(lease)
    decide(two.console, two.fleet, "start", two.rollout_id)
    console, laptop = runner(two.console, two.fleet), two.laptop_runner()

    def both() -> bool:
        laptop.tick()
        return ended(two.laptop, lease.lease_id) and two.state("n00") == State.DEFERRED

    go(console, two.fleet, both)
    two.fleet.now_ms += HOUR_MS
    console.tick()
    assert not ended(two.console, two.rollout_id), "what hangs above leased nodes waits for them"
    assert {two.state(name) for name in ("n05", "n06")} == {State.FIELD}
    assert all(len(of) == 1 for of in two.fleet.flashes().values())
    merged = two.bring_back(lease)
    assert dict(merged.taken) == {"n05": "confirmed", "n06": "confirmed"}
    assert two.bring_back(lease).known == ("n05", "n06")
    go(console, two.fleet, lambda: ended(two.console, two.rollout_id))
    assert two.fleet.runs_new() == set(two.fleet.uplinks)
    assert all(len(of) == 1 for of in two.fleet.flashes().values())
    chain = two.console.read(lambda cx: evidence.of_rollout(cx, two.rollout_id))
    row = two.console.read(lambda cx: rollouts.expect(cx, two.rollout_id))
    assert evidence.check(two.rollout_id, row.plan_hash, chain, SIGNER.public_key()) is None
    assert sum('"holder":"tina"' in one.body for one in chain) == 2


def test_the_report_shows_who_did_what_with_the_proof_of_the_laptop(two: Two) -> None:
    lease = two.give("n05")
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, lease.lease_id))
    two.bring_back(lease)
    made = two.console.read(lambda cx: report.collect(cx, two.rollout_id, SIGNER, two.fleet.now_ms))
    (line,) = [one for one in report.lines(made) if one["node"] == "n05"]
    (proof,) = two.laptop.read(lambda cx: evidence.of_rollout(cx, lease.lease_id))
    there = json.loads(proof.body)
    assert (line["result"], line["operator"], line["boot_id_after"]) == (
        State.CONFIRMED, there["operator"], there["after"]["boot_id"]
    )  # fmt: skip
    assert report.verify(report.as_csv(made)).flaw == ""


def test_a_console_that_forgot_the_lease_cannot_flash_a_node_twice(two: Two) -> None:
    """Even with the mark gone (a restored backup), the operation's fence and boot id on the node hold."""
    lease = two.give("n05")
    two.take(lease)
    laptop = two.laptop_runner()
    go(laptop, two.fleet, lambda: bool(two.fleet.nodes["n05"].flashes))
    row = two.console.read(lambda cx: rollouts.node(cx, two.rollout_id, "n05"))
    assert row is not None
    two.console.ops.write(lambda cx: rollouts.change_node(cx, row, state="pending"))
    decide(two.console, two.fleet, "start", two.rollout_id)
    console = runner(two.console, two.fleet)

    def both() -> bool:
        laptop.tick()
        return ended(two.console, two.rollout_id) and ended(two.laptop, lease.lease_id)

    go(console, two.fleet, both)
    assert two.fleet.nodes["n05"].flashes == [row.op_id]
    assert two.fleet.nodes["n05"].make.version == NEW[0]


def test_a_laptop_that_was_shut_in_mid_flash_is_followed_by_the_console(two: Two) -> None:
    lease = two.give("n05")
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: two.state("n05", two.laptop, lease.lease_id) == State.DARK)
    assert dict(two.bring_back(lease).taken) == {"n05": "dark"}
    decide(two.console, two.fleet, "start", two.rollout_id)
    go(runner(two.console, two.fleet), two.fleet, lambda: two.state("n05") == State.CONFIRMED)
    assert len(two.fleet.nodes["n05"].flashes) == 1


def test_after_its_end_a_lease_flashes_nothing_and_is_taken_back_by_looking(two: Two) -> None:
    lease = two.give("n05", "n06", hours=1)
    two.take(lease)
    with pytest.raises(StoreRefused, match="still runs"):
        field.reclaim(two.console, lease.lease_id, two.fleet.open_node, "anna", two.fleet.now_ms)
    two.fleet.cut.add("n06")
    two.fleet.now_ms += HOUR_MS
    laptop = two.laptop_runner()
    go(laptop, two.fleet, lambda: two.laptop.read(lambda cx: rollouts.expect(cx, lease.lease_id)).state == "paused")
    assert two.laptop.read(lambda cx: rollouts.expect(cx, lease.lease_id)).pause_reason == "lease"
    found = field.reclaim(two.console, lease.lease_id, two.fleet.open_node, "anna", two.fleet.now_ms)
    assert found["n05"] == State.PENDING
    assert found["n06"].startswith("unreachable")
    assert two.state("n06") == State.FIELD
    assert not two.fleet.flashes()


def test_a_node_the_laptop_upgraded_is_found_upgraded_when_it_never_came_back(two: Two) -> None:
    lease = two.give("n05", hours=1)
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, lease.lease_id))
    two.fleet.now_ms += 2 * HOUR_MS
    found = field.reclaim(two.console, lease.lease_id, two.fleet.open_node, "anna", two.fleet.now_ms)
    assert found == {"n05": "booted"}
    decide(two.console, two.fleet, "start", two.rollout_id)
    go(runner(two.console, two.fleet), two.fleet, lambda: two.state("n05") == State.CONFIRMED)
    assert len(two.fleet.nodes["n05"].flashes) == 1


def test_only_waiting_nodes_are_given_and_each_once(two: Two) -> None:
    two.give("n05")
    with pytest.raises(StoreRefused, match="n05 is field"):
        two.give("n05")
    with pytest.raises(StoreRefused, match="not in"):
        two.give("nobody")
    with pytest.raises(StoreRefused, match="14 days"):
        two.give("n06", hours=24 * 15)


def test_another_laptop_a_changed_file_and_foreign_evidence_are_refused(two: Two) -> None:
    lease = two.give("n05")
    with pytest.raises(NotALease, match="another laptop"):
        two.laptop.ops.write(lambda cx: field.take(cx, lease, "00" * 32, "eve", two.fleet.now_ms))
    two.take(lease)
    go(two.laptop_runner(), two.fleet, lambda: ended(two.laptop, lease.lease_id))
    returned = two.laptop.read(lambda cx: field.hand_back(cx, lease.lease_id, two.fleet.now_ms))
    content = lease_files.signed(LAPTOP_KEY, "return", returned)
    own = lease_files.public_hex(LAPTOP_KEY)
    with pytest.raises(NotALease, match="signature"):
        lease_files.opened(content.replace(b"confirmed", b"refused!!"), "return", Returned, own)
    with pytest.raises(NotALease, match="signature"):
        lease_files.opened(content, "lease", Returned, own)
    with pytest.raises(NotALease, match="signature"):
        lease_files.opened(content, "return", Returned, lease_files.public_hex(SIGNER))
    rows = [replace(row, op_id="other") for row in returned.nodes]
    forged = Returned(1, lease.lease_id, returned.plan_hash, 0, tuple(rows), (), returned.evidence)
    with pytest.raises(NotALease, match="not part of"):
        two.console.ops.write(lambda cx: field.merge(cx, forged, SIGNER, "anna", two.fleet.now_ms))
    assert two.state("n05") == State.FIELD
