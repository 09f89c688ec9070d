"""Keys one after the other: what was typed ahead meets the screen that the key before it opened. Knows no screen."""

from __future__ import annotations

from collections import deque
from typing import Any

from textual import events
from textual.app import App

UNSTICK_S = 0.1


class TypedAhead(App[None]):
    """An app that hands on no key before the one before it is through."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: deque[events.Key | events.Paste] = deque()
        self._busy = False
        self._coming = 0
        self._turn = 0

    def push_screen(self, *given: Any, **named: Any) -> Any:
        """As Textual does, but no key is handed on before the new screen listens."""
        self._coming += 1
        waiting = [True]

        def arrived() -> None:
            if waiting and waiting.pop():
                self._arrived()

        found = super().push_screen(*given, **named)
        self.screen.call_after_refresh(arrived)
        # A screen that is gone before it was drawn calls nobody back.
        self.set_timer(UNSTICK_S, arrived)
        return found

    def _arrived(self, tries: int = 20) -> None:
        """The screen has been drawn; wait a moment longer until one of its widgets listens."""
        if not self.screen_stack:
            return
        if self.focused is None and tries and self.screen.focus_chain:
            self.set_timer(0.005, lambda: self._arrived(tries - 1))
            return
        self._coming = max(0, self._coming - 1)
        self.call_later(self._next_key, self._turn)

    async def on_event(self, event: events.Event) -> None:
        """Keys and what is pasted wait for their turn, everything else goes its way.

        A key comes back here once no widget wanted it: this is its turn still, and what opens a screen.
        """
        if isinstance(event, events.Key | events.Paste) and not event.is_forwarded:
            self._typed.append(event)
            if len(self._typed) == 1 and not self._busy:
                await self._next_key(self._turn)
            return
        await super().on_event(event)

    async def _next_key(self, turn: int) -> None:
        """Hand on the next key once the one before is through; `turn` makes late calls harmless."""
        if turn != self._turn or not self.screen_stack:
            return
        self._busy = bool(self._typed) or self._coming > 0
        if self._coming or not self._typed:
            return
        self._turn += 1
        mine = self._turn
        target = self.focused or self.screen
        await super().on_event(self._typed.popleft())
        target.call_later(lambda: self.screen.call_later(lambda: self.call_later(self._next_key, mine)))
        # A widget that this key removed calls nobody back.
        self.set_timer(UNSTICK_S, lambda: self._next_key(mine))
