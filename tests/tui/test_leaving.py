"""Leaving never hangs: whatever is being read or held, the console ends at once."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest
from textual import events

from console.tui.feed import Feed
from console.tui.line_table import LineTable
from local_store.db import Store
from local_store.errors import StoreError
from local_store.sqlite import OperationalError
from local_store.views import past
from tests.conftest import KEY
from tests.tui.city import NOW_MS, fill
from tests.tui.driver import running

LONG_READ = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000) SELECT count(*) FROM n"
"""Takes half a minute and more by itself."""
LEAVES_S = 5.0


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    store = fill(tmp_path, 20)
    yield store
    store.close()


def endless(cx: object, at_ms: int) -> past.Moment:
    """A moment whose reading takes long, as over a huge store on a slow disk."""
    cx.execute(LONG_READ).fetchone()  # type: ignore[attr-defined]
    raise AssertionError("it was read to its end")


def in_thread(name: str) -> bool:
    """Whether another thread is inside a function of this name."""
    for ident, frame in sys._current_frames().items():
        walked: FrameType | None = frame if ident != threading.get_ident() else None
        while walked is not None:
            if walked.f_code.co_name == name:
                return True
            walked = walked.f_back
    return False


def test_a_read_ends_once_its_feed_is_closed(city: Store) -> None:
    feed = Feed(city.directory, KEY, lambda: NOW_MS, endless)
    ended: list[BaseException] = []

    def read() -> None:
        try:
            feed.moment(NOW_MS)
        except (OperationalError, StoreError) as error:
            ended.append(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    deadline = time.monotonic() + LEAVES_S
    while not in_thread("endless"):
        assert time.monotonic() < deadline, "it never began to read"
    feed.close()
    reader.join(LEAVES_S)
    assert not reader.is_alive(), "it still reads"
    assert len(ended) == 1


@pytest.mark.parametrize(("keys", "last"), [((), "q"), (("2",), "ctrl+q"), (("?",), "ctrl+q"), ((":", "x"), "ctrl+q")])
async def test_the_console_ends_while_the_past_is_still_read(city: Store, keys: tuple[str, ...], last: str) -> None:
    async with running(city.directory) as ui:
        await ui.until("GEvernetzt")
        ui.app.feed.read_moment = endless
        ui.app.action_step(-1)
        deadline = time.monotonic() + LEAVES_S
        while not in_thread("endless"):
            assert time.monotonic() < deadline, "it never began to read"
            await asyncio.sleep(0.01)
        for key in keys:
            await ui.press(key)
        began = time.monotonic()
        ui.app.post_message(events.Key(last, None))
    while in_thread("endless"):  # the end of the process waits for it
        assert time.monotonic() - began < LEAVES_S, "it still reads"
        await asyncio.sleep(0.01)


async def test_a_store_that_somebody_else_writes_to_does_not_keep_anybody_in(city: Store) -> None:
    held, leave = threading.Event(), threading.Event()

    def hold(_cx: object) -> None:
        held.set()
        leave.wait(60)

    writer = threading.Thread(target=lambda: city.ops.write(hold), daemon=True)
    writer.start()
    try:
        assert held.wait(LEAVES_S)
        async with running(city.directory) as ui:
            await ui.until("GEvernetzt")
            await ui.press("2")
            await ui.until("ge-tst-0007")
            await ui.press("q")
            began = time.monotonic()
            ui.app.post_message(events.Key("q", None))
        assert time.monotonic() - began < LEAVES_S
    finally:
        leave.set()
        writer.join(LEAVES_S)


async def test_a_store_that_can_no_longer_be_read_ends_the_screens_with_its_sentence(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.until("GEvernetzt")
        ui.app.feed._reader.close()  # as good as a lost disk: every read from now on is refused
        deadline = time.monotonic() + LEAVES_S
        while ui.app.trouble is None:
            assert time.monotonic() < deadline, "nobody noticed"
            await asyncio.sleep(0.01)
    assert str(ui.app.trouble)
    assert ui.app.return_code == 1


async def test_the_clock_and_the_bell_leave_a_screen_alone_that_is_being_taken_apart(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await ui.app.screen.query_one(LineTable).remove()
        ui.app.second()
        ui.app.look()
        assert ui.app.place() is None
