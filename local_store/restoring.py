"""The last stretch of a restore: new files take the place of old ones, and a crash in between is finished later."""

from __future__ import annotations

from pathlib import Path

from local_store.files import private_directory, sync_directory

READY = "restoring"
"""Holds the complete new files; giving a directory this name is what commits a restore."""
BEFORE = "before-restore"
NAMES = ("ops.db", "telemetry.db")


def finish(directory: Path) -> bool:
    """Put files that wait in `restoring/` in place, keeping the old ones in `before-restore/`; returns whether any did.

    Each step may have been taken already: it can be repeated after a crash anywhere.
    """
    ready = directory / READY
    if not ready.is_dir():
        return False
    before = directory / BEFORE
    private_directory(before)
    for name in NAMES:
        if (ready / name).exists():
            # A log left beside a new file would be played into it: the old one keeps its own.
            for suffix in ("-wal", "-shm", ""):
                old = directory / f"{name}{suffix}"
                if old.exists():
                    old.replace(before / old.name)
            (ready / name).replace(directory / name)
    sync_directory(directory)
    ready.rmdir()
    sync_directory(directory)
    return True
