"""The commands about field leases: a technician's laptop asks, takes, brings back; the console gives and merges."""

from __future__ import annotations

import contextlib
import getpass
import socket
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from console import rollout_words, texts
from console.cli import words
from console.cli.context import FINDINGS, global_options, json_option, opened, site, writable
from console.cli.firmware import home, place
from console.cli.node_keys import access
from console.cli.render import emit, facts, say, table
from console.clock import now_ms
from console.texts import _, ngettext

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from local_store.records import Node
    from playbooks.firmware.lease_files import Lease

FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False)
SSH_KEY, CONSOLE_KEY = "field.key", "console.key"
HOUR_MS: Final = 3_600_000


@words.group()
@global_options
def lease() -> None:
    """Parts of a rollout that a laptop does alone."""


def _signer() -> Ed25519PrivateKey:
    from local_store.keys import signing_key

    here = site()
    return signing_key(here.directory, here.config.store.key)


@lease.command("request")
@click.argument("file", type=words.NewFile())
@words.option("--holder", help="your name; the login name without it")
@json_option
@global_options
def lease_request(file: Path, holder: str | None, as_json: bool) -> None:
    """On the laptop: ask for nodes. Example: leitstand lease request laptop.request"""
    from local_store.files import write_once
    from playbooks.firmware import lease_files

    name = holder or getpass.getuser()
    with writable(create=True) as store:
        public = _ssh_key(store.directory / SSH_KEY, name)
        key = _signer()
    asked = lease_files.Request(lease_files.FORMAT, name, lease_files.public_hex(key), public)
    if not write_once(file, lease_files.signed(key, "request", asked)):
        raise click.UsageError(_("{file} is there already").format(file=file))
    fingerprint, key_file = lease_files.fingerprint(asked.key), str(store.directory / SSH_KEY)
    if as_json:
        emit([{"file": str(file), "holder": name, "fingerprint": fingerprint, "key_file": key_file}])
        return
    facts(
        [
            (_("for the console"), str(file)),
            (_("fingerprint"), fingerprint),
            (_("for the configuration"), "[ssh.default]"),
            ("", f'key_file = "{key_file}"'),
        ]
    )


