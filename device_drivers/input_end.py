"""Ends a child with the process that started it, however that one ends: its end of our standard input is closed."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable


def watch(then: Callable[[], None]) -> None:
    """Call `then`, in a thread, once standard input has ended; what comes before is thrown away."""
    threading.Thread(target=_watch, args=(then,), name="input", daemon=True).start()


def _watch(then: Callable[[], None]) -> None:
    # The descriptor itself: a thread inside the buffered reader would stop the interpreter from ending.
    while os.read(0, 4096):
        pass
    then()
