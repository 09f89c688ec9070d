"""The mesh as a map of character cells: links by pattern and colour, nodes by sign. Pure; the same in, the same out."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from console.tui.lines import Line, Part
from console.tui.present import glyph
from console.tui.raster import DOTS, Glyphs, Raster
from local_store.views.mesh import MeshLink, MeshNode, MeshPicture

KM_PER_DEGREE: Final = 111.2
GRID: Final = 32
SHOW_ALL: Final = 4_000
"""More links than this in sight: only those that carry the tree are drawn (level of detail)."""
LABELS: Final = 24
"""So few nodes in sight that each has room for its name."""
STYLES: Final = ("", "ok", "warning", "critical", "down")
RANK: Final = {"down": 5, "unreachable": 4, "warning": 3, "unknown": 2, "ok": 1}
GOOD_PCT, FAIR_PCT = 80.0, 50.0


@dataclass(frozen=True, slots=True)
class View:
    """What part of the city is seen: its middle in km on the map's own plane, and how much one dot spans."""

    x_km: float
    y_km: float
    km_per_dot: float


@dataclass(frozen=True, slots=True)
class Spot:
    """One node with its place on the plane."""

    node: MeshNode
    x_km: float
    y_km: float


Segment = tuple[float, float, float, float, int, int, bool]
"""Both ends in km, colour, dash, and whether it carries the tree."""


class Plane:
    """A picture laid out once: nodes on a plane in km, links in a grid so that a part of the city costs a part."""

    def __init__(self, picture: MeshPicture) -> None:
        placed = [node for node in picture.nodes if node.lat is not None and node.lon is not None]
        self.without_place = len(picture.nodes) - len(placed)
        middle = sum(node.lat or 0.0 for node in placed) / len(placed) if placed else 0.0
        stretch = KM_PER_DEGREE * math.cos(math.radians(middle))
        self.spots = {
            node.node_id: Spot(node, (node.lon or 0.0) * stretch, -(node.lat or 0.0) * KM_PER_DEGREE) for node in placed
        }
        xs = [spot.x_km for spot in self.spots.values()] or [0.0]
        ys = [spot.y_km for spot in self.spots.values()] or [0.0]
        self.left, self.right, self.top, self.bottom = min(xs), max(xs), min(ys), max(ys)
        parents = {(node.node_id, node.parent) for node in placed if node.parent}
        self.segments = [
            self._segment(link, parents) for link in picture.links if {link.a, link.b} <= self.spots.keys()
        ]
        self._grid: dict[tuple[int, int], list[int]] = {}
        for number, (x0, y0, x1, y1, *_rest) in enumerate(self.segments):
            for key in self._cells(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)):
                self._grid.setdefault(key, []).append(number)

    def _segment(self, link: MeshLink, parents: set[tuple[str, str]]) -> Segment:
        a, b = self.spots[link.a], self.spots[link.b]
        colour, dash = pattern(link)
        trunk = (link.a, link.b) in parents or (link.b, link.a) in parents
        return a.x_km, a.y_km, b.x_km, b.y_km, colour, dash, trunk

    def _cells(self, left: float, top: float, right: float, bottom: float) -> Iterable[tuple[int, int]]:
        across = max(1e-9, self.right - self.left) / GRID
        down = max(1e-9, self.bottom - self.top) / GRID
        first_x, last_x = int((left - self.left) / across), int((right - self.left) / across)
        first_y, last_y = int((top - self.top) / down), int((bottom - self.top) / down)
        for x in range(max(0, first_x), min(GRID, last_x) + 1):
            for y in range(max(0, first_y), min(GRID, last_y) + 1):
                yield x, y

    def seen(self, left: float, top: float, right: float, bottom: float) -> Sequence[Segment]:
        """Links that may cross this part, at most once each."""
        if left <= self.left and right >= self.right and top <= self.top and bottom >= self.bottom:
            return self.segments
        numbers = {number for key in self._cells(left, top, right, bottom) for number in self._grid.get(key, ())}
        return [self.segments[number] for number in sorted(numbers)]

    def whole(self, columns: int, rows: int, glyphs: Glyphs) -> View:
        """The view that shows everything."""
        across, down = DOTS[glyphs]
        wide = (self.right - self.left) / max(1, columns * across - 4)
        high = (self.bottom - self.top) / max(1, rows * down - 4) / aspect(glyphs)
        scale = max(wide, high, 0.002)
        return View((self.left + self.right) / 2, (self.top + self.bottom) / 2, scale)

    def nearest(self, view: View) -> Spot | None:
        """The node closest to the middle of the view."""
        return min(self.spots.values(), key=lambda spot: distance(spot, view), default=None)

    def by_distance(self, view: View) -> list[Spot]:
        """Every node, the closest first: the list that is the map's twin."""
        return sorted(self.spots.values(), key=lambda spot: (distance(spot, view), spot.node.node_id))


def aspect(glyphs: Glyphs) -> float:
    """How much higher than wide one dot is: a cell is about twice as high as wide."""
    across, down = DOTS[glyphs]
    return 2.0 * across / down


