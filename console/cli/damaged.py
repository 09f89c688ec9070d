"""The commands about damaged measurements that were set aside: list them, take their bytes out, let them go."""

from __future__ import annotations

import base64
import getpass
import hashlib
import random
from typing import TYPE_CHECKING, Any

import click

from console import texts
from console.cli import words
from console.cli.alerts import ROW_ID
from console.cli.context import FINDINGS, global_options, json_option, opened, writable
from console.cli.render import emit, facts, say, table
from console.clock import now_ms
from console.texts import _, ngettext
from local_store.errors import StoreRefused

if TYPE_CHECKING:
    from local_store.dismissal import By
    from local_store.telemetry.damage import Aside


@words.group()
@global_options
def store_damaged() -> None:
    """Damaged rows of measurements that were set aside."""


store_damaged.name = "damaged"


@store_damaged.command("list")
@json_option
@global_options
def damaged_list(as_json: bool) -> None:
    """List them, the oldest first. Example: leitstand store damaged list --json"""
    from local_store.telemetry.damage import aside

    with opened() as reader:
        rows = reader.read(aside)
    if as_json:
        emit(map(_object, rows))
        return
    head = [_("ROW"), _("FOUND"), _("PLACE"), _("SERIES"), _("COUNT"), _("REASON")]
    now = now_ms()
    table(head, [_cells(row, now) for row in rows], right=(0, 1, 4))
    say(ngettext("{n} row", "{n} rows", len(rows)).format(n=texts.number(len(rows))))


def _cells(row: Aside, now: int) -> list[str]:
    found = "–" if row.at_ms is None else texts.age(row.at_ms, now)
    return [str(row.damaged_id), found, f"{row.place} {row.number}", _series(row), _count(row), row.reason]


def _series(row: Aside) -> str:
    if row.s0 is None:
        return "–"
    return str(row.s0) if row.s0 == row.s1 else f"{row.s0}–{row.s1}"


def _only_body_knows(row: Aside) -> bool:
    """How many measurements a row of roll-ups holds, and until when."""
    return row.place == "rollup"


def _count(row: Aside) -> str:
    return "–" if _only_body_knows(row) else texts.number(row.n)


def _object(row: Aside) -> dict[str, object]:
    return {
        "row": row.damaged_id,
        "found_ms": row.at_ms,
        "place": row.place,
        "number": row.number,
        "first_series": row.s0,
        "last_series": row.s1,
        "from_ms": row.t0_ms,
        "until_ms": None if _only_body_knows(row) else row.t1_ms,
        "measurements": None if _only_body_knows(row) else row.n,
        "reason": row.reason,
        "size_bytes": len(row.body),
        "sha256": hashlib.sha256(row.body).hexdigest(),
    }


def _there(cx: Any, number: int) -> Aside | None:
    from local_store.telemetry.damage import get

    try:
        return get(cx, number)
    except StoreRefused:
        say(_("no damaged row {n} is set aside; `leitstand store damaged list` shows them all").format(n=number))
        return None


@store_damaged.command("show")
@click.argument("row", type=ROW_ID)
@json_option
@global_options
def damaged_show(row: int, as_json: bool) -> int:
    """Show one; with --json its bytes too. Example: leitstand store damaged show 1 --json > row-1.json"""
    with opened() as reader:
        found = reader.read(lambda cx: _there(cx, row))
    if found is None:
        return FINDINGS
    if as_json:
        bodies = {"body_base64": found.body, "times_base64": found.times}
        coded = {name: None if raw is None else base64.b64encode(raw).decode() for name, raw in bodies.items()}
        emit([{**_object(found), **coded}])
        return 0
    facts(
        [
            (_("place"), f"{found.place} {found.number}"),
            (_("series"), _series(found)),
            (_("measurements"), _count(found)),
            (_("from"), texts.moment(found.t0_ms)),
            (_("until"), "–" if _only_body_knows(found) else texts.moment(found.t1_ms)),
            (_("found at"), "–" if found.at_ms is None else texts.moment(found.at_ms)),
            (_("size"), texts.size(len(found.body))),
            (_("reason"), found.reason),
        ]
    )
    return 0


@store_damaged.command("dismiss")
@click.argument("rows", metavar="ROW...", type=ROW_ID, nargs=-1)
@words.option("--all", "everything", is_flag=True, help="every row that is set aside")
@words.option("--reason", required=True, help="why nobody needs them any more")
@json_option
@global_options
def damaged_dismiss(rows: tuple[int, ...], everything: bool, reason: str, as_json: bool) -> int:
    """Let rows go. Example: leitstand store damaged dismiss 1 2 --reason 'restored from Monday'"""
    from local_store import dismissal
    from local_store.telemetry.damage import aside

    if bool(rows) == everything:
        raise click.UsageError(_("name rows, or --all of them"))
    by = dismissing(reason)
    with writable() as store:
        wanted = [one.damaged_id for one in store.read(aside)] if everything else list(dict.fromkeys(rows))
        if store.read(lambda cx: None in [_there(cx, number) for number in wanted]):
            return FINDINGS
        gone = dismissal.damaged(store, wanted, by)
    if as_json:
        emit({**_object(row), "dismissed_ms": by.now_ms} for row in gone)
    say(ngettext("let go: {n} row", "let go: {n} rows", len(gone)).format(n=texts.number(len(gone))))
    return 0


def dismissing(reason: str) -> By:
    """Who lets something go and why; a usage error without a reason."""
    from local_store.dismissal import By

    if not reason.strip():
        raise click.UsageError(_("the reason is empty: say why nobody needs it any more"))
    return By(getpass.getuser(), reason, now_ms(), random.SystemRandom())
