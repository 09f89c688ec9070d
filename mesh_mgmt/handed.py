"""What one service hands another through a queue. No I/O."""

from __future__ import annotations

from collections.abc import Iterator
from queue import Empty, SimpleQueue
from typing import TypeVar

T = TypeVar("T")


def handed(queue: SimpleQueue[T]) -> Iterator[T]:
    """What is in the queue now."""
    while True:
        try:
            yield queue.get_nowait()
        except Empty:
            return
