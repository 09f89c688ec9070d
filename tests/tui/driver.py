"""Drives the app with posted keys and waits for what a person would see."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from textual import events
from textual._context import visible_screen_stack
from textual.containers import Vertical
from textual.keys import _character_to_key
from textual.screen import ModalScreen
from textual.strip import Strip

from console import texts
from console.tui.app import Leitstand, Settings
from tests.conftest import KEY
from tests.tui.city import NOW_MS

WAIT_S = 10
WHOLE_S = 90
NAMED = {"Enter": ("enter", None), "Esc": ("escape", None), "Down": ("down", None), "PageDown": ("pagedown", None)}


class Ui:
    """The running app as a person meets it."""

    def __init__(self, app: Leitstand) -> None:
        self.app = app

    def text(self) -> str:
        """What the screen shows, line by line."""
        lines = [""] * self.app.size.height
        for at, strip in enumerate(self._strips()):
            lines[at] = strip.text.rstrip()
        return "\n".join(lines)

    def _strips(self) -> list[Strip]:
        """As Textual draws them: it looks here for what stands below a question, and keeps what it found."""
        visible_screen_stack.set(self.app._background_screens)
        return list(self.app.screen._compositor.render_strips())

    def strips(self) -> list[Strip]:
        """Every line; of a question only the question: when the screen below it is drawn is not its doing."""
        strips = self._strips()
        if not isinstance(self.app.screen, ModalScreen):
            return strips
        box = self.app.screen.query_one(Vertical).region
        return [strip.crop(box.x, box.right) for strip in strips[box.y : box.bottom]]

    async def until(self, *words: str, gone: str = "") -> str:
        """Wait until every word is on screen (and one is gone)."""
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            shown = self.text()
            if all(word in shown for word in words) and (not gone or gone not in shown):
                return shown
            await asyncio.sleep(0.01)
        raise AssertionError(f"never on screen: {words} {gone and 'without ' + gone}\n{self.text()}")

    async def comes(self, true: Callable[[], bool], what: str) -> None:
        """Wait until something is so that cannot be seen."""
        deadline = time.monotonic() + WAIT_S
        while not true():
            if time.monotonic() > deadline:
                raise AssertionError(f"never so: {what}\n{self.text()}")
            await asyncio.sleep(0)

    async def press(self, *keys: str) -> None:
        """Post keys as a terminal would; text is typed letter by letter."""
        for key in keys:
            for name, letter in [NAMED[key]] if key in NAMED else [(_character_to_key(one), one) for one in key]:
                await self.press_named(name, letter)

    async def press_named(self, name: str, letter: str | None = None) -> None:
        """Post one key by Textual's name for it."""
        self.app.post_message(events.Key(name, letter))
        await self.settled()

    async def settled(self) -> None:
        """Every message of app, screen and focused widget is handled, and the screen on top has been drawn."""
        calm = 0
        deadline = time.monotonic() + WAIT_S
        while calm < 3 and time.monotonic() < deadline:
            await asyncio.sleep(0.001)
            pumps = [self.app, self.app.screen, *([self.app.focused] if self.app.focused else [])]
            idle = all(pump._message_queue.empty() for pump in pumps) and self.app.screen.is_running
            idle = idle and not (self.app._typed or self.app._coming or self.app._busy)
            calm = calm + 1 if idle and getattr(self.app.screen, "ready", True) else 0
        if calm < 3:
            raise AssertionError(f"the app never came to rest\n{self.text()}")


@contextlib.asynccontextmanager
async def running(
    directory: Path, size: tuple[int, int] = (80, 24), lang: str = "de", **settings: object
) -> AsyncIterator[Ui]:
    """The app over a store, at the fixed moment of the test city; start, test and end have a deadline together."""
    texts.set_language(lang)
    app = Leitstand(directory, KEY, Settings(now_ms=lambda: NOW_MS, **settings))  # type: ignore[arg-type]
    ui = Ui(app)
    shown = ["nothing yet"]
    try:
        async with asyncio.timeout(WHOLE_S), app.run_test(size=size, notifications=True, tooltips=True):
            yield ui
            shown = [ui.text()]
    except TimeoutError as error:
        raise AssertionError(f"the app did not end within {WHOLE_S} s; last shown:\n{shown[0]}") from error
    finally:
        texts.set_language("en")
