"""Configurations of nodes as rows and as one node's page. Pure: views in, styled lines out. Secrets came masked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from console import config_words, texts
from console.texts import _
from console.tui.lines import Board, Line, rule, wrapped
from console.tui.present import glyph
from console.tui.table_columns import Cells, Column
from local_store.views.configs import ConfigPage

SIGNS: Final[Mapping[str, str]] = {"in_sync": "ok", "pending": "warning", "drifted": "warning", "conflict": "down"}
"""How a verdict is coloured, by the names of node states."""


def verdict_words(verdict: str, read_ms: int | None) -> str:
    """How a node stands; without a verdict it has no template, or was never read."""
    return config_words.verdict(verdict or ("unmanaged" if read_ms else "unknown"))


def columns() -> list[Column]:
    """The list of configurations."""
    return [
        Column("node", _("NODE"), 14, 0),
        Column("verdict", _("STATE"), 24, 0),
        Column("failing", _("RULES"), 7, 0, right=True),
        Column("excepted", _("EXCEPTED"), 9, 2, right=True),
        Column("versions", _("VERSIONS"), 9, 1, right=True),
        Column("read", _("READ"), 7, 0, right=True),
        Column("district", _("DISTRICT"), 13, 2),
        Column("failure", _("LAST FAILURE"), 18, 3, most=90),
    ]


def cells(row: Mapping[str, Any], now_ms: int, ascii_only: bool) -> Cells:
    """One node's configuration."""
    sign = SIGNS.get(str(row["verdict"]), "unknown")
    broken = "down" if row["critical"] else "warning" if row["failing"] else "dim"
    return (
        (str(row["node"]), ""),
        (f"{glyph(sign, ascii_only)} {verdict_words(str(row['verdict']), row['read'])}", sign),
        (texts.number(row["failing"]), broken),
        (texts.number(row["excepted"]), "dim"),
        (texts.number(row["versions"]), "dim"),
        (texts.age(row["read"], now_ms), "warning" if row["failure"] else "dim"),
        (str(row["district"]), "dim"),
        (str(row["failure"]), "warning"),
    )


def page(found: ConfigPage, now_ms: int, width: int, ascii_only: bool) -> list[Line]:
    """One node: when it was read, what is not as intended, broken rules, versions."""
    board = Board()
    look = found.look
    if look is None:
        told = _("its configuration was never read: with a login in [ssh.default] the engine reads it once a day, "
                 "`leitstand config backup` does it now")  # fmt: skip
        for row in wrapped(told, width - 2):
            board.add((f" {row}", "dim"))
        return board.lines
    sign = SIGNS.get(look.verdict, "unknown")
    read = _("read {age} ago").format(age=texts.age(look.read_ms, now_ms)) if look.read_ms is not None else ""
    board.flow([(f"{glyph(sign, ascii_only)} {verdict_words(look.verdict, look.read_ms)}", sign), (read, "dim")], width)
    if look.failure:
        board.tell(" ", _("the last try failed: {why}").format(why=look.failure), width, "warning")
    if found.applied_ms is not None:
        pushed = _("last push {age} ago by {who}").format(age=texts.age(found.applied_ms, now_ms), who=found.applied_by)
        board.tell(" ", pushed, width, "dim")
    if look.read_ms is not None:
        _difference(board, found, look.verdict, width)
        _rules(board, found, width, ascii_only)
    board.lines.append(rule(_("Versions"), width))
    for one in found.history:
        board.add(f" {one.backup_id:>6}  {texts.moment(one.taken_ms)}  {config_words.cause(one.cause)}  {one.actor}")
    return board.lines


def _difference(board: Board, found: ConfigPage, verdict: str, width: int) -> None:
    """Running against intended, option by option."""
    board.lines.append(rule(_("Difference"), width))
    if not found.drift:
        same = _("nothing is different from what is intended")
        board.tell(" ", same if verdict else _("no template says what it should hold"), width, "dim")
    for one in found.drift:
        verdict = str(one["verdict"])
        told = f"{one['option']}  ({config_words.verdict(verdict)})"
        board.tell(" ", told, width, SIGNS.get(verdict, "unknown"))
        board.tell("   - ", config_words.value(str(one["running"])), width, "down", exact=True)
        board.tell("   + ", config_words.value(str(one["intended"])), width, "ok", exact=True)


def _rules(board: Board, found: ConfigPage, width: int, ascii_only: bool) -> None:
    board.lines.append(rule(_("Rules"), width))
    if not found.findings:
        board.add((" " + _("no rule is broken"), "dim"))
    for one in found.findings:
        sign = "unknown" if one.outcome == "excepted" else "down" if one.severity == "critical" else "warning"
        word = f" ({_('excepted')})" if one.outcome == "excepted" else ""
        told = f"{glyph(sign, ascii_only)} {one.title}{word}  {one.option} = {one.found}"
        board.tell(" ", told, width, sign)
