"""The screens: each is a top line, a body, a key line, and what its keys do."""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import Screen
from textual.scroll_view import ScrollView
from textual.widget import Widget

from console.texts import _, ngettext
from console.tui import boards, detail_boards, mesh_boards, roles, service_boards
from console.tui.dialogs import Plan, some
from console.tui.lines import Line, Part, line
from console.tui.widgets import Bar, BoardView, Drawing
from local_store.intents import MAY
from local_store.views import mesh as mesh_view

if TYPE_CHECKING:
    from console.tui.app import Leitstand

MESSAGE_S = 4.0
WIDE = 76
"""From so many columns on the overview's last line is one line."""
Keys = Sequence[tuple[str, str]]
"""Key as it is shown, and what it does."""


class Place(Screen[None]):
    """What every screen is: crumbs above, keys below, a body that follows the store."""

    DEFAULT_CSS = """
    Place { layers: base; }
    Place LineTable, Place BoardView { height: 1fr; scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0; }
    """
    BINDINGS: ClassVar[list[BindingType]] = []
    HAS_PAST: ClassVar[bool] = True
    """Whether it shows the moment one has gone back to; if not, the top line says that it shows now."""

    @property
    def console_app(self) -> Leitstand:
        """The app with its feed."""
        return cast("Leitstand", self.app)

    @property
    def now_ms(self) -> int:
        """The moment whose ages it tells: what has no past shows now, also while one looks at the past."""
        feed = self.console_app.feed
        return feed.now_ms() if self.HAS_PAST else feed.clock_ms()

    def compose(self) -> ComposeResult:
        """Bars around the body."""
        yield Bar("top", reverse=True)
        yield from self.body()
        yield Bar("keys")

    def body(self) -> ComposeResult:
        """The screen's own widgets."""
        raise TypeError("every screen has a body")

    def crumbs(self) -> str:
        """Where this is."""
        return ""

    def keys(self) -> Keys:
        """What the bottom line offers here."""
        return ()

    def more_keys(self) -> Keys:
        """What works here beside that, for the help."""
        return ()

    def update(self) -> None:
        """Something was committed, or a second has passed."""

    def redraw(self) -> None:
        """Everything is another: the moment that is shown changed."""
        self._message = ("", 0.0)
        self.update()
        self.draw_bars()

    def __init__(self) -> None:
        super().__init__()
        self._parts: list[Widget] = []
        """What it was composed of; empty before that."""
        self._message = ("", 0.0)

    @property
    def ready(self) -> bool:
        """Whether the widgets are there; the clock and the bell may ring before that, and while they are leaving."""
        return bool(self._parts) and self.is_attached and all(part.is_attached for part in self._parts)

    def on_mount(self) -> None:
        """Draw at once."""
        self._parts = [*self.query(Bar), *self.query(ScrollView), *self.query(Drawing)]
        self.update()
        self.draw_bars()

    def on_screen_resume(self) -> None:
        """Draw again after another screen was on top."""
        if self.ready:
            self.update()
            self.draw_bars()

    def draw_bars(self, message: str = "") -> None:
        """Top and bottom line; a message stays for some seconds in place of the keys."""
        app = self.console_app
        if message:
            self._message = (message, monotonic() + MESSAGE_S)
        message = self._message[0] if monotonic() < self._message[1] else ""
        crumbs = f" {self.crumbs()}"
        status = app.status_parts(self.size.width - cell_len(crumbs) - 2)
        room = self.size.width - sum(cell_len(text) for text, _style in status) - 1
        self.query_one("#top", Bar).show([(fitting_crumbs(crumbs, room), "")], status)
        parts: list[Part] = [(f" {message}", "warning")] if message else []
        if not message:
            for key, word in fitting_keys(self.keys(), self.size.width):
                parts += [(f" {key}", "mark"), (f" {word} ", "")]
        self.query_one("#keys", Bar).show(parts)


def fitting_crumbs(crumbs: str, room: int) -> str:
    """The end of the way, which says where one is, rather than its beginning."""
    shown, rest = crumbs, crumbs.split(" › ")
    while cell_len(shown) > room and len(rest) > 1:
        rest = rest[1:]
        shown = " … › " + " › ".join(rest)
    return shown


def fitting_keys(keys: Keys, width: int) -> Keys:
    """As many keys as fit in one line; the last, which leads to all of them, always."""
    shown = list(keys)
    while len(shown) > 1 and sum(cell_len(key) + cell_len(word) + 3 for key, word in shown) > width:
        shown.pop(-2)
    return shown


class BoardPlace(Place):
    """A screen of fixed lines."""

    def body(self) -> ComposeResult:
        """The board."""
        yield BoardView()

    def more_keys(self) -> Keys:
        """How to move."""
        return (("↑ ↓ j k", _("move")), (_("PgUp PgDn"), _("by pages")), (_("g G Home End"), _("to the ends")))

    def open_key(self) -> Keys:
        """What Enter does, where a line leads anywhere."""
        return (("↵", _("open")),) if self.query_one(BoardView).cursor else ()

    def build(self, width: int) -> list[Line]:
        """The lines for this width."""
        raise TypeError(f"every board has lines for {width} columns")

    def update(self) -> None:
        """Build the lines again and draw those that changed."""
        self.query_one(BoardView).show(self.build(max(40, self.size.width)))

    def on_board_view_opened(self, message: BoardView.Opened) -> None:
        """Go there."""
        self.console_app.open_target(message.target)


