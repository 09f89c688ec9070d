"""Leases given, used, returned, ended early or never brought back: nobody is forgotten, nobody flashed twice."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from local_store.db import Store
from local_store.errors import StoreRefused
from mesh_mgmt.rollout_states import State
from playbooks.firmware import field
from playbooks.firmware.batches import FLYING
from playbooks.firmware.lease_files import Lease
from tests.conftest import KEY
from tests.sim.field_pair import Two, ended, rollout_of, rows_of
from tests.sim.rollout_fleet import QUICK, Fleet, decide, planned, runner, tree

STEPS, STEP_MS = 6000, 5_000


class Technician:
    """Takes some nodes along again and again, works for a while, and comes home or does not."""

    def __init__(self, two: Two, rng: random.Random) -> None:
        self._two = two
        self._rng = rng
        self._lease: Lease | None = None
        self._run = two.laptop_runner()
        self._works_until = 0
        self._stays_away = False
        self.given = 0

    def step(self, number: int) -> None:
        self._run.tick()  # its engine runs on, whatever it may begin
        if self._lease is None:
            if self.given < 4 and (not self.given or self._rng.random() < 0.05):
                self._leave(number)
        elif number >= self._works_until:
            self._come_home(self._lease)

    def _leave(self, number: int) -> None:
        rows = rows_of(self._two.console, self._two.rollout_id)
        free = [row.node_id for row in rows if row.state in field.GIVABLE]
        busy = {row.state for one in self._two.leases() for row in rows_of(self._two.laptop, one)} & FLYING
        if free and not busy and not ended(self._two.console, self._two.rollout_id):
            names = self._rng.sample(free, min(len(free), self._rng.randint(1, 3)))
            try:
                self._lease = self._two.give(*names, hours=1)
            except StoreRefused:  # it carries others: another time
                return
            self._two.take(self._lease)
            self._stays_away = self._rng.random() < 0.3
            self._works_until = number + self._rng.choice([0, 3, 20, 100])
            self.given += 1

    def _come_home(self, lease: Lease) -> None:
        two = self._two
        if self._stays_away:  # the console looks for itself after the end
            if two.fleet.now_ms < lease.until_ms:
                return
            found = field.reclaim(two.console, lease.lease_id, two.fleet.open_node, "anna", two.fleet.now_ms)
            if State.FIELD in {two.state(name) for name in found}:
                return
        else:
            if not ended(two.laptop, lease.lease_id):
                decide(two.laptop, two.fleet, "abort", lease.lease_id, "tina")
            two.bring_back(lease)
        if not ended(two.laptop, lease.lease_id):
            decide(two.laptop, two.fleet, "abort", lease.lease_id, "tina")
        self._lease = None


@pytest.mark.parametrize("seed", range(6))
def test_whatever_a_technician_does_every_node_is_upgraded_once(seed: int, tmp_path: Path, store: Store) -> None:
    rng = random.Random(seed)
    fleet = Fleet(tree(16), seed=seed)
    row = planned(store, fleet, QUICK)
    laptop = Store(tmp_path / "laptop", KEY)
    two = Two(fleet, store, laptop, row.rollout_id)
    decide(store, fleet, "start", row.rollout_id)
    run, technician = runner(store, fleet), Technician(two, rng)
    for number in range(STEPS):
        fleet.now_ms += STEP_MS
        run.tick()
        technician.step(number)
        if ended(store, row.rollout_id):
            break
    laptop.close()
    assert technician.given > 0
    here = rollout_of(store, row.rollout_id)
    told = [one for one in rows_of(store, row.rollout_id) if one.state != State.CONFIRMED]
    assert here.state == "complete", (here.pause_reason, here.pause_detail, told)
    assert fleet.runs_new() == set(fleet.uplinks)
    assert {len(flashes) for flashes in fleet.flashes().values()} == {1}
