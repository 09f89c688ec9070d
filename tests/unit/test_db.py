"""The two files of a store: transactions, the bell, the newer file."""

from __future__ import annotations

from pathlib import Path

import pytest

from local_store.db import Database, Reader, Store
from local_store.errors import StoreDamaged, StoreNewer
from tests.conftest import KEY


def test_a_raising_write_leaves_nothing(store: Store) -> None:
    def half(cx: object) -> None:
        cx.execute("INSERT INTO meta VALUES ('a', '1')")  # type: ignore[attr-defined]
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        store.ops.write(half)
    assert store.read(lambda cx: cx.execute("SELECT count(*) FROM meta").fetchone()[0]) == 0


def test_the_bell_rings_for_either_file(store: Store) -> None:
    reader = Reader(store.directory, KEY)
    before = reader.bell()
    store.telemetry.write(lambda cx: cx.execute("INSERT INTO meta VALUES ('a', '1')"))
    middle = reader.bell()
    store.ops.write(lambda cx: cx.execute("INSERT INTO meta VALUES ('a', '1')"))
    after = reader.bell()
    reader.close()
    assert before[0] == middle[0]
    assert before[1] != middle[1]
    assert middle[0] != after[0]


def test_a_newer_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    database = Database(tmp_path / "ops.db", KEY)
    database.maintain("PRAGMA user_version = 9999")
    database.close()
    with pytest.raises(StoreNewer, match="9999"):
        Store(tmp_path, KEY)


def test_a_foreign_key_is_refused_with_a_sentence(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    with pytest.raises(StoreDamaged, match="key does not fit"):
        Store(tmp_path, bytes(32))
