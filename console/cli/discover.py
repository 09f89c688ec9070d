"""The command that looks who is at some addresses and says how that differs from the inventory."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from console import texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, site, store_exists
from console.cli.render import emit, say, table
from console.texts import _, ngettext

if TYPE_CHECKING:
    from local_store.mesh_records import UnknownEnd
    from local_store.records import Node
    from mesh_mgmt.discovery import Difference


@words.command()
@words.option("--seed", "seeds", multiple=True, required=True, help="address or network, such as 10.0.0.0/28")
@words.option("--port", type=click.IntRange(1, 65_535), default=161, show_default=True, help="SNMP port")
@words.option("--ssh-port", type=click.IntRange(1, 65_535), default=22, show_default=True, help="SSH port")
@words.option("--per-second", type=words.Between(1, 1000), default=50.0, show_default=True, help="SNMP questions")
@words.option("--export", "file", type=click.Path(path_type=Path), default=None, help="write what is new for import")
@json_option
@global_options
def discover(
    seeds: tuple[str, ...], port: int, ssh_port: int, per_second: float, file: Path | None, as_json: bool
) -> int:
    """Look who is there; nothing is added. Example: leitstand discover --seed 10.0.0.0/28 --export nodes.csv"""
    from console.compose import credentials
    from mesh_mgmt.discovery import SeedError, addresses, compare
    from playbooks.discovery import HowHard, ask, longest_s

    here = site()
    base = here.file.parent if here.file is not None else Path.cwd()
    profiles = credentials(here.config.snmp, base)
    try:
        hosts = addresses(seeds)
    except SeedError as error:
        text = _("{seed} is no address or network of at most 4096 addresses: write 10.0.0.1 or 10.0.0.0/28")
        raise click.UsageError(text.format(seed=error)) from error
    how = HowHard(port, ssh_port, per_s=per_second)
    text = ngettext("asking {n} address, at most {time}", "asking {n} addresses, at most {time}", len(hosts))
    say(text.format(n=len(hosts), time=texts.duration(longest_s(len(hosts), len(profiles), how))))
    answers = ask(hosts, profiles, how, _progress)
    inventory, unknown = _known()
    found = compare(answers, inventory)
    if as_json:
        emit([*map(_object, found), *({"what": "heard", **asdict(one)} for one in unknown)])
    else:
        _print(found, unknown)
    if file is not None:
        _export(found, file)
    return FINDINGS if any(one.what != "same" for one in found) else 0


def _progress(done: int, total: int) -> None:
    """Only for people who look: one line that is written over."""
    if sys.stderr.isatty():
        click.echo(f"\r{done}/{total}" + ("\n" if done == total else ""), err=True, nl=False)


def _known() -> tuple[list[Node], list[UnknownEnd]]:
    """The inventory, and what nodes hear and nobody knows; both empty where there is no store yet."""
    from local_store import nodes
    from local_store.views.mesh import unknown_ends

    if not store_exists():
        return [], []
    with opened() as reader:
        return reader.read(nodes.all_nodes), reader.read(unknown_ends)


def _object(one: Difference) -> dict[str, Any]:
    answer = one.answer
    return {
        "what": one.what,
        "address": one.host,
        "node": one.node_id,
        "sys_name": answer.sys_name if answer else "",
        "object_id": ".".join(map(str, answer.object_id)) if answer else "",
        "description": answer.description if answer else "",
        "profile": answer.profile if answer else "",
        "ssh_fingerprint": answer.ssh_key if answer else "",
        "macs": list(answer.macs) if answer else [],
        "fields": {name: {"inventory": before, "found": after} for name, (before, after) in one.fields.items()},
    }


def what_words(what: str) -> str:
    """The word for one line of the difference."""
    return {"new": _("new"), "changed": _("changed"), "gone": _("gone"), "same": _("as known")}.get(what, what)


def _print(found: list[Difference], unknown: list[UnknownEnd]) -> None:
    cells = [
        [
            what_words(one.what),
            one.host,
            one.node_id or "–",
            (one.answer.sys_name if one.answer else "") or "–",
            "; ".join(f"{name}: {before} → {after}" for name, (before, after) in one.fields.items()) or "–",
            (one.answer.ssh_key if one.answer else "") or "–",
        ]
        for one in found
    ]
    table([_("WHAT"), _("ADDRESS"), _("NODE"), _("NAME"), _("DIFFERENCE"), _("SSH KEY")], cells)
    if unknown:
        text = ngettext(
            "{n} far end is heard and known to nobody: `leitstand topology unknown`",
            "{n} far ends are heard and known to nobody: `leitstand topology unknown`",
            len(unknown),
        )
        say(text.format(n=len(unknown)))
    text = _("{new} new, {changed} changed, {gone} gone, {same} as known; nothing was added")
    say(
        text.format(
            **{what: sum(1 for one in found if one.what == what) for what in ("new", "changed", "gone", "same")}
        )
    )


def _export(found: list[Difference], file: Path) -> None:
    """What is new, in the shape `nodes import` takes."""
    from mesh_mgmt.discovery import as_node
    from mesh_mgmt.inventory_formats import write_nodes

    rows = [as_node(one.answer) for one in found if one.what == "new" and one.answer is not None]
    file.write_text(write_nodes(rows, "csv"), encoding="utf-8")
    text = ngettext("{n} node written to {file}", "{n} nodes written to {file}", len(rows))
    say(text.format(n=len(rows), file=file))
