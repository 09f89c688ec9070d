"""Whether nodes nobody can log in to live: the poll service asks them at once. Never talks to a node itself."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from queue import SimpleQueue
from typing import Final

from local_store import nodes
from local_store.db import Store
from local_store.sqlite import Connection
from playbooks.firmware.books import Ask

WAIT_MS: Final = 15_000
"""Enough for every retry of one poll and for its way into the store."""
LOOK_S: Final = 0.2


def asking(
    store: Store,
    poll_now: SimpleQueue[str],
    now_ms: Callable[[], int],
    stop: threading.Event,
    wait_ms: int = WAIT_MS,
) -> Ask:
    """Polls made from now on count, not what was seen before; a node that is not polled in time gave no answer."""

    def ask(names: Sequence[str]) -> AbstractSet[str]:
        begun_ms = now_ms()
        for name in names:
            poll_now.put(name)
        while True:
            polled, answered = store.read(lambda cx: _since(cx, names, begun_ms))
            if polled >= set(names) or now_ms() - begun_ms >= wait_ms or stop.wait(LOOK_S):
                return answered

    return ask


def _since(cx: Connection, names: Sequence[str], begun_ms: int) -> tuple[set[str], set[str]]:
    """Who was polled since, and who of them answered."""
    states = [state for name in names if (state := nodes.get_state(cx, name)) is not None]
    polled = [state for state in states if state.polled_ms >= begun_ms]
    return {one.node_id for one in polled}, {one.node_id for one in polled if one.seen_ms == one.polled_ms}
