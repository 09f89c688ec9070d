"""Journaled runs: what a step promised decides what may happen to it after a crash."""

from __future__ import annotations

import pytest

from local_store import journal
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.journal import PlannedStep, Promise, Run

RUN = Run("r1", "firmware", '{"nodes":["a"]}', "mk", "running", 1, None)
STEPS = [PlannedStep("upload", "idempotent"), PlannedStep("flash", "observable"), PlannedStep("fuse", "once")]


@pytest.fixture
def journaled(store: Store) -> Store:
    """A run of three steps, none begun."""
    store.ops.write(lambda cx: journal.create(cx, RUN, STEPS))
    return store


def start(store: Store, seq: int) -> None:
    store.ops.write(lambda cx: journal.start(cx, "r1", seq, 10))


def finish(store: Store, seq: int, end: journal.StepEnd = "done") -> None:
    store.ops.write(lambda cx: journal.finish(cx, "r1", seq, end, '{"hash":"x"}', now_ms=11))


def states(store: Store) -> list[str]:
    return [step.state for step in store.read(lambda cx: journal.steps_of(cx, "r1"))]


def test_a_run_goes_through(journaled: Store) -> None:
    assert journaled.read(journal.unfinished) == [RUN]
    for seq in (1, 2, 3):
        with pytest.raises(StoreRefused, match="at least one step is not"):
            journaled.ops.write(lambda cx: journal.end_run(cx, "r1", "done", 12))
        start(journaled, seq)
        finish(journaled, seq)
    journaled.ops.write(lambda cx: journal.end_run(cx, "r1", "done", 12))
    assert journaled.read(journal.unfinished) == []
    assert states(journaled) == ["done", "done", "done"]
    with pytest.raises(StoreRefused, match="not open"):
        journaled.ops.write(lambda cx: journal.end_run(cx, "r1", "aborted", 13))


def test_after_a_crash_begun_steps_are_to_be_looked_at(journaled: Store) -> None:
    start(journaled, 1)
    finish(journaled, 1)
    start(journaled, 2)
    assert [(step.seq, step.promise) for step in journaled.read(journal.to_probe)] == [(2, "observable")]
    journaled.ops.write(lambda cx: journal.end_run(cx, "r1", "aborted", 12))
    assert journaled.read(journal.to_probe) == []


@pytest.mark.parametrize(("seq", "promise"), [(1, "idempotent"), (2, "observable")])
def test_a_repeatable_step_may_act_again(journaled: Store, seq: int, promise: Promise) -> None:
    start(journaled, seq)
    start(journaled, seq)
    finish(journaled, seq, "failed")
    start(journaled, seq)
    step = journaled.read(lambda cx: journal.steps_of(cx, "r1"))[seq - 1]
    assert (step.promise, step.attempts, step.state) == (promise, 3, "started")


def test_a_step_that_may_act_once_asks_a_person(journaled: Store) -> None:
    start(journaled, 3)
    with pytest.raises(StoreRefused, match="it is started"):
        start(journaled, 3)
    finish(journaled, 3, "asks")
    with pytest.raises(StoreRefused, match="it is asks"):
        start(journaled, 3)
    journaled.ops.write(lambda cx: journal.let_again(cx, "r1", 3))
    start(journaled, 3)
    finish(journaled, 3, "failed")
    with pytest.raises(StoreRefused, match="it is failed"):
        start(journaled, 3)


def test_nothing_acts_out_of_order(journaled: Store) -> None:
    with pytest.raises(StoreRefused, match="it is waiting"):
        finish(journaled, 1)
    with pytest.raises(StoreRefused, match="no such step"):
        start(journaled, 9)
    with pytest.raises(StoreRefused, match="does not ask"):
        journaled.ops.write(lambda cx: journal.let_again(cx, "r1", 1))
    start(journaled, 1)
    finish(journaled, 1)
    with pytest.raises(StoreRefused, match="it is done"):
        start(journaled, 1)
    journaled.ops.write(lambda cx: journal.end_run(cx, "r1", "failed", 12))
    with pytest.raises(StoreRefused, match="its run is failed"):
        start(journaled, 2)