def distance(spot: Spot, view: View) -> float:
    """In km, on the plane."""
    return math.hypot(spot.x_km - view.x_km, spot.y_km - view.y_km)


def pattern(link: MeshLink) -> tuple[int, int]:
    """Colour and dash of a link: whole lines are good, dashes fair, dots poor; what is down is dotted and red."""
    if link.state == "down":
        return 4, 0b0001
    if link.state == "flapping":
        return 3, 0b0011
    quality = 100.0 if link.quality_pct is None else link.quality_pct
    if quality >= GOOD_PCT:
        return 1, 0b1111
    return (2, 0b0111) if quality >= FAIR_PCT else (3, 0b0101)


def moved(view: View, columns: int, rows: int, glyphs: Glyphs) -> View:
    """The view shifted by whole cells."""
    across, down = DOTS[glyphs]
    x = view.x_km + columns * across * view.km_per_dot
    return replace(view, x_km=x, y_km=view.y_km + rows * down * view.km_per_dot * aspect(glyphs))


def zoomed(view: View, factor: float) -> View:
    """Closer (below 1) or farther, within what makes sense."""
    return replace(view, km_per_dot=min(2.0, max(0.0005, view.km_per_dot * factor)))


def base(plane: Plane, view: View, columns: int, rows: int, glyphs: Glyphs) -> Raster:
    """The links alone; worth keeping while nothing moves."""
    raster = Raster(columns, rows, glyphs)
    left, top = _corner(view, raster)
    scale, high = view.km_per_dot, view.km_per_dot * aspect(glyphs)
    found = plane.seen(left, top, left + raster.width * scale, top + raster.height * high)
    coarse = len(found) > SHOW_ALL
    for x0, y0, x1, y1, colour, dash, trunk in found:
        if trunk or not coarse:
            raster.line((x0 - left) / scale, (y0 - top) / high, (x1 - left) / scale, (y1 - top) / high, colour, dash)
    return raster


def draw(plane: Plane, view: View, raster: Raster, chosen: str = "") -> list[Line]:
    """The links with the nodes on top; the worst node of a cell is the one that is seen."""
    left, top = _corner(view, raster)
    scale, high = view.km_per_dot * raster.across, view.km_per_dot * aspect(raster.glyphs) * raster.down
    cells: dict[tuple[int, int], MeshNode] = {}
    for spot in plane.spots.values():
        place = int((spot.y_km - top) / high), int((spot.x_km - left) / scale)
        if 0 <= place[0] < raster.rows and 0 <= place[1] < raster.columns and spot.y_km >= top and spot.x_km >= left:
            there = cells.get(place)
            if there is None or _weight(spot.node, chosen) > _weight(there, chosen):
                cells[place] = spot.node
    by_row: dict[int, dict[int, MeshNode]] = {}
    for (row, column), node in cells.items():
        by_row.setdefault(row, {})[column] = node
    labels = len(cells) <= LABELS
    return [_row(raster, at, by_row.get(at, {}), labels, chosen) for at in range(raster.rows)]


def _corner(view: View, raster: Raster) -> tuple[float, float]:
    high = view.km_per_dot * aspect(raster.glyphs)
    return view.x_km - raster.width / 2 * view.km_per_dot, view.y_km - raster.height / 2 * high


def _weight(node: MeshNode, chosen: str) -> tuple[bool, int, bool]:
    return node.node_id == chosen, RANK.get(node.state, 0), node.role == "gateway"


def _row(raster: Raster, at: int, nodes: Mapping[int, MeshNode], labels: bool, chosen: str) -> Line:
    text = list(raster.row(at))
    start = at * raster.columns
    styles = [STYLES[colour] for colour in raster.colour[start : start + raster.columns]]
    for column, node in nodes.items():
        text[column], styles[column] = sign(node, raster.glyphs), node.state
        if node.node_id == chosen:
            styles[column] = "past"
        if labels or node.node_id == chosen:
            _label(text, styles, column + 1, node.node_id, nodes)
    return Line(tuple(_runs(text, styles)))


def sign(node: MeshNode, glyphs: Glyphs) -> str:
    """One sign a node: gateways are square, everything else shows its state."""
    if glyphs == "ascii":
        return "G" if node.role == "gateway" and node.state == "ok" else glyph(node.state, ascii_only=True)[0]
    if node.role == "gateway":
        return "■" if node.state == "ok" else "□"
    return glyph(node.state)


def _label(text: list[str], styles: list[str], column: int, label: str, nodes: Mapping[int, MeshNode]) -> None:
    room = next((at for at in range(column, len(text)) if at in nodes), len(text)) - column
    if room >= len(label):
        for at, letter in enumerate(label, column):
            text[at], styles[at] = letter, ""


def _runs(text: Sequence[str], styles: Sequence[str]) -> Iterable[Part]:
    """Neighbouring cells of one style as one part."""
    begin = 0
    for at in range(1, len(text) + 1):
        if at == len(text) or styles[at] != styles[begin]:
            yield "".join(text[begin:at]), styles[begin]
            begin = at
