"""The commands about rules for configurations: what breaks them, and what is excepted until when."""

from __future__ import annotations

import getpass
import random
from dataclasses import asdict
from typing import Any

import click

from console import texts
from console.cli import words
from console.cli.config_nodes import chosen_nodes, one_node, policy, resolver, with_templates
from console.cli.context import FINDINGS, global_options, json_option, opened, writable
from console.cli.lists import complete_key
from console.cli.render import emit, say, table
from console.clock import now_ms
from console.texts import _, ngettext
from local_store.views.nodes import NODES

DAY_MS = 86_400_000


@words.command("check")
@click.argument("node_ids", metavar="[NODE]...", nargs=-1, shell_complete=complete_key(NODES))
@words.option("--passed", is_flag=True, help="list the rules that are kept too")
@json_option
@global_options
def config_check(node_ids: tuple[str, ...], passed: bool, as_json: bool) -> int:
    """Judge the kept configurations by the rules. Example: leitstand config check"""
    from playbooks.configuration.policy import judge_node

    book, resolve = policy(), resolver()
    with writable() as store:
        chosen = chosen_nodes(store, node_ids, not node_ids)
        judged = with_templates(lambda: [judge_node(store, book, node, resolve, now_ms()) for node in chosen])
    found = [row for one in judged if one is not None for row in one.findings if passed or row.outcome != "pass"]
    if as_json:
        emit(asdict(row) for row in found)
    else:
        head = [_("NODE"), _("RULE"), _("SEVERITY"), _("STATE"), _("OPTION"), _("FOUND"), _("WHAT")]
        table(head, [[row.node_id, row.rule_id, severity(row.severity), outcome(row.outcome), row.option, row.found,
                      row.title] for row in found])  # fmt: skip
    if not book.rules:
        say(_("there are no rules: they lie in `rules` of the directory that [configuration] names"))
        return 0
    failing = sum(row.outcome == "fail" for row in found)
    say(ngettext("{n} rule broken", "{n} rules broken", failing).format(n=texts.number(failing)))
    return FINDINGS if failing else 0


def severity(code: str) -> str:
    """The word for how bad a broken rule is."""
    return {"critical": _("critical"), "warning": _("warning"), "info": _("remark")}.get(code, code)


def outcome(code: str) -> str:
    """The word for what a rule said."""
    return {"pass": _("kept"), "fail": _("broken"), "excepted": _("excepted")}.get(code, code)


@words.group()
@global_options
def config_exception() -> None:
    """Rules lifted for a node for a time."""


config_exception.name = "exception"


@config_exception.command("add")
@click.argument("node_id", metavar="NODE|all")
@click.argument("rule_id", metavar="RULE")
@words.option("--reason", required=True, help="why the rule does not hold there")
@words.option("--days", type=click.IntRange(1, 366), default=30, show_default=True, help="until when")
@json_option
@global_options
def exception_add(node_id: str, rule_id: str, reason: str, days: int, as_json: bool) -> int:
    """Lift a rule for a node. Example: leitstand config exception add ge-bue-0002 no-telnet --reason 'swap in May'"""
    from local_store import configs

    known = {rule.rule_id for rule in policy().rules}
    if rule_id not in known:
        text = _("there is no rule {rule}; rules: {known}")
        raise click.UsageError(text.format(rule=rule_id, known=", ".join(sorted(known)) or "–"))
    now = now_ms()
    until_ms = now + days * DAY_MS
    with writable() as store:
        whose = "*" if node_id == "all" else one_node(store, node_id).node_id

        def write(cx: Any) -> int:
            values = {"node_id": whose, "rule_id": rule_id, "reason": reason, "until_ms": until_ms}
            number = configs.add_exception(cx, whose, rule_id, reason, actor=getpass.getuser(), until_ms=until_ms,
                                           now_ms=now)  # fmt: skip
            _record(cx, number, "made", values, now)
            return number

        number = store.ops.write(write)
    if as_json:
        emit([{"exception": number, "node": node_id, "rule": rule_id, "until_ms": until_ms}])
    say(_("exception {n} holds until {when}").format(n=number, when=texts.moment(until_ms)))
    return 0


@config_exception.command("list")
@json_option
@global_options
def exception_list(as_json: bool) -> None:
    """List the exceptions in force. Example: leitstand config exception list"""
    from local_store import configs

    with opened() as reader:
        found = reader.read(lambda cx: configs.exceptions(cx, now_ms()))
    if as_json:
        emit(asdict(one) for one in found)
        return
    head = [_("NUMBER"), _("NODE"), _("RULE"), _("UNTIL"), _("BY"), _("REASON")]
    table(head, [[str(one.exception_id), one.node_id, one.rule_id, texts.moment(one.until_ms), one.actor, one.reason]
                 for one in found], right=(0,))  # fmt: skip
    say(ngettext("{n} exception in force", "{n} exceptions in force", len(found)).format(n=texts.number(len(found))))


@config_exception.command("end")
@click.argument("number", type=click.IntRange(1, 2**63 - 1))
@json_option
@global_options
def exception_end(number: int, as_json: bool) -> None:
    """Let a rule hold again. Example: leitstand config exception end 3"""
    from local_store import configs

    now = now_ms()

    def write(cx: Any) -> None:
        configs.end_exception(cx, number, now)
        _record(cx, number, "ended", {"ended_ms": now}, now)

    with writable() as store:
        store.ops.write(write)
    if as_json:
        emit([{"exception": number, "ended_ms": now}])
    say(_("exception {n} has ended").format(n=number))


def _record(cx: Any, number: int, kind: str, values: dict[str, object], now: int) -> None:
    from local_store.oplog import Change, record

    change = Change("config_exception", str(number), kind, values)
    record(cx, change, getpass.getuser(), now_ms=now, rng=random.SystemRandom())
