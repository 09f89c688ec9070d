"""The top line, the bottom line, and the board of fixed lines with a cursor on those that lead somewhere."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.binding import Binding, BindingType
from textual.geometry import Offset, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar, ScrollBarRender
from textual.strip import Strip
from textual.widget import Widget

from console.texts import visible
from console.tui.line_table import CURSOR
from console.tui.lines import Line, Part
from console.tui.table_columns import PLAIN, STYLES

BAR = Style(reverse=True)


def drawn(widget: Widget, text: str) -> str:
    """The text as this terminal can show it, and without what it would obey: names come from files and devices."""
    text = visible(text)
    return text.translate(PLAIN) if getattr(widget.app, "ascii_only", False) else text


class _Thumb(ScrollBarRender):
    """A scrollbar of whole cells: parts of a cell look like a stray sign beside the text."""

    VERTICAL_BARS: ClassVar[list[str]] = [" "]
    HORIZONTAL_BARS: ClassVar[list[str]] = [" "]


def whole_cells() -> None:
    """Draw scrollbars so; Textual knows one way for all of them."""
    ScrollBar.renderer = _Thumb


def fitted_strip(widget: Widget, parts: Sequence[tuple[str, Style]], width: int, base: Style) -> Strip:
    """The parts in exactly the width; what does not fit ends in a sign that says so."""
    strip = Strip([Segment(drawn(widget, text), style) for text, style in parts if text])
    if cell_len(strip.text.rstrip()) > width:
        strip = Strip([*strip.crop(0, max(0, width - 1)), Segment(drawn(widget, "…"), base)])
    return strip.adjust_cell_length(width, base)


class Bar(Widget):
    """One line, parts to the left and to the right."""

    DEFAULT_CSS = "Bar { height: 1; }"

    def __init__(self, name: str, reverse: bool = False) -> None:
        super().__init__(id=name)
        self._base = BAR if reverse else Style()
        self.left: tuple[Part, ...] = ()
        self.right: tuple[Part, ...] = ()

    def show(self, left: Sequence[Part], right: Sequence[Part] = ()) -> None:
        """Draw other parts, if they are other."""
        if (tuple(left), tuple(right)) != (self.left, self.right):
            self.left, self.right = tuple(left), tuple(right)
            self.refresh()

    def render_line(self, _y: int) -> Strip:
        """The one line; the right side wins where both do not fit."""
        width = self.size.width
        left, right = ([(text, STYLES.get(style, STYLES[""]) + self._base) for text, style in parts]
                       for parts in (self.left, self.right))  # fmt: skip
        end = Strip([Segment(drawn(self, text), style) for text, style in right])
        room = max(0, width - end.cell_length)
        begin = fitted_strip(self, left, room - 1 if end else room, self._base).adjust_cell_length(room, self._base)
        return Strip([*begin, *end]).adjust_cell_length(width, self._base)


class Drawing(Widget):
    """Lines without a cursor."""

    def __init__(self, name: str | None = None) -> None:
        super().__init__(id=name)
        self.lines: Sequence[Line] = ()

    def show(self, lines: Sequence[Line]) -> None:
        """Draw other lines, if they are other."""
        if lines != self.lines:
            self.lines = lines
            self.refresh()

    def render_line(self, y: int) -> Strip:
        """One line."""
        if y >= len(self.lines):
            return Strip.blank(self.size.width, Style())
        parts = [(text, STYLES.get(style, STYLES[""])) for text, style in self.lines[y].parts]
        return fitted_strip(self, parts, self.size.width, Style())


class Pane(Drawing):
    """Lines below a list; without any it takes no room."""

    DEFAULT_CSS = "Pane { height: 0; }"

    def show_in(self, room: int, lines: Sequence[Line]) -> None:
        """Draw these in so much room whatever they are: the list above does not jump."""
        if self.styles.height is None or self.styles.height.value != room:
            self.styles.height = room
        self.show(lines)


class BoardView(ScrollView, can_focus=True):
    """Fixed lines; the cursor stands only on lines that open something, and stays there when lines change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("down,j", "move(1)", show=False),
        Binding("up,k", "move(-1)", show=False),
        Binding("pagedown", "scroll_page(1)", show=False),
        Binding("pageup", "scroll_page(-1)", show=False),
        Binding("home,g", "edge(0)", show=False),
        Binding("end,G", "edge(1)", show=False),
        Binding("enter", "open", show=False),
    ]

    class Opened(Message):
        """Enter was pressed on a line that leads somewhere."""

        def __init__(self, target: str) -> None:
            super().__init__()
            self.target = target

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[Line] = []
        self.place = -1
        """The line the cursor stands on; -1 where none leads anywhere."""

    @property
    def cursor(self) -> str:
        """Where the cursor's line leads."""
        return self.lines[self.place].opens if 0 <= self.place < len(self.lines) else ""

    def show(self, lines: list[Line]) -> None:
        """Draw other lines; only those that differ are repainted."""
        before, place = self.lines, self.place
        self.lines, self.place = lines, same_place(before, place, lines)
        if len(before) != len(lines) or self.place != place:
            self.virtual_size = Size(self.size.width, len(lines))
            self.refresh()
            return
        for at, (old, new) in enumerate(zip(before, lines, strict=True)):
            if old != new:
                self.refresh_line(at - int(self.scroll_offset.y))

    def render_line(self, y: int) -> Strip:
        """One line of the board."""
        width = self.size.width
        at = int(self.scroll_offset.y) + y
        if at >= len(self.lines):
            return Strip.blank(width, Style())
        line = self.lines[at]
        base = CURSOR if at == self.place and self.has_focus else Style()
        # Under the cursor only the sign and the word tell: colour on a reversed line is hard to read.
        parts = [(text, base or STYLES.get(style, STYLES[""])) for text, style in line.parts]
        # The last column is the scrollbar's, whether there is one or not.
        return fitted_strip(self, parts, width - 1, base).adjust_cell_length(width, base)

    def action_move(self, step: int) -> None:
        """The next line that leads somewhere."""
        places = [at for at, line in enumerate(self.lines) if line.opens]
        at = places.index(self.place) + step if self.place in places else -1
        if not 0 <= at < len(places):
            self.scroll_relative(y=step, animate=False)  # what follows the last of them wants to be seen too
            return
        self.place = place = places[at]
        top, height = int(self.scroll_offset.y), max(1, self.size.height)
        if not top <= place < top + height:
            self.scroll_to(y=place if place < top else place - height + 1, animate=False, immediate=True)
        self.refresh()
        self.call_after_refresh(self.point)

    def point(self) -> None:
        """Put the terminal's own cursor on the line: screen readers and braille lines follow it."""
        row = max(0, self.place) - int(self.scroll_offset.y)
        self.app.cursor_position = Offset(self.region.x, self.region.y + row)

    def action_scroll_page(self, step: int) -> None:
        """One page: the cursor goes along, and to the last line that leads somewhere where there is no further page."""
        height = max(1, self.size.height)
        page = step * max(1, height - 1)
        top = max(0, min(len(self.lines) - height, int(self.scroll_offset.y) + page))
        sight = range(top, min(len(self.lines), top + height))
        ahead = [at for at in sight if self.lines[at].opens and (at - self.place) * step > 0]
        if ahead:
            self.place = min(ahead, key=lambda at: abs(at - self.place - page))
        self.scroll_to(y=top, animate=False, immediate=True)
        self.refresh()
        self.call_after_refresh(self.point)

    def action_edge(self, end: int) -> None:
        """The very first or last line, and the cursor on the one nearest to it that leads somewhere."""
        places = [at for at, line in enumerate(self.lines) if line.opens]
        if places:
            self.place = places[-1 if end else 0]
        self.scroll_to(y=len(self.lines) if end else 0, animate=False, immediate=True)
        self.refresh()
        self.call_after_refresh(self.point)

    def action_open(self) -> None:
        """Go where the cursor's line leads."""
        if self.cursor:
            self.post_message(self.Opened(self.cursor))


def same_place(before: Sequence[Line], place: int, lines: Sequence[Line]) -> int:
    """Where the line under the cursor stands now: lines that lead to the same place keep their order among them."""
    opens = before[place].opens if 0 <= place < len(before) else ""
    nth = sum(line.opens == opens for line in before[:place]) if opens else 0
    alike = [at for at, line in enumerate(lines) if opens and line.opens == opens]
    if alike:
        return alike[min(nth, len(alike) - 1)]
    return next((at for at, line in enumerate(lines) if line.opens), -1)
