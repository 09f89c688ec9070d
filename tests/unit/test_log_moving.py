"""The write-ahead log is moved beside the writer, and what nobody was promised is not synced."""

from __future__ import annotations

import threading

import pytest

from local_store.db import WAL_PAGES, Store
from local_store.sqlite import Connection


def fill(cx: Connection) -> None:
    cx.execute("INSERT INTO meta VALUES (hex(randomblob(8)), hex(randomblob(20000)))")


def synchronous(store: Store) -> object:
    return store.telemetry.maintain("PRAGMA synchronous")[0][0]


def test_the_log_is_moved_while_a_writer_is_in_its_transaction(store: Store) -> None:
    store.telemetry.move_log()
    store.telemetry.write(fill)
    found: list[tuple[int, int]] = []

    def write(cx: Connection) -> None:
        fill(cx)
        mover = threading.Thread(target=lambda: found.append(store.telemetry.move_log()))
        mover.start()
        mover.join(10)
        assert not mover.is_alive(), "moving the log waited for the writer"

    store.telemetry.write(write)
    pages, moved = found[0]
    assert pages == moved > 0


def test_a_moved_log_is_used_again_from_its_beginning(store: Store) -> None:
    log = store.directory / "telemetry.db-wal"
    for _ in range(40):
        store.telemetry.write(fill)
        store.telemetry.move_log()
    assert log.stat().st_size < 60 * 4200


def test_without_anybody_who_moves_it_the_writer_bounds_the_log(store: Store) -> None:
    for _ in range(300):
        store.telemetry.write(fill)
    assert (store.directory / "telemetry.db-wal").stat().st_size < (WAL_PAGES + 50) * 4200


def test_only_a_rearrangement_goes_without_a_sync(store: Store) -> None:
    def seen(cx: Connection) -> object:
        fill(cx)
        return cx.execute("PRAGMA synchronous").fetchone()[0]

    def failing(cx: Connection) -> None:
        fill(cx)
        raise ValueError("stop")

    assert (store.telemetry.rearrange(seen), store.telemetry.write(seen)) == (1, 2)
    with pytest.raises(ValueError, match="stop"):
        store.telemetry.rearrange(failing)
    assert synchronous(store) == 2
    assert store.read(lambda cx: cx.execute("SELECT count(*) FROM tm.meta").fetchone()[0]) == 2
