"""A process that appends and rolls without end until somebody kills it. It tells each committed sample."""

from __future__ import annotations

import sys
import threading
from functools import partial
from pathlib import Path

from local_store.db import Store
from local_store.records import Sample
from local_store.telemetry import bundles, chunks, retention, roll, tail
from tests.conftest import KEY

SERIES = 40
PER_APPEND = 20


def append(store: Store, first: int) -> None:
    """Commit one batch after the other; sample number k goes to series k % SERIES at k ms with value k."""
    for start in range(first, sys.maxsize, PER_APPEND):
        samples = [Sample(at % SERIES, at, float(at)) for at in range(start, start + PER_APPEND)]
        store.telemetry.write(partial(tail.append, samples=samples))
        sys.stdout.write(f"{start + PER_APPEND}\n")
        sys.stdout.flush()


def main(directory: str, first: str) -> None:
    """Append in one thread and keep rolling in another, in steps so small that a kill hits between and within them."""
    roll.FOLD_SAMPLES, roll.SLICE_SERIES, roll.PASS_SAMPLES = 300, 3, 500  # type: ignore[misc]
    bundles.PIECE_SAMPLES, chunks.MOST_SAMPLES = 50, 60  # type: ignore[misc]
    store = Store(Path(directory), KEY)
    threading.Thread(target=append, args=(store, int(first)), daemon=True).start()
    while True:
        list(roll.roll(store))
        list(retention.drop(store, retention.Keep(), 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
