"""The command that reads measurements."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened
from console.cli.render import emit, say, table
from console.clock import now_ms
from console.moments import parse_moment
from console.texts import _, ngettext, visible

if TYPE_CHECKING:
    from local_store.errors import RowDamaged


def since_ms(text: str, now: int) -> int:
    """A moment as people write it. Raises a usage error."""
    found = parse_moment(text, now)
    if found is None:
        raise click.UsageError(
            _("{text!r} is no time: write 90min, 6h, 2d, 14:02 or 2026-11-23T14:00").format(text=text)
        )
    return found


@words.command()
@click.argument("series", metavar="ENTITY:QUANTITY")
@words.option("--since", default="1h", show_default=True, help="90min, 6h, 2d or a time")
@words.option("--until", default="", help="the same; now without it")
@words.option("--buckets", type=click.IntRange(1, 100_000), default=None, help="so many stretches with min, mean, max")
@json_option
@global_options
def measurements(series: str, since: str, until: str, buckets: int | None, as_json: bool) -> int:
    """Read one series. Example: leitstand measurements ge-bue-0001:rtt_ms --since 6h"""
    entity, separator, quantity = series.rpartition(":")
    now = now_ms()
    start, end = since_ms(since, now), since_ms(until, now) if until else now + 1
    if start >= end:
        raise click.UsageError(_("--since is not before --until"))
    damaged: list[RowDamaged] = []
    with opened() as reader:
        chosen = partial(_read, entity=entity, quantity=quantity, start=start, end=end, count=buckets, damaged=damaged)
        found = reader.read(chosen) if separator else None
        if found is None:
            known = reader.read(lambda cx: _known(cx, entity, series))
            names = ", ".join(known) or "–"
            say(_("there is no series {name}; known here: {known}").format(name=series, known=names))
            return FINDINGS
    for one in damaged:
        say(_("damaged and left out: {what}").format(what=visible(str(one))))
    if as_json:
        emit(found)
        return 0
    _print(found)
    say(ngettext("{n} row", "{n} rows", len(found)).format(n=texts.number(len(found))))
    return 0


def _read(
    cx: Any, entity: str, quantity: str, start: int, end: int, count: int | None, damaged: list[RowDamaged]
) -> list[dict[str, float | int]] | None:
    """Samples, or stretches that hold any; None when there is no such series. `damaged` takes what does not unpack."""
    from local_store.telemetry import query

    number = query.find_series(cx, entity, quantity, "tm")
    if number is None:
        return None
    if count is not None:
        stretches = query.buckets(cx, number, start, end, count, "tm", damaged.append)
        return [{"t_ms": b.t_ms, "n": b.n, "min": b.v_min, "mean": b.v_mean, "max": b.v_max} for b in stretches if b.n]
    times, values = query.read(cx, number, start, end, "tm", damaged.append)
    return [{"t_ms": t, "value": v} for t, v in zip(times.tolist(), values.tolist(), strict=True)]


def _known(cx: Any, entity: str, series: str) -> list[str]:
    """The series of what was named, with or without a quantity behind it."""
    from local_store.telemetry import query

    return [
        f"{name}:{what}" for name in dict.fromkeys((entity, series)) for _n, what in query.quantities(cx, name, "tm")
    ]


def _print(found: list[dict[str, float | int]]) -> None:
    """Times of this machine's zone; numbers as they were stored."""
    names = [name for name in found[0] if name != "t_ms"] if found else []
    head = {"n": _("COUNT"), "min": _("LOWEST"), "mean": _("MEAN"), "max": _("HIGHEST"), "value": _("VALUE")}
    rows = [[texts.moment(int(row["t_ms"])), *(texts.exact(row[name]) for name in names)] for row in found]
    table([_("TIME"), *(head[name] for name in names)], rows, right=range(1, len(names) + 1))
