"""From an inventory id to an open node: its login, its driver, the pool of connections. Part of the composition."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING

from console.errors import ConfigError
from console.secrets import resolve
from console.texts import _
from device_drivers.registry import driver_for
from device_drivers.ssh_pool import ShellPool

if TYPE_CHECKING:
    from console.config import Config, SshProfile
    from device_drivers.api import CallLog
    from device_drivers.capabilities import LinuxNode
    from device_drivers.ssh import Shell, SshTarget
    from local_store.records import Node

KNOWN_HOSTS = "known_hosts"
NodeOf = Callable[[str], "Node | None"]


class Fresh:
    """Shells that nobody keeps."""

    def __init__(self, log: CallLog) -> None:
        self._log = log

    def shell(self, target: SshTarget) -> AbstractContextManager[Shell]:
        """A new connection for the length of the block."""
        from device_drivers.ssh import connect

        return connect(target, lambda line: self._log(target.node_id, line))

    def place(self, target: SshTarget) -> AbstractContextManager[None]:  # noqa: ARG002
        """There is no bound to take a place under: whoever wants new connections bounds them by itself."""
        return contextlib.nullcontext()

    def close(self) -> None:
        """There is nothing to close."""


class NodeAccess:
    """Opens nodes of the inventory; shared by everything in a process that talks to them. Is an `OpenNode`."""

    def __init__(
        self,
        config: Config,
        base: Path,
        store: Path,
        node_of: NodeOf,
        log: CallLog,
        *,
        fresh: bool = False,
        at_end: Callable[[], None] = lambda: None,
    ) -> None:
        """`fresh`: a new connection every time, for whoever has to know that one can still be made. `at_end` is called
        when everything is closed: the log's last lines go to the store then."""
        self._config = config
        self._base = base
        self._store = store
        self._node_of = node_of
        self.log = log
        self._at_end = at_end
        self._pool = Fresh(log) if fresh else ShellPool(log, most=config.engine.max_ssh)

    @contextlib.contextmanager
    def __call__(self, node_id: str) -> Iterator[LinuxNode]:
        """The open node. Raises the five driver errors, and ConfigError where no login is configured."""
        node = self.node(node_id)
        target = self.target(node)
        driver = driver_for(node_id, node.vendor, node.model)
        with driver(target, self._pool, lambda line: self.log(node_id, line)) as opened:
            yield opened

    def node(self, node_id: str) -> Node:
        """The inventory's row. Raises ConfigError for one it does not hold."""
        found = self._node_of(node_id)
        if found is None:
            text = _("there is no node {name}; `leitstand nodes list` shows them all")
            raise ConfigError(text.format(name=node_id))
        return found

    def target(self, node: Node) -> SshTarget:
        """Where it is and how to log in. Raises ConfigError or SecretError."""
        ssh = self._config.ssh
        name = node.profile if node.profile in ssh else "default"
        if name not in ssh:
            text = (
                _("no login for {node}: the configuration has no [ssh.default]")
                if node.profile in ("", "default")
                else _("no login for {node}: the configuration has no [ssh.{profile}] and no [ssh.default]")
            )
            raise ConfigError(text.format(node=node.node_id, profile=node.profile))
        return self._target(node.node_id, node.address, name)

    def named(self, name: str) -> SshTarget:
        """The login of a node, or of a jump host written as `[ssh.NAME]`. Raises ConfigError or SecretError."""
        section = name.removeprefix("[ssh.").removesuffix("]") if name.startswith("[ssh.") else None
        if section is None:
            return self.target(self.node(name))
        profile = self._config.ssh.get(section)
        if profile is None or profile.host is None:
            raise ConfigError(_("{name}: the configuration has no such section with a `host`").format(name=name))
        return self._target(name, profile.host, section)

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()
        self._at_end()

    def _target(self, node_id: str, host: str, name: str) -> SshTarget:
        from device_drivers.ssh import SshTarget

        profile = self._config.ssh[name]
        jump = profile.jump
        return SshTarget(
            node_id,
            host,
            self._known_hosts(profile),
            profile.port,
            profile.user,
            self._path(profile.key_file),
            resolve(profile.passphrase, f"[ssh.{name}] passphrase", self._base) or None,
            resolve(profile.password, f"[ssh.{name}] password", self._base) or None,
            profile.agent,
            None if jump is None else self.named(f"[ssh.{jump}]"),
            profile.timeout_s,
        )

    def _known_hosts(self, profile: SshProfile) -> Path:
        return self._path(profile.known_hosts) or self._store / KNOWN_HOSTS

    def _path(self, text: str | None) -> Path | None:
        return None if text is None else self._base / Path(text).expanduser()
