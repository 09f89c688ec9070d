"""`nodes ssh-check --all`: whether every node's host key and login are as they should be; confirms no key."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from console import texts
from console.cli.context import FINDINGS, opened, site
from console.cli.lists import read_list
from console.cli.render import emit, say, table
from console.errors import ConfigError
from console.texts import _, ngettext
from local_store.views.nodes import NODES

if TYPE_CHECKING:
    from console.ssh_login import Login
    from local_store.records import Node

WORDS: Mapping[str, Callable[[], str]] = {
    "changed_key": lambda: _("changed key"),
    "revoked_key": lambda: _("revoked key"),
    "unknown_key": lambda: _("unknown key"),
    "refused": lambda: _("login refused"),
    "garbled": lambda: _("no SSH there"),
    "unreachable": lambda: _("unreachable"),
    "no_login": lambda: _("no login configured"),
    "ok": lambda: _("ok"),
    "no_driver": lambda: _("watched only"),
}
"""Outcomes, the worst first: in this order they stand in the table."""
HARMLESS = ("ok", "no_driver")


def check_all(filter_text: str, at_once: int, patience_s: float, *, as_json: bool) -> int:
    """Try all nodes, or those of a filter; says how long it takes at most, and how far it is."""
    from console.node_access import NodeAccess
    from console.ssh_login import try_all

    here = site()
    if not here.config.ssh:
        raise ConfigError(_("the configuration has no [ssh.NAME]: there is nothing to log in with"))
    nodes = _chosen(filter_text)
    at_once = max(1, min(at_once, here.config.engine.max_ssh, len(nodes)))
    _announce(len(nodes), at_once, patience_s)
    by_id = {node.node_id: node for node in nodes}
    access = NodeAccess(here.config, here.base, here.directory, by_id.get, lambda _node, _line: None)
    found: list[Login] = []
    began = time.monotonic()
    for one in try_all(access, nodes, at_once, patience_s):
        found.append(one)
        if as_json:
            emit([asdict(one)])
        _progress(len(found), len(nodes), time.monotonic() - began)
    if not as_json:
        _print(found)
    _summary(found)
    return FINDINGS if any(one.outcome not in HARMLESS for one in found) else 0


def _chosen(filter_text: str) -> list[Node]:
    """Nodes in service that a filter names, by id."""
    from local_store.nodes import all_nodes

    wanted = {str(row["node"]) for row in read_list(NODES, filter_text, "node", descending=False)}
    with opened() as reader:
        return [node for node in reader.read(all_nodes) if node.node_id in wanted]


def _announce(count: int, at_once: int, patience_s: float) -> None:
    longest_s = -(-count // at_once) * patience_s
    text = ngettext(
        "{n} node, {at_once} at a time: {time} if it is silent",
        "{n} nodes, {at_once} at a time: {time} if all of them are silent",
        count,
    )
    say(text.format(n=texts.number(count), at_once=at_once, time=texts.duration(longest_s)))


def _progress(done: int, total: int, elapsed_s: float) -> None:
    """Only for people who look: one line that is written over, with the time left at the pace so far."""
    if not sys.stderr.isatty():
        return
    left = texts.duration(elapsed_s / done * (total - done))
    text = _("{done} of {total}, {time} left").format(done=done, total=total, time=left)
    click.echo(f"\r{text}\x1b[K" + ("\n" if done == total else ""), err=True, nl=False)


def _print(found: list[Login]) -> None:
    """One row a node, those that need somebody first."""
    order = list(WORDS)
    rows = sorted(found, key=lambda one: (order.index(one.outcome), one.node_id))
    cells = [[one.node_id, WORDS[one.outcome](), _what(one), f"{texts.number(one.took_ms)} ms"] for one in rows]
    table([_("NODE"), _("OUTCOME"), _("WHAT WAS SEEN"), _("TOOK")], cells, right=(3,))


def _what(one: Login) -> str:
    seen = one.host_key or one.evidence
    return seen if one.device == one.node_id else f"{one.device}: {seen}"


def _summary(found: list[Login]) -> None:
    """How many of each, and what to do about the first of those that a person can do something about."""
    counts = Counter(str(one.outcome) for one in found)
    say(", ".join(f"{texts.number(counts[code])} {word()}" for code, word in WORDS.items() if counts[code]) or "0")
    hints = {
        "changed_key": _("if {device} was replaced or set up anew: `leitstand nodes trust '{device}' --replace`"),
        "revoked_key": _("make a new host key on {device}, then `leitstand nodes trust '{device}' --replace`"),
        "unknown_key": _("compare the key with its label, then `leitstand nodes trust '{device}'`"),
        "refused": _("{device}: check user, key and password of its [ssh.NAME]"),
    }
    for code, hint in hints.items():
        first = min((one.device for one in found if one.outcome == code), default=None)
        if first is not None:
            say(hint.format(device=first))
