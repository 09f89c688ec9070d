"""The engine process: takes the lease, runs the services, ends cleanly on SIGTERM and resumes after anything."""

from __future__ import annotations

import gc
import json
import os
import random
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from console.clock import now_ms
from console.compose import services
from console.config import Config, store_directory
from console.supervisor import Liveness, Supervisor
from device_drivers import input_end
from local_store import liveness
from local_store.db import Store
from local_store.errors import LeaseLost, StoreBusy, StoreFull
from local_store.keys import store_key
from local_store.lease import Lease
from local_store.sqlite import Connection

SWITCH_S: Final = 0.001
"""How long a busy thread keeps the interpreter from one that has work, which a commit asks for several times.

20,000 measurements a second beside one busy thread, four runs each in turn: commit p50 6.5 ms and p99 18 ms with 1 ms,
14.8 and 60 ms with the usual 5; the other thread did as much. Beside upkeep alone there is no difference (p99 5.3 ms).
"""

COLLECT_AFTER: Final = (50_000, 20, 100)
"""What polls leave behind has no cycles; looking for some at the usual pace took a quarter of the engine's time."""


def run(config: Config, config_file: Path | None, store_given: Path | None, *, until_stdin_closes: bool = False) -> int:
    """Collect until told to stop, by the end of standard input too if so asked.

    0 at a clean end, 1 when a service did not end in time.

    Raises StoreError, StoreBusy among them, and SecretError before anything has started.
    """
    os.umask(0o077)
    sys.setswitchinterval(SWITCH_S)
    gc.set_threshold(*COLLECT_AFTER)
    directory = store_directory(config, store_given)
    base = config_file.parent if config_file is not None else Path.cwd()
    store = Store(directory, store_key(directory, config.store.key).raw)
    try:
        lease = Lease(store, now_ms())
        try:
            return _supervise(config, base, store, lease, until_stdin_closes)
        finally:
            lease.release()
    finally:
        store.close()


def leave(code: int) -> None:
    """End the process at once if something still hangs in a call to a node, which nobody may wait for.

    It can write nothing any more, but the interpreter would wait for it: minutes in which it goes on sending to a node
    that the next engine works on already.
    """
    if any(not one.daemon for one in threading.enumerate() if one is not threading.main_thread()):
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _supervise(config: Config, base: Path, store: Store, lease: Lease, until_stdin_closes: bool) -> int:
    def told(states: Sequence[Liveness], at_ms: int) -> None:
        beat(store, lease, states, at_ms)

    store.ops.write(liveness.forget)
    gc.freeze()  # what was imported stays
    supervisor = Supervisor(services(config, base, store, now_ms), told, now_ms, random.Random())  # noqa: S311
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: supervisor.stop())
    if until_stdin_closes:
        input_end.watch(supervisor.stop)
    return 1 if supervisor.run() else 0


def beat(store: Store, lease: Lease, states: Sequence[Liveness], at_ms: int) -> bool:
    """Renew lease and liveness; False when the disk is full or another process holds the store for long.

    The file lock keeps other engines out meanwhile, and the age of the last beat tells people. Raises LeaseLost.
    """
    try:
        store.ops.write(lambda cx: _write(cx, lease, states, at_ms))
    except LeaseLost:
        raise
    except (StoreBusy, StoreFull):
        return False
    return True


def _write(cx: Connection, lease: Lease, states: Sequence[Liveness], at_ms: int) -> None:
    lease.beat(cx, at_ms)
    for one in states:
        detail = json.dumps(one.detail, ensure_ascii=False, default=str)
        liveness.beat(cx, one.name, one.state, detail, at_ms)
