"""Kills this process at a named point, for tests. Off unless LEITSTAND_CRASH_AT says `POINT` or `POINT:N`."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from typing import Final

VARIABLE: Final = "LEITSTAND_CRASH_AT"


def from_environment(environment: Mapping[str, str]) -> Callable[[str], None] | None:
    """The hook that ends this process without any clean-up the N-th time the point is passed; None when not asked."""
    wanted = environment.get(VARIABLE, "")
    if not wanted:
        return None
    point, _, nth = wanted.partition(":")
    left = [int(nth) if nth.isdigit() else 1]

    def hook(passed: str) -> None:
        if passed == point:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    return hook
