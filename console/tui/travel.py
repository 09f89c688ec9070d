"""Going back in time: the moment that is shown, its keys, and that it is read beside the event loop."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from console.moments import parse_moment
from console.texts import _
from console.tui.dialogs import Ask
from local_store.errors import StoreError

if TYPE_CHECKING:
    from console.tui.app import Leitstand

STEP_MS = 5 * 60_000


def ask(app: Leitstand) -> None:
    """Ask for a moment."""

    def given(text: str | None) -> None:
        if not text:
            return
        at_ms = parse_moment(text, app.feed.clock_ms())
        if at_ms is None:
            app.say(_("{text!r} is no time: write 90min, 6h, 2d, 14:02 or 2026-11-23T14:00"), text=text)
        else:
            go(app, at_ms)

    app.push_screen(Ask(_("back to when? 90min, 6h, 2d, 14:02 or 2026-11-23T14:00"), "15min"), given)


def step(app: Leitstand, count: int) -> None:
    """Some steps of five minutes; past the present it is now again."""
    go(app, app.feed.now_ms() + count * STEP_MS)


def go(app: Leitstand, at_ms: int) -> None:
    """Show a moment once it is read, which takes some tenths of a second; until then what is shown stays."""
    if at_ms >= app.feed.clock_ms():
        now(app)
        return
    app.say(_("reading what was stored then…"))

    async def show() -> None:
        # The thread only reads; whether its moment is still wanted is decided here.
        try:
            then = await asyncio.to_thread(app.feed.moment, at_ms)
        except StoreError as error:
            app.say(str(error))
        else:
            app.show_moment(then)

    # Its type wants to know what comes back, and nothing does.
    app.run_worker(show, exclusive=True, group="travel")  # type: ignore[arg-type]


def now(app: Leitstand) -> None:
    """Back to now."""
    app.workers.cancel_group(app, "travel")
    app.show_moment(None)
