"""The lists there are: nodes, sensors, alerts, the outbox, the real calls; what each adds to a list."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from textual.binding import Binding, BindingType

from console import texts
from console.texts import _, ngettext
from console.tui import detail_boards, present_lists
from console.tui.dialogs import Confirm, Plan, some
from console.tui.lines import Line, Part
from console.tui.list_place import ListPlace
from console.tui.screens import Keys, poll_nodes


class NodeList(ListPlace):
    """The network's nodes."""

    KIND = "nodes"
    PANE_LINES = 5
    MORE_WHERE_NARROW = 2
    ASKS = "node.poll"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "act", show=False)]

    def list_title(self) -> str:
        """The list's name."""
        return _("Nodes")

    def head(self) -> str:
        """Nodes belong to the network."""
        return _("Net")

    def when_empty(self) -> str:
        """Nodes come from a table or are found."""
        return _("no nodes yet: `leitstand nodes import nodes.csv --dry-run` says what a table would bring, "
                 "`leitstand discover` looks for them")  # fmt: skip

    def act_word(self) -> str:
        """Nodes can be asked at once."""
        return _("poll now…")

    def command(self, key: str | None) -> str:
        """One node has a command of its own."""
        return f"leitstand nodes show {key}" if key else super().command(key)

    def count_parts(self) -> list[Part]:
        """Nodes by state."""
        found = self.console_app.feed.node_counts()
        head = ngettext("{n} node", "{n} nodes", found.known).format(n=texts.number(found.known))
        parts: list[Part] = [(f" {head}:  ", "")]
        for name in ("ok", "warning", "down", "unreachable", "unknown"):
            if name == "unreachable" and not found.unreachable:
                continue
            value = int(getattr(found, name))
            parts.append((f"{texts.number(value)} {texts.state(name)}  ", name if value and name != "ok" else ""))
        return parts

    def pane(self, key: str) -> Sequence[Line]:
        """What is known about the node under the cursor."""
        app = self.console_app
        found = app.feed.node(key)
        return (
            [] if found is None else detail_boards.node_pane(found, app.feed.now_ms(), self.size.width, app.ascii_only)
        )

    def act_on(self, keys: list[str]) -> None:
        """Poll them now."""
        poll_nodes(self.console_app, keys)


class SensorList(ListPlace):
    """Sensors, declared ones and those that merely speak."""

    KIND = "sensors"
    PANE_LINES = 4
    MORE_WHERE_NARROW = 2

    def list_title(self) -> str:
        """The list's name."""
        return _("Sensors")

    def when_empty(self) -> str:
        """Sensors speak by themselves."""
        return _("no sensors yet: each is here with its first message; [[broker]] in the configuration says where "
                 "from, `leitstand sensors import` declares them before")  # fmt: skip

    def command(self, key: str | None) -> str:
        """One sensor has a command of its own."""
        return f"leitstand sensors show {key}" if key else super().command(key)

    def pane(self, key: str) -> Sequence[Line]:
        """What is known about the sensor under the cursor."""
        app = self.console_app
        found = app.feed.sensor(key)
        return (
            []
            if found is None
            else detail_boards.sensor_pane(found, app.feed.now_ms(), self.size.width, app.ascii_only)
        )


