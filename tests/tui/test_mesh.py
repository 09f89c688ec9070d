"""The mesh on screen: tree, map, neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from local_store import links, nodes
from local_store.db import Store
from local_store.mesh_records import LinkEvent, LinkState, Place
from tests.tui.city import NOW_MS, fill, node
from tests.tui.driver import running


@pytest.fixture
def city(tmp_path: Path) -> Iterator[Store]:
    store = fill(tmp_path, 12)
    rows = [
        replace(node(at), role="gateway" if at == 0 else "mesh", lat=51.5 + at % 4 * 0.01, lon=7.0 + at // 4 * 0.02)
        for at in range(12)
    ]
    store.ops.write(lambda cx: nodes.upsert_nodes(cx, rows, NOW_MS))
    found = [
        LinkState(f"{at}", one.uplink, "mesh0", one.node_id, "mesh0", "5", "batadv", "up", 1, 1, NOW_MS, 30.0 + 6 * at)
        for at, one in enumerate(rows)
        if one.uplink
    ]
    places = [
        Place(
            one.node_id,
            one.uplink,
            "ge-tst-0000",
            0 if not at else 1 + at // 5,
            1.0,
            one.uplink,
            1,
            6 if at == 1 else 0,
        )
        for at, one in enumerate(rows)
    ]
    store.telemetry.write(lambda cx: links.save_links(cx, found))
    store.telemetry.write(lambda cx: links.replace_places(cx, places))
    yield store
    store.close()


@pytest.mark.parametrize("size", [(80, 24), (120, 40), (60, 15)])
async def test_the_tree_shows_what_hangs_on_what(city: Store, size: tuple[int, int]) -> None:
    async with running(city.directory, size) as ui:
        await ui.press("6")
        shown = await ui.until("ge-tst-0000", "ge-tst-0001", "6 Knoten hängen daran")
        assert all(len(line) <= size[0] for line in shown.splitlines())
        rows = [line for line in shown.splitlines() if "ge-tst-0005" in line or "ge-tst-0001" in line]
        assert rows[0].index("ge-tst") < rows[1].index("ge-tst"), "a child stands farther to the right"


async def test_the_map_pans_zooms_and_has_a_list(city: Store) -> None:
    async with running(city.directory) as ui:
        await ui.press("m")
        first = await ui.until("■", "≥ 80 %", "Zoom")
        await ui.press("+", "+")
        closer = ui.text()
        assert closer != first
        await ui.press("l")
        await ui.until("Liste", "km")
        await ui.press("Esc", "0")
        await ui.until("■")
        assert ui.text() == first


@pytest.mark.parametrize("glyphs", ["block", "ascii"])
async def test_the_map_needs_no_braille(city: Store, glyphs: str) -> None:
    async with running(city.directory, glyphs=glyphs) as ui:
        await ui.press("m")
        shown = await ui.until("ge-tst", "50 %")
        assert not any("⠀" < one <= "⣿" for one in shown)


async def test_a_node_shows_whom_it_hears_and_what_became_of_it(city: Store) -> None:
    events = [(4_000_000, "appeared"), (60_000, "down"), (20_000, "up"), (90_000_000, "gone")]
    link_id = "ge-tst-0001/mesh0~ge-tst-0005/mesh0"
    turns = [LinkEvent(NOW_MS - ago, link_id, what) for ago, what in events]
    city.telemetry.write(lambda cx: links.add_events(cx, turns))
    async with running(city.directory, (80, 40)) as ui:
        ui.app.open_target("node:ge-tst-0001")
        shown = await ui.until("Nachbarn (", "ge-tst-0005", "mesh0", "Seine Verbindungen", "an  nach 40 s")
        assert "vergessen" not in shown, "that was longer ago than a day"