def _ssh_key(path: Path, holder: str) -> str:
    """The laptop's own login key, made once; its private half never leaves the laptop."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    from local_store.files import write_once

    if not path.exists():
        new = Ed25519PrivateKey.generate()
        text = new.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
        )
        write_once(path, text)
    private = serialization.load_ssh_private_key(path.read_bytes(), None)
    public = private.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    name = "".join(letter for letter in holder if letter.isascii() and letter.isalnum()) or "field"
    return f"{public.decode()} {name}@{socket.gethostname()}"


@lease.command("give")
@click.argument("rollout")
@click.argument("file", type=words.NewFile())
@words.option("--request", "request_file", type=FILE, required=True, help="what the laptop asked with")
@words.option("--node", "names", multiple=True, required=True, help="a node of the rollout; repeat it for each")
@words.option("--hours", type=click.IntRange(1, 336), default=12, show_default=True, help="how long it lasts")
@words.option("--fingerprint", help="of the request, from the technician; without it you are asked")
@words.option("--no-key", is_flag=True, help="do not let the laptop's key log in to the nodes now")
@json_option
@global_options
def lease_give(
    rollout: str,
    file: Path,
    request_file: Path,
    names: tuple[str, ...],
    hours: int,
    fingerprint: str | None,
    no_key: bool,
    as_json: bool,
) -> int:
    """At the console: give nodes out. Example: leitstand lease give R-0001 a.lease --request laptop.request --node a"""
    from playbooks.firmware import field, lease_files, observe

    content = request_file.read_bytes()
    claimed = lease_files.claimed(content, lease_files.Request)
    request = lease_files.opened(content, "request", lease_files.Request, claimed.key)
    shown = lease_files.fingerprint(request.key)
    if not _agreed(shown, fingerprint, _("fingerprint of {name}: {found}").format(name=request.holder, found=shown)):
        return FINDINGS
    signer, now = _signer(), now_ms()
    with writable() as store, access(store) as nodes, _bundle(store, rollout, file) as finish:
        topology = store.read(observe.current_graph)

        def give(cx: Any) -> Lease:
            given = field.give(
                cx,
                rollout,
                names,
                request,
                topology=topology,
                until_ms=now + hours * HOUR_MS,
                console_key=lease_files.public_hex(signer),
                known_host=lambda node: _known(nodes, node),
                actor=getpass.getuser(),
                now_ms=now,
            )
            # Inside the transaction: nodes are marked only if the file they are given out with is whole.
            finish(signer, given)
            return given

        given = store.ops.write(give)
        without = [] if no_key else _change_keys(nodes, names, request.ssh_key, add=True)
    if as_json:
        emit([{"lease": given.lease_id, "until_ms": given.until_ms, "nodes": list(names), "without_key": without}])
    else:
        text = _("{lease} until {until}: {file}")
        say(text.format(lease=given.lease_id, until=texts.moment(given.until_ms), file=file))
        _say_without(without)
    return 0


def _known(nodes: Any, node: Node) -> str:
    """Port and confirmed host keys as the console knows them, a line each; "" for none."""
    from console.errors import ConfigError
    from device_drivers import known_hosts

    try:
        target = nodes.target(node)
    except ConfigError:
        return ""
    found = known_hosts.confirmed(target.known_hosts, target.host, target.port)
    return "\n".join(f"{target.port} {key.algorithm} {key.body}" for key in found)


@contextlib.contextmanager
def _bundle(store: Any, rollout_id: str, file: Path) -> Iterator[Callable[[Ed25519PrivateKey, Lease], None]]:
    """The signed lists and the rollout's images on their way into `file`; what is yielded adds the lease.

    Raises StoreRefused for an unknown rollout.
    """
    from local_store import rollouts
    from playbooks.firmware import lease_files, planning, trust

    row = store.read(lambda cx: rollouts.expect(cx, rollout_id))
    with tempfile.TemporaryDirectory(prefix=".lease-", dir=file.parent) as scratch:
        path = Path(scratch) / lease_files.CATALOGUE
        trust.bundle(place(None), path, {image.sha256 for image in planning.decode(row.plan).images})
        with lease_files.bundle(file, (home() / trust.ANCHOR).read_bytes(), path) as finish:
            yield finish


def _line_of(lease_id: str) -> str:
    from local_store import field_leases

    with opened() as reader:
        return str(reader.read(lambda cx: field_leases.expect(cx, lease_id, "given")).ssh_key)


def _change_keys(nodes: Any, names: Iterable[str], line: str, *, add: bool) -> list[str]:
    from console.errors import ConfigError
    from device_drivers import openwrt_keys
    from device_drivers.errors import DriverError

    change: Callable[..., None] = openwrt_keys.add_key if add else openwrt_keys.drop_key
    missed = []
    for name in names:
        try:
            with nodes(name) as node:
                change(name, node, line)
        except (DriverError, ConfigError):
            missed.append(name)
    return missed


def _say_without(names: Sequence[str]) -> None:
    if names:
        text = _("not reachable now, so the laptop's key is not on them: {nodes}")
        say(text.format(nodes=", ".join(names)))


def _agreed(found: str, wanted: str | None, told: str) -> bool:
    """Whether two people compared a fingerprint; `told` is the sentence that shows it."""
    if wanted is None:
        say(told)
        return click.confirm(_("Did somebody you know tell you this fingerprint?"), err=True)
    if wanted.lower() == found:
        return True
    say(_("the fingerprint is {found}, not {wanted}: nothing was done").format(found=found, wanted=wanted))
    return False


@lease.command("take")
@click.argument("file", type=FILE)
@words.option("--fingerprint", help="of the console's key, from the console; without it you are asked the first time")
@json_option
@global_options
def lease_take(file: Path, fingerprint: str | None, as_json: bool) -> int:
    """On the laptop: take a lease. Example: leitstand lease take a.lease"""
    from local_store.files import write_once
    from playbooks.firmware import field, lease_files, trust

    pinned = home() / CONSOLE_KEY
    trusted = pinned.read_text(encoding="ascii").strip() if pinned.exists() else None
    read = lease_files.read_lease(file, trusted)
    console_key = read.lease.console_key
    shown = lease_files.fingerprint(console_key)
    if trusted is None and not _agreed(
        shown, fingerprint, _("fingerprint of the console: {found}").format(found=shown)
    ):
        return FINDINGS
    own = lease_files.public_hex(_signer())
    trust.anchor(home(), read.anchor)
    write_once(pinned, console_key.encode())
    with tempfile.TemporaryDirectory(prefix=".lease-", dir=home()) as scratch:
        bundle = Path(scratch) / lease_files.CATALOGUE
        bundle.write_bytes(read.catalogue)
        trust.unbundle(home(), bundle, place(None))
    with writable() as store:
        store.ops.write(lambda cx: field.take(cx, read.lease, own, getpass.getuser(), now_ms()))
    _trust_hosts(read.lease)
    if as_json:
        nodes = [one.node.node_id for one in read.lease.nodes]
        emit([{"lease": read.lease.lease_id, "until_ms": read.lease.until_ms, "nodes": nodes}])
        return 0
    text = _("{lease} until {until}; start it with `leitstand rollout start {lease}`")
    say(text.format(lease=read.lease.lease_id, until=texts.moment(read.lease.until_ms)))
    return 0


def _trust_hosts(taken: Lease) -> None:
    """The console confirmed these host keys; its signature is on them."""
    from console.node_access import KNOWN_HOSTS
    from device_drivers import known_hosts

    path = site().directory / KNOWN_HOSTS
    for one in taken.nodes:
        for line in one.known_host.splitlines():
            port, algorithm, body = line.split(" ")
            key = known_hosts.HostKey(algorithm, body)
            if key not in known_hosts.confirmed(path, one.node.address, int(port)):
                known_hosts.confirm(path, one.node.address, int(port), key)


@lease.command("return")
@click.argument("lease_id", metavar="LEASE")
@click.argument("file", type=words.NewFile())
@words.option("--end", is_flag=True, help="the work is over: nodes that still wait go back to the console")
@json_option
@global_options
def lease_return(lease_id: str, file: Path, end: bool, as_json: bool) -> None:
    """On the laptop: write what was done. Example: leitstand lease return L-0001 a.return --end"""
    from local_store import rollouts
    from local_store.files import write_whole
    from playbooks.firmware import decisions, field, lease_files

    def write(cx: Any) -> Any:
        if end and rollouts.expect(cx, lease_id).state not in rollouts.ENDED:
            decisions.decide(cx, "rollout.abort", {"rollout": lease_id}, getpass.getuser(), now_ms())
        return field.hand_back(cx, lease_id, now_ms())

    with writable() as store:
        returned = store.ops.write(write)
    write_whole(file, lease_files.signed(_signer(), "return", returned))
    if as_json:
        states = {one.node_id: one.state for one in returned.nodes}
        emit([{"lease": lease_id, "file": str(file), "nodes": states, "closed": returned.closed}])
        return
    done = ngettext("{n} node", "{n} nodes", len(returned.nodes)).format(n=len(returned.nodes))
    say(_("{lease}: {done} in {file}").format(lease=lease_id, done=done, file=file))


@lease.command("merge")
@click.argument("file", type=FILE)
@json_option
@global_options
def lease_merge(file: Path, as_json: bool) -> None:
    """At the console: take over what was done. Example: leitstand lease merge a.return"""
    from local_store import field_leases
    from playbooks.firmware import field, lease_files

    content, signer = file.read_bytes(), _signer()
    claimed = lease_files.claimed(content, lease_files.Returned)
    with writable() as store, access(store) as nodes:
        row = store.read(lambda cx: field_leases.expect(cx, claimed.lease_id, "given"))
        returned = lease_files.opened(content, "return", lease_files.Returned, row.peer_key)
        merged = store.ops.write(lambda cx: field.merge(cx, returned, signer, getpass.getuser(), now_ms()))
        done = [*(name for name, _state in merged.taken), *merged.known]  # an earlier merge may not have reached them
        left = _change_keys(nodes, done, row.ssh_key, add=False)
    if as_json:
        emit([{**asdict(merged), "taken": dict(merged.taken), "key_left_on": left}])
        return
    table([_("NODE"), _("STATE")], [[name, rollout_words.node_state(state)] for name, state in merged.taken])
    if merged.waiting:
        say(_("still with the laptop: {nodes}").format(nodes=", ".join(merged.waiting)))
    if left:
        say(_("not reachable now, so the laptop's key is still on them: {nodes}").format(nodes=", ".join(left)))


@lease.command("reclaim")
@click.argument("lease_id", metavar="LEASE")
@json_option
@global_options
def lease_reclaim(lease_id: str, as_json: bool) -> None:
    """At the console: take an ended lease back. Example: leitstand lease reclaim L-0001"""
    from playbooks.firmware import field

    with writable() as store, access(store) as nodes:
        found = field.reclaim(store, lease_id, nodes, getpass.getuser(), now_ms())
        _change_keys(nodes, found, _line_of(lease_id), add=False)
    if as_json:
        emit([{"lease": lease_id, "found": found}])
        return
    table([_("NODE"), _("FOUND")], [[name, rollout_words.node_state(what)] for name, what in found.items()])


@lease.command("list")
@json_option
@global_options
def lease_list(as_json: bool) -> None:
    """Every lease given or taken. Example: leitstand lease list"""
    from local_store import field_leases

    with opened() as reader:
        rows = reader.read(
            lambda cx: [(row, field_leases.nodes_of(cx, row.lease_id)) for row in field_leases.everything(cx)]
        )
    if as_json:
        emit(
            {
                "lease": row.lease_id,
                "side": row.side,
                "rollout": row.rollout_id,
                "holder": row.holder,
                "given_ms": row.given_ms,
                "until_ms": row.until_ms,
                "state": row.state,
                "nodes": [one.node_id for one in leased],
            }
            for row, leased in rows
        )
        return
    sides = {"given": _("given"), "taken": _("taken")}
    states = {"out": _("out"), "back": _("back"), "reclaimed": _("taken back")}
    table(
        [_("LEASE"), _("ROLLOUT"), _("HOLDER"), "", _("UNTIL"), _("STATE"), _("NODES")],
        [
            [
                row.lease_id,
                row.rollout_id,
                row.holder,
                sides[row.side],
                texts.moment(row.until_ms),
                states[row.state],
                ", ".join(one.node_id for one in leased),
            ]
            for row, leased in rows
        ],
    )
    say(ngettext("{n} lease", "{n} leases", len(rows)).format(n=texts.number(len(rows))))
