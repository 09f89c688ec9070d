"""The screen of a list: filter, sort, marks, copy, export, and what can be done with rows."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import ClassVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType

from console import texts
from console.texts import _, ngettext
from console.tui.boards import Part
from console.tui.dialogs import Ask, Confirm, Pick
from console.tui.feed import KINDS, ListSource
from console.tui.line_table import LineTable
from console.tui.screens import Keys, Place
from console.tui.widgets import Bar
from local_store.filter import FilterError
from local_store.views import nodes as node_view


class ListPlace(Place):
    """A list of nodes, sensors or alerts."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "filter", show=False),
        Binding("y", "copy", show=False),
        Binding("e", "export", show=False),
        Binding("a", "act", show=False),
    ]

    def __init__(self, kind: str, filter_text: str = "") -> None:
        super().__init__()
        self.kind = kind
        self._filter = filter_text

    def list_title(self) -> str:
        """The list's name."""
        return {"nodes": _("Nodes"), "sensors": _("Sensors"), "alerts": _("Alerts")}[self.kind]

    def body(self) -> ComposeResult:
        """Counts above the table."""
        app = self.console_app
        kind = KINDS[self.kind]
        yield Bar("counts")
        table = LineTable(ListSource(app.feed, self.kind, app.ascii_only), sort=kind.sort, descending=kind.descending)
        table.filter_text = self._filter
        yield table

    @property
    def table(self) -> LineTable:
        """The list itself."""
        return self.query_one(LineTable)

    def crumbs(self) -> str:
        """Where this is, with the filter."""
        head = _("Net") + " › " if self.kind == "nodes" else "Leitstand › "
        filter_text = self.table.filter_text if self.ready else self._filter
        return head + self.list_title() + (f" › {filter_text}" if filter_text else "")

    def keys(self) -> Keys:
        """What can be done with rows."""
        act = {"nodes": _("poll now"), "alerts": _("acknowledge…")}.get(self.kind)
        return (("↵", _("open")), ("/", _("filter")), ("<>", _("sort")), *((("a", act),) if act else ()),
                ("y", _("copy…")), ("e", _("export…")), ("?", _("help")))  # fmt: skip

    def update(self) -> None:
        """Repaint rows that changed; the order at most once a second."""
        for table in self.query(LineTable):
            table.sync()

    def reorder(self) -> None:
        """Once a second."""
        for table in self.query(LineTable):
            table.reorder()
            self.counts()

    def counts(self) -> None:
        """How many there are, how many match, and what is special about the view."""
        table = self.table
        parts: list[Part] = []
        if self.kind == "nodes":
            found = self.console_app.feed.read(node_view.counts)
            parts = [
                (" " + ngettext("{n} node", "{n} nodes", found.known).format(n=texts.number(found.known)) + ":  ", "")
            ]
            for name in ("ok", "warning", "down", "unknown"):
                value = int(getattr(found, name))
                parts.append((f"{texts.number(value)} {texts.state(name)}  ", name if value and name != "ok" else ""))
        right: list[Part] = []
        if table.filter_text or self.kind != "nodes":
            right.append((_("{n} shown").format(n=texts.number(len(table.keys))) + " ", ""))
        if table.marked:
            right.append((_("{n} marked").format(n=len(table.marked)) + " ", "mark"))
        if table.frozen:
            right.append((_("PAUSED") + " ", "warning"))
        self.query_one("#counts", Bar).show(parts, right)

    def on_mount(self) -> None:
        """Draw at once, with the cursor in the table."""
        super().on_mount()
        self.table.focus()
        self.counts()

    def on_line_table_changed(self, _message: LineTable.Changed) -> None:
        """Say what changed."""
        if self.ready:
            self.counts()
            self.draw_bars()

    def on_line_table_opened(self, message: LineTable.Opened) -> None:
        """Drill down."""
        if self.kind == "alerts":
            row = cast("ListSource", self.table.source).raw([message.key]).get(message.key, {})
            self.console_app.open_target(f"{row.get('entity_kind')}:{row.get('entity')}")
        else:
            self.console_app.open_target(f"{self.kind.removesuffix('s')}:{message.key}")

    def action_filter(self) -> None:
        """Ask for a filter; a wrong one is explained and the old one stays."""

        def apply(text: str | None) -> None:
            if text is None:
                return
            try:
                self.table.set_filter(text.strip())
            except FilterError as error:
                self.draw_bars(filter_words(error))

        self.app.push_screen(Ask(_("filter, such as  district:buer !ok rtt>100"), self.table.filter_text), apply)

    def chosen(self) -> list[str]:
        """The marked rows, or the one under the cursor."""
        table = self.table
        return sorted(table.marked) or ([table.cursor_key] if table.cursor_key else [])

    def action_act(self) -> None:
        """Acknowledge alerts, or poll nodes now; both through the gate."""
        app, keys = self.console_app, self.chosen()
        if not keys or self.kind == "sensors":
            return
        if self.kind == "nodes":
            app.try_write(lambda grant: app.feed.poll_now(keys, grant), _("{n} polls queued").format(n=len(keys)))
            return
        if not app.may_write("alert.acknowledge"):
            return

        def done(answer: tuple[str, float] | None) -> None:
            if answer is not None:
                numbers = [int(key) for key in keys]
                app.try_write(
                    lambda grant: app.feed.acknowledge(numbers, *answer, grant),
                    _("{n} acknowledgements queued").format(n=len(numbers)),
                )

        rows = cast("ListSource", self.table.source).raw(keys)
        app.push_screen(Confirm([str(rows[key]["entity"]) for key in keys if key in rows]), done)

    def action_copy(self) -> None:
        """Choose what goes to the clipboard."""
        key = self.table.cursor_key
        if key is None:
            return
        row = cast("ListSource", self.table.source).raw([key]).get(key, {})
        command = f"leitstand {self.kind} list '{self.table.filter_text}'".replace(" ''", "")
        if self.kind != "alerts":
            command = f"leitstand {self.kind} show {key}"
        values = {
            "cell": str(row.get(self.table.sort, key)),
            "row": "\t".join(str(value) for value in row.values()),
            "json": json.dumps(row, ensure_ascii=False, default=str),
            "command": command,
        }
        words = {"cell": _("cell"), "row": _("row"), "json": "JSON", "command": _("command line")}
        choices = [(name, f"{words[name]:<14} {text[:48]}") for name, text in values.items()]
        self.app.push_screen(
            Pick(_("copy what?"), choices), lambda name: self.console_app.copy(values[name]) if name else None
        )

    def action_export(self) -> None:
        """Write the whole filtered list beside where the console was started."""
        self.app.push_screen(Ask(_("export to file (.csv or .json)"), f"{self.kind}.csv"), self._export)

    def _export(self, name: str | None) -> None:
        if not name:
            return
        path = Path(name).expanduser()
        source, keys = cast("ListSource", self.table.source), self.table.keys
        rows = [row for at in range(0, len(keys), 500) for row in source.raw(keys[at : at + 500]).values()]
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                if path.suffix == ".json":
                    json.dump(rows, file, ensure_ascii=False, default=str, indent=1)
                else:
                    writer = csv.DictWriter(file, list(KINDS[self.kind].listing.columns))
                    writer.writeheader()
                    writer.writerows(rows)
        except OSError as error:
            self.draw_bars(f"{path}: {error.strerror or error}")
            return
        self.draw_bars(_("{n} rows written to {path}").format(n=texts.number(len(rows)), path=path))


def filter_words(error: FilterError) -> str:
    """What is wrong with a filter."""
    if error.reason == "unknown_field":
        return _("filter: there is no field {word!r}").format(word=error.word)
    if error.reason == "not_a_number":
        return _("filter: {word!r} is no number").format(word=error.word)
    return _("filter: a quotation mark is not closed")
