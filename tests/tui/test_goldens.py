"""Every screen at two sizes in both languages, as a person sees it."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from tests.tui.city import busy
from tests.tui.driver import Ui, running
from tests.tui.golden import check

Visit = Callable[[Ui], Awaitable[object]]


def at(target: str, word: str) -> Visit:
    async def visit(ui: Ui) -> object:
        if target != "overview":  # which is where everything begins
            ui.app.open_target(target)
        return await ui.until(word)

    return visit


def keys(target: str, word: str, *pressed: str, then: str) -> Visit:
    async def visit(ui: Ui) -> object:
        await at(target, word)(ui)
        await ui.press(*pressed)
        return await ui.until(then)

    return visit


SCREENS: dict[str, Visit] = {
    "overview": at("overview", "GEbeteiligt"),
    "nodes": at("nodes", "ge-tst-0007"),
    "node": at("node:ge-tst-0003", "(1 h)"),
    "sensors": at("sensors", "B-bue-0019"),
    "sensor": at("sensor:24e1240000100013", "B-bue-0019"),
    "alerts": at("alerts", "ge-tst-0003"),
    "health": at("health", "4711"),
    "outbox": at("outbox", "ge-tst-0002"),
    "calls": at("calls", "snmp v3 get"),
    "filter": keys("nodes", "ge-tst-0007", "/", then="rtt>100"),
    "copy": keys("nodes", "ge-tst-0007", "y", then="JSON"),
    "plan": keys("nodes", "ge-tst-0007", "!", " ", " ", "a", then="Esc "),
    "acknowledge": keys("alerts", "ge-tst-0007", "!", "a", then="Esc "),
    "past": keys("nodes", "ge-tst-0007", ",", then="◀"),
    "past-overview": keys("overview", "GEbeteiligt", ",", then="◀"),
}


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Berlin"
    time.tzset()
    yield busy(tmp_path_factory.mktemp("city"))
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.parametrize("lang", ["de", "en"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_screens_look_as_they_did(city: Path, size: tuple[int, int], lang: str) -> None:
    wrong = []
    for name, visit in SCREENS.items():
        async with running(city, size, lang) as ui:
            await visit(ui)
            await ui.settled()
            try:
                check(ui, f"{name}-{size[0]}x{size[1]}-{lang}")
            except AssertionError as error:
                wrong.append(str(error))
    assert wrong == []
