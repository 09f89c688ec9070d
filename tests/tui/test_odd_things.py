"""What the screens do with a filter that is wrong from the start, several lines to one place, names that steer."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from console.tui.line_table import LineTable
from console.tui.lines import line
from console.tui.widgets import BoardView, same_place
from local_store import alerts, nodes
from local_store.alerts import AlertKey
from local_store.db import Store
from tests.conftest import KEY
from tests.tui.city import NOW_MS, busy, fill, node
from tests.tui.driver import running


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    store = fill(tmp_path)
    yield store
    store.close()


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ("nodes foo:bar", "es gibt kein Feld 'foo'"),
        ("alerts foo:bar", "es gibt kein Feld 'foo'"),
        ("nodes rtt>abc", "'abc' ist keine Zahl"),
    ],
)
async def test_a_command_with_a_wrong_filter_explains_it_and_shows_all(city: Store, command: str, words: str) -> None:
    async with running(city.directory) as ui:
        await ui.press(":")
        await ui.press(command, "Enter")
        await ui.until(words, "ge-tst-0007")
        await ui.press("/", "0007", "Enter")
        await ui.until("› 0007")
        await ui.press("Esc")
        await ui.until("ge-tst-0003", gone="› 0007")


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (AlertKey("link", "ge-tst-0004/mesh0~ge-tst-0009/mesh0", "down"), ("ge-tst-0004", "Schnittstellen")),
        (AlertKey("engine", "poll", "failing"), ("Konsole › Abfragen",)),
        (AlertKey("broker", "city", "down"), ("Konsole › ", "city", "18.211")),
        (AlertKey("store", "poll", "full"), ("Konsole › Abfragen",)),
        (AlertKey("mesh", "ge-tst-0001+ge-tst-0002", "cut_off"), ("ge-tst-0001",)),
    ],
)
async def test_an_alert_leads_to_what_it_is_about(tmp_path: Path, key: AlertKey, words: tuple[str, ...]) -> None:
    busy(tmp_path)
    with contextlib.closing(Store(tmp_path, KEY)) as store:
        store.ops.write(lambda cx: alerts.open_alert(cx, key, "critical", "{}", NOW_MS - 500))
    async with running(tmp_path) as ui:
        await ui.until("ge-tst-0007")
        await ui.press("4")
        await ui.until("SEIT")
        table = ui.app.screen.query_one(LineTable)
        await ui.press("g")
        await ui.comes(lambda: table.cursor_key == table.keys[0], "the cursor on the newest alert")
        await ui.press("Enter")
        await ui.until(*words, gone="QUITTIERT")


async def test_the_cursor_passes_lines_that_lead_to_the_same_place(city: Store) -> None:
    def three(cx: object) -> None:
        for kind in ("degraded", "link", "silent"):
            key = AlertKey("node", "ge-tst-0007", kind)
            alerts.open_alert(cx, key, "critical", "{}", NOW_MS - 1000)  # type: ignore[arg-type]

    city.ops.write(three)
    async with running(city.directory, (80, 40)) as ui:
        await ui.until("ge-tst-0007", "ge-tst-0003")
        board = ui.app.screen.query_one(BoardView)
        targets = [one.opens for one in board.lines if one.opens]
        assert targets.count("node:ge-tst-0007") > 1
        for target in targets[1:]:
            before = board.place
            await ui.press("j")
            await ui.comes(lambda before=before: board.place > before, "the cursor on the next line")  # type: ignore[misc]
            assert board.cursor == target


def test_a_line_is_found_again_among_those_that_lead_to_the_same_place() -> None:
    def board(*opens: str) -> list[object]:
        return [line(f"{at} {one}", opens=one) for at, one in enumerate(opens)]

    def moved(before: str, place: int, after: str) -> int:
        return same_place(board(*before.split(".")), place, board(*after.split(".")))  # type: ignore[arg-type]

    assert moved("a.b.a", 2, "a.b.a") == 2
    assert moved("a.b.a", 2, "c.a.b.a") == 3
    assert moved("a.b.a", 2, "b.a") == 1
    assert moved("a.b", 1, ".a") == 1
    assert moved("a", 0, ".") == -1
    assert same_place([], -1, board("", "a")) == 1  # type: ignore[arg-type]


async def test_a_name_cannot_steer_the_terminal(city: Store) -> None:
    steering = replace(node(7), name="\x1b[31mrot\x07\tganz\u202e")
    city.ops.write(lambda cx: nodes.upsert_nodes(cx, [steering], NOW_MS))
    async with running(city.directory, (200, 50)) as ui:
        for target in ("nodes", "node:ge-tst-0007"):
            ui.app.open_target(target)
            shown = await ui.until(r"\x1b[31mrot\x07\tganz\u202e")
            assert not set(shown) & {"\x1b", "\x07", "\t", "\u202e"}


@pytest.mark.parametrize("size", [(80, 24), (60, 20)])
async def test_an_alert_lists_what_it_takes_down(city: Store, size: tuple[int, int]) -> None:
    lost = [f"ge-tst-{at:04}" for at in range(20, 32)]
    facts = {
        "cause": "silent", "nodes": 12, "takes_down": lost, "sensors": 2, "systems": ["gesaeubert"],
        "lorawan_gateways": ["ge-tst-0031"],
    }  # fmt: skip
    key = AlertKey("node", "ge-tst-0009", "down")
    city.ops.write(lambda cx: alerts.open_alert(cx, key, "critical", json.dumps(facts), NOW_MS - 500))
    async with running(city.directory, size, "en") as ui:
        await ui.press("4")
        await ui.until("12 nodes", "takes down ge-tst-0020, ge-tst-0021", " …")
        await ui.press("g", "Enter")
        shown = " ".join((await ui.until("Interfaces")).split())
        assert "unreachable: 12 nodes, 2 sensors (GEsäubert)" in shown
        assert f"takes down {', '.join(lost)}; LoRaWAN gateways ge-tst-0031" in shown