class AlertList(ListPlace):
    """What needs somebody."""

    KIND = "alerts"
    PANE_LINES = 6
    ASKS = "alert.acknowledge"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("a", "act", show=False)]

    def list_title(self) -> str:
        """The list's name."""
        return _("Alerts")

    def when_empty(self) -> str:
        """The good case."""
        return _("nothing needs anybody; `leitstand alerts list --all` shows what did")

    def act_word(self) -> str:
        """Alerts can be acknowledged."""
        return _("acknowledge…")

    def pane(self, key: str) -> Sequence[Line]:
        """What the alert is about, who looks after it, and what happened to it."""
        row = self.rows.raw([key]).get(key)
        return (
            []
            if row is None
            else present_lists.alert_pane(row, self.console_app.feed.now_ms(), self.size.width, self.pane_lines())
        )

    def target(self, row: Mapping[str, Any]) -> str:
        """What the alert is about."""
        return present_lists.alert_opens(row["entity_kind"], row["entity"])

    def act_on(self, keys: list[str]) -> None:
        """Say who looks after them."""
        app = self.console_app
        if not app.may_write("alert.acknowledge"):
            return

        def done(answer: tuple[str, float] | None) -> None:
            if answer is not None:
                numbers = [int(key) for key in keys]
                app.try_write(
                    lambda grant: app.feed.acknowledge(numbers, *answer, grant),
                    ngettext("{n} acknowledgement queued", "{n} acknowledgements queued", len(numbers)).format(
                        n=len(numbers)
                    ),
                )

        rows = self.rows.raw(keys)
        about = [rows[key] for key in keys if key in rows]
        names = [present_lists.alert_name(row["entity_kind"], row["entity"], row["name"]) for row in about]
        app.push_screen(Confirm(names), done)


class Outbox(ListPlace):
    """What people here asked for or changed, and what became of it."""

    KIND = "outbox"
    PANE_LINES = 4
    HAS_PAST = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("z", "withdraw", show=False)]

    def list_title(self) -> str:
        """The list's name."""
        return _("Outbox")

    def when_empty(self) -> str:
        """Filled by what people ask for."""
        return _("nothing was asked for yet: what is ordered with `a` waits here until the engine has done it")

    def keys(self) -> Keys:
        """What can be done with what was asked."""
        return (("z", _("take back…")), ("↵", _("open")), ("/", _("filter")), ("< >", _("sort")), ("y", _("copy…")),
                ("?", _("help")))  # fmt: skip

    def more_keys(self) -> Keys:
        """What the bottom line has no room for."""
        return (("e", _("export…")), *super().more_keys())

    def pane(self, key: str) -> Sequence[Line]:
        """Who asked when, and what came of it, in full."""
        row = self.rows.raw([key]).get(key)
        return [] if row is None else present_lists.outbox_pane(row, self.size.width)

    def target(self, row: Mapping[str, Any]) -> str:
        """The node it is about, where it is about one."""
        return f"node:{row['about']}" if str(row["kind"]).startswith("node.") else ""

    def action_withdraw(self) -> None:
        """Take back what the engine has not done yet."""
        app = self.console_app
        rows = self.rows.raw(self.chosen())
        waiting = {key: row for key, row in rows.items() if row["state"] == "queued"}
        if not waiting:
            app.say(_("nothing to take back here: it is done, refused or taken back already"))
            return
        if not all(app.may_write(row["kind"]) for row in waiting.values()):
            return

        def done(agreed: bool | None) -> None:
            if agreed:
                text = _("{n} taken back").format(n=len(waiting))
                app.try_write(lambda grant: app.feed.withdraw(list(waiting), grant), text)

        told = _("The engine has not done it yet and will not do it then.")
        about = [f"{row['kind']} {row['about']}" for row in waiting.values()]
        title = _("Take back: {what}").format(what=some(about))
        app.push_screen(Plan(title, told, len(about)), done)


class Calls(ListPlace):
    """What was really sent to nodes, and what came back."""

    KIND = "calls"
    HAS_PAST = False

    def list_title(self) -> str:
        """The list's name."""
        return _("Real calls")

    def head(self) -> str:
        """Calls belong to the network."""
        return _("Net")

    def when_empty(self) -> str:
        """Filled by the engine."""
        return _("no calls known yet: they come with the first polls; 5 says whether an engine is running")

    def command(self, _key: str | None) -> str:
        """The list as a command."""
        return f"leitstand calls '{self.table.filter_text}'".replace(" ''", "")

    def target(self, row: Mapping[str, Any]) -> str:
        """The node that was called."""
        return f"node:{row['node_id']}"


LISTS: Final[Mapping[str, type[ListPlace]]] = {
    kind.KIND: kind for kind in (NodeList, SensorList, AlertList, Outbox, Calls)
}
