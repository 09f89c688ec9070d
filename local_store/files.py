"""Private files and directories, and writes that are on disk whole or not at all. Only the owner may read them."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local_store.errors import StoreError

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
_OTHERS = 0o077
_OURS = frozenset(
    {"demo", "ops.db", "store.key", "audit.key", "firmware", "catalogue", "root.json", "metadata", "targets", "staged"}
)
"""What a directory of a store or of a firmware catalogue holds."""


_SYSTEM = frozenset({"etc", "usr", "var"})
"""Where directories of the system stand two deep (Filesystem Hierarchy Standard 3.0)."""


def private_directory(path: Path) -> None:
    """Make a directory with mode 0700, or take other people's rights from one that is there.

    Raises StoreError when it cannot be made or belongs to somebody else who lets others in.
    """
    try:
        path.mkdir(parents=True, exist_ok=True, mode=DIRECTORY_MODE)
        _tighten(path, DIRECTORY_MODE)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be used as a store directory ({error.strerror}): name another, or correct its rights"
        ) from error


def own_directory(path: Path) -> None:
    """A private directory that a person named. Raises StoreError as well for one that others need, such as `/tmp`."""
    if os.path.isdir(path) and _is_of_the_system(path):
        raise StoreError(f"{path} holds other things and is open to others: name a directory of its own")
    private_directory(path)


def _is_of_the_system(path: Path) -> bool:
    """Whether everybody writes into it, or it stands near the root as `/etc` and `/var/lib` do."""
    found = path.stat()
    _root, *parts = path.resolve().parts
    is_near = len(parts) < 2 or (len(parts) == 2 and parts[0] in _SYSTEM)
    if not found.st_mode & _OTHERS or not (found.st_mode & stat.S_ISVTX or (found.st_uid == 0 and is_near)):
        return False
    inside = set(os.listdir(path)) if os.access(path, os.R_OK) else set()
    return bool(inside) and not inside & _OURS


def private_file(path: Path) -> None:
    """Make an empty file with mode 0600, or take other people's rights from one that is there."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE))
        _tighten(path, FILE_MODE)
    except OSError as error:
        raise StoreError(f"{path} cannot be written ({error.strerror}): correct its rights or its owner") from error


def _tighten(path: Path, mode: int) -> None:
    if stat.S_IMODE(path.stat().st_mode) & _OTHERS:
        path.chmod(mode)


def is_private(path: Path) -> bool:
    """Whether a regular file belongs to this user and nobody else has any right to it."""
    found = path.lstat()
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & _OTHERS


def size_of(path: Path) -> int:
    """The file's size in bytes, 0 when it is not there."""
    return path.stat().st_size if path.exists() else 0


def sync_directory(path: Path) -> None:
    """Put the names in a directory on disk (fsync(2): syncing a file does not sync its directory entry)."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_file(path: Path) -> None:
    """Put a file that somebody else wrote on disk."""
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_once(path: Path, content: bytes) -> bool:
    """Write a new private file, whole or not at all; False when one of that name was there first."""
    with _draft(path, content) as draft:
        try:
            # link(2) fails on an existing name where rename(2) would replace it.
            os.link(draft, path)
        except FileExistsError:
            return False
    sync_directory(path.parent)
    return True


def write_whole(path: Path, content: bytes) -> None:
    """Write a private file in place of one that may be there: always the whole old or the whole new one."""
    with _draft(path, content) as draft:
        draft.replace(path)
    sync_directory(path.parent)


@contextmanager
def _draft(path: Path, content: bytes) -> Iterator[Path]:
    """A file beside it, on disk, of a name nobody else has."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # made with mode 0600
    draft = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        yield draft
    finally:
        draft.unlink(missing_ok=True)
