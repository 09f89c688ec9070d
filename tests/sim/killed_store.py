"""A process that writes operations and measurements without end until somebody kills it. It tells each commit."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from local_store import audit, keys, oplog, tally
from local_store.db import Store
from local_store.lease import Lease
from local_store.oplog import Change


def main(directory: str, first: str) -> None:
    """Take the lease, then commit operation and measurement number `first` and all after it."""
    place = Path(directory)
    store = Store(place, keys.store_key(place, "file").raw)
    lease = Lease(store, int(first))
    signer = keys.signing_key(place, "file")
    for number in range(int(first), sys.maxsize):
        rng = random.Random(number)
        change = Change("order", str(number % 5), "set", {"n": number, "text": "x" * rng.randrange(800)})
        store.ops.write(lambda cx, it=change, at=number, by=rng: oplog.record(cx, it, "mk", now_ms=at, rng=by))
        store.ops.write(lambda cx, at=number: audit.sign_head(cx, signer, at, every=20))
        store.telemetry.write(lambda cx: tally.add(cx, {"measurements": 1}))
        if number % 30 == 0:
            store.ops.write(lambda cx, at=number: lease.beat(cx, at))
            store.ops.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
