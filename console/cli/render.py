"""Plain aligned tables for people: no boxes, one row a line, numbers to the right."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.cells import cell_len


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table; columns in `right` are aligned to the right."""
    widths = [max([cell_len(row[at]) for row in (head, *rows)]) for at in range(len(head))]
    for row in (head, *rows):
        cells = []
        for at, text in enumerate(row):
            gap = " " * (widths[at] - cell_len(text))
            cells.append(gap + text if at in right else text + gap)
        click.echo("  ".join(cells).rstrip())


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """One fact a line."""
    width = max((cell_len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{name}{' ' * (width - cell_len(name))}  {value}")
