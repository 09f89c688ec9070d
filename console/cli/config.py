"""The commands about nodes' configurations: reading, keeping, comparing. Secrets are masked in all they print."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import click

from console import config_words, texts
from console.cli import words
from console.cli.config_nodes import chosen_nodes, one_node, policy, resolver, with_templates
from console.cli.config_push import config_push, config_revert
from console.cli.config_rules import config_check, config_exception
from console.cli.context import FINDINGS, global_options, json_option, opened, writable
from console.cli.lists import complete_key
from console.cli.render import emit, put, say, table
from console.clock import now_ms
from console.texts import _, ngettext, visible
from local_store.views.nodes import NODES

NODE = click.argument("node_id", metavar="NODE", shell_complete=complete_key(NODES))
SOME = click.argument("node_ids", metavar="[NODE]...", nargs=-1, shell_complete=complete_key(NODES))
VERSION = click.IntRange(1, 2**63 - 1)


@words.group()
@global_options
def config() -> None:
    """Configurations of nodes: keep, compare, push, judge."""


for each in (config_push, config_revert, config_check, config_exception):
    config.add_command(each)


@config.command("backup")
@SOME
@words.option("--all", "everything", is_flag=True, help="every node in service")
@words.option("--accept-smaller", is_flag=True, help="keep it although more than half of its lines are gone")
@json_option
@global_options
def config_backup(node_ids: tuple[str, ...], everything: bool, accept_smaller: bool, as_json: bool) -> int:
    """Read configurations now and keep what is new. Example: leitstand config backup ge-bue-0002"""
    import getpass

    from console.cli.node_keys import access
    from device_drivers.errors import DriverError
    from mesh_mgmt.config_text import NotStored
    from mesh_mgmt.desired import DesiredError
    from playbooks.configuration.backups import take
    from playbooks.configuration.policy import judge_node

    rows: list[dict[str, Any]] = []
    book, resolve = policy(), resolver()
    with writable() as store, access(store) as open_node:
        for node in chosen_nodes(store, node_ids, everything):
            row: dict[str, Any] = {"node": node.node_id, "version": None, "new": False, "error": ""}
            try:
                kept = take(store, open_node, node, cause="asked", actor=getpass.getuser(), now_ms=now_ms(),
                            accept_smaller=accept_smaller)  # fmt: skip
                row.update(new=kept is not None, version=None if kept is None else kept.backup_id)
                judge_node(store, book, node, resolve, now_ms())
            except (DriverError, NotStored, DesiredError) as error:
                row["error"] = str(error)
            rows.append(row)
    if as_json:
        emit(rows)
    for row in rows:
        text = row["error"] or (_("version {n} kept").format(n=row["version"]) if row["new"] else _("unchanged"))
        say(f"{row['node']}: {text}")
    return FINDINGS if any(row["error"] for row in rows) else 0


@config.command("show")
@NODE
@words.option("--version", "number", type=VERSION, default=None, help="another version than the newest")
@json_option
@global_options
def config_show(node_id: str, number: int | None, as_json: bool) -> int:
    """Show a kept configuration, secrets masked. Example: leitstand config show ge-bue-0002"""
    from mesh_mgmt.config_mask import masked_text

    with opened() as reader:
        one_node(reader, node_id)
        kept, text = _version(reader, node_id, number)
    if kept is None:
        return _nothing_kept(node_id, number)
    masked = masked_text(text, kept.form)
    if as_json:
        emit([{**asdict(kept), "text": masked}])
    else:
        put(visible(line).replace("\\t", "\t") for line in masked.splitlines())
    return 0


@config.command("history")
@NODE
@json_option
@global_options
def config_history(node_id: str, as_json: bool) -> int:
    """List the versions of a node's configuration. Example: leitstand config history ge-bue-0002"""
    from local_store.views.configs import page

    with opened() as reader:
        one_node(reader, node_id)
        found = reader.read(lambda cx: page(cx, node_id))
    if as_json:
        emit(asdict(one) for one in found.history)
        return 0
    head = [_("VERSION"), _("SINCE"), _("WHY"), _("BY"), "SHA-256"]
    rows = [[str(one.backup_id), texts.moment(one.taken_ms), config_words.cause(one.cause), one.actor or "–",
             one.sha256[:12]] for one in found.history]  # fmt: skip
    table(head, rows, right=(0,))
    if found.look is not None and found.look.failure:
        say(_("the last try failed: {why}").format(why=found.look.failure))
    say(ngettext("{n} version", "{n} versions", len(rows)).format(n=texts.number(len(rows))))
    return 0


