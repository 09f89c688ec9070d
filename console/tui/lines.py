"""Lines of a board and how they are put together. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field

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


@dataclass(slots=True)
class Board:
    """Lines as they are put together."""

    lines: list[Line] = field(default_factory=list)

    def add(self, *parts: Part | str, opens: str = "") -> None:
        """One more line."""
        self.lines.append(line(*parts, opens=opens))
