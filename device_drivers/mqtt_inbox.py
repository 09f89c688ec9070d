"""What was received and not yet taken: bounded, so that a slow store slows the broker down. No I/O."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence

from device_drivers.api import Message

MOST_BYTES = 64 * 1024 * 1024


class Inbox:
    """Handed from the connection's thread to the one that stores. It is crowded above its limit, until half."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._changed = threading.Condition()
        self._messages: deque[Message] = deque()
        self._bytes = 0
        self._wanted = 1
        self._crowded = False
        self.ended = False

    def __len__(self) -> int:
        return len(self._messages)

    @property
    def crowded(self) -> bool:
        """Whether nothing more should be read for now."""
        return self._crowded

    def put(self, messages: Sequence[Message]) -> None:
        """Add what one read brought; a taker is woken only for as many as it waits for."""
        with self._changed:
            self._messages.extend(messages)
            self._bytes += sum(len(message.payload) for message in messages)
            self._crowded = self._crowded or self._above(1.0)
            if len(self._messages) >= self._wanted:
                self._changed.notify_all()

    def take(self, limit: int, wait_s: float, window_s: float) -> list[Message]:
        """Up to `limit`: wait at most `wait_s` for the first, then at most `window_s` for the others."""
        with self._changed:
            self._changed.wait_for(lambda: self._messages or self.ended, wait_s)
            if self._messages and len(self._messages) < limit and not self.ended:
                self._wanted = limit
                self._changed.wait_for(lambda: len(self._messages) >= limit or self.ended, window_s)
                self._wanted = 1
            batch = [self._messages.popleft() for _ in range(min(limit, len(self._messages)))]
            self._bytes -= sum(len(message.payload) for message in batch)
            self._crowded = self._crowded and self._above(0.5)
            return batch

    def drop_unacknowledged(self) -> int:
        """Forget what the broker is going to send again: all that wait for an acknowledgement."""
        with self._changed:
            kept = [message for message in self._messages if not message.qos]
            dropped = len(self._messages) - len(kept)
            self._messages = deque(kept)
            self._bytes = sum(len(message.payload) for message in kept)
            self._crowded = self._crowded and self._above(0.5)
            return dropped

    def end(self) -> None:
        """Nothing will come any more; wakes who waits."""
        with self._changed:
            self.ended = True
            self._changed.notify_all()

    def _above(self, share: float) -> bool:
        return len(self._messages) > self._most * share or self._bytes > MOST_BYTES * share
