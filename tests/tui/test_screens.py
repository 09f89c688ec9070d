"""The screens over a filled store: what they show, what keys do, and that nothing is written unarmed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from console.tui.line_table import LineTable
from local_store import intents, nodes
from local_store.db import Store
from tests.tui.city import fill, state_of
from tests.tui.driver import running


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    store = fill(tmp_path)
    yield store
    store.close()


async def test_the_overview_answers_three_questions(city: Store) -> None:
    async with running(city.directory) as ui:
        shown = await ui.until("GEvernetzt", "60 Knoten", "56 ok", "3 ▲", "1 ✖", "20 Behälter", "4 fällig")
        assert "noch ohne Daten" in shown
        assert "ge-tst-0007" in shown
        assert "aus: keine Antwort" in shown
        assert "kein Sammler läuft" in shown
        assert all(len(line) <= 80 for line in shown.splitlines())


@pytest.mark.parametrize("lang", ["de", "en"])
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 15)])
async def test_every_screen_fits_in_both_languages(city: Store, lang: str, size: tuple[int, int]) -> None:
    async with running(city.directory, size, lang) as ui:
        for key, word in (
            ("2", "ge-tst-0007"),
            ("3", "B-bue-0019"),
            ("4", "ge-tst-0003"),
            ("5", "Messreihen" if lang == "de" else "series"),
            ("1", "GEgrünt"),
        ):
            await ui.press(key)
            shown = await ui.until(word)
            assert all(len(line) <= size[0] for line in shown.splitlines())
            if size[0] >= 80:
                assert shown.splitlines()[-1].rstrip().endswith(("Hilfe", "help")), shown.splitlines()[-1]


async def test_drilling_down_and_back(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("KNOTEN")
        await ui.press("Enter")
        shown = await ui.until("Schnittstellen", "wlan0", "Echte Aufrufe", "snmp v3 get 12")
        assert "ge-tst-0007" in shown
        await ui.press("Esc")
        await ui.until("KNOTEN", gone="Schnittstellen")


async def test_history_is_drawn_as_a_plot(city: Store) -> None:
    async with running(city.directory, (80, 40)) as ui:
        ui.app.open_target("node:ge-tst-0003")
        shown = await ui.until("Antwortzeit", "(1 h)")
        assert any("⠀" < letter <= "⣿" for letter in shown)


async def test_a_filter_narrows_and_a_wrong_one_is_explained(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("KNOTEN")
        await ui.press("/", "bezirk:bulmke !ok", "Enter")
        await ui.until("bezirk:bulmke !ok", "ge-tst-0023", gone="ge-tst-0011")
        await ui.press("/")
        ui.app.screen.query_one("Input").value = "quatsch:1"  # type: ignore[attr-defined]
        await ui.press("Enter")
        await ui.until("es gibt kein Feld 'quatsch'")


async def test_the_cursor_stays_on_its_row_when_the_order_changes(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("KNOTEN")
        table = ui.app.screen.query_one(LineTable)
        await ui.press("Down", "Down", "Down", "Down", "Down", "Down")
        await ui.until()
        before = table.cursor_key
        city.telemetry.write(lambda cx: nodes.save_states(cx, [state_of(7)]))
        table.sort, table.descending = "node", True
        table.reorder(force=True)
        assert table.cursor_key == before
        assert table.keys[table._place] == before


async def test_only_changed_lines_are_repainted(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        table = ui.app.screen.query_one(LineTable)
        table.sync()
        assert table.sync() == 0
        city.telemetry.write(lambda cx: nodes.save_states(cx, [replace(state_of(7), rtt_ms=999.0)]))
        assert table.sync() <= 1
        await ui.until("999,0 ms")


async def test_nothing_is_written_before_it_is_armed(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("4")
        await ui.until("ge-tst-0007")
        await ui.press("a")
        await ui.until("nur lesen")
        ui.app.open_target("node:ge-tst-0003")
        await ui.until("Schnittstellen")
        await ui.press("a")
        await ui.until("nur lesen")
        assert city.read(intents.queued) == []


async def test_an_armed_acknowledgement_becomes_an_intent_with_its_reason(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("!")
        await ui.until("SCHREIBEN 10:00")
        await ui.press("4")
        await ui.until("ge-tst-0007")
        await ui.press("a")
        await ui.until("quittieren")
        await ui.press("Enter")
        await ui.until("ein Grund ist nötig")
        await ui.press("fahre hin", "Enter")
        await ui.until("1 Quittung vorgemerkt")
        (intent,) = city.read(intents.queued)
        assert intent.kind == "alert.acknowledge"
        assert "fahre hin" in intent.body


async def test_help_and_commands_are_searchable(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.until("GEvernetzt")
        await ui.press("?")
        await ui.until("Schreiben für zehn Minuten")
        await ui.press("Esc")
        await ui.press(":")
        await ui.until("Behälter, die fällig sind")
        await ui.press("klima", "Enter")
        await ui.until("kind:climate")


async def test_export_writes_what_the_filter_shows(city: Store, tmp_path: Path) -> None:
    async with running(city.directory) as ui:
        await ui.press("3")
        await ui.until("B-bue-0019")
        await ui.press("e")
        await ui.until("sensors.csv")
        ui.app.screen.query_one("Input").value = str(tmp_path / "out.csv")  # type: ignore[attr-defined]
        await ui.press("Enter")
        await ui.until("20 Zeilen")
    assert len((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()) == 21


async def test_ascii_signs_need_no_special_font(city: Store) -> None:
    async with running(city.directory, glyphs="ascii") as ui:
        await ui.press("2")
        shown = await ui.until("OK ok", "X  keine Antwort")
        assert "●" not in "\n".join(shown.splitlines()[3:])


async def test_a_question_leaves_the_list_in_sight(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("2")
        await ui.until("ge-tst-0007")
        await ui.press("/")
        await ui.until("Filter, etwa", "ge-tst-0007")
