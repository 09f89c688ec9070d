"""Where there is nothing yet, every screen says how it gets there."""

from __future__ import annotations

from pathlib import Path

import pytest

from console.tui import registry
from console.tui.list_place import ListPlace
from local_store.db import Store
from tests.conftest import KEY
from tests.tui.driver import running

HINTS = {
    "overview": "leitstand collect",
    "nodes": "leitstand nodes import",
    "sensors": "[[broker]]",
    "alerts": "nothing needs anybody",
    "health": "leitstand collect",
    "mesh": "2 says how they get here",
    "map": "leitstand nodes import",
    "rollouts": "leitstand rollout plan",
    "configs": "leitstand nodes import",
    "provision": "`a` begins with one",
    "outbox": "ordered with `a`",
    "calls": "5 says whether",
}


@pytest.fixture(scope="module")
def nothing(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("empty")
    Store(directory, KEY).close()
    return directory


def test_every_screen_of_many_is_here() -> None:
    assert HINTS.keys() == {name for name, way in registry.WAYS.items() if not way.of_one}


@pytest.mark.parametrize("size", [(60, 15), (80, 24)], ids=lambda size: f"{size[0]}x{size[1]}")
async def test_an_empty_screen_says_what_to_do(nothing: Path, size: tuple[int, int]) -> None:
    async with running(nothing, size, "en") as ui:
        for name, hint in HINTS.items():
            ui.app.open_target(name)
            words = hint.split()
            shown = await ui.until(*words)
            assert hint in " ".join(shown.split()), name


async def test_a_filter_without_a_match_says_so(nothing: Path) -> None:
    async with running(nothing, lang="en") as ui:
        await ui.press("2")
        await ui.until("no nodes yet")
        await ui.press("/", "bezirk:buer", "Enter")
        await ui.until("nothing matches bezirk:buer", gone="no nodes yet")
        assert isinstance(ui.app.screen, ListPlace)
        await ui.press("Esc")
        await ui.until("no nodes yet")
