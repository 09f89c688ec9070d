"""The supervisor: a failing service is restarted and reported, the others never notice, a stop ends all."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Sequence

import pytest

from console.clock import now_ms
from console.supervisor import Liveness, Report, Service, Supervisor
from local_store.errors import LeaseLost

WAIT_S = 10


def test_a_failing_service_is_started_again_and_says_why() -> None:
    tries = []
    again = threading.Event()

    def shaky(stop: threading.Event, report: Report) -> None:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("the cable is out")
        again.set()
        stop.wait()

    def steady(stop: threading.Event, report: Report) -> None:
        report({"beats": 1})
        stop.wait()

    seen: list[Sequence[Liveness]] = []
    beaten = threading.Event()

    def beat(states: Sequence[Liveness], _at_ms: int) -> None:
        seen.append(states)
        beaten.set()

    services = [Service("shaky", shaky), Service("steady", steady)]
    supervisor = Supervisor(services, beat, now_ms, random.Random(1))
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    assert beaten.wait(WAIT_S)
    assert again.wait(WAIT_S)
    supervisor.stop()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    first, last = seen[0], seen[-1]
    assert first[0].state == "retrying"
    assert first[0].detail["error"] == "OSError: the cable is out"
    assert first[1].detail == {"beats": 1}
    assert [state.state for state in last] == ["stopped", "stopped"]


def test_what_a_beat_raises_ends_every_service() -> None:
    ended = threading.Event()

    def steady(stop: threading.Event, _report: Report) -> None:
        stop.wait()
        ended.set()

    def beat(_states: Sequence[Liveness], _at_ms: int) -> None:
        raise LeaseLost("another engine has it")

    supervisor = Supervisor([Service("steady", steady)], beat, now_ms, random.Random(1))
    with pytest.raises(LeaseLost):
        supervisor.run()
    assert ended.wait(WAIT_S)


def test_a_clock_that_is_set_back_holds_no_restart_up() -> None:
    again = threading.Event()
    tries, looks = itertools.count(), itertools.count()

    def shaky(stop: threading.Event, report: Report) -> None:
        if next(tries) == 0:
            raise OSError("the cable is out")
        again.set()
        stop.wait()

    def clock() -> int:
        """Set back by an hour after the service failed, which is looked at second."""
        return now_ms() - (3_600_000 if next(looks) >= 2 else 0)

    supervisor = Supervisor([Service("shaky", shaky)], lambda *_: None, clock, random.Random(1))
    thread = threading.Thread(target=supervisor.run)
    thread.start()
    restarted = again.wait(WAIT_S)
    supervisor.stop()
    thread.join(WAIT_S)
    assert restarted


def test_a_service_that_will_not_end_is_named() -> None:
    release = threading.Event()

    def stubborn(stop: threading.Event, report: Report) -> None:
        release.wait(WAIT_S)

    clock = iter(range(0, 10**9, 9_000))
    supervisor = Supervisor([Service("stubborn", stubborn)], lambda *_: None, lambda: next(clock), random.Random(1))
    supervisor.stop()
    assert supervisor.run() == ["stubborn"]
    release.set()
