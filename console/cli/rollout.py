"""The commands about rollouts: what stands where, and what people decide. The engine does it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from console import rollout_words, texts
from console.cli import words
from console.cli.context import (
    FINDINGS,
    ask_engine,
    global_options,
    json_option,
    opened,
    say_without_engine,
    writable,
)
from console.cli.lists import complete_key
from console.cli.render import emit, facts, say, table
from console.cli.rollout_plan import rollout_plan, rollout_rollback
from console.cli.rollout_report import rollout_report, rollout_verify
from console.clock import now_ms
from console.texts import _
from local_store.views.rollouts import ROLLOUTS

if TYPE_CHECKING:
    from local_store.intents import IntentKind
    from local_store.views.rollouts import Board


@words.group()
@global_options
def rollout() -> None:
    """Firmware rollouts: plan, start, watch, halt, prove."""


rollout.add_command(rollout_plan)
rollout.add_command(rollout_rollback)
rollout.add_command(rollout_report)
rollout.add_command(rollout_verify)


@rollout.command("status")
@click.argument("rollout_id", metavar="[ROLLOUT]", default="", shell_complete=complete_key(ROLLOUTS))
@json_option
@global_options
def rollout_status(rollout_id: str, as_json: bool) -> int:
    """Where rollouts stand. Example: leitstand rollout status R-0007"""
    from local_store.views.listing import ids, rows
    from local_store.views.rollouts import board

    if rollout_id:
        with opened() as reader:
            found = reader.read(lambda cx: board(cx, rollout_id))
        return _board(rollout_id, found, as_json)
    with opened() as reader:
        listed = reader.read(lambda cx: rows(cx, ROLLOUTS, ids(cx, ROLLOUTS)))
    all_rows = [dict(zip(ROLLOUTS.columns, row, strict=True)) for row in listed.values()]
    if as_json:
        emit(map(_outside, all_rows))
    else:
        _list(all_rows)
    return 0


def _outside(row: dict[str, Any]) -> dict[str, Any]:
    times = ("created", "started", "finished")
    return {f"{name}_ms" if name in times else name: value for name, value in row.items()}


def _list(all_rows: list[dict[str, Any]]) -> None:
    head = [_("ROLLOUT"), _("VERSION"), _("STATE"), _("NODES"), _("OK"), _("FAILED"), _("WAITING"), _("SINCE"), _("BY")]
    now = now_ms()
    table(
        head,
        [
            [
                str(row["rollout"]),
                str(row["version"]),
                rollout_words.rollout_state(str(row["state"]))
                + (f" ({rollout_words.pause(str(row['reason']))})" if row["reason"] else ""),
                *(str(row[name]) for name in ("nodes", "ok", "failed", "waiting")),
                texts.age(row["started"] or row["created"], now),
                str(row["actor"]),
            ]
            for row in all_rows
        ],
        right=(3, 4, 5, 6, 7),
    )
    if not all_rows:
        say(_("there is no rollout yet: `leitstand rollout plan --to VERSION --save` makes one"))


def _board(rollout_id: str, found: Board | None, as_json: bool) -> int:
    if found is None:
        say(_("there is no rollout {name}; `leitstand rollout status` lists them").format(name=rollout_id))
        return FINDINGS
    if as_json:
        emit([_board_outside(found)])
    else:
        _print_board(found)
    return 0


def _board_outside(found: Board) -> dict[str, Any]:
    import json
    from dataclasses import asdict

    row = found.rollout
    return {
        "rollout": row.rollout_id, "version": row.version, "state": row.state, "pause_reason": row.pause_reason,
        "pause_detail": json.loads(row.pause_detail), "plan_hash": row.plan_hash, "actor": row.actor,
        "created_ms": row.created_ms, "started_ms": row.started_ms, "finished_ms": row.finished_ms,
        "paused_ms": row.paused_ms, "rollback_of": row.rollback_of or None, "remaining": found.remaining,
        "refused": found.refused,
        "waves": [asdict(wave) for wave in found.waves],
        "suspects": [{"node": one.node_id, "wave": one.wave, "state": one.state, "reason": one.reason,
                      "detail": one.detail, "since_ms": one.since_ms} for one in found.suspects],
        "gates": [{"wave": one.wave, "kind": one.kind, "passed": bool(one.passed), "at_ms": one.at_ms,
                   "checks": json.loads(one.checks)} for one in found.gates],
        "approvals": [{"actor": one.actor, "what": one.what, "at_ms": one.at_ms} for one in found.approvals],
        "leases": [{"lease": one.lease.lease_id, "holder": one.lease.holder, "until_ms": one.lease.until_ms,
                    "nodes": list(one.nodes)} for one in found.leases],
    }  # fmt: skip


def _print_board(found: Board) -> None:
    from console.outcome_words import outcome
    from local_store.rollouts import ENDED, agreed, on_call

    row = found.rollout
    facts(
        [
            (_("rollout"), f"{row.rollout_id}  {row.version}"),
            (_("state"), rollout_words.rollout_state(row.state)),
            (_("planned by"), f"{row.actor}, {texts.moment(row.created_ms)}"),
            (_("approved by"), ", ".join(agreed(found.approvals)) or "–"),
            (_("on call"), on_call(found.approvals) or "–"),
        ]
    )
    if found.refused:
        say(_("the last decision was refused: {why}").format(why=outcome(found.refused)))
    head = [_("WAVE"), "", _("STATE"), _("NODES"), _("WAITS"), _("LOADS"), _("CHECKS"), _("OK"), _("FAILED"), _("BACK")]
    table(
        head,
        [
            [
                str(wave.wave),
                rollout_words.wave_name(wave.name),
                rollout_words.wave_state(wave.state, row.state in ENDED),
            ]
            + [str(n) for n in (wave.nodes, wave.waiting, wave.loading, wave.checking, wave.ok, wave.failed, wave.back)]
            for wave in found.waves
        ],
        right=range(3, 10),
    )
    table(
        [_("CONSPICUOUS"), _("STATE"), _("WHY"), ""],
        [
            [one.node_id, rollout_words.node_state(one.state), rollout_words.reason(one.reason), one.detail]
            for one in found.suspects
        ],
    )
    for one in found.leases:
        say(_("in the field: {lease}: {nodes}").format(
            lease=rollout_words.leased(one.lease), nodes=", ".join(one.nodes)))  # fmt: skip
    if row.state == "paused":
        detail = rollout_words.pause_detail(row.pause_detail)
        say(_("halts: {why}. {detail}").format(why=rollout_words.pause(row.pause_reason), detail=detail).strip())
        say(_("going on affects {n} nodes: `leitstand rollout resume {number} --confirm {n}`").format(
            n=found.remaining, number=row.rollout_id))  # fmt: skip


def _decides(command: words.Handler) -> words.Handler:
    """ROLLOUT, --actor, --json and the global options."""
    command = json_option(global_options(command))
    command = words.option("--actor", default=None, help="your name; the login name otherwise")(command)
    return click.argument("rollout_id", metavar="ROLLOUT", shell_complete=complete_key(ROLLOUTS))(command)


def _ask(kind: IntentKind, rollout_id: str, actor: str | None, as_json: bool, **more: object) -> None:
    """Queue one decision for the engine."""
    from local_store.rollouts import expect

    body = {"rollout": rollout_id, **{name: value for name, value in more.items() if value is not None}}
    with writable() as store:
        store.read(lambda cx: expect(cx, rollout_id))
        intent = store.ops.write(lambda cx: ask_engine(cx, kind, body, now_ms(), actor))
        say_without_engine(store.directory)
    if as_json:
        emit([{"rollout": rollout_id, "intent": intent}])
    text = _("queued: the engine does it; `leitstand rollout status {number}` shows what became of it")
    say(text.format(number=rollout_id))


@rollout.command("start")
@words.option("--on-call", default=None, help="who can be sent out; needed where nodes restart that others hang on")
@_decides
def rollout_start(rollout_id: str, actor: str | None, as_json: bool, on_call: str | None) -> None:
    """Start a planned rollout. Example: leitstand rollout start R-0007 --on-call 'Tina, 0209 123'"""
    _ask("rollout.start", rollout_id, actor, as_json, on_call=on_call)


@rollout.command("approve")
@_decides
def rollout_approve(rollout_id: str, actor: str | None, as_json: bool) -> None:
    """Agree to a rollout somebody else planned. Example: leitstand rollout approve R-0007"""
    _ask("rollout.approve", rollout_id, actor, as_json)


@rollout.command("pause")
@_decides
def rollout_pause(rollout_id: str, actor: str | None, as_json: bool) -> None:
    """Open nothing new; what restarts is followed to its end. Example: leitstand rollout pause R-0007"""
    _ask("rollout.pause", rollout_id, actor, as_json)


@rollout.command("resume")
@words.option("--confirm", type=click.IntRange(0), default=None, help="how many nodes going on affects")
@_decides
def rollout_resume(rollout_id: str, actor: str | None, as_json: bool, confirm: int | None) -> None:
    """Let a halted rollout go on. Example: leitstand rollout resume R-0007 --confirm 320"""
    _ask("rollout.resume", rollout_id, actor, as_json, confirm=confirm)


@rollout.command("abort")
@_decides
def rollout_abort(rollout_id: str, actor: str | None, as_json: bool) -> None:
    """End a rollout for good. Example: leitstand rollout abort R-0007"""
    _ask("rollout.abort", rollout_id, actor, as_json)
