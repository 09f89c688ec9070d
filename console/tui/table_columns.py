"""The columns of a table: which fit, which are shown when all are wanted, what they hold. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.style import Style

from console.texts import visible

Cells = tuple[tuple[str, str], ...]
"""Per column: text and style name (a key of STYLES)."""

STYLES: Final[Mapping[str, Style]] = {
    "": Style(),
    "ok": Style(color="green"),
    "warning": Style(color="yellow"),
    "down": Style(color="red", bold=True),
    "critical": Style(color="red", bold=True),
    "unreachable": Style(color="magenta"),
    "unknown": Style(dim=True),
    "dim": Style(dim=True),
    "head": Style(dim=True),
    "mark": Style(color="cyan", bold=True),
    "past": Style(color="yellow", bold=True, reverse=True),
}
PLAIN: Final = str.maketrans({
    "─": "-", "│": "|", "›": ">", "…": ".", "·": "-", "●": "*", "○": "o", "▲": "!", "✖": "X", "▼": "v", "↓": "v",
    "↑": "^", "↵": "<", "␣": "_", "⟳": "@", "◀": "<", "≤": "<", "–": "-", "•": "*", "←": "<", "→": ">",
})  # fmt: skip
"""What stands for signs that a plain font may lack; every one is as wide as what it stands for."""
EDGE: Final = 2
"""The first column of a line belongs to the mark, the second to nobody."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its name in the source, its title, its width, how early it is dropped when space is short, and how
    wide it becomes where there is room."""

    name: str
    title: str
    width: int
    priority: int = 1
    right: bool = False
    most: int = 0


def fitting(columns: Sequence[Column], width: int) -> list[Column]:
    """The columns that fit, in their order; the least important go first, the very first never."""
    left = list(columns)
    while len(left) > 1 and taken(left) > max(20, width):
        left.remove(max(left, key=lambda column: (column.priority, left.index(column))))
    return _grown(left, width - taken(left))


def _grown(columns: Sequence[Column], spare: int) -> list[Column]:
    """What is left over goes to those that have use for it, from left to right."""
    found = []
    for column in columns:
        more = max(0, min(spare, column.most - column.width))
        spare -= more
        found.append(replace(column, width=column.width + more) if more else column)
    return found


def from_column(columns: Sequence[Column], first: int) -> list[Column]:
    """All columns from one on; the name stays in sight."""
    shown = [columns[0], *columns[1 + min(first, len(columns) - 1) :]]
    return [replace(column, width=max(column.width, column.most)) for column in shown]


def taken(columns: Sequence[Column]) -> int:
    """How wide a line of these is."""
    return sum(column.width + 1 for column in columns) - 1 + EDGE


def fitted(text: str, column: Column) -> str:
    """The text in exactly the column's width; what does not fit ends in a sign that says so."""
    text = visible(text)
    length = cell_len(text)
    if length > column.width:
        return set_cell_size(text, column.width - 1) + "…"
    gap = " " * (column.width - length)
    return gap + text if column.right else text + gap
