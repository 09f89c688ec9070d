"""A table that draws only the lines on screen and repaints only those that changed (Textual's Line API).

It never holds all rows: it keeps the order as a list of keys, reads pages of visible rows from its source, compares
them with what is drawn, and refreshes single lines. The cursor follows the row's key, not its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from time import monotonic
from typing import ClassVar, Final, Protocol

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from console.tui.lines import wrapped
from console.tui.table_columns import EDGE, PLAIN, STYLES, Cells, Column, fitted, fitting, from_column
from local_store.filter import FilterError

CURSOR: Final = Style(reverse=True)
QUIET_S: Final = 2.0
"""The order stands still for so long after a key, so that rows do not jump away under the cursor."""


class TableSource(Protocol):
    """Where rows come from."""

    columns: Sequence[Column]

    def order(self, filter_text: str, sort: str, descending: bool) -> list[str]:
        """Keys of all rows in order. Raises FilterError."""

    def cells(self, keys: Sequence[str]) -> dict[str, Cells]:
        """What to draw for these keys, one entry per column."""


class LineTable(ScrollView, can_focus=True):
    """The one table of every list screen."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "page(1)", show=False),
        Binding("pageup", "page(-1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("less_than_sign", "sort(-1)", show=False),
        Binding("greater_than_sign", "sort(1)", show=False),
        Binding("R", "reverse", show=False),
        Binding("w", "wide", show=False),
        Binding("p", "freeze", show=False),
        Binding("left", "shift(-1)", show=False),
        Binding("right", "shift(1)", show=False),
        Binding("space", "mark", show=False),
        Binding("v", "range", show=False),
        Binding("enter", "open", show=False),
    ]

    class Opened(Message):
        """Enter was pressed on a row."""

        def __init__(self, key: str) -> None:
            super().__init__()
            self.key = key

    class Changed(Message):
        """Order, filter, sort, marks or freeze changed; the screen says so in its lines."""

    class Moved(Message):
        """The cursor stands on another row."""

    class Misread(Message):
        """The filter it was to begin with cannot be understood: it shows all rows instead."""

        def __init__(self, error: FilterError) -> None:
            super().__init__()
            self.error = error

    class Arranged(Message):
        """The person sorted, or chose other columns: worth keeping."""

    def __init__(self, source: TableSource, *, sort: str = "", descending: bool = False) -> None:
        super().__init__()
        self.source = source
        self.filter_text = ""
        self.sort = sort
        self.descending = descending
        self.wide = False
        self.first_column = 0
        self.frozen = False
        self._hint = ""
        self.keys: list[str] = []
        self.cursor_key: str | None = None
        self.marked: set[str] = set()
        self.range_from: str | None = None
        self.repainted = 0
        self._drawn: dict[str, Cells] = {}
        self._last_key = 0.0
        self._place = 0

    def on_mount(self) -> None:
        """Read the first rows at once."""
        try:
            self.reorder(force=True)
        except FilterError as error:
            self.filter_text = ""
            self.reorder(force=True)
            self.post_message(self.Misread(error))

    def say_when_empty(self, hint: str) -> None:
        """What stands in place of rows where there are none."""
        if hint != self._hint:
            self._hint = hint
            if not self.keys:
                self.refresh()

    def columns(self) -> list[Column]:
        """The columns in sight."""
        columns = list(self.source.columns)
        return from_column(columns, self.first_column) if self.wide else fitting(columns, self.size.width - 1)

    def cell(self, key: str, column: str) -> str:
        """What stands in one cell; the key where there is no such cell."""
        names = [one.name for one in self.source.columns]
        cells = self.source.cells([key]).get(key)
        return cells[names.index(column)][0] if cells is not None and column in names else key

    def in_range(self) -> set[str]:
        """The rows between where a range began and the cursor."""
        if self.range_from is None or self.range_from not in self.keys:
            return set()
        began = self.keys.index(self.range_from)
        return set(self.keys[min(began, self._place) : max(began, self._place) + 1])

    @property
    def in_use(self) -> bool:
        """Whether the person is moving through it: nothing slow then."""
        return monotonic() - self._last_key < QUIET_S

    def drawn(self, key: str) -> Cells | None:
        """What stands on the row, if it is in sight."""
        return self._drawn.get(key)

    def reorder(self, force: bool = False) -> None:
        """Ask for the order again, unless the person is moving or has frozen the view. Raises FilterError."""
        if not force and (self.frozen or self.in_use):
            return
        keys = self.source.order(self.filter_text, self.sort, self.descending)
        if keys == self.keys and not force:
            return
        self.keys = keys
        place = {key: at for at, key in enumerate(keys)}
        self._place = place.get(self.cursor_key or "", min(self._place, max(0, len(keys) - 1)))
        self.cursor_key = keys[self._place] if keys else None
        self.marked &= place.keys()
        self.range_from = self.range_from if self.range_from in place else None
        self.virtual_size = Size(self.size.width or 80, len(keys) + 1)
        self._drawn.clear()
        self.refresh()
        self.post_message(self.Changed())
        self.post_message(self.Moved())

    def sync(self) -> int:
        """Read the visible rows again and repaint those that differ; returns how many lines that were."""
        if self.frozen:
            return 0
        top = int(self.scroll_offset.y)
        visible = self.keys[top : top + max(1, self.size.height - 1)]
        fresh = self.source.cells(visible)
        changed = 0
        for at, key in enumerate(visible):
            if key in fresh and self._drawn.get(key) != fresh[key]:
                before, self._drawn[key] = self._drawn.get(key), fresh[key]
                self.refresh(self._changed_region(at + 1, before, fresh[key]))
                changed += 1
        self.repainted += changed
        return changed

    def _changed_region(self, y: int, before: Cells | None, after: Cells) -> Region:
        """From the first to the last cell that differs, or the whole line if it was not drawn.

        One region, because Textual writes a line from its beginning again for each.
        """
        if before is None:
            return Region(0, y, self.size.width, 1)
        differ = {
            column.name for column, old, new in zip(self.source.columns, before, after, strict=True) if old != new
        }
        first, end, x = self.size.width, 0, EDGE
        for column in self.columns():
            if column.name in differ:
                first, end = min(first, x), x + column.width
            x += column.width + 1
        return Region(first, y, end - first, 1) if end else Region(0, y, 1, 1)

    def render_line(self, y: int) -> Strip:
        """The header, a row, or nothing."""
        width = self.size.width
        if y == 0:
            return self._strip(
                [(self._title(column), "head", column) for column in self.columns()], width, "  ", Style()
            )
        at = int(self.scroll_offset.y) + y - 1
        if at >= len(self.keys):
            return self._hint_line(y - 2, width)
        key = self.keys[at]
        cells = self._drawn.get(key)
        if cells is None:
            page = self.keys[at : at + max(1, self.size.height)]
            self._drawn |= self.source.cells(page)
            cells = self._drawn.get(key)
        if cells is None:
            return Strip.blank(width, Style())
        by_name = dict(zip((column.name for column in self.source.columns), cells, strict=True))
        mark = "• " if key in self.marked or (self.range_from and key in self.in_range()) else "  "
        base = CURSOR if key == self.cursor_key and self.has_focus else Style()
        return self._strip([(*by_name[column.name], column) for column in self.columns()], width, mark, base)

    def _hint_line(self, at: int, width: int) -> Strip:
        told = [] if self.keys else wrapped(self._hint, width - 4)
        if not 0 <= at < len(told):
            return Strip.blank(width, Style())
        plain = getattr(self.app, "ascii_only", False)
        text = told[at].translate(PLAIN) if plain else told[at]
        return Strip([Segment(f"  {text}", STYLES["dim"])]).adjust_cell_length(width, Style())

    def _title(self, column: Column) -> str:
        if column.name != self.sort:
            return column.title
        return column.title + ("▼" if self.descending else "▲")

    def _strip(self, parts: Sequence[tuple[str, str, Column]], width: int, mark: str, base: Style) -> Strip:
        plain = getattr(self.app, "ascii_only", False)
        segments = [Segment(mark, base + STYLES["mark"] if mark.strip() else base)]
        for cell, style, column in parts:
            text = fitted(cell, column).translate(PLAIN) if plain else fitted(cell, column)
            # Under the cursor only the sign and the word tell: colour on a reversed line is hard to read.
            segments += [Segment(text, base or STYLES.get(style, STYLES[""])), Segment(" ", base)]
        return Strip(segments).simplify().adjust_cell_length(width, base)

    def on_focus(self) -> None:
        """Show the cursor."""
        self.refresh()
        self.call_after_refresh(self.point)

    def point(self) -> None:
        """Put the terminal's own cursor on the row: screen readers and braille lines follow it."""
        row = self._place - int(self.scroll_offset.y) + 1
        self.app.cursor_position = Offset(self.region.x, self.region.y + row)

    def on_blur(self) -> None:
        """Hide it."""
        self.refresh()

    def on_resize(self) -> None:
        """Other columns may fit now."""
        self.virtual_size = Size(self.size.width, len(self.keys) + 1)
        self.refresh()

    def on_click(self, event: events.Click) -> None:
        """A click on a title sorts, on a row moves the cursor, on the cursor's row opens it."""
        if event.y == 0:
            edge = EDGE
            for column in self.columns():
                if edge <= event.x < edge + column.width:
                    self._sort_by(column.name)
                edge += column.width + 1
            return
        at = int(self.scroll_offset.y) + event.y - 1
        if at < len(self.keys):
            if self.keys[at] == self.cursor_key:
                self.action_open()
            self._go(at)

    def _go(self, at: int) -> None:
        """Move the cursor and keep it in sight; only the two lines concerned are repainted unless the view scrolls."""
        if not self.keys:
            return
        self._last_key = monotonic()
        before = self._place
        self._place = max(0, min(len(self.keys) - 1, at))
        self.cursor_key = self.keys[self._place]
        self.post_message(self.Moved())
        self.call_after_refresh(self.point)
        top, height = int(self.scroll_offset.y), max(1, self.size.height - 1)
        if self.range_from is not None:
            self.refresh()
        if not top <= self._place < top + height:
            self.scroll_to(
                y=self._place if self._place < top else self._place - height + 1, animate=False, immediate=True
            )
            self.refresh()
            return
        for place in (before, self._place):
            self.refresh(Region(0, place - top + 1, self.size.width, 1))

    def action_move(self, step: int) -> None:
        """One row."""
        self._go(self._place + step)

    def action_page(self, step: int) -> None:
        """One page."""
        self._go(self._place + step * max(1, self.size.height - 2))

    def action_edge(self, end: int) -> None:
        """First or last row."""
        self._go(len(self.keys) - 1 if end else 0)

    def action_sort(self, step: int) -> None:
        """Sort by the next column."""
        names = [column.name for column in self.columns()]
        at = names.index(self.sort) + step if self.sort in names else 0
        self._sort_by(names[at % len(names)], keep=True)

    def action_reverse(self) -> None:
        """Turn the order round."""
        self.descending = not self.descending
        self.reorder(force=True)
        self.post_message(self.Arranged())

    def action_wide(self) -> None:
        """Show all columns, which the arrow keys then move through, or only those that fit."""
        self.wide, self.first_column = not self.wide, 0
        self.refresh()
        self.post_message(self.Arranged())

    def action_shift(self, step: int) -> None:
        """The columns further to the right or left, if all are shown."""
        last = len(self.source.columns) - 2
        if self.wide:
            self.first_column = max(0, min(last, self.first_column + step))
            self.refresh()

    def action_freeze(self) -> None:
        """Stop and start refreshing; data keeps flowing into the store."""
        self.frozen = not self.frozen
        self.post_message(self.Changed())

    def action_mark(self) -> None:
        """Mark or unmark the row and go on."""
        if self.cursor_key is not None:
            self.marked ^= {self.cursor_key}
            self._go(self._place + 1)
            self.post_message(self.Changed())

    def action_range(self) -> None:
        """Begin a range at the cursor; the second time mark everything in it."""
        if self.range_from is None:
            self.range_from = self.cursor_key
        else:
            self.marked |= self.in_range()
            self.range_from = None
        self.refresh()
        self.post_message(self.Changed())

    def drop_range(self) -> bool:
        """Forget a range that was begun; False when there is none."""
        begun, self.range_from = self.range_from is not None, None
        if begun:
            self.refresh()
            self.post_message(self.Changed())
        return begun

    def action_open(self) -> None:
        """Drill down."""
        if self.cursor_key is not None:
            self.post_message(self.Opened(self.cursor_key))

    def _sort_by(self, name: str, *, keep: bool = False) -> None:
        self.descending = not self.descending if name == self.sort and not keep else self.descending
        self.sort = name
        self.reorder(force=True)
        self.post_message(self.Arranged())

    def set_filter(self, text: str) -> None:
        """Show only what matches. Raises FilterError and keeps the old filter."""
        before, self.filter_text = self.filter_text, text
        try:
            self.reorder(force=True)
        except ValueError:
            self.filter_text = before
            raise
