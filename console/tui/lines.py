"""Lines of a board and how they are put together. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len, set_cell_size

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
    """The text over as many lines as it needs; broken at blanks, or at what else stands between its parts."""
    lines: list[str] = []
    for part in filter(None, text.split(between)):
        if lines and cell_len(lines[-1]) + len(between) + cell_len(part) <= room:
            lines[-1] += between + part
        else:
            lines.append(part)
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

    def add(self, *parts: Part | str, opens: str = "") -> None:
        """One more line."""
        self.lines.append(line(*parts, opens=opens))
