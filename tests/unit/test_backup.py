"""Backup and restore: complete or not at all, never into a living store, never a damaged one."""

from __future__ import annotations

import json
import stat
import threading
from pathlib import Path

import pytest

from local_store import backup, restoring
from local_store.db import Database, Reader, Store
from local_store.errors import StoreBusy, StoreDamaged, StoreError, StoreNewer
from local_store.keys import KEY_FILE
from local_store.lease import Lease
from local_store.sqlite import lib
from tests.conftest import KEY


def note(store: Store, value: str) -> None:
    store.ops.write(lambda cx: cx.execute("INSERT OR REPLACE INTO meta VALUES ('note', ?)", (value,)))
    store.telemetry.write(lambda cx: cx.execute("INSERT OR REPLACE INTO meta VALUES ('note', ?)", (value,)))


def noted(directory: Path) -> tuple[str, str]:
    store = Store(directory, KEY)
    sql = "SELECT o.value, t.value FROM main.meta o JOIN tm.meta t USING (key) WHERE key = 'note'"
    found: tuple[str, str] = store.read(lambda cx: cx.execute(sql).fetchone())
    store.close()
    return found


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store that says "old", its backup in `backup`, and that says "new" since."""
    store = Store(tmp_path / "store", KEY)
    (tmp_path / "store" / KEY_FILE).write_text("secret")
    note(store, "old")
    backup.backup(store, tmp_path / "backup", 7)
    note(store, "new")
    store.close()
    return tmp_path


def test_a_backup_is_private_encrypted_and_holds_no_key(place: Path) -> None:
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (place / "backup").iterdir()}
    assert found == {"ops.db": 0o600, "telemetry.db": 0o600, "manifest.json": 0o600}
    assert stat.S_IMODE((place / "backup").stat().st_mode) == 0o700
    assert not (place / "backup" / "ops.db").read_bytes().startswith(b"SQLite format 3")
    assert backup.check(place / "backup", KEY).created_ms == 7
    assert not [path for path in place.iterdir() if "partial" in path.name]
    with pytest.raises(lib.DatabaseError):
        lib.connect(str(place / "backup" / "ops.db")).execute("SELECT * FROM meta")


def test_a_backup_comes_back_and_the_old_files_are_kept(place: Path) -> None:
    backup.restore(place / "backup", place / "store", KEY)
    assert noted(place / "store") == ("old", "old")
    kept = place / "store" / f"{restoring.BEFORE}-1"
    assert noted(kept) == ("new", "new")
    backup.restore(place / "backup", place / "store", KEY)
    assert noted(kept) == ("new", "new")
    assert noted(place / "store" / f"{restoring.BEFORE}-2") == ("old", "old")
    backup.restore(place / "backup", place / "elsewhere", KEY)
    assert noted(place / "elsewhere") == ("old", "old")


def test_a_backup_replaces_nothing(place: Path) -> None:
    store = Store(place / "store", KEY)
    with pytest.raises(StoreError, match="exists already"):
        backup.backup(store, place / "backup", 8)
    with pytest.raises(StoreError, match="/proc/none is no directory"):
        backup.backup(store, Path("/proc/none/backup"), 8)
    store.close()


def test_a_living_store_is_not_overwritten(place: Path) -> None:
    store = Store(place / "store", KEY)
    with pytest.raises(StoreBusy, match="open in another console"):
        backup.restore(place / "backup", place / "store", KEY)
    held = Lease(store, 1)
    with pytest.raises(StoreBusy, match="in use by an engine"):
        backup.restore(place / "backup", place / "store", KEY)
    held.release()
    store.close()
    assert noted(place / "store") == ("new", "new")


def test_a_store_only_looked_at_is_not_overwritten_either(place: Path) -> None:
    reader = Reader(place / "store", KEY)
    with pytest.raises(StoreBusy, match="open in another console"):
        backup.restore(place / "backup", place / "store", KEY)
    reader.close()
    assert noted(place / "store") == ("new", "new")


def test_a_damaged_store_can_be_restored(place: Path) -> None:
    (place / "store" / "ops.db").write_bytes(b"rubbish" * 1000)
    backup.restore(place / "backup", place / "store", KEY)
    assert noted(place / "store") == ("old", "old")


def change_manifest(place: Path, **changes: object) -> None:
    path = place / "backup" / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def spoil(place: Path, how: str) -> None:
    source = place / "backup"
    if how == "flipped":
        content = bytearray((source / "telemetry.db").read_bytes())
        content[5000] ^= 1
        (source / "telemetry.db").write_bytes(content)
    elif how == "missing":
        (source / "ops.db").unlink()
    elif how == "no manifest":
        (source / "manifest.json").unlink()
    elif how == "cut manifest":
        (source / "manifest.json").write_text('{"format": 1, ')
    elif how == "other files":
        change_manifest(place, files=[])
    else:
        change_manifest(place, key="0" * 16)


@pytest.mark.parametrize("how", ["flipped", "missing", "no manifest", "cut manifest", "other files", "other key"])
def test_a_spoiled_backup_touches_nothing(place: Path, how: str) -> None:
    spoil(place, how)
    with pytest.raises(StoreDamaged):
        backup.restore(place / "backup", place / "store", KEY)
    assert noted(place / "store") == ("new", "new")


def test_a_newer_backup_is_refused(place: Path) -> None:
    change_manifest(place, format=2)
    with pytest.raises(StoreNewer):
        backup.restore(place / "backup", place / "store", KEY)
    change_manifest(
        place, format=1, files=[{"name": n, "bytes": 0, "sha256": "", "version": 99} for n in restoring.NAMES]
    )
    with pytest.raises(StoreNewer, match="version 99"):
        backup.restore(place / "backup", place / "store", KEY)


@pytest.mark.parametrize("done", range(10))
def test_a_crash_in_the_middle_of_a_restore_is_finished_by_the_next_start(place: Path, done: int) -> None:
    """After the commit point (`restoring/` has its name) any number of the following renames may have happened."""
    directory = place / "store"
    for name in restoring.NAMES:
        # Left by a kill: a log that must not be played into the restored file.
        database = Database(directory / name, KEY)
        database.write(lambda cx: cx.execute("INSERT OR REPLACE INTO meta VALUES ('note', 'newest')"))
        saved = {path.name: path.read_bytes() for path in directory.glob(f"{name}*")}
        database.close()
        for left, content in saved.items():
            (directory / left).write_bytes(content)
    backup._stage(place / "backup", directory)
    old = directory / restoring.READY / restoring.OLD
    old.mkdir()
    steps = []
    for name in restoring.NAMES:
        steps += [(directory / f"{name}{suffix}", old / f"{name}{suffix}") for suffix in ("-wal", "-shm", "")]
        steps.append((directory / restoring.READY / name, directory / name))
    steps.append((old, directory / f"{restoring.BEFORE}-1"))
    for source, target in steps[:done]:
        source.replace(target)
    assert noted(directory) == ("old", "old")
    assert not (directory / restoring.READY).exists()
    assert noted(directory / f"{restoring.BEFORE}-1") == ("newest", "newest")


def test_many_that_open_a_store_at_once_finish_its_restore_once(place: Path) -> None:
    backup._stage(place / "backup", place / "store")
    ready, found = threading.Barrier(6), list[bool]()

    def start() -> None:
        ready.wait()
        found.append(restoring.finish(place / "store"))

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert noted(place / "store") == ("old", "old")
