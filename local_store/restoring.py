"""The last stretch of a restore: new files take the place of old ones, and a crash in between is finished later."""

from __future__ import annotations

import fcntl
import itertools
import os
from pathlib import Path
from typing import Final

from local_store.files import private_directory, sync_directory

READY: Final = "restoring"
"""Holds the complete new files; giving a directory this name is what commits a restore."""
OLD: Final = "old"
BEFORE: Final = "before-restore"
NAMES: Final = ("ops.db", "telemetry.db")
_SUFFIXES: Final = ("-wal", "-shm", "")


def finish(directory: Path) -> bool:
    """Put files that wait in `restoring/` in place and keep the old ones in `before-restore-N/`; whether any waited.

    Each step may have been taken already: all of it can be repeated after a crash anywhere.
    """
    ready = directory / READY
    try:
        handle = os.open(ready, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        # Of two that open the store at this moment, the second waits and finds nothing left to do.
        fcntl.flock(handle, fcntl.LOCK_EX)
        if ready.is_dir():
            _swap(directory, ready)
    finally:
        os.close(handle)
    return True


def _swap(directory: Path, ready: Path) -> None:
    private_directory(ready / OLD)
    for name in NAMES:
        if (ready / name).exists():
            # The log goes with its file: left beside the new one it would be played into it.
            for suffix in _SUFFIXES:
                if (directory / f"{name}{suffix}").exists():
                    (directory / f"{name}{suffix}").replace(ready / OLD / f"{name}{suffix}")
            (ready / name).replace(directory / name)
    sync_directory(directory)
    if any((ready / OLD).iterdir()):
        (ready / OLD).rename(_free_name(directory))
    else:
        (ready / OLD).rmdir()
    ready.rmdir()
    sync_directory(directory)


def kept(directory: Path) -> set[Path]:
    """What restores have replaced in this directory so far."""
    return set(directory.glob(f"{BEFORE}-*"))


def _free_name(directory: Path) -> Path:
    """What was replaced by an earlier restore is not replaced by this one."""
    names = (directory / f"{BEFORE}-{number}" for number in itertools.count(1))
    return next(name for name in names if not name.exists())
