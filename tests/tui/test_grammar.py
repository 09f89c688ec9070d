"""The grammar of keys: nothing is written read-only, footers fit, every screen answers the same way."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.app import App
from textual.binding import Binding
from textual.screen import Screen

from console.tui import registry, roles
from console.tui.app import pick_theme
from console.tui.commands import keys_here
from console.tui.line_table import LineTable
from console.tui.list_kinds import LISTS
from console.tui.screens import Place, fitting_keys
from local_store.db import Store
from tests.conftest import KEY
from tests.tui.city import busy
from tests.tui.driver import Ui, running
from tests.tui.whole import ONE, whole
from tests.tui.whole import TARGETS as EVERYWHERE

TARGETS = {
    "overview": "GEvernetzt",
    "nodes": "ge-tst-0007",
    "sensors": "B-bue-0019",
    "alerts": "ge-tst-0007",
    "health": "4711",
    "outbox": "ge-tst-0000",
    "calls": "snmp v3",
    "node:ge-tst-0003": "ge-tst-0003",
    "sensor:24e1240000100013": "B-bue-0019",
}
LETTERS = {
    "number_sign": "#", "less_than_sign": "<", "greater_than_sign": ">", "colon": ":", "question_mark": "?",
    "comma": ",", "full_stop": ".", "slash": "/", "minus": "-", "space": " ",
}  # fmt: skip
MOVES = {"tab", "shift+tab", "up", "down", "left", "right", "home", "end", "pageup", "pagedown", "j", "k", "g", "G"}
LEAVES = {"action_leave", "leave", "arm"}


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    busy(tmp_path)
    store = Store(tmp_path, KEY)
    yield store
    store.close()


def everything(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of ops.db that is not a person's taste."""

    def read(cx: Any) -> dict[str, list[tuple[Any, ...]]]:
        tables = [name for (name,) in cx.execute("SELECT name FROM main.sqlite_master WHERE type = 'table'")]
        return {name: cx.execute(f"SELECT * FROM main.{name}").fetchall() for name in tables if name != "view_setting"}

    return store.read(read)


def keys_of(*owners: Any) -> list[str]:
    """Every key these bind, but those that leave or arm."""
    found = []
    for owner in owners:
        for binding in owner._bindings.key_to_bindings.values():
            found += [one.key for one in binding if one.action not in LEAVES and "ctrl" not in one.key]
    return list(dict.fromkeys(found))


async def press_named(ui: Ui, name: str) -> None:
    letter = name if len(name) == 1 else LETTERS.get(name)
    await ui.press_named(name, letter)


