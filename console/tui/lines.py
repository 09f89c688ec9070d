"""Lines of a board and how they are put together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, chop_cells, set_cell_size

Part = tuple[str, str]
"""Text and style name."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a board; `opens` is where Enter leads, "" where nowhere."""

    parts: tuple[Part, ...]
    opens: str = ""


def line(*parts: Part | str, opens: str = "") -> Line:
    """Plain texts and styled ones in a row."""
    return Line(tuple((part, "") if isinstance(part, str) else part for part in parts), opens)


def rule(title: str, width: int) -> Line:
    """A heading with a rule to the right edge."""
    head = f" ── {title} "
    return line((head + "─" * max(0, width - len(head) - 1), "dim"))


def shortened(text: str, room: int) -> str:
    """The text, with a sign where it had to be cut."""
    return text if cell_len(text) <= room else set_cell_size(text, max(0, room - 1)).rstrip() + "…"


PARTS = "   "
"""Between the parts of a line that stand for themselves."""


def wrapped(text: str, room: int, between: str = " ") -> list[str]:
    """The text over as many lines as it needs; broken at blanks, or at what else stands between its parts.

    A part that is longer than a line is broken at its blanks, and a word that is, anywhere: nothing is cut off.
    """
    lines: list[str] = []
    for part in filter(None, text.split(between)):
        if lines and cell_len(lines[-1]) + len(between) + cell_len(part) <= room:
            lines[-1] += between + part
        elif cell_len(part) <= room:
            lines.append(part)
        else:
            lines += wrapped(part, room) if between != " " else chop_cells(part, max(1, room))
    return lines


def what_fits(parts: Sequence[Part], room: int) -> list[Part]:
    """The first parts, whole, that fit: half a number is a wrong one."""
    shown: list[Part] = []
    for text, style in parts:
        room -= cell_len(text)
        if room < 0:
            break
        shown.append((text, style))
    return shown


@dataclass(slots=True)
class Board:
    """Lines as they are put together."""

    lines: list[Line] = field(default_factory=list)

    def flow(self, parts: Sequence[Part | str], width: int, opens: str = "") -> None:
        """Parts that stand for themselves, as many on a line as fit whole; what is longer than a line is broken."""
        row: list[Part] = []
        used = 0
        for text, style in (part if isinstance(part, tuple) else (part, "") for part in parts):
            for piece in [text] if cell_len(text) <= width - 2 else wrapped(text, width - 2):
                if row and used + len(PARTS) + cell_len(piece) > width - 2:
                    self.add(" ", *row, opens=opens)
                    row, used = [], 0
                if piece:
                    row += [(PARTS, "")] if row else []
                    row.append((piece, style))
                    used += cell_len(piece) + (len(PARTS) if len(row) > 1 else 0)
        if row:
            self.add(" ", *row, opens=opens)

    def tell(self, head: str, text: str, width: int, style: str = "", *, exact: bool = False) -> None:
        """A text behind its head, over as many lines as it needs; `exact` keeps every blank of it."""
        indent = cell_len(head)
        room = max(10, width - 2 - indent)
        rows = [text] if cell_len(text) <= room else chop_cells(text, room) if exact else wrapped(text, room)
        for at, row in enumerate(rows):
            self.add(" " * indent if at else head, (row, style))

    def add(self, *parts: Part | str, opens: str = "") -> None:
        """One more line."""
        self.lines.append(line(*parts, opens=opens))
