"""The commands that show what tables a store has and give their rows to other programs."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened
from console.cli.render import emit, facts, json_text, put, say, table
from console.cli.series import since_ms
from console.clock import now_ms
from console.moments import LATEST_MS
from console.texts import _, ngettext, visible

if TYPE_CHECKING:
    from local_store.tables import TableFacts

FORMATS: Final = ("ndjson", "json", "csv", "sqlite")
LINES_AT_ONCE: Final = 1_000


@words.command("schema")
@click.argument("name", metavar="[TABLE]", required=False)
@words.option("--sql", is_flag=True, help="the statements that make the tables")
@json_option
@global_options
def store_schema(name: str | None, sql: bool, as_json: bool) -> int:
    """Tables, their columns and keys. Example: leitstand store schema node"""
    from local_store import tables

    with opened() as reader, tables.looking(reader.directory, reader.key) as files:
        known = tables.described(files)
    chosen = [one for one in known if name in {None, one.table}]
    if not chosen:
        return _unknown(name or "", known)
    if as_json:
        emit([asdict(one) for one in chosen])
    elif sql:
        put(f"{one.sql};" for one in chosen)
    elif name is not None:
        facts([(one.name, f"{one.type}{' · ' + _('key') if one.key else ''}") for one in chosen[0].columns])
    else:
        rows = [[one.table, one.file, ", ".join(column.name for column in one.columns)] for one in chosen]
        table([_("table"), _("file"), _("columns")], rows)
    return 0


def _unknown(name: str, known: Sequence[TableFacts]) -> int:
    tables = ", ".join(["measurements", *(one.table for one in known)])
    say(_("there is no table {name}; known here: {known}").format(name=name, known=tables))
    return FINDINGS


@words.command("export")
@click.argument("names", metavar="TABLE...", nargs=-1, required=True)
@words.option("--format", "form", type=click.Choice(FORMATS), default="ndjson", show_default=True, help="of the rows")
@words.option("--output", type=words.NewFile(), default=None, help="the new file for --format sqlite")
@words.option("--since", default="", help="of measurements: 90min, 6h, 2d or a time; all without it")
@words.option("--until", default="", help="the same; now without it")
@json_option
@global_options
def store_export(names: Sequence[str], form: str, output: Path | None, since: str, until: str, as_json: bool) -> int:
    """Give rows to other programs. Example: leitstand store export measurements --since 2d --format csv"""
    from local_store import tables

    if (form == "sqlite") != (output is not None):
        raise click.UsageError(_("--format sqlite and --output FILE belong together; the others go to standard output"))
    if form != "sqlite" and len(names) > 1:
        raise click.UsageError(_("one table at a time, or --format sqlite for several"))
    now = now_ms()
    start, end = since_ms(since, now) if since else -LATEST_MS, since_ms(until, now) if until else LATEST_MS
    with opened() as reader, tables.looking(reader.directory, reader.key) as files:
        known = {one.table: one for one in tables.described(files)}
        missing = next((name for name in names if name != tables.MEASUREMENTS and name not in known), None)
        if missing is not None:
            return _unknown(missing, list(known.values()))
        found = [
            (known.get(name), tables.rows(files, known[name]) if name in known else tables.measured(reader, start, end))
            for name in dict.fromkeys(names)
        ]
        if output is not None:
            _into_file(output, found, as_json)
        else:
            _print(found[0][1], "ndjson" if as_json else form)
    return 0


def _into_file(output: Path, found: list[tuple[TableFacts | None, Iterator[dict[str, Any]]]], as_json: bool) -> None:
    from local_store import tables

    counts = tables.copy(output, found)
    if as_json:
        emit([{"table": name, "rows": rows} for name, rows in counts.items()])
    else:
        facts([(name, ngettext("{n} row", "{n} rows", n).format(n=texts.number(n))) for name, n in counts.items()])
    say(_("{place} is not encrypted: keep it where only you can read it").format(place=output))


def _print(rows: Iterator[dict[str, Any]], form: str) -> None:
    if form == "json":
        put(["["])
    first = True
    while page := list(islice(rows, LINES_AT_ONCE)):
        if form == "csv":
            put(_csv(page, head=first))
        elif form == "ndjson":
            emit(page)
        else:
            put(f"{'' if first and not at else ','}{json_text(row)}" for at, row in enumerate(page))
        first = False
    if form == "json":
        put(["]"])


def _csv(page: list[dict[str, Any]], head: bool) -> Iterable[str]:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(page[0]), lineterminator="\n")
    if head:
        writer.writeheader()
    writer.writerows(page)
    text = out.getvalue().removesuffix("\n")
    # What a terminal shows may steer it; a file or a program gets the bytes as they are.
    return map(visible, text.split("\n")) if sys.stdout.isatty() else [text]