class OverviewPlace(BoardPlace):
    """The city at a glance."""

    def crumbs(self) -> str:
        """The start of all ways."""
        role = self.console_app.role
        return "Leitstand · Gelsenkirchen" + ("" if role == "network" else f" · {roles.ROLES[role].title()}")

    def keys(self) -> Keys:
        """The ways this role takes most."""
        return ((":", _("command")), ("↵", _("open")), *self.console_app.ways(), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """Systems, needs, console."""
        app = self.console_app
        found, needs, size_bytes = app.feed.overview()
        room = max(1, self.size.height - 2 - (11 if width >= WIDE else 12))
        return boards.overview(
            found,
            needs[:room],
            app.feed.now_ms(),
            width,
            size_bytes,
            ascii_only=app.ascii_only,
            past=app.feed.then is not None,
        )


class HealthPlace(BoardPlace):
    """The console itself."""

    HAS_PAST = False

    def crumbs(self) -> str:
        """Where this is."""
        return "Leitstand › " + _("Console")

    def keys(self) -> Keys:
        """Nothing special here."""
        return ((":", _("command")), ("↵", _("open")), ("Esc", _("back")), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """Engine, services, store."""
        app = self.console_app
        found, size_bytes = app.feed.health()
        return boards.health(found, self.now_ms, width, size_bytes, app.settings.encrypted, app.ascii_only)


class ServicePlace(BoardPlace):
    """One service of the engine, with every counter."""

    HAS_PAST = False

    def __init__(self, name: str) -> None:
        super().__init__()
        self.service = name

    def crumbs(self) -> str:
        """Where this is."""
        return f"Leitstand › {_('Console')} › {service_boards.service_name(self.service)}"

    def keys(self) -> Keys:
        """Nothing special here."""
        return ((":", _("command")), ("Esc", _("back")), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """State, trouble, counters."""
        app = self.console_app
        every = service_boards.as_they_are(app.feed.health()[0], self.now_ms)
        found = next((one for one in every if one.name == self.service), None)
        if found is None:
            return [line((" " + _("there is no service of this name"), "warning"))]
        return service_boards.service(found, self.now_ms, width, app.ascii_only)


def poll_nodes(app: Leitstand, node_ids: list[str]) -> None:
    """Show the plan of polling these now, and queue it once somebody agrees."""
    if not app.may_write("node.poll"):
        return

    def done(agreed: bool | None) -> None:
        if agreed:
            text = ngettext("{n} poll queued", "{n} polls queued", len(node_ids)).format(n=len(node_ids))
            app.try_write(lambda grant: app.feed.poll_now(node_ids, grant), text)

    told = _("Each is asked at once, outside its turn; nothing on it changes.")
    title = _("Poll now: {what}").format(what=some(node_ids))
    app.push_screen(Plan(title, told, len(node_ids)), done)


class NodePlace(BoardPlace):
    """One node."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", show=False),
        Binding("a", "act", show=False),
        Binding("d", "config", show=False),
    ]

    def __init__(self, node_id: str) -> None:
        super().__init__()
        self.node_id = node_id

    def crumbs(self) -> str:
        """Where this is."""
        return f"{_('Net')} › {_('Nodes')} › {self.node_id}"

    def keys(self) -> Keys:
        """Its uplink and its neighbours are opened, where it has any."""
        act = (("a", _("poll now…")),) if self.console_app.role in MAY["node.poll"] else ()
        return (
            *self.open_key(),
            *act,
            ("d", _("configuration")),
            ("y", _("copy")),
            ("Esc", _("back")),
            ("?", _("help")),
        )

    def build(self, width: int) -> list[Line]:
        """State, interfaces, history, calls."""
        feed = self.console_app.feed
        found = feed.node(self.node_id)
        if found is None:
            return [line((" " + _("this node is not in the inventory"), "warning"))]
        history = feed.history(self.node_id, ("rtt_ms", "load_pct"), max(20, 2 * (width - 3)))
        heard = feed.read(lambda cx: mesh_view.neighbours(cx, self.node_id))
        around = mesh_boards.neighbours(heard, width, self.console_app.ascii_only) if heard else []
        since_ms = feed.now_ms() - mesh_boards.HISTORY_MS
        turns = feed.read(lambda cx: mesh_view.history(cx, self.node_id, since_ms, mesh_boards.TURNS_SHOWN))
        around += mesh_boards.link_history(turns, self.node_id, width)
        lines = detail_boards.node(found, history, feed.now_ms(), width, self.console_app.settings.glyphs)
        return [*lines, *around]

    def action_act(self) -> None:
        """Ask this node now, through the gate."""
        poll_nodes(self.console_app, [self.node_id])

    def action_config(self) -> None:
        """What it should hold and does not."""
        self.console_app.open_target(f"config:{self.node_id}")

    def action_copy(self) -> None:
        """The command that says the same."""
        self.console_app.copy(f"leitstand nodes show {self.node_id}")


class SensorPlace(BoardPlace):
    """One sensor."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("y", "copy", show=False)]

    def __init__(self, sensor_id: str) -> None:
        super().__init__()
        self.sensor_id = sensor_id

    def crumbs(self) -> str:
        """Where this is."""
        return f"Leitstand › {_('Sensors')} › {self.sensor_id}"

    def keys(self) -> Keys:
        """Nothing special here."""
        return (("y", _("copy")), ("Esc", _("back")), ("?", _("help")))

    def build(self, width: int) -> list[Line]:
        """Readings, radio, events."""
        feed = self.console_app.feed
        found = feed.sensor(self.sensor_id)
        if found is None:
            return [line((" " + _("nobody knows this sensor"), "warning"))]
        history = feed.history(self.sensor_id, sorted(found.reading)[:2], max(20, 2 * (width - 3)))
        return detail_boards.sensor(found, history, feed.now_ms(), width, self.console_app.settings.glyphs)

    def action_copy(self) -> None:
        """The command that says the same."""
        self.console_app.copy(f"leitstand sensors show {self.sensor_id}")
