"""The two files of a store: transactions, the bell, the newer file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from local_store import migrate
from local_store.db import Database, Reader, Store, store_error
from local_store.errors import StoreClosed, StoreDamaged, StoreError, StoreNewer
from local_store.files import private_file
from local_store.migrate import Step
from local_store.sqlite import Connection, DatabaseError, IntegrityError, OperationalError, lib
from tests.conftest import KEY


def test_a_raising_write_leaves_nothing(store: Store) -> None:
    def half(cx: object) -> None:
        cx.execute("INSERT INTO meta VALUES ('a', '1')")  # type: ignore[attr-defined]
        raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        store.ops.write(half)
    assert store.read(lambda cx: cx.execute("SELECT count(*) FROM meta WHERE key = 'a'").fetchone()[0]) == 0


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


def note(cx: Connection, key: str) -> None:
    cx.execute("INSERT INTO meta VALUES (?, '1')", (key,))


def notes(cx: Connection) -> set[str]:
    return {row[0] for row in cx.execute("SELECT key FROM main.meta")}


def test_only_the_owner_may_look_at_any_file(tmp_path: Path) -> None:
    place = tmp_path / "store"
    place.mkdir(mode=0o755)
    (place / "ops.db").touch(mode=0o644)
    store = Store(place, KEY)
    store.ops.write(lambda cx: note(cx, "a"))
    found = {path.name: stat.S_IMODE(path.stat().st_mode) for path in place.iterdir()}
    store.close()
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert found.keys() >= {"ops.db", "ops.db-wal", "ops.db-shm", "telemetry.db"}
    assert set(found.values()) == {0o600}


def test_a_directory_that_others_need_keeps_its_rights(tmp_path: Path) -> None:
    shared = tmp_path / "tmp"
    shared.mkdir()
    (shared / "somebody's").touch()
    shared.chmod(0o1777)
    with pytest.raises(StoreError, match="holds other things and is open to others"):
        Store(shared, KEY)
    assert stat.S_IMODE(shared.stat().st_mode) == 0o1777
    assert [path.name for path in shared.iterdir()] == ["somebody's"]


def test_a_directory_may_be_called_anything(tmp_path: Path) -> None:
    store = Store(tmp_path / "50% städtisch? #1 & mehr", KEY)
    store.telemetry.write(lambda cx: note(cx, "a"))
    assert store.read(lambda cx: cx.execute("SELECT count(*) FROM tm.meta").fetchone()[0]) == 1
    store.close()


def test_a_file_in_place_of_the_directory_is_told(tmp_path: Path) -> None:
    (tmp_path / "store").touch()
    with pytest.raises(StoreError, match="cannot be used as a store directory"):
        Store(tmp_path / "store", KEY)


@pytest.mark.parametrize("name", ["ops.db", "telemetry.db"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_truncated_file_is_refused_with_a_sentence(tmp_path: Path, name: str, share: float) -> None:
    Store(tmp_path, KEY).close()
    path = tmp_path / name
    os.truncate(path, int(path.stat().st_size * share))
    size = path.stat().st_size
    with pytest.raises(StoreDamaged, match=name):
        Store(tmp_path, KEY)
    assert path.stat().st_size == size


def test_lost_measurements_do_not_cost_the_operations(tmp_path: Path) -> None:
    store = Store(tmp_path, KEY)
    store.ops.write(lambda cx: note(cx, "kept"))
    store.close()
    (tmp_path / "telemetry.db").unlink()
    for _ in range(2):
        store = Store(tmp_path, KEY)
        assert "kept" in store.read(notes)
        store.close()


def test_measurements_without_operations_are_not_taken_for_a_new_store(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    (tmp_path / "ops.db").unlink()
    with pytest.raises(StoreDamaged, match="missing or empty"):
        Store(tmp_path, KEY)
    assert not (tmp_path / "ops.db").exists()


@pytest.mark.parametrize("content", [b"not a database at all, " * 500, b"SQLite format 3\x00" + bytes(4080)])
def test_a_foreign_file_is_refused_and_stays_as_it_is(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "ops.db").write_bytes(content)
    with pytest.raises(StoreDamaged, match=r"ops\.db"):
        Store(tmp_path, KEY)
    assert (tmp_path / "ops.db").read_bytes() == content


def test_swapped_files_are_refused(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    (tmp_path / "ops.db").rename(tmp_path / "other")
    (tmp_path / "telemetry.db").rename(tmp_path / "ops.db")
    (tmp_path / "other").rename(tmp_path / "telemetry.db")
    with pytest.raises(StoreDamaged, match="something else"):
        Store(tmp_path, KEY)


def test_a_crash_while_a_store_is_made_is_made_good(tmp_path: Path) -> None:
    (tmp_path / "ops.db").touch()
    Store(tmp_path, KEY).close()
    ops = Database(tmp_path / "ops.db", KEY)
    ops.write(lambda cx: cx.execute("DELETE FROM meta WHERE key = 'telemetry'"))
    ops.close()
    os.truncate(tmp_path / "telemetry.db", 0)
    Store(tmp_path, KEY).close()


def test_a_migration_that_fails_leaves_the_old_version(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    database = Database(tmp_path / "ops.db", KEY)
    newest = migrate.known_steps("ops")[-1].version
    good = Step(newest + 1, "CREATE TABLE tour (tour_id TEXT PRIMARY KEY); INSERT INTO tour VALUES ('a')")
    bad = Step(newest + 2, "ALTER TABLE tour ADD COLUMN vehicle TEXT; INSERT INTO nowhere VALUES (1)")
    steps = [*migrate.known_steps("ops"), good, bad]
    with pytest.raises(StoreDamaged, match=r"does not hold the tables its version promises.*nowhere"):
        database.write(lambda cx: migrate.bring_up(cx, "ops", database.path, steps))
    assert database.maintain("PRAGMA user_version") == [(newest,)]
    assert database.maintain("SELECT 1 FROM sqlite_schema WHERE name = 'tour'") == []
    assert database.write(lambda cx: migrate.bring_up(cx, "ops", database.path, steps[:-1])) == newest + 1
    assert database.maintain("SELECT * FROM tour") == [("a",)]
    database.close()


@pytest.mark.parametrize("which", ["ops", "telemetry"])
def test_schema_steps_are_numbered_without_a_gap(which: migrate.Which) -> None:
    numbers = [step.version for step in migrate.known_steps(which)]
    assert numbers == list(range(1, len(numbers) + 1)), "renumber the newest step: nothing may be missing between them"


def test_a_step_that_arrives_late_is_applied_and_none_twice(tmp_path: Path) -> None:
    private_file(tmp_path / "ops.db")
    database = Database(tmp_path / "ops.db", KEY)
    first, late, third = (Step(at, f"CREATE TABLE t{at} (a TEXT)") for at in (1, 2, 3))

    def bring_up(*steps: Step) -> list[object]:
        database.write(lambda cx: migrate.bring_up(cx, "ops", database.path, steps))
        named = "SELECT name FROM sqlite_schema WHERE name LIKE 't_' ORDER BY 1"
        return [name for (name,) in database.maintain(named)]

    assert bring_up(first, third) == ["t1", "t3"]
    assert bring_up(first, late, third) == ["t1", "t2", "t3"]
    assert bring_up(first, late, third) == ["t1", "t2", "t3"]
    assert database.maintain("PRAGMA user_version") == [(3,)]
    database.maintain("DROP TABLE schema_step")
    fourth = Step(4, "CREATE TABLE t4 (a TEXT)")
    assert bring_up(first, late, third, fourth) == ["t1", "t2", "t3", "t4"], "a file from before steps were noted"
    database.close()


def test_a_reader_cannot_write_and_a_fault_of_the_caller_stays_one(store: Store) -> None:
    with pytest.raises(OperationalError, match="readonly"):
        store.read(lambda cx: note(cx, "a"))
    store.ops.write(lambda cx: note(cx, "a"))
    with pytest.raises(IntegrityError):
        store.ops.write(lambda cx: note(cx, "a"))
    store.ops.write(lambda cx: note(cx, "b"))
    assert store.read(notes) >= {"a", "b"}


def test_what_still_uses_a_closed_store_is_told_so(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", KEY)
    reader = Reader(store.directory, KEY)
    reader.close()
    store.close()

    def look(cx: Connection) -> object:
        return cx.execute("SELECT 1").fetchone()

    uses: list[Callable[[], object]] = [
        lambda: store.ops.write(look),
        lambda: store.telemetry.rearrange(look),
        lambda: store.ops.maintain("PRAGMA page_count"),
        lambda: store.read(look),
        lambda: reader.read(look),
        store.telemetry.move_log,
        reader.bell,
    ]
    for use in uses:
        with pytest.raises(StoreClosed, match=r"\.db was closed: what still used it is being stopped"):
            use()
    store.close()
    reader.close()


def test_the_library_is_silent_about_a_wrong_key(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    code = (
        "import sys; from pathlib import Path; from local_store.db import Store; from local_store.errors import *\n"
        "try: Store(Path(sys.argv[1]), bytes(32))\nexcept StoreDamaged: print('refused')"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("refused\n", "")


PLAIN = """
import sys
sys.modules["sqlcipher3"] = None
from pathlib import Path
from local_store import keys, upkeep
from local_store.db import Store
from local_store.sqlite import ENCRYPTS
key = keys.store_key(Path(sys.argv[1]))
store = Store(Path(sys.argv[1]), key.raw)
store.ops.write(lambda cx: cx.execute("INSERT INTO meta VALUES ('a', '1')"))
signer = keys.signing_key(Path(sys.argv[1]), "file")
print(ENCRYPTS, key.place, upkeep.verify(store, signer.public_key()).sound, upkeep.stats(store).encrypted)
"""


def test_without_sqlcipher_the_store_is_plain_and_says_so(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", PLAIN, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("False none True False\n", "")
    assert (tmp_path / "ops.db").read_bytes().startswith(b"SQLite format 3\x00")
    with pytest.raises(StoreDamaged, match="key does not fit"):
        Store(tmp_path, KEY)


def test_what_cannot_be_opened_is_not_called_damaged(tmp_path: Path) -> None:
    """So ends a reader on a read-only medium, whose place beside the file cannot be made."""
    with pytest.raises(DatabaseError) as told:
        lib.connect(f"file:{tmp_path}/none/ops.db?mode=rw", uri=True)
    error = store_error(told.value, tmp_path)
    assert error is not None
    assert not isinstance(error, StoreDamaged)
    assert "copy the store's directory" in str(error)
