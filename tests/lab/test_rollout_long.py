"""Long firmware rollouts over real nodes, each in a lab of its own, side by side: they wait for nodes most of the time.

Killed with -9 at every point where something is made durable, an image that bricks, a lost uplink.
"""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from device_drivers import ssh
from device_drivers.errors import DriverError
from local_store import evidence
from local_store.keys import signing_key
from mesh_mgmt.rollout_states import UNTOUCHED
from tests.aside import Ends, Scenario, under_way
from tests.lab import images
from tests.lab.console import Console, console, now_ms
from tests.lab.engine import Engines, engines
from tests.lab.lab import Lab, opened, require, until
from tests.sim.test_rollout_crash import REACHED

WITHIN_S = 240.0
MOST_KILLS = 12


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ends]:
    require()
    with under_way(tmp_path_factory.mktemp("rollouts"), SCENARIOS) as found:
        yield found


@pytest.mark.parametrize("kills", ["every point", "seed 2", "seed 3", "seed 4"])
def test_killed_again_and_again_every_node_is_flashed_once_and_confirmed(ends: Ends, kills: str) -> None:
    ends[kills].result()


def test_an_image_that_bricks_a_tenth_stops_within_the_budget_and_cuts_off_nobody(ends: Ends) -> None:
    ends["bricks"].result()


def test_a_lost_uplink_pauses_the_rollout_and_loses_nobody(ends: Ends) -> None:
    ends["blind"].result()


def killed(way: Callable[[Console, Engines, str], None]) -> Scenario:
    """Few nodes, over three hops: canaries, an ordinary wave, the gateway."""

    def scenario(base: Path) -> None:
        with opened(5) as mesh, console(mesh, base) as desk, engines(desk) as started:
            desk.release(images.make())
            rollout = desk.plan()
            way(desk, started, rollout)
            flashed_once_and_proven(desk, rollout)

    return scenario


def starts(desk: Console, rollout: str) -> Iterator[int]:
    """Count the engines until the rollout is complete; one that stands still, or takes too long, fails the test."""
    deadline = time.monotonic() + WITHIN_S
    for engine in itertools.count():
        row = desk.rollout(rollout)
        if row.state == "complete":
            return
        said = (row.state, row.pause_reason, row.pause_detail, desk.rows(rollout))
        assert row.state == "running", said
        assert time.monotonic() < deadline, said
        yield engine


def at_every_point(desk: Console, started: Engines, rollout: str) -> None:
    left = set(REACHED)
    for _ in starts(desk, rollout):
        left.discard(started.run(left, 1.0, 1, lambda: desk.rollout(rollout).state != "running", WITHIN_S))
    assert left == set()


def at_random(desk: Console, started: Engines, rollout: str) -> None:
    rng = random.Random(desk.base.name)
    kills = 0
    for kills in starts(desk, rollout):
        points, within_s = (REACHED, rng.uniform(0.5, 8)) if kills < MOST_KILLS else ([], WITHIN_S)
        started.run(points, 0.25, rng.randrange(1000), lambda: desk.rollout(rollout).state != "running", within_s)
    assert kills >= 5


def flashed_once_and_proven(desk: Console, rollout: str) -> None:
    names = desk.lab.names()
    assert set(desk.states(rollout).values()) == {"confirmed"}
    assert {name: len(desk.lab.flash_log(name)) for name in names} == dict.fromkeys(names, 1)
    assert {row.op_id for row in desk.rows(rollout).values()} == {desk.lab.flash_log(one)[0].op_id for one in names}
    proofs = desk.store.read(lambda cx: evidence.of_rollout(cx, rollout))
    public = signing_key(desk.store.directory, "file").public_key()
    assert evidence.check(rollout, desk.rollout(rollout).plan_hash, proofs, public) is None


def bricks(base: Path) -> None:
    """One node in ten does not come back; it has others behind it."""
    with opened(10) as mesh, console(mesh, base) as desk:
        stops_in_time(desk, "lab-04")


def stops_in_time(desk: Console, bricked: str) -> None:
    mesh = desk.lab
    mesh.next_flash("brick", bricked)
    desk.release(images.make())
    rollout = desk.plan()
    with desk.running():
        paused = desk.wait(rollout, "paused", "complete")
    states = desk.states(rollout)
    assert (paused.state, paused.pause_reason) == ("paused", "budget")
    assert [name for name, state in states.items() if state == "lost"] == [bricked]
    untouched = [name for name, state in states.items() if state in UNTOUCHED]
    assert {"lab-01", "lab-02"} <= set(untouched)
    assert {name: answers(mesh, name) for name in untouched} == dict.fromkeys(untouched, True)
    assert {name: len(mesh.flash_log(name)) for name in untouched} == dict.fromkeys(untouched, 0)


def blind(base: Path) -> None:
    """The console's own link is cut in the middle of a wave, for longer than any node may stay dark."""
    with opened(7) as mesh, console(mesh, base) as desk:
        waits_for_a_person(desk)


def waits_for_a_person(desk: Console) -> None:
    mesh, names = desk.lab, {"lab-06", "lab-07", "lab-03"}
    desk.release(images.make())
    rollout = desk.plan(only=names)
    with desk.running():
        assert until(lambda: "dark" in desk.states(rollout).values(), 60)
        mesh.cut("lab-01")
        paused = desk.wait(rollout, "paused")
        assert paused.pause_reason == "blind"
        deadline_ms = max(row.deadline_ms for row in desk.rows(rollout).values())
        assert until(lambda: now_ms() > deadline_ms + 1000, 60)
        assert "lost" not in desk.states(rollout).values()
        mesh.join("lab-01")
        flying = {"commit_intent", "dark", "booted", "proving"}
        assert until(lambda: not flying & set(desk.states(rollout).values()), 60)
        assert desk.rollout(rollout).state == "paused"
        desk.decide("resume", rollout)
        desk.wait(rollout, "complete")
    assert set(desk.states(rollout).values()) == {"confirmed"}
    assert desk.flashed(sorted(names)) == dict.fromkeys(sorted(names), 1)


def answers(lab: Lab, name: str) -> bool:
    try:
        with ssh.connect(lab.target(name, timeout_s=3)) as shell:
            return shell.run("true", timeout_s=3).exit_status == 0
    except DriverError:
        return False


SCENARIOS: dict[str, Scenario] = {
    "every point": killed(at_every_point),
    **{f"seed {seed}": killed(at_random) for seed in (2, 3, 4)},
    "bricks": bricks,
    "blind": blind,
}