@config.command("diff")
@NODE
@click.argument("versions", metavar="[FROM [TO]]", type=VERSION, nargs=-1)
@json_option
@global_options
def config_diff(node_id: str, versions: tuple[int, ...], as_json: bool) -> int:
    """Compare two versions, else the last two. Example: leitstand config diff ge-bue-0002 12 15"""
    from local_store import configs
    from mesh_mgmt.config_mask import difference

    if len(versions) > 2:
        raise click.UsageError(_("give at most two versions"))
    with opened() as reader:
        one_node(reader, node_id)
        numbers = [*versions]
        if len(numbers) < 2:
            newest = [one.backup_id for one in reader.read(lambda cx: configs.history(cx, node_id, 2))]
            numbers = [*numbers, *newest[:1]] if numbers else newest[::-1]
        pair = [_version(reader, node_id, number) for number in numbers]
    if len(pair) < 2 or any(kept is None for kept, _text in pair):
        return _nothing_kept(node_id, next((n for n, (k, _t) in zip(numbers, pair, strict=True) if k is None), None))
    (one, before), (two, after) = pair
    names = (f"{node_id} {one.backup_id}", f"{node_id} {two.backup_id}")
    show_lines(difference(before, after, two.form, names), as_json, node=node_id)
    return FINDINGS if before != after else 0


def show_lines(lines: Sequence[str], as_json: bool, **facts: Any) -> None:
    """A difference as JSON or as it is."""
    if as_json:
        emit([{**facts, "lines": list(lines)}])
    else:
        put(visible(line).replace("\\t", "\t") for line in lines)


def _version(reader: Any, node_id: str, number: int | None) -> tuple[Any, str]:
    from local_store import configs

    kept = reader.read(lambda cx: configs.get_backup(cx, number) if number else configs.last_backup(cx, node_id))
    if kept is None or kept.node_id != node_id:
        return None, ""
    return kept, reader.read(lambda cx: configs.body(cx, kept.sha256))


def _nothing_kept(node_id: str, number: int | None) -> int:
    if number is None:
        say(_("{node}: too few versions are kept; `leitstand config backup {node}` reads it").format(node=node_id))
    else:
        say(_("{node} has no version {n}; `leitstand config history {node}` lists them").format(node=node_id, n=number))
    return FINDINGS


@config.command("drift")
@SOME
@json_option
@global_options
def config_drift(node_ids: tuple[str, ...], as_json: bool) -> int:
    """Say which nodes are not as intended, and where. Example: leitstand config drift ge-bue-0002"""
    from playbooks.configuration.policy import judge_node, masked_drift

    book, resolve = policy(), resolver()
    rows: list[dict[str, Any]] = []
    with writable() as store:
        for node in chosen_nodes(store, node_ids, not node_ids):
            found = with_templates(partial(judge_node, store, book, node, resolve, now_ms()))
            drift = None if found is None else found.drift
            state = "unknown" if found is None else "unmanaged" if drift is None else drift.verdict
            rows.append({"node": node.node_id, "verdict": state, "options": json.loads(masked_drift(drift))})
    if as_json:
        emit(rows)
    else:
        _print_drift(rows)
    return FINDINGS if any(row["verdict"] in ("pending", "drifted", "conflict") for row in rows) else 0


def _print_drift(rows: Sequence[dict[str, Any]]) -> None:
    head = [_("NODE"), _("STATE"), _("OPTION"), _("INTENDED"), _("APPLIED"), _("RUNNING")]
    lines = []
    for row in rows:
        if row["verdict"] != "in_sync" and not row["options"]:
            lines.append([row["node"], config_words.verdict(row["verdict"]), "–", "–", "–", "–"])
        lines += [
            [
                row["node"],
                config_words.verdict(one["verdict"]),
                one["option"],
                one["intended"],
                one["applied"],
                one["running"],
            ]
            for one in row["options"]
        ]
    table(head, lines)
    good = sum(row["verdict"] == "in_sync" for row in rows)
    say(_("{good} of {all} nodes in sync").format(good=texts.number(good), all=texts.number(len(rows))))


@config.command("render")
@NODE
@json_option
@global_options
def config_render(node_id: str, as_json: bool) -> int:
    """Show what the templates want of a node. Example: leitstand config render ge-bue-0002"""
    from mesh_mgmt.config_mask import shown

    with opened() as reader:
        node = one_node(reader, node_id)
    wanted = with_templates(lambda: policy().wanted(node, resolver()))
    options = {str(key): shown(key, value) for key, value in wanted.options.items()}
    if as_json:
        emit([{"node": node_id, "sources": list(wanted.sources), "options": options}])
        return 0
    put(f"{visible(key)} = {visible(value)}" for key, value in options.items())
    say(_("from {sources}").format(sources=", ".join(wanted.sources) or "–"))
    return 0
