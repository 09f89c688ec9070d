"""Figures, checks and the regular round of a store."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from local_store import audit, oplog, upkeep
from local_store.db import Reader, Store
from local_store.errors import StoreDamaged
from local_store.oplog import Change
from local_store.sqlite import Connection
from tests.conftest import KEY

SIGNER = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = SIGNER.public_key()


def tell(cx: Connection, count: int) -> None:
    for number in range(count):
        change = Change("node", "a", "retire", {"retired": number})
        oplog.record(cx, change, "mk", now_ms=number, rng=random.Random(number))


def test_the_round_signs_heads_when_they_are_due(store: Store) -> None:
    store.ops.write(lambda cx: tell(cx, audit.HEAD_EVERY - 1))
    assert upkeep.tend(store, SIGNER, 5).signed is None
    store.ops.write(tell_one)
    head = upkeep.tend(store, SIGNER, 6).signed
    assert head is not None
    assert (head.seq, head.at_ms) == (audit.HEAD_EVERY, 6)
    found = upkeep.verify(store, PUBLIC)
    assert found.sound
    assert (found.audit.entries, found.audit.heads, found.audit.unsigned) == (audit.HEAD_EVERY, 1, 0)


def tell_one(cx: Connection) -> None:
    audit.append(cx, "mk", "note", {}, 1)


def test_a_log_that_a_reader_holds_is_told_and_later_cut(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "WAL_ALARM_BYTES", 100_000)
    reader = Reader(store.directory, KEY)

    def held(cx: Connection) -> upkeep.Round:
        cx.execute("SELECT count(*) FROM meta").fetchone()
        for _ in range(40):
            store.ops.write(
                lambda cx: cx.execute("INSERT INTO meta VALUES (hex(randomblob(8)), hex(randomblob(2000)))")
            )
        store.ops.maintain("PRAGMA busy_timeout = 0")
        return upkeep.tend(store, SIGNER, 1)

    during = reader.read(held)
    assert during.wal_alarm
    assert during.wal_bytes > 100_000
    after = upkeep.tend(store, SIGNER, 2)
    assert (after.wal_alarm, upkeep.wal_bytes(store.ops)) == (False, 0)
    reader.close()


def test_stats_name_sizes_and_rows(store: Store) -> None:
    store.ops.write(lambda cx: tell(cx, 3))
    found = upkeep.stats(store)
    assert found.bytes >= found.ops.bytes + found.ops.wal_bytes > 0
    assert found.encrypted
    assert not found.measuring_stopped
    assert not found.reserve_held
    assert found.disk_free_bytes > 0
    assert found.rows["nodes"] == 0


def test_every_part_that_is_wrong_is_named(store: Store) -> None:
    store.ops.write(lambda cx: tell(cx, 3))
    store.ops.write(lambda cx: cx.execute("UPDATE audit SET actor = 'xx' WHERE seq = 2"))
    store.ops.write(lambda cx: cx.execute("UPDATE op SET actor = 'xx' WHERE seq = 3"))
    store.ops.maintain("PRAGMA foreign_keys = OFF")
    store.ops.write(lambda cx: cx.execute("INSERT INTO alert_event VALUES (99, 1, 'opened', 'x', '')"))
    found = upkeep.verify(store, PUBLIC, lambda _cx: ["series 1, chunk from 0 to 9: checksum"])
    assert [finding.part for finding in found.findings] == ["ops", "chunks", "audit", "operations"]
    assert not found.sound
    assert found.audit.broken == audit.Break(2, "changed")


@pytest.mark.parametrize("seed", range(12))
def test_no_flipped_bit_passes(tmp_path: Path, seed: int) -> None:
    store = Store(tmp_path, KEY)
    store.ops.write(lambda cx: tell(cx, 200))
    store.close()
    path = tmp_path / "ops.db"
    content = bytearray(path.read_bytes())
    rng = random.Random(seed)
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    path.write_bytes(content)
    try:
        store = Store(tmp_path, KEY)
    except StoreDamaged:
        return
    try:
        assert not upkeep.verify(store, PUBLIC).sound
    except StoreDamaged:
        return
    finally:
        store.close()
