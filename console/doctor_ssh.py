"""The doctor's look at SSH: what each profile needs, and whether a few nodes let us in. Sends no command to a node."""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Final

from console.config import Config, SshProfile
from console.doctor import Check, Verdict
from console.errors import SecretError
from console.node_access import NodeAccess
from console.secrets import resolve
from console.ssh_login import has_driver, try_login
from console.texts import _, ngettext
from device_drivers.errors import DriverError

if TYPE_CHECKING:
    from local_store.records import Node

TRIED: Final = 4
LONGEST_S: Final = 5.0


def profiles(config: Config, base: Path) -> Iterator[Check]:
    """Each login by itself: its key file, its passphrase, its password, its agent."""
    for name, profile in config.ssh.items():
        yield _profile(name, profile, base)


def _profile(name: str, profile: SshProfile, base: Path) -> Check:
    try:
        passphrase = resolve(profile.passphrase, f"[ssh.{name}] passphrase", base)
        resolve(profile.password, f"[ssh.{name}] password", base)
    except SecretError as error:
        return Check("ssh", name, "problem", str(error))
    if profile.key_file is not None:
        trouble = _key_file(name, base / Path(profile.key_file).expanduser(), passphrase)
        if trouble is not None:
            return trouble
    if profile.agent:
        trouble = _agent(name, profile)
        if trouble is not None:
            return trouble
    asked = ((profile.key_file, _("key file")), (profile.agent, _("agent")), (profile.password, _("password")))
    ways = [word for given, word in asked if given]
    if not ways:
        advice = _("give `key_file`, `agent = true` or `password`")
        return Check("ssh", name, "problem", _("nothing to log in with"), advice)
    return Check("ssh", name, "ok", _("{user} with {ways}").format(user=profile.user, ways=", ".join(ways)))


def _key_file(name: str, path: Path, passphrase: str) -> Check | None:
    """What is wrong with it, None for nothing."""
    from device_drivers import ssh

    if not path.is_file():
        advice = _("make one with `ssh-keygen -t ed25519 -f {path}`, or correct `key_file`").format(path=path)
        return Check("ssh", name, "problem", _("there is no key file {path}").format(path=path), advice)
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        found = _("others can read the key file {path} (mode {mode:04o})").format(path=path, mode=mode)
        return Check("ssh", name, "problem", found, f"chmod 600 {path}")
    try:
        ssh.load_key(ssh.SshTarget(f"[ssh.{name}]", "", path, passphrase=passphrase or None), path)
    except DriverError as error:
        advice = _("if it is encrypted, give `passphrase`; else make a new one with ssh-keygen")
        return Check("ssh", name, "problem", error.evidence, advice)
    return None


def _agent(name: str, profile: SshProfile) -> Check | None:
    """What is wrong with it; only a problem where nothing else logs in."""
    from device_drivers import ssh

    with contextlib.suppress(DriverError), contextlib.closing(ssh.open_agent(name)) as agent:
        if agent.get_keys():
            return None
    alone = profile.key_file is None and profile.password is None
    advice = _("start ssh-agent and run `ssh-add`; a service does not see the agent of a desktop")
    return Check("ssh", name, "problem" if alone else "warning", _("no agent answers with a key"), advice)


def logins(config: Config, base: Path, directory: Path, known: Sequence[Node]) -> Iterator[Check]:
    """Log in to a few nodes, at least one by each profile, all at once; nodes nobody has a driver for are counted."""
    if not config.ssh:
        return
    able = [node for node in known if has_driver(node.vendor, node.model)]
    by_id = {node.node_id: node for node in known}
    access = NodeAccess(config, base, directory, by_id.get, lambda _node, _line: None)
    with ThreadPoolExecutor(TRIED) as pool:
        yield from pool.map(lambda node: _login(access, node), _chosen(able))
    left = len(known) - len(able)
    if left:
        text = ngettext(
            "{n} node without a driver for SSH: watched, not managed",
            "{n} nodes without a driver for SSH: watched, not managed",
            left,
        )
        yield Check("login", "", "ok", text.format(n=left))


def _chosen(able: Sequence[Node]) -> list[Node]:
    first = {node.profile: node for node in reversed(able)}
    others = [node for node in able if node not in first.values()]
    return [*first.values(), *others][:TRIED]


def _login(access: NodeAccess, node: Node) -> Check:
    found = try_login(access, node, LONGEST_S)

    def verdict(of: Verdict, text: str, advice: str = "") -> Check:
        return Check("login", node.node_id, of, text, advice)

    if found.outcome == "ok":
        return verdict("ok", _("host key confirmed, logged in"))
    if found.outcome == "no_login":
        return verdict("warning", found.evidence)
    if found.outcome == "unknown_key":
        advice = _("compare it with the node's label, then `leitstand nodes trust '{node}'`").format(node=found.device)
        return verdict("warning", _("host key not confirmed: {key}").format(key=found.evidence), advice)
    if found.outcome == "changed_key":
        advice = _("if the node was replaced or set up anew: `leitstand nodes trust '{node}' --replace`")
        text = _("shows another host key: {keys}").format(keys=found.evidence)
        return verdict("problem", text, advice.format(node=found.device))
    if found.outcome == "revoked_key":
        advice = _("make a new host key on {node}, then `leitstand nodes trust '{node}' --replace`")
        return verdict("problem", _("shows a revoked host key: {key}").format(key=found.evidence),
                       advice.format(node=found.device))  # fmt: skip
    if found.outcome == "unreachable":
        return verdict("warning", found.evidence, _("look whether the node is up and its SSH port open from here"))
    return verdict("problem", found.evidence, _("check user, key and password of its [ssh.NAME]"))
