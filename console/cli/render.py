"""What commands print: aligned tables, facts, JSON lines. Nothing that came over the network steers a terminal."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TextIO

import click
import msgspec
from rich.cells import cell_len, set_cell_size

from console.texts import STEERING, visible

_GAP = "  "


class OutputClosed(Exception):
    """Whoever read our output has gone, as `head` does when it has enough."""


def put(lines: Iterable[str]) -> None:
    """Write lines of data in one piece. Raises OutputClosed."""
    text = "\n".join(lines)
    if not text:
        return
    try:
        # click would take escape sequences out of what goes into a file; on a terminal they are written out already.
        click.echo(text, color=True)
    except BrokenPipeError as error:
        raise OutputClosed from error


def say(text: str) -> None:
    """Words go to standard error, data to standard output; where nobody reads them any more, the work still counts."""
    with nobody_listens():
        click.echo("\n".join(map(visible, text.split("\n"))), err=True)


@contextlib.contextmanager
def nobody_listens() -> Iterator[None]:
    """Words whose reader has gone are nobody's trouble: they, and all that come after them, are thrown away."""
    try:
        yield
    except BrokenPipeError:
        throw_away(sys.stderr)


def throw_away(stream: TextIO) -> None:
    """Let what is still to be written there vanish: the interpreter flushes it once more at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def emit(rows: Iterable[Mapping[str, Any]]) -> None:
    """One JSON object per line; a number that is none is null."""
    put(json_text(row) for row in rows)


def json_text(row: Mapping[str, Any]) -> str:
    """One JSON object without anything that could steer a terminal."""
    text = msgspec.json.encode(row).decode()
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> None:
    """Print a table without boxes; `right` columns are aligned to the right. A narrow terminal cuts, never wraps."""
    if not rows:
        return
    shown = [[visible(cell) for cell in row] for row in (head, *rows)]
    widths = [max(cell_len(row[at]) for row in shown) for at in range(len(head))]
    limit = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    put(_fit(_GAP.join(_aligned(row, widths, right)).rstrip(), limit) for row in shown)


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> Iterable[str]:
    for at, text in enumerate(row):
        gap = " " * (widths[at] - cell_len(text))
        yield gap + text if at in right else text + gap


def _fit(line: str, limit: int | None) -> str:
    if limit is None or cell_len(line) <= limit:
        return line
    return set_cell_size(line, limit - 1) + "…"


def facts(pairs: Sequence[tuple[str, str]]) -> None:
    """One fact a line."""
    width = max((cell_len(name) for name, _ in pairs), default=0)
    put(f"{name}{' ' * (width - cell_len(name))}{_GAP}{visible(value)}" for name, value in pairs)
