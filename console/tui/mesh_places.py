"""The screens of the mesh: the tree from the gateways, the map, and the map's list."""

from __future__ import annotations

from time import monotonic
from typing import ClassVar, Final, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console import texts
from console.texts import _
from console.tui import mesh_boards, mesh_map
from console.tui.lines import PARTS, Line, line, wrapped
from console.tui.mesh_map import Plane, View
from console.tui.present import state_text
from console.tui.raster import Glyphs, Raster
from console.tui.screens import BoardPlace, Keys, Place
from console.tui.widgets import Drawing
from local_store.views.mesh import MeshPicture, picture

FRESH_S: Final = 2.0
"""The whole mesh is read no more often than this."""
PAN: Final = {"left": (-8, 0), "right": (8, 0), "up": (0, -3), "down": (0, 3)}
ZOOM: Final = 1.4


class Pictured(Place):
    """A screen over the whole mesh, which it reads now and then."""

    HAS_PAST = False

    def __init__(self) -> None:
        super().__init__()
        self.picture = MeshPicture((), ())
        self._read_s = -FRESH_S

    def look(self) -> bool:
        """Read the mesh if it was not read just now; whether it is another."""
        if monotonic() - self._read_s < FRESH_S:
            return False
        self._read_s = monotonic()
        before, self.picture = self.picture, self.console_app.feed.read(picture)
        return before != self.picture


class TreePlace(BoardPlace, Pictured):
    """Who hangs on whom."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("m", "map", show=False)]

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Mesh')}"

    def keys(self) -> Keys:
        """Nothing is changed here."""
        return (*self.open_key(), ("m", _("map")), ("Esc", _("back")), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """The tree."""
        self.look()
        head = [line((f" {row}", "dim")) for row in wrapped(mesh_boards.tree_head(self.picture), width - 2, PARTS)]
        return [*head, *mesh_boards.tree(self.picture, self.console_app.ascii_only)]

    def action_map(self) -> None:
        """The same on the map."""
        self.console_app.open_target("map")


class MapView(Drawing, can_focus=True):
    """The drawing itself; its links are drawn anew only when something moved."""

    DEFAULT_CSS = "MapView { height: 1fr; }"

    def on_resize(self) -> None:
        """Another size is another drawing."""
        place = cast("MapPlace", self.screen)
        if place.ready:
            place.update()


class MapPlace(Pictured):
    """The mesh where it stands."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left,h", "pan('left')", show=False),
        Binding("right", "pan('right')", show=False),
        Binding("up,k", "pan('up')", show=False),
        Binding("down,j", "pan('down')", show=False),
        Binding("plus,equals_sign", "zoom(-1)", show=False),
        Binding("minus,less_than_sign", "zoom(1)", show=False),
        Binding("0", "whole", show=False),
        Binding("enter", "open_node", show=False),
        Binding("l", "list", show=False),
        Binding("t", "tree", show=False),
    ]

    def __init__(self) -> None:
        super().__init__()
        self.plane = Plane(self.picture)
        self.view: View | None = None
        self._base: tuple[object, Raster] | None = None

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Mesh')} › {_('Map')}"

    def keys(self) -> Keys:
        """How to move."""
        return (("← ↑ ↓ →", _("move")), ("+ -", _("zoom")), ("0", _("all")), ("↵", _("open")),
                ("l", _("list")), ("t", _("tree")), ("Esc", _("back")), ("?", _("help")))  # fmt: skip

    def more_keys(self) -> Keys:
        """The letters for the same."""
        return (("h j k", _("move")), ("= <", _("zoom")))

    def body(self) -> ComposeResult:
        """The drawing."""
        yield MapView()

    @property
    def glyphs(self) -> Glyphs:
        """As the person chose them."""
        return cast("Glyphs", self.console_app.settings.glyphs)

    def update(self) -> None:
        """Draw what is there now."""
        if self.look():
            self.plane = Plane(self.picture)
            self._base = None
        drawing = self.query_one(MapView)
        columns, rows = drawing.size.width, drawing.size.height - 1
        if columns < 4 or rows < 2:
            return
        if not self.plane.spots:
            told = _("no node has a position yet: the columns lat and lon of `leitstand nodes import` give them one")
            drawing.show([line((f" {row}", "dim")) for row in wrapped(told, columns - 2)])
            return
        view = self.view or self.plane.whole(columns, rows, self.glyphs)
        key = (view, columns, rows)
        if self._base is None or self._base[0] != key:
            self._base = (key, mesh_map.base(self.plane, view, columns, rows, self.glyphs))
        chosen = self.plane.nearest(view)
        drawn = mesh_map.draw(self.plane, view, self._base[1], chosen.node.node_id if chosen else "")
        drawing.show([*drawn, self._legend(chosen)])

    def _legend(self, chosen: mesh_map.Spot | None) -> Line:
        """The node in the middle, and how links are drawn."""
        ascii_only = self.console_app.ascii_only
        solid, dashed, dotted = ("---", "- -", ". .") if ascii_only else ("━━", "╍╍", "┈┈")
        node = chosen.node if chosen else None
        word = f"{state_text(node.state, node.cause, ascii_only)}" if node else ""
        hidden = self.plane.without_place
        rest = _("{n} without a position").format(n=texts.number(hidden)) if hidden else ""
        return line(
            f" {node.node_id if node else ''} ",
            (word, node.state if node else ""),
            ("   " + solid, "ok"),
            " ≥ 80 % ",
            (dashed, "warning"),
            " ≥ 50 % ",
            (dotted, "critical"),
            f" < 50 %   {rest}",
        )

    def _view(self) -> View:
        drawing = self.query_one(MapView)
        return self.view or self.plane.whole(drawing.size.width, max(2, drawing.size.height - 1), self.glyphs)

    def action_pan(self, way: str) -> None:
        """Move by some cells."""
        columns, rows = PAN[way]
        self.view = mesh_map.moved(self._view(), columns, rows, self.glyphs)
        self.update()

    def action_zoom(self, way: int) -> None:
        """Closer or farther, around the middle."""
        self.view = mesh_map.zoomed(self._view(), ZOOM**way)
        self.update()

    def action_whole(self) -> None:
        """The whole city."""
        self.view = None
        self.update()

    def action_open_node(self) -> None:
        """The node in the middle."""
        chosen = self.plane.nearest(self._view())
        if chosen is not None:
            self.console_app.open_target(f"node:{chosen.node.node_id}")

    def action_list(self) -> None:
        """The same nodes as a list."""
        self.console_app.push_screen(AroundPlace(self.plane, self._view()))

    def action_tree(self) -> None:
        """The same as a tree."""
        self.console_app.open_target("mesh")


class AroundPlace(BoardPlace):
    """The map's list: nodes by their distance from its middle."""

    HAS_PAST = False

    def __init__(self, plane: Plane, view: View) -> None:
        super().__init__()
        self._plane = plane
        self._view = view

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Mesh')} › {_('Map')} › {_('List')}"

    def keys(self) -> Keys:
        """Back leads to the map."""
        return (("↵", _("open")), ("Esc", _("map")), ("?", _("help")))

    def build(self, _width: int) -> list[Line]:
        """The nearest first."""
        return mesh_boards.around(self._plane.by_distance(self._view), self._view, self.console_app.ascii_only)
