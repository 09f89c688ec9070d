"""Who may change what is staged of a firmware catalogue: one at a time, whatever process they are in."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

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