async def test_no_key_of_any_screen_writes_while_read_only(city: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(city.directory)
    before = everything(city)
    async with running(city.directory) as ui:
        await ui.until("GEvernetzt")
        tried = 0
        for target, word in TARGETS.items():
            ui.app.open_target(target)
            await ui.until(word)
            more = {"overview": [ui.app], "nodes": [ui.app.focused]}.get(target, [])
            own = [key for key in keys_of(ui.app.screen, *more) if key not in MOVES]
            for key in own:
                ui.app.open_target(target)
                await ui.settled()
                await press_named(ui, key)
                await ui.press("x", "Enter", "Enter")
                tried += 1
                while len(ui.app.screen_stack) > 2:
                    ui.app.pop_screen()
                await ui.settled()
        assert tried > 40
    assert everything(city) == before


@pytest.mark.parametrize("lang", ["de", "en"])
@pytest.mark.parametrize("role", list(roles.ROLES))
async def test_every_footer_fits_80_columns(city: Store, lang: str, role: str) -> None:
    async with running(city.directory, (80, 24), lang, role=role) as ui:
        for target, word in TARGETS.items():
            ui.app.open_target(target)
            await ui.until(word)
            place = ui.app.screen
            assert isinstance(place, Place)
            assert list(fitting_keys(place.keys(), 80)) == list(place.keys()), target


def test_every_list_and_way_is_known_once() -> None:
    keys = [way.key for way in registry.WAYS.values() if way.key]
    assert len(keys) == len(set(keys))
    assert set(LISTS) <= set(registry.WAYS)
    aliases = [alias for name, way in registry.WAYS.items() for alias in {name, *way.aliases}]
    assert len(aliases) == len(set(aliases))


@pytest.mark.parametrize(
    ("environment", "theme"),
    [
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color"}, "textual-dark"),
        ({"COLORTERM": "truecolor", "TERM": "xterm-256color", "COLORFGBG": "0;15"}, "textual-light"),
        ({"TERM": "linux"}, "ansi-dark"),
        ({"TERM": "xterm-256color", "NO_COLOR": "1"}, "ansi-dark"),
        ({"TERM": "linux", "COLORFGBG": "0;default;15"}, "ansi-light"),
    ],
)
def test_the_terminal_decides_on_the_theme(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], theme: str
) -> None:
    for name in ("COLORTERM", "TERM", "NO_COLOR", "COLORFGBG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert pick_theme("auto") == theme
    assert pick_theme("nord") == "nord"


@pytest.mark.parametrize("theme", ["ansi-dark", "ansi-light", "textual-dark", "textual-light"])
async def test_states_keep_their_word_and_colour_in_every_theme(city: Store, theme: str) -> None:
    async with running(city.directory, theme=theme) as ui:
        await ui.press("2")
        await ui.until("✖ keine Antwort", "▲ Paketverlust")
        table = ui.app.screen.query_one(LineTable)
        colours = {segment.style.color.name for segment in table.render_line(2) if segment.style.color}
        assert colours == {"yellow"}


async def test_plain_signs_everywhere(city: Store) -> None:
    async with running(city.directory, (120, 40), glyphs="ascii") as ui:
        for target, word in TARGETS.items():
            ui.app.open_target(target)
            shown = await ui.until(word)
            signs = {letter for letter in shown if ord(letter) > 0xFF}
            assert signs <= set("₂µ▁▂▃▄▅▆▇█"), (target, signs)
        await ui.press("?")
        await ui.until("+-----", "Tasten hier")


async def test_the_mouse_sorts_and_scrolls(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        table = ui.app.screen.query_one(LineTable)
        x = 2
        for column in table.columns():
            if column.name == "rtt":
                break
            x += column.width + 1
        await mouse(ui, table, x + 1, 0)
        await ui.until("RTT▲")
        await mouse(ui, table, x + 1, 0)
        await ui.until("RTT▼", "50,0 ms")
        await mouse(ui, table, 3, 5)
        assert table.cursor_key == table.keys[4]
        top = table.scroll_offset.y
        table.scroll_relative(y=6, animate=False, immediate=True)
        await ui.settled()
        assert table.scroll_offset.y > top


async def mouse(ui: Ui, table: LineTable, x: int, y: int) -> None:
    """A click as the terminal reports it."""
    at = (table.region.x + x, table.region.y + y)
    common = {"delta_x": 0, "delta_y": 0, "button": 1, "shift": False, "meta": False, "ctrl": False}
    for kind in (events.MouseDown, events.MouseUp):
        ui.app.post_message(kind(None, *at, **common, screen_x=at[0], screen_y=at[1]))
        await ui.settled()


async def test_the_terminals_cursor_follows_the_row(city: Store) -> None:
    async with running(city.directory, screenreader=True) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        table = ui.app.screen.query_one(LineTable)
        await ui.press("Down", "Down")
        deadline = time.monotonic() + 10
        while ui.app.cursor_position.y != table.region.y + 3:
            assert time.monotonic() < deadline, ui.app.cursor_position
            await asyncio.sleep(0.01)


SIGNS = {
    **LETTERS, "enter": "↵", "escape": "Esc", "space": "␣", "up": "↑", "down": "↓", "left": "←", "right": "→",
    "pageup": "PgUp",
    "pagedown": "PgDn", "home": "Home", "end": "End", "exclamation_mark": "!", "plus": "+", "equals_sign": "=",
    "ctrl+q": "Ctrl+Q",
}  # fmt: skip
SILENT = {"tab", "shift+tab", "ctrl+c", "super+c", "ctrl+p"} | {"ctrl+left", "ctrl+right"}
"""What Textual binds and nobody needs to know."""


async def test_the_help_names_every_key_that_works_and_none_that_does_not(tmp_path: Path) -> None:
    whole(tmp_path)
    async with running(tmp_path, (100, 50), "en") as ui:
        for name, word in EVERYWHERE.items():
            ui.app.open_target(ONE.get(name, name))
            await ui.until(word)
            place = ui.app.screen
            assert isinstance(place, Place)
            told = [sign for signs, _word in keys_here(place) for sign in signs.split()]
            assert len(told) == len(set(told)), (name, "a key has two meanings", told)
            bound = {key for owner in (place, ui.app.focused, ui.app) if owner for key in own_keys(owner)}
            bound = {SIGNS.get(key, key) for key in bound - SILENT}
            assert set(told) - bound == set(), (name, "does not work")
            assert bound - set(told) <= {"↵"}, (name, "is not in the help")  # many boards have nothing to open


def own_keys(owner: Any) -> list[str]:
    """Keys that its own classes bind, without what Textual binds to scroll."""
    found = [
        binding.key
        for kind in type(owner).__mro__
        if kind.__module__.startswith("console.") or kind in (App, Screen)
        for one in vars(kind).get("BINDINGS", ())
        for binding in Binding.make_bindings([one])
    ]
    return list(dict.fromkeys(found))
