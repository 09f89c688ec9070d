"""The screen of a list: filter, sort, marks, copy, export, the row under the cursor. Kinds add the rest."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.timer import Timer

from console import texts
from console.texts import _
from console.tui import lists
from console.tui.dialogs import Ask, Pick
from console.tui.line_table import LineTable
from console.tui.lines import Line, Part, shortened
from console.tui.screens import Keys, Place
from console.tui.widgets import Bar, Pane
from local_store.errors import StoreError
from local_store.filter import FilterError
from local_store.intents import MAY, IntentKind

NARROW = 76
"""Columns below which a line of the row in full may take two."""
ROOM_FOR_PANE = 20
"""Lines of the terminal from which on the row under the cursor is shown in full below the list."""
PANE_S = 0.05
"""The cursor is drawn first; the row in full follows once it stands, and not for every row it passes."""


class ListPlace(Place):
    """A list, in the order the person last gave it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,minus", "drop_or_back", show=False),
        Binding("slash", "filter", show=False),
        Binding("y", "copy", show=False),
        Binding("e", "export", show=False),
    ]
    KIND: ClassVar[str] = ""
    PANE_LINES: ClassVar[int] = 0
    MORE_WHERE_NARROW: ClassVar[int] = 0
    ASKS: ClassVar[IntentKind | None] = None
    """What `a` asks the engine for."""

    def __init__(self, filter_text: str = "", arranged: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.given = filter_text
        self._arranged = arranged
        self._pane_timer: Timer | None = None
        self._pane_state: object = None

    def list_title(self) -> str:
        """The list's name."""
        raise TypeError("every list has a name")

    def head(self) -> str:
        """What stands above the list in the crumbs."""
        return "Leitstand"

    def act_word(self) -> str:
        """What `a` does with rows; "" where it does nothing."""
        return ""

    def may_act(self) -> bool:
        """Whether this role may do that; what it may not is not offered."""
        return self.ASKS is not None and self.console_app.role in MAY[self.ASKS]

    def act_on(self, keys: list[str]) -> None:
        """Do it with these rows."""

    def target(self, row: Mapping[str, Any]) -> str:
        """Where Enter leads from a row."""
        return f"{self.KIND.removesuffix('s')}:{row.get(self.KIND.removesuffix('s'))}"

    def command(self, _key: str | None) -> str:
        """The command line that says the same as the list, or as one row."""
        return f"leitstand {self.KIND} list '{self.table.filter_text}'".replace(" ''", "")

    def pane_lines(self) -> int:
        """How many lines the row in full takes; some of them are two in a narrow terminal."""
        return self.PANE_LINES + (self.MORE_WHERE_NARROW if self.size.width < NARROW else 0)

    def pane(self, _key: str) -> Sequence[Line]:
        """The row under the cursor in full."""
        return ()

    def when_empty(self) -> str:
        """What to say where the store holds nothing of the kind: how it gets there."""
        raise TypeError("every list says how it is filled")

    def hint(self) -> str:
        """Why there are no rows, and what to do."""
        if self.table.filter_text:
            return _("nothing matches {filter}: / changes the filter").format(filter=self.table.filter_text)
        if self.console_app.feed.then is not None and self.HAS_PAST:
            return _("nothing was stored of this moment: . and , step on, T goes back to now")
        return self.when_empty()

    def count_parts(self) -> list[Part]:
        """What the whole list holds, left above the table."""
        return []

    def body(self) -> ComposeResult:
        """Counts above the table, the row under the cursor below it."""
        app, kind = self.console_app, lists.KINDS[self.KIND]
        source = lists.source(app.feed, self.KIND, app.ascii_only)
        kept = app.feed.view(self.KIND) if self._arranged is None else self._arranged
        sort = kept.get("sort", kind.sort)
        known = any(column.name == sort for column in source.columns)
        table = LineTable(
            source,
            sort=sort if known else kind.sort,
            descending=bool(kept.get("descending", kind.descending)) if known else kind.descending,
        )
        table.wide = bool(kept.get("wide", False))
        table.filter_text = self.given
        yield Bar("counts")
        yield table
        yield Pane("pane")

    @property
    def table(self) -> LineTable:
        """The list itself."""
        return self.query_one(LineTable)

    @property
    def rows(self) -> lists.RowSource:
        """Where the rows come from."""
        source: lists.RowSource = self.table.source  # type: ignore[assignment]
        return source

    def crumbs(self) -> str:
        """Where this is, with the filter."""
        filter_text = self.table.filter_text if self.ready else self.given
        return f"{self.head()} › {self.list_title()}" + (f" › {filter_text}" if filter_text else "")

    def keys(self) -> Keys:
        """What can be done with rows."""
        act = self.act_word() if self.may_act() else ""
        return (("↵", _("open")), ("/", _("filter")), ("< >", _("sort")), *((("a", act),) if act else ()),
                ("y", _("copy…")), ("e", _("export…")), ("?", _("help")))  # fmt: skip

    def more_keys(self) -> Keys:
        """How to move, to arrange, to mark."""
        return (
            ("↑ ↓ j k", _("move")),
            (_("PgUp PgDn"), _("by pages")),
            (_("g G Home End"), _("to the ends")),
            ("R", _("turn the order round")),
            ("w ← →", _("all columns, and through them")),
            ("␣ v", _("mark a row, a range")),
            ("p", _("pause this view")),
            ("Esc -", _("drop a range, then a filter, then back")),
        )

    def update(self) -> None:
        """Repaint rows that changed; the order at most once a second."""
        for table in self.query(LineTable):
            table.sync()
        if self._pane_timer is None:
            self.draw_pane()

    def redraw(self) -> None:
        """Another moment is another list."""
        self.table.reorder(force=True)
        self.counts()
        super().redraw()
        self.draw_pane()

    def reorder(self) -> None:
        """Once a second."""
        for table in self.query(LineTable):
            if not table.in_use:
                table.reorder()
                self.counts()

    def draw_pane(self) -> None:
        """The row under the cursor, if there is one and room for it; read again when it changed, and for its ages."""
        self._hold_pane()
        for pane, table in zip(self.query(Pane), self.query(LineTable), strict=False):
            key = table.cursor_key
            room = self.pane_lines() if self.size.height >= ROOM_FOR_PANE and key is not None else 0
            state = (key, table.drawn(key or ""), room, self.size.width, self.console_app.feed.now_ms() // 1000)
            if state != self._pane_state:
                self._pane_state = state
                pane.show_in(room, list(self.pane(key))[:room] if room and key is not None else [])

    def _hold_pane(self) -> None:
        if self._pane_timer is not None:
            self._pane_timer.stop()
        self._pane_timer = None

    def counts(self) -> None:
        """How many there are, how many match, and what is special about the view."""
        table = self.table
        table.say_when_empty(self.hint())
        left = self.count_parts()
        right: list[Part] = []
        if table.filter_text or not left:
            right.append((_("{n} shown").format(n=texts.number(len(table.keys))) + " ", ""))
        marked = len(table.marked | table.in_range())
        if marked:
            right.append((_("{n} marked").format(n=marked) + " ", "mark"))
        if table.range_from is not None:
            right.append((_("RANGE") + " ", "mark"))
        if table.wide:
            right.append((_("WIDE ←→") + " ", ""))
        if table.frozen:
            right.append((_("PAUSED") + " ", "warning"))
        for bar in self.query("#counts").results(Bar):
            bar.show(left, right)

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

    def on_line_table_moved(self, _message: LineTable.Moved) -> None:
        """Show the other row in full."""
        if self.ready:
            self._hold_pane()
            if self.table.in_use:
                self._pane_timer = self.set_timer(PANE_S, self.draw_pane)
            else:
                self.draw_pane()
            if self.table.range_from is not None:
                self.counts()

    def on_line_table_misread(self, message: LineTable.Misread) -> None:
        """A filter from the command line or a `:` command is explained like one that was typed here."""
        self.given = ""
        if self.ready:
            self.counts()
        self.draw_bars(filter_words(message.error))

    def on_line_table_arranged(self, _message: LineTable.Arranged) -> None:
        """Keep the order for the next time."""
        if self.ready:
            self.counts()
            try:
                self.console_app.feed.keep_view(self.KIND, self.arrangement())
            except StoreError as error:
                self.draw_bars(str(error))

    def on_line_table_opened(self, message: LineTable.Opened) -> None:
        """Drill down."""
        row = self.rows.raw([message.key]).get(message.key)
        if row is not None and self.target(row):
            self.console_app.open_target(self.target(row))

    def arrangement(self) -> dict[str, Any]:
        """Order and columns, as they are kept."""
        return {"sort": self.table.sort, "descending": self.table.descending, "wide": self.table.wide}

    def action_drop_or_back(self) -> None:
        """Drop a range, then a filter that was typed here, then go back."""
        if self.table.drop_range():
            return
        if self.table.filter_text != self.given:
            self.table.set_filter(self.given)
            return
        self.console_app.action_step_back()

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
        return sorted(table.marked | table.in_range()) or ([table.cursor_key] if table.cursor_key else [])

    def action_act(self) -> None:
        """What can be done with rows of this kind, through the gate."""
        keys = self.chosen()
        if keys and self.act_word():
            self.act_on(keys)

    def action_copy(self) -> None:
        """Choose what goes to the clipboard."""
        key = self.table.cursor_key
        if key is None:
            return
        row = self.rows.raw([key]).get(key, {})
        values = {
            "cell": self.table.cell(key, self.table.sort),
            "row": "\t".join(str(value) for value in row.values()),
            "json": json.dumps(row, ensure_ascii=False, default=str),
            "command": self.command(key),
        }
        words = {"cell": _("cell"), "row": _("row"), "json": "JSON", "command": _("command line")}
        choices = [
            (name, f"{words[name]:<14} {shortened(' '.join(text.split()), 48)}") for name, text in values.items()
        ]
        self.app.push_screen(
            Pick(_("copy what?"), choices), lambda name: self.console_app.copy(values[name]) if name else None
        )

    def action_export(self) -> None:
        """Write the whole filtered list beside where the console was started."""
        self.app.push_screen(Ask(_("export to file (.csv or .json)"), f"{self.KIND}.csv"), self._export)

    def _export(self, name: str | None) -> None:
        if not name:
            return
        path = Path(name).expanduser()
        keys = self.table.keys
        rows = [row for at in range(0, len(keys), 500) for row in self.rows.raw(keys[at : at + 500]).values()]
        try:
            with path.open("x", encoding="utf-8", newline="") as file:
                if path.suffix == ".json":
                    json.dump(rows, file, ensure_ascii=False, default=str, indent=1)
                else:
                    writer = csv.DictWriter(file, list(rows[0]) if rows else [])
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
