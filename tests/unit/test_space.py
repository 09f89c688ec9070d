"""The disk's last: telemetry stops first and goes on by itself, operations never notice."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from local_store.db import Store
from local_store.errors import StoreError, StoreFull
from local_store.space import MIB, RESERVE, Guard, Limits, limits_for, measuring_stops
from local_store.sqlite import Connection
from tests.conftest import KEY

LIMITS = Limits(stop_below=100 * MIB, resume_from=150 * MIB, reserve=16 * MIB)


def note(cx: Connection) -> None:
    cx.execute("INSERT INTO tally VALUES ('a', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")


def decide(cx: Connection) -> None:
    cx.execute("INSERT INTO meta VALUES (hex(randomblob(8)), hex(randomblob(2000)))")


def test_measuring_stops_below_one_line_and_resumes_above_another() -> None:
    seen = []
    stopped = False
    for free in (200, 100, 99, 100, 149, 150, 149, 100, 99):
        stopped = measuring_stops(free * MIB, LIMITS, stopped=stopped)
        seen.append(stopped)
    assert seen == [False, False, True, True, True, False, False, False, True]


def test_limits_fit_small_and_large_disks() -> None:
    assert limits_for(1 << 40) == Limits(256 * MIB, 384 * MIB, 32 * MIB)
    assert limits_for(1 << 30).stop_below < 60 * MIB
    for disk in (0, 50 * MIB, 1 << 34):
        assert limits_for(disk).reserve // 2 < limits_for(disk).stop_below < limits_for(disk).resume_from


def test_a_store_says_so_goes_on_and_keeps_taking_operations(tmp_path: Path) -> None:
    free = [200 * MIB]
    store = Store(tmp_path, KEY, Guard(tmp_path, LIMITS, lambda: free[0]))
    store.measure(note)
    assert store.guard.keep_reserve()
    free[0] = 99 * MIB
    with pytest.raises(StoreFull, match="99 MiB free, measurements stop below 100 MiB and go on from 150 MiB"):
        store.measure(note)
    assert store.guard.stopped
    store.ops.write(decide)
    assert store.guard.reserve_held
    free[0] = 7 * MIB
    store.ops.write(decide)
    assert not store.guard.reserve_held
    free[0] = 120 * MIB
    assert not store.guard.keep_reserve() or free[0] >= LIMITS.stop_below + LIMITS.reserve
    free[0] = 150 * MIB
    store.measure(note)
    assert store.guard.keep_reserve()
    assert (tmp_path / RESERVE).stat().st_blocks * 512 >= LIMITS.reserve
    assert not store.guard.stopped
    assert store.read(lambda cx: cx.execute("SELECT value FROM tally").fetchone()) == (2,)
    store.close()


def test_an_existing_store_opens_while_telemetry_is_stopped(tmp_path: Path) -> None:
    Store(tmp_path, KEY).close()
    store = Store(tmp_path, KEY, Guard(tmp_path, LIMITS, lambda: 0))
    store.ops.write(decide)
    with pytest.raises(StoreFull):
        store.measure(note)
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 48 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small tmpfs needs root")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(path: Path) -> None:
    """What another program does to the disk: take all that is left."""
    with path.open("wb", buffering=0) as out:
        try:
            while out.write(bytes(1 << 16)):
                pass
        except OSError:
            return


def big_note(cx: Connection) -> None:
    cx.execute("INSERT INTO meta VALUES (hex(randomblob(8)), hex(randomblob(50000)))")


def write_until_full(write: Callable[[], object]) -> tuple[int, str]:
    """How many writes were acknowledged, and what the refusal said."""
    for kept in itertools.count():
        try:
            write()
        except StoreFull as error:
            return kept, str(error)
    raise AssertionError


def count(store: Store, schema: str) -> int:
    return int(store.read(lambda cx: cx.execute(f"SELECT count(*) FROM {schema}.meta").fetchone()[0]))


def test_on_a_full_disk_the_reserve_carries_operations_and_nothing_acknowledged_is_lost(small_disk: Path) -> None:
    place, ballast = small_disk / "store", small_disk / "ballast"
    limits = Limits(stop_below=10 * MIB, resume_from=12 * MIB, reserve=16 * MIB)
    ballast.write_bytes(bytes(10 * MIB))
    Store(place, KEY, Guard(small_disk, limits)).close()
    store = Store(place, KEY, Guard(place, limits))
    assert store.guard.keep_reserve()
    kept, said = write_until_full(lambda: store.measure(big_note))
    assert kept > 20
    assert "measurements stop below 10 MiB" in said
    fill(small_disk / "other")
    for _ in range(200):
        store.ops.write(decide)
    assert not store.guard.reserve_held
    for database in (store.ops, store.telemetry):
        assert database.maintain("PRAGMA integrity_check") == [("ok",)]
    (small_disk / "other").unlink()
    ballast.unlink()
    store.measure(big_note)
    assert store.guard.keep_reserve()
    store.close()
    store = Store(place, KEY, Guard(place, limits))
    assert count(store, "tm") == kept + 1
    assert count(store, "main") == 201
    store.close()


def test_room_that_retention_makes_inside_the_file_is_used_again(small_disk: Path) -> None:
    limits = Limits(stop_below=16 * MIB, resume_from=18 * MIB, reserve=8 * MIB)
    store = Store(small_disk / "store", KEY, Guard(small_disk, limits))
    write_until_full(lambda: store.measure(big_note))
    slice_of = "DELETE FROM meta WHERE key IN (SELECT key FROM meta LIMIT 20)"
    while store.telemetry.write(lambda cx: cx.execute(slice_of).rowcount):
        pass
    store.telemetry.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
    size = store.telemetry.path.stat().st_size
    store.measure(big_note)
    assert not store.guard.stopped
    kept, _ = write_until_full(lambda: store.measure(big_note))
    assert kept > 10
    store.telemetry.maintain("PRAGMA wal_checkpoint(TRUNCATE)")
    assert store.telemetry.path.stat().st_size <= size + 2 * MIB
    store.close()


def test_without_any_reserve_a_full_disk_is_an_error_and_no_loss(small_disk: Path) -> None:
    store = Store(small_disk / "store", KEY, Guard(small_disk, Limits(0, 0, 0)))
    fill(small_disk / "other")
    kept, said = write_until_full(lambda: store.ops.write(decide))
    assert "could not be written" in said
    (small_disk / "other").unlink()
    store.ops.write(decide)
    assert count(store, "main") == kept + 2
    assert store.ops.maintain("PRAGMA integrity_check") == [("ok",)]
    store.close()


LIMITED = """
import resource, signal, sys
from pathlib import Path
from local_store.db import Store
from local_store.errors import StoreFull
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = Store(Path(sys.argv[1]), bytes(range(32)))
resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, resource.RLIM_INFINITY))
def write(number):
    insert = "INSERT INTO meta VALUES (?, hex(randomblob(4000)))"
    store.ops.write(lambda cx: cx.execute(insert, (f"k{number}",)))
kept = 0
try:
    while True:
        write(kept)
        kept += 1
except StoreFull as error:
    said = error
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(kept)
print(kept + 1, said)
"""


def test_a_limit_on_file_size_is_an_error_no_loss_and_over_with_the_limit(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    kept, sentence = done.stdout.split(" ", 1)
    assert "could not be written" in sentence
    store = Store(tmp_path, KEY)
    found = store.read(lambda cx: cx.execute("SELECT count(*) FROM main.meta WHERE key LIKE 'k%'").fetchone()[0])
    assert found == int(kept) > 1
    store.close()


def test_a_store_error_names_the_directory_that_cannot_be_used() -> None:
    with pytest.raises(StoreError, match="/proc/none"):
        Store(Path("/proc/none"), KEY)
