"""Lines on character cells, and the map made of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from console.tui.mesh_map import Plane, base, draw, moved, pattern, zoomed
from console.tui.raster import Glyphs, Raster, clip
from local_store.views.mesh import MeshLink, MeshNode, MeshPicture


def node(name: str, lat: float, lon: float, state: str = "ok", role: str = "mesh", parent: str = "") -> MeshNode:
    return MeshNode(name, name, role, state, "", lat, lon, parent, "", 0, 0, 0)


PICTURE = MeshPicture(
    (node("g", 51.50, 7.00, role="gateway"), node("p", 51.52, 7.02, parent="g"), node("x", 51.50, 7.04, "down")),
    (MeshLink("g", "p", "5", "up", 90.0, ""), MeshLink("p", "x", "5", "down", 40.0, "")),
)


def text(glyphs: Glyphs, columns: int = 20, rows: int = 8) -> list[str]:
    plane = Plane(PICTURE)
    view = plane.whole(columns, rows, glyphs)
    lines = draw(plane, view, base(plane, view, columns, rows, glyphs))
    return ["".join(part for part, _style in line.parts) for line in lines]


def test_a_diagonal_in_braille_sets_the_right_dots() -> None:
    raster = Raster(1, 1)
    raster.line(0, 0, 1, 3, 1)
    assert raster.row(0) == chr(0x2800 | 0x01 | 0x02 | 0x20 | 0x80)


@pytest.mark.parametrize(("glyphs", "signs"), [("braille", "⠀⣿"), ("block", "▀█"), ("ascii", "/\\-|")])
def test_the_map_is_drawn_in_every_kind_of_sign(glyphs: Glyphs, signs: str) -> None:
    lines = text(glyphs)
    assert all(len(line) == 20 for line in lines)
    drawn = "".join(lines)
    if glyphs == "braille":
        assert any("⠀" < one <= "⣿" for one in drawn)
    else:
        assert any(one in drawn for one in signs)
    assert ("G" if glyphs == "ascii" else "■") in drawn
    assert ("X" if glyphs == "ascii" else "✖") in drawn


def test_names_are_written_where_there_is_room() -> None:
    drawn = text("braille", 40, 10)
    assert sum(line.count("■g") + line.count("●p") for line in drawn) == 2


def test_quality_is_told_by_pattern_and_colour() -> None:
    kinds = [pattern(MeshLink("a", "b", "5", "up", quality, "")) for quality in (95.0, 60.0, 20.0)]
    kinds.append(pattern(MeshLink("a", "b", "5", "down", 95.0, "")))
    assert len(set(kinds)) == 4
    assert len({dash for _colour, dash in kinds}) == 4


def test_panning_and_zooming_keep_the_middle() -> None:
    plane = Plane(PICTURE)
    view = plane.whole(20, 8, "braille")
    there = moved(moved(view, 5, -2, "braille"), -5, 2, "braille")
    assert (round(there.x_km, 9), round(there.y_km, 9)) == (round(view.x_km, 9), round(view.y_km, 9))
    closer = zoomed(view, 0.5)
    assert (closer.x_km, closer.y_km) == (view.x_km, view.y_km)
    assert plane.by_distance(view)[0] == plane.nearest(view)


def test_a_close_view_draws_the_same_as_all_links_would() -> None:
    nodes = tuple(node(f"n{at}", 51.5 + at % 40 * 0.001, 7.0 + at // 40 * 0.001) for at in range(400))
    links = tuple(MeshLink(f"n{at}", f"n{(at * 7 + 3) % 400}", "5", "up", 90.0, "") for at in range(400))
    plane = Plane(MeshPicture(nodes, tuple(link for link in links if link.a != link.b)))
    view = zoomed(plane.whole(60, 20, "braille"), 0.2)
    by_grid = base(plane, view, 60, 20, "braille")
    everything = plane.segments
    whole = Plane(MeshPicture(nodes, tuple(link for link in links if link.a != link.b)))
    whole._grid = dict.fromkeys(whole._grid, range(len(everything)))  # type: ignore[arg-type]
    assert [by_grid.row(at) for at in range(20)] == [base(whole, view, 60, 20, "braille").row(at) for at in range(20)]


@given(*[st.floats(-1e4, 1e4)] * 4)
def test_clipping_stays_inside_and_on_the_line(x0: float, y0: float, x1: float, y1: float) -> None:
    found = clip(x0, y0, x1, y1, 119.0, 159.0)
    if found is None:
        return
    ax, ay, bx, by = found
    assert all(-1e-6 <= x <= 119.000001 for x in (ax, bx))
    assert all(-1e-6 <= y <= 159.000001 for y in (ay, by))
    Raster(60, 40).line(x0, y0, x1, y1, 1)
