"""Keeps the last of the disk for operations: measurements stop first, and go on when there is room again."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from local_store.errors import StoreFull
from local_store.files import FILE_MODE

RESERVE = "reserve"
MIB = 1 << 20
_SMALLEST_RESERVE = 8 * MIB  # more than the write-ahead log grows to before it is checkpointed (1500 pages of 4 KiB)


@dataclass(frozen=True, slots=True)
class Limits:
    """Free bytes below which measurements stop, from which it goes on, and the size of the reserve file.

    Below half a reserve of free space the reserve file is given up, so that operations can still be written.
    """

    stop_below: int
    resume_from: int
    reserve: int


def limits_for(disk_bytes: int) -> Limits:
    """A twentieth of the disk, 16 to 256 MiB, is kept for operations; an eighth of that, at least 8 MiB, as a file."""
    stop = min(256 * MIB, max(2 * _SMALLEST_RESERVE, disk_bytes // 20))
    return Limits(stop, stop + stop // 2, max(_SMALLEST_RESERVE, stop // 8))


def measuring_stops(free: int, limits: Limits, *, stopped: bool) -> bool:
    """Whether measurements have to wait; a gap between stop and resume keeps it from flickering."""
    return free < (limits.resume_from if stopped else limits.stop_below)


def free_bytes(directory: Path) -> int:
    """Free space for an ordinary user on the directory's disk; costs about two microseconds."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def disk_bytes(directory: Path) -> int:
    """Size of the directory's disk."""
    found = os.statvfs(directory)
    return found.f_blocks * found.f_frsize


class Guard:
    """Asked before measurements and operations are written. What makes room, the roll and retention, does not ask."""

    def __init__(self, directory: Path, limits: Limits | None = None, free: Callable[[], int] | None = None) -> None:
        self.limits = limits or limits_for(disk_bytes(directory))
        self._directory = directory
        self._reserve = directory / RESERVE
        self._free = free or (lambda: free_bytes(directory))
        self._lock = threading.Lock()
        self._stopped = False

    @property
    def stopped(self) -> bool:
        """Whether measurements were refused when last asked."""
        return self._stopped

    @property
    def reserve_held(self) -> bool:
        """Whether the reserve file is there."""
        return self._reserve.exists()

    def before_measuring(self, reusable: Callable[[], int]) -> None:
        """Raise StoreFull while the disk's last is reached and the file has no room of its own to use again."""
        free = self._free()
        room = free
        if free < self.limits.resume_from and free >= self.limits.stop_below // 2:
            # Half of what is kept stays for the log, through which also reused pages go.
            room += reusable()
        with self._lock:
            self._stopped = measuring_stops(room, self.limits, stopped=self._stopped)
        if self._stopped:
            raise StoreFull(
                f"{self._directory} has {free // MIB} MiB free, measurements stop below"
                f" {self.limits.stop_below // MIB} MiB and go on from {self.limits.resume_from // MIB} MiB:"
                " free space on the disk; operations stay possible"
            )

    def before_operation(self) -> None:
        """Give the reserve up when the disk is about to end."""
        if self._free() < self.limits.reserve // 2:
            self._reserve.unlink(missing_ok=True)

    def keep_reserve(self) -> bool:
        """Hold the reserve file as soon as there is room for it; returns whether it is held."""
        if self.reserve_held:
            return True
        if self._free() < self.limits.stop_below + self.limits.reserve:
            return False
        handle = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            os.posix_fallocate(handle, 0, self.limits.reserve)
        except OSError:
            # The disk filled up in this moment, or its file system cannot allocate: a sparse reserve would be none.
            self._reserve.unlink(missing_ok=True)
            return False
        finally:
            os.close(handle)
        return True
