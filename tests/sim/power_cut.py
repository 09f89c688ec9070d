"""A disk that loses power: records every write and sync of a real SQLite and builds what could be left after a cut.

The model: what was synced is there. Of what was written since, any sectors may be there, in any order, a write
of several sectors in part. Creating and deleting a file counts as durable at once, and the disk does not lie
about syncs. Written with the standard SQLite of apsw, as SQLCipher offers no hook for its files; pages, log and
syncs come from the same code.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR = 512


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened to a file; an acknowledgement has no file and counts transactions in `offset`."""

    what: str
    name: str = ""
    offset: int = 0
    data: bytes = b""


@dataclass(slots=True)
class Disk:
    """Everything that happened, in order."""

    events: list[Event] = field(default_factory=list)

    def acknowledge(self, count: int) -> None:
        """The application was told that so many transactions are committed."""
        self.events.append(Event("ack", offset=count))


class RecordedFile(apsw.VFSFile):
    """Passes everything on to the real file and writes it down. Shared memory is not on disk and left alone."""

    def __init__(self, disk: Disk, filename: object, flags: list[int]) -> None:
        self.disk = disk
        self.name = Path(str(getattr(filename, "filename", lambda: filename)())).name
        super().__init__("", filename, flags)
        disk.events.append(Event("open", self.name))

    def xWrite(self, data: bytes, offset: int) -> None:
        super().xWrite(data, offset)
        self.disk.events.append(Event("write", self.name, offset, bytes(data)))

    def xTruncate(self, newsize: int) -> None:
        super().xTruncate(newsize)
        self.disk.events.append(Event("truncate", self.name, newsize))

    def xSync(self, flags: int) -> None:
        super().xSync(flags)
        self.disk.events.append(Event("sync", self.name))


class RecordingDisk(apsw.VFS):
    """The VFS under which the workload opens its files."""

    def __init__(self, name: str, disk: Disk) -> None:
        self.disk = disk
        super().__init__(name, "")

    def xOpen(self, name: object, flags: list[int]) -> apsw.VFSFile:
        return RecordedFile(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        super().xDelete(filename, syncdir)
        self.disk.events.append(Event("delete", Path(filename).name))


@dataclass(slots=True)
class _File:
    synced: bytearray = field(default_factory=bytearray)
    since: list[Event] = field(default_factory=list)


def _apply(content: bytearray, event: Event, rng: random.Random | None = None) -> None:
    """Carry one change out; with a source of chance only some of its sectors."""
    if event.what == "truncate":
        del content[event.offset :]
        content.extend(bytes(max(0, event.offset - len(content))))
        return
    content.extend(bytes(max(0, event.offset + len(event.data) - len(content))))
    for start in range(0, len(event.data), SECTOR):
        if rng is None or rng.random() < 0.5:
            piece = event.data[start : start + SECTOR]
            content[event.offset + start : event.offset + start + len(piece)] = piece


def _left(file: _File, rng: random.Random) -> bytes:
    """What a cut leaves of one file."""
    content = bytearray(file.synced)
    share = rng.choice([0.0, 0.5, 1.0])
    for event in file.since:
        if rng.random() < share:
            _apply(content, event, None if rng.random() < 0.5 else rng)
    return bytes(content)


def cuts(disk: Disk, count: int, rng: random.Random) -> Iterator[tuple[int, dict[str, bytes]]]:
    """So many power cuts at random moments: the transactions acknowledged by then, and the files that are left."""
    moments = sorted(rng.randrange(len(disk.events) + 1) for _ in range(count))
    files: dict[str, _File] = {}
    acknowledged = done = 0
    for moment in moments:
        for event in disk.events[done:moment]:
            if event.what == "ack":
                acknowledged = event.offset
            elif event.what == "delete":
                files.pop(event.name, None)
            elif event.what == "sync":
                for change in files[event.name].since:
                    _apply(files[event.name].synced, change)
                files[event.name].since.clear()
            else:
                file = files.setdefault(event.name, _File())
                if event.what != "open":
                    file.since.append(event)
        done = moment
        yield acknowledged, {name: _left(file, rng) for name, file in files.items()}
