"""The commands about a node's SSH: trusting its host key, and looking whether it can be used."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from console import texts
from console.cli import words
from console.cli.context import DEVICE, global_options, json_option, site, writable
from console.cli.lists import complete_key
from console.cli.render import emit, facts, say
from console.texts import _
from local_store.views.nodes import NODES

if TYPE_CHECKING:
    from console.node_access import NodeAccess
    from device_drivers.known_hosts import HostKey
    from device_drivers.ssh import SshTarget
    from local_store.db import Store
    from local_store.records import Node


@contextlib.contextmanager
def access(store: Store | None = None) -> Iterator[NodeAccess]:
    """How this configuration opens the nodes of this store, which is opened here unless it is given; what is sent to
    them is kept in it."""
    from console.call_log import CallLog
    from console.node_access import NodeAccess
    from local_store.nodes import get_node

    here = site()
    with contextlib.ExitStack() as stack:
        used: Store = stack.enter_context(writable()) if store is None else store

        def node_of(node_id: str) -> Node | None:
            return used.read(lambda cx: get_node(cx, node_id))

        log = CallLog(used)
        made = NodeAccess(here.config, here.base, here.directory, node_of, log, at_end=log.flush)
        yield stack.enter_context(contextlib.closing(made))


@words.command("trust")
@click.argument("node_id", shell_complete=complete_key(NODES))
@words.option("--fingerprint", default=None, help="trust exactly this key (SHA256:...), without asking")
@words.option("--replace", is_flag=True, help="the node was replaced or set up anew: forget its old key")
@json_option
@global_options
def nodes_trust(node_id: str, fingerprint: str | None, replace: bool, as_json: bool) -> int:
    """Confirm the host key of a node or jump host ([ssh.NAME]). Example: leitstand nodes trust ge-bue-0002"""
    from device_drivers import known_hosts, ssh

    with access() as made:
        target = made.named(node_id)
    shown = ssh.host_key(target)
    known_hosts.refuse_revoked(node_id, target.known_hosts, target.host, target.port, shown)
    trusted = known_hosts.confirmed(target.known_hosts, target.host, target.port)
    if shown in trusted:
        if fingerprint is not None and not _agreed(node_id, target, shown, fingerprint):
            return DEVICE
        if as_json:
            emit([_trusted(node_id, shown, is_new=False)])
        say(_("{node}: {key} is already trusted").format(node=node_id, key=shown.fingerprint))
        return 0
    if trusted and not replace:
        return _changed(node_id, trusted, shown)
    if not _agreed(node_id, target, shown, fingerprint):
        return DEVICE
    target.known_hosts.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    known_hosts.confirm(target.known_hosts, target.host, target.port, shown, only=replace)
    if as_json:
        emit([_trusted(node_id, shown, is_new=True)])
    say(_("{node}: {key} is trusted from now on").format(node=node_id, key=shown.fingerprint))
    return 0


def _trusted(node_id: str, key: HostKey, *, is_new: bool) -> dict[str, Any]:
    return {"node": node_id, "host_key": key.fingerprint, "algorithm": key.algorithm, "new": is_new}


def _changed(node_id: str, trusted: list[HostKey], shown: HostKey) -> int:
    text = _(
        "{node} shows another host key than the confirmed one: confirmed {old}, shown {new}. Somebody may stand in "
        "between. If the node was replaced or set up anew, say so: `leitstand nodes trust {node} --replace`"
    )
    say(text.format(node=node_id, old=", ".join(one.fingerprint for one in trusted), new=shown.fingerprint))
    return DEVICE


def _agreed(node_id: str, target: SshTarget, shown: HostKey, fingerprint: str | None) -> bool:
    """Whether a person, or the fingerprint given, says that this is the node's key."""
    if fingerprint is not None:
        if fingerprint == shown.fingerprint:
            return True
        text = _("{node} shows {shown}, not {given}: nothing was trusted")
        say(text.format(node=node_id, shown=shown.fingerprint, given=fingerprint))
        return False
    say(_("{node} at {host} port {port} shows this host key:").format(node=node_id, host=target.host, port=target.port))
    say(f"  {shown.algorithm} {shown.fingerprint}")
    if not sys.stdin.isatty():
        text = _("nobody is there to compare it: give it with --fingerprint, read from the node itself")
        raise click.UsageError(text)
    say(_("Compare it with the node's own (`dropbearkey -y -f /etc/dropbear/dropbear_ed25519_host_key`) or its label."))
    return click.confirm(_("Is it the same?"), default=False, err=True)


@words.command("ssh-check")
@click.argument("node_id", metavar="[NODE|FILTER]", default="", required=False, shell_complete=complete_key(NODES))
@words.option("--all", "everybody", is_flag=True, help="host keys and logins of all nodes, or of those a FILTER names")
@words.option("--at-once", type=click.IntRange(1, 64), default=16, show_default=True, help="nodes at a time")
@words.option("--patience", type=words.Between(1, 60), default=5.0, show_default=True, help="seconds a step")
@json_option
@global_options
def nodes_ssh_check(node_id: str, everybody: bool, at_once: int, patience: float, as_json: bool) -> int:
    """Ask a node over SSH what it is. Example: leitstand nodes ssh-check ge-bue-0002"""
    if everybody:
        from console.cli.ssh_check_all import check_all

        return check_all(node_id, at_once, patience, as_json=as_json)
    if not node_id:
        raise click.UsageError(_("name a node, or give --all"))
    with access() as made, made(node_id) as node:
        board, boot = node.board(), node.boot()
        found: dict[str, Any] = {
            "node": node_id,
            "host_key": node.identity(),
            "board": {name: value for name, value in asdict(board).items() if name != "raw"},
            "boot": asdict(boot),
        }
    if as_json:
        emit([found])
        return 0
    facts(
        [
            (_("node"), node_id),
            (_("host key"), found["host_key"]),
            (_("model"), f"{board.model} ({board.board_name})"),
            (_("firmware"), f"{board.distribution} {board.version} {board.revision}".strip()),
            (_("serial"), board.serial or "–"),
            (_("running for"), texts.duration(boot.uptime_s)),
            (_("free memory"), texts.size(boot.mem_available_bytes)),
            (_("free in /tmp"), texts.size(boot.tmp_free_bytes)),
            (_("bank"), boot.bank or "–"),
        ]
    )
    return 0
