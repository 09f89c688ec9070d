"""Where staged lists of a firmware catalogue lie, and who may change them: one at a time, in whatever process."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from tuf.api.metadata import Metadata

from local_store.files import own_directory, private_directory, sync_directory, sync_file, write_whole
from playbooks.firmware.trust import METADATA, TARGETS

STAGED: Final = "staged"
P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(change: Callable[Concatenate[Path, P], R]) -> Callable[Concatenate[Path, P], R]:
    """Of two who change a catalogue's staged lists the second waits, and builds on what the first has staged."""

    @wraps(change)
    def locked(catalogue: Path, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not catalogue.is_dir():
            return change(catalogue, *args, **kwargs)
        handle = os.open(catalogue, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            return change(catalogue, *args, **kwargs)
        finally:
            os.close(handle)

    return locked


def staged_path(catalogue: Path, role: str) -> Path:
    """Where the change of a role waits for signatures."""
    return catalogue / STAGED / f"{role}.json"


def stage(catalogue: Path, role: str, metadata: Metadata[Any]) -> None:
    """Let a change wait for signatures, in the place of an earlier one."""
    own_directory(catalogue)
    private_directory(catalogue / STAGED)
    write_whole(staged_path(catalogue, role), metadata.to_bytes())


def newest_version(catalogue: Path, role: str) -> int:
    """The number of what is published of a role; 0 without any."""
    numbers = [int(path.name.split(".")[0]) for path in (catalogue / METADATA).glob(f"*.{role}.json")]
    return max(numbers, default=0)


def shelve(catalogue: Path, image: Path, name: str) -> None:
    """Copy an image to where the catalogue has its images, whole or not at all."""
    private_directory(catalogue / TARGETS)
    draft = catalogue / TARGETS / f".{name}"
    shutil.copyfile(image, draft)
    draft.chmod(0o600)
    sync_file(draft)
    draft.replace(catalogue / TARGETS / name)
    sync_directory(catalogue / TARGETS)
