"""A console killed with -9 at every point where something is made durable, over real nodes: nobody is flashed twice."""

from __future__ import annotations

import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local_store import evidence
from local_store.keys import signing_key
from tests.lab import images
from tests.lab.console import Console, console
from tests.lab.engine import Engines, engines
from tests.lab.lab import opened, require
from tests.sim.test_rollout_crash import REACHED

WITHIN_S = 90.0
MOST_KILLS = 12


def test_killed_again_and_again_every_node_is_flashed_once_and_confirmed(tmp_path: Path) -> None:
    """Side by side: one rollout killed at each point as soon as it is passed, others at points and moments by chance.

    They wait for nodes most of the time. Few nodes, over three hops: canaries, an ordinary wave, the gateway.
    """
    require()
    ways = {"every-point": at_every_point, "seed-2": at_random, "seed-3": at_random, "seed-4": at_random}
    with ThreadPoolExecutor(len(ways)) as pool:
        ends = {name: pool.submit(upgraded, tmp_path / name, way) for name, way in ways.items()}
    assert {name: end.exception() for name, end in ends.items()} == dict.fromkeys(ways)


def upgraded(base: Path, way: Callable[[Console, Engines, str], None]) -> None:
    """One lab and one console of their own; what must be true of every node in the end."""
    with opened(5) as mesh, console(mesh, base) as desk, engines(desk) as started:
        desk.release(images.make())
        rollout = desk.plan()
        way(desk, started, rollout)
        flashed_once_and_proven(desk, rollout)


def at_every_point(desk: Console, started: Engines, rollout: str) -> None:
    left = set(REACHED)
    while desk.rollout(rollout).state != "complete":
        left.discard(started.run(left, 1.0, 1, lambda: desk.rollout(rollout).state == "complete", WITHIN_S))
    assert left == set()


def at_random(desk: Console, started: Engines, rollout: str) -> None:
    rng = random.Random(desk.base.name)
    kills = 0
    while desk.rollout(rollout).state != "complete":
        points, within_s = (REACHED, rng.uniform(0.5, 8)) if kills < MOST_KILLS else ([], WITHIN_S)
        started.run(points, 0.25, rng.randrange(1000), lambda: desk.rollout(rollout).state == "complete", within_s)
        kills += 1
    assert kills > 5


def flashed_once_and_proven(desk: Console, rollout: str) -> None:
    names = desk.lab.names()
    assert set(desk.states(rollout).values()) == {"confirmed"}
    assert {name: len(desk.lab.flash_log(name)) for name in names} == dict.fromkeys(names, 1)
    assert {row.op_id for row in desk.rows(rollout).values()} == {desk.lab.flash_log(one)[0].op_id for one in names}
    proofs = desk.store.read(lambda cx: evidence.of_rollout(cx, rollout))
    public = signing_key(desk.store.directory, "file").public_key()
    assert evidence.check(rollout, desk.rollout(rollout).plan_hash, proofs, public) is None
