"""The engine is told to stop in the middle of a rollout: its jobs end at a durable point, the next engine goes on."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from device_drivers.capabilities import LinuxNode
from device_drivers.errors import Unreachable
from local_store import rollouts
from local_store.db import Store
from playbooks.firmware.books import FLASHED, UPLOADED, Hook, Ports, no_hook
from playbooks.firmware.service import Rollouts
from tests.sim.rollout_fleet import Fleet, decide, go, planned, runner, tree

WITHIN_S = 20.0


def moving(fleet: Fleet) -> Callable[[], int]:
    """Time that goes on a little with each look at the clock."""
    ticks = itertools.count(fleet.now_ms, 50)

    def now_ms() -> int:
        fleet.now_ms = max(fleet.now_ms, next(ticks))
        return fleet.now_ms

    return now_ms


def started(store: Store) -> tuple[Fleet, str]:
    """A rollout over seven nodes that was started."""
    fleet = Fleet(tree(7))
    row = planned(store, fleet)
    decide(store, fleet, "start", row.rollout_id)
    return fleet, row.rollout_id


def stopping_at(point: str, stop: threading.Event) -> Hook:
    """Says stop when the point is passed."""

    def hook(passed: str) -> None:
        if passed == point:
            stop.set()

    return hook


def events(store: Store) -> list[tuple[object, ...]]:
    """Everything that was ever written about nodes."""
    return store.read(lambda cx: cx.execute("SELECT * FROM rollout_event ORDER BY rowid").fetchall())


@pytest.mark.parametrize(
    ("point", "beyond"),
    [
        ("batch.written", {"precheck", "staging", "staged", "tested", "commit_intent", "dark"}),
        ("staging.written", {"staged", "tested", "commit_intent", "dark"}),
        (UPLOADED, {"staged", "tested", "commit_intent", "dark"}),
        ("tested.written", {"commit_intent", "dark"}),
        ("commit_intent.written", {"dark"}),
        (FLASHED, {"dark"}),
    ],
)
def test_a_stop_ends_jobs_where_a_crash_may_and_the_next_engine_goes_on(
    store: Store, point: str, beyond: set[str]
) -> None:
    fleet, rollout_id = started(store)
    stop = threading.Event()
    told: list[dict[str, object]] = []
    with ThreadPoolExecutor(1) as pool:
        service = Rollouts(store, fleet.ports(stopping_at(point, stop)), moving(fleet))
        pool.submit(service.run, stop, lambda found: told.append(dict(found))).result(WITHIN_S)
    assert stop.is_set()
    assert told[-1] == {"unfinished": 0}
    assert not beyond & {row.state for row in store.read(lambda cx: rollouts.nodes(cx, rollout_id))}
    assert bool(fleet.flashes()) is (point == FLASHED)
    ended = events(store)
    again = runner(store, fleet)
    assert events(store) == ended
    go(again, fleet, lambda: store.read(lambda cx: rollouts.expect(cx, rollout_id)).state == "complete")
    assert {name: len(flashed) for name, flashed in fleet.flashes().items()} == dict.fromkeys(fleet.uplinks, 1)


def test_a_job_that_a_node_keeps_waiting_is_left_and_writes_nothing_any_more(store: Store) -> None:
    fleet, rollout_id = started(store)
    stop, asked, answers, ended = (threading.Event() for _ in range(4))

    @contextlib.contextmanager
    def hanging(name: str) -> Iterator[LinuxNode]:
        if not threading.current_thread().name.startswith("rollout"):  # whether a gateway answers
            with fleet.open_node(name) as node:
                yield node
            return
        asked.set()
        answers.wait(WITHIN_S)
        ended.set()
        raise Unreachable(name, "the session was closed")

    ports: Ports = replace(fleet.ports(no_hook), open_node=hanging)
    told: list[dict[str, object]] = []
    with ThreadPoolExecutor(1) as pool:
        service = Rollouts(store, ports, moving(fleet), end_within_s=0.1)
        run = pool.submit(service.run, stop, lambda found: told.append(dict(found)))
        assert asked.wait(WITHIN_S)
        stop.set()
        run.result(WITHIN_S)
    assert told[-1]["unfinished"] != 0
    before = events(store)
    answers.set()
    assert ended.wait(WITHIN_S)
    deadline = time.monotonic() + WITHIN_S
    while any(one.name.startswith("rollout") for one in threading.enumerate()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    assert events(store) == before
    assert {row.state for row in store.read(lambda cx: rollouts.nodes(cx, rollout_id))} == {"pending"}
