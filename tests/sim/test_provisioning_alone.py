"""Runs of new nodes when somebody else acts at the same moment: an abort, another command, an engine."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace

import pytest

from local_store import journal
from local_store.db import Store
from playbooks.provisioning import runner
from tests.conftest import KEY
from tests.sim.config_fleet import START_MS
from tests.sim.test_provisioning import JOB, Mast


@pytest.fixture
def mast(store: Store) -> Mast:
    return Mast(store)


class Turns(threading.Event):
    """Ends a service after some looks."""

    def __init__(self, looks: int) -> None:
        super().__init__()
        self._left = looks

    def wait(self, timeout: float | None = None) -> bool:
        self._left -= 1
        return self._left <= 0


def service_turns(mast: Mast, looks: int) -> list[Mapping[str, object]]:
    """What the engine's service reports in some looks."""
    told: list[Mapping[str, object]] = []
    runner.Provisioning(lambda _stop: mast.ports()).run(Turns(looks), told.append)
    return told


def state_of(store: Store, run_id: str) -> str:
    row = store.read(lambda cx: cx.execute("SELECT state FROM run WHERE run_id = ?", (run_id,)).fetchone())
    return str(row[0])


def test_a_run_given_up_while_it_works_ends_and_the_service_goes_on_with_others(mast: Mast) -> None:
    run_id, other = mast.begin(), mast.begin(replace(JOB, node_id="ge-bue-0100", serial="SN0001"))
    service_turns(mast, 1)
    mast.store.ops.write(lambda cx: runner.answer(cx, runner.find(cx, run_id), True, "mk", "", START_MS))
    aborted = False

    def abort(_node: str, verb: str) -> None:
        nonlocal aborted
        if verb == "key-add" and not aborted:
            aborted = True
            mast.store.ops.write(lambda cx: journal.end_run(cx, run_id, "aborted", START_MS))

    mast.fleet.after = abort
    service_turns(mast, 3)
    assert aborted
    assert state_of(mast.store, run_id) == "aborted"
    assert mast.fleet.applied("factory") == 0
    assert [run.run_id for run in mast.store.read(runner.open_runs)] == [other]


def test_the_service_leaves_runs_alone_while_a_command_goes_through_them(mast: Mast) -> None:
    run_id = mast.begin()
    second = Store(mast.store.directory, KEY)
    with runner.alone(second) as mine:
        assert mine
        service_turns(mast, 2)
        assert {one["state"] for one in mast.shown(run_id).values()} == {"waiting"}
    service_turns(mast, 1)
    assert mast.shown(run_id)["contact"]["state"] == "asks"
    second.close()
