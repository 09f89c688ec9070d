"""Gateways nobody can log in to: the poll service is asked at once, and only what it finds then counts."""

from __future__ import annotations

import threading
from queue import SimpleQueue

from local_store import nodes
from local_store.db import Store
from local_store.records import NodeState
from playbooks.firmware.witnesses import asking


def polled(store: Store, name: str, at_ms: int, seen_ms: int) -> None:
    state = NodeState(name, "ok", at_ms, "", seen_ms, at_ms)
    store.telemetry.write(lambda cx: nodes.save_states(cx, [state]))


def test_an_old_answer_does_not_count_and_a_new_one_does(store: Store) -> None:
    poll_now: SimpleQueue[str] = SimpleQueue()
    for name in ("g0", "g1"):
        polled(store, name, 1_000, 1_000)

    def poll() -> None:
        asked = {poll_now.get(timeout=20), poll_now.get(timeout=20)}
        for name in sorted(asked):
            polled(store, name, 2_000, 2_000 if name == "g1" else 1_000)

    service = threading.Thread(target=poll)
    service.start()
    ask = asking(store, poll_now, lambda: 2_000, threading.Event())
    assert ask(["g0", "g1"]) == {"g1"}
    service.join()


def test_nobody_polls_nobody_answers(store: Store) -> None:
    polled(store, "g0", 1_000, 1_000)
    clock = iter(range(2_000, 90_000, 1_000))
    ask = asking(store, SimpleQueue(), lambda: next(clock), threading.Event(), wait_ms=2_000)
    assert ask(["g0"]) == set()
