"""Power fails at any moment: no store is damaged and no acknowledged operation or measurement is lost."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import apsw
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import audit, db, migrate, oplog
from local_store.db import Database
from local_store.errors import StoreDamaged
from local_store.oplog import Change
from local_store.sqlite import Connection
from tests.sim.power_cut import Disk, RecordingDisk, cuts

IMAGES = 400
TRANSACTIONS = 150
SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def operation(cx: Any, number: int) -> None:
    """What a person's change writes: the state, the operation, its field versions, its audit entry."""
    rng = random.Random(number)
    values = {"reason": "x" * rng.randrange(1500), "n": number}
    oplog.record(cx, Change("order", str(number % 7), "set", values), "mk", now_ms=number, rng=rng)
    cx.execute("INSERT INTO meta VALUES (?, 'done')", (f"state {number}",))
    audit.sign_head(cx, SIGNER, number, every=10)


def measurements(cx: Any, number: int) -> None:
    """What a batch of messages writes: measurements, a state that is replaced, a counter."""
    rng = random.Random(number)
    body = rng.randbytes(rng.randrange(20_000))
    cx.execute("INSERT INTO tail VALUES (?, ?, 1, 1, ?)", (number, len(body) // 24, body))
    cx.execute("INSERT OR REPLACE INTO meta VALUES ('last', ?)", (str(number),))


def rolled(cx: Any, number: int) -> None:
    """What the roll does now and then: it moves all that waits, and its commit waits for no sync."""
    if number % 7:
        return
    cx.execute("PRAGMA synchronous = NORMAL")
    cx.execute("BEGIN IMMEDIATE")
    cx.execute("INSERT INTO bundle (s0, s1, t0_ms, t1_ms, n, body) SELECT batch, batch, 1, 1, n, body FROM tail")
    cx.execute("DELETE FROM tail")
    cx.execute("COMMIT")
    cx.execute("PRAGMA synchronous = FULL")


def operations_kept(cx: Connection) -> int:
    """Operations in the image; state, log and audit must tell of the same ones, without a hole."""
    seqs = [row[0] for row in cx.execute("SELECT seq FROM op ORDER BY seq")]
    states = {int(row[0].split()[1]) for row in cx.execute("SELECT key FROM meta WHERE key LIKE 'state %'")}
    assert seqs == list(range(1, len(seqs) + 1))
    assert states == set(seqs)
    assert oplog.changed(cx) == []
    verdict = audit.verify(cx, SIGNER.public_key())
    assert (verdict.broken, verdict.entries) == (None, len(seqs))
    return len(seqs)


def measurements_kept(cx: Connection) -> int:
    """Batches in the image, each in one place and without a hole, and the state that belongs to the last."""
    batches = [row[0] for row in cx.execute("SELECT batch FROM tail UNION ALL SELECT s0 FROM bundle ORDER BY 1")]
    last = cx.execute("SELECT value FROM meta WHERE key = 'last'").fetchone()
    assert batches == list(range(1, len(batches) + 1))
    assert (int(last[0]) if last else 0) == len(batches)
    return len(batches)


@dataclass(frozen=True, slots=True)
class Load:
    """One file's workload and how to read it back."""

    which: migrate.Which
    write: Callable[[Any, int], None]
    kept: Callable[[Connection], int]
    after: Callable[[Any, int], None] = lambda _cx, _number: None


LOADS = [Load("ops", operation, operations_kept), Load("telemetry", measurements, measurements_kept, rolled)]


def record(directory: Path, load: Load, synchronous: str) -> Disk:
    """Run the workload with our schema and pragmas on a disk that takes everything down."""
    disk = Disk()
    name = f"{load.which}-{synchronous}"
    vfs = RecordingDisk(name, disk)
    cx: Any = apsw.Connection(str(directory / f"{load.which}.db"), vfs=name)
    for pragma in db.PRAGMAS:
        cx.execute(pragma).fetchall()
    cx.execute(f"PRAGMA synchronous = {synchronous}")
    # Many checkpoints in a short run: they are the moments that could damage the file itself.
    cx.execute("PRAGMA wal_autocheckpoint = 40").fetchall()
    for number in range(TRANSACTIONS + 1):
        cx.execute("BEGIN IMMEDIATE")
        if number:
            load.write(cx, number)
        else:
            migrate.bring_up(cx, load.which, directory)
        cx.execute("COMMIT")
        disk.acknowledge(number)
        load.after(cx, number)
    cx.close()
    vfs.unregister()
    return disk


@dataclass(slots=True)
class Toll:
    """What so many power cuts cost."""

    damaged: int = 0
    lost: int = 0
    unacknowledged_kept: int = 0


def suffer(directory: Path, load: Load, synchronous: str) -> Toll:
    """Record once, cut the power again and again, and open what is left as the product does."""
    toll = Toll()
    disk = record(directory, load, synchronous)
    for number, (acknowledged, files) in enumerate(cuts(disk, IMAGES, random.Random(7))):
        image = directory / str(number)
        image.mkdir()
        for name, content in files.items():
            (image / name).write_bytes(content)
        (image / f"{load.which}.db").touch()
        try:
            kept = _open(image / f"{load.which}.db", load)
        except (StoreDamaged, AssertionError):
            toll.damaged += 1
            continue
        toll.lost += kept < acknowledged
        toll.unacknowledged_kept += kept > acknowledged
    return toll


def _open(path: Path, load: Load) -> int:
    database = Database(path, None)
    try:
        database.bring_up(load.which)
        assert database.maintain("PRAGMA integrity_check") == [("ok",)]
        return database.write(load.kept)
    finally:
        database.close()


@pytest.mark.parametrize("load", LOADS, ids=lambda load: load.which)
def test_no_power_cut_damages_or_loses_anything(tmp_path: Path, load: Load) -> None:
    toll = suffer(tmp_path, load, "FULL")
    assert (toll.damaged, toll.lost) == (0, 0)
    assert toll.unacknowledged_kept, "no cut fell between a commit and its acknowledgement: the cuts are too tame"


@pytest.mark.parametrize(("synchronous", "expected"), [("NORMAL", "lost"), ("OFF", "damaged")])
def test_the_cuts_bite(tmp_path: Path, synchronous: str, expected: str) -> None:
    """The same load with weaker syncing suffers; otherwise the test above would show nothing."""
    toll = partial(suffer, tmp_path, LOADS[0])(synchronous)
    assert getattr(toll, expected) > 10
