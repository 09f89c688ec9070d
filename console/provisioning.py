"""Setting up new nodes, composed: the service port, host keys, templates, the signer. Part of the composition."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from console import configuration
from console.errors import ConfigError, SecretError
from console.node_access import Fresh
from console.secrets import resolve
from console.supervisor import Service
from device_drivers import known_hosts, ssh
from device_drivers.capabilities import LinuxNode
from device_drivers.errors import Refused, Unreachable
from device_drivers.known_hosts import HostKey, HostKeyUnknown
from device_drivers.registry import driver_for
from local_store.keys import signing_key
from local_store.records import Node
from mesh_mgmt.desired import DesiredError, Wanted

if TYPE_CHECKING:
    from console.config import Config
    from console.node_access import NodeAccess
    from local_store.db import Store
    from playbooks.provisioning.job import Job
    from playbooks.provisioning.steps import Ports

FACTORY = "factory"
"""The profile that says how to log in at a service port; without one it is `default`, else root without a password."""


class ServicePort:
    """Opens a node that is no inventory row yet, at its service port or where its configuration has moved it."""

    def __init__(
        self, config: Config, base: Path, store: Path, access: NodeAccess, log: Callable[[str, str], None]
    ) -> None:
        self._config = config
        self._base = base
        self._place = store / "provisioning"
        self._access = access
        self._log = log

    @contextlib.contextmanager
    def contact(self, job: Job, fingerprint: str) -> Iterator[LinuxNode]:
        """The open node. Raises HostKeyUnknown with the key it shows unless a person confirmed exactly that one."""
        trouble: Unreachable | None = None
        for host in dict.fromkeys((job.host, job.address)):
            try:
                target = self._target(job, host)
                self._check(job, target, fingerprint)
                driver = driver_for(job.node_id, job.vendor)
                stack = contextlib.ExitStack()
                node = stack.enter_context(driver(target, Fresh(self._log), lambda line: self._log(job.node_id, line)))
            except Unreachable as error:
                trouble = trouble or error
                continue
            except SecretError as error:
                raise Refused(job.node_id, str(error)) from error
            with stack:
                yield node
            return
        assert trouble is not None
        raise trouble

    def trust(self, job: Job, fingerprint: str) -> None:
        """Make the confirmed key the one of its final address; an older one there belonged to another node."""
        confirmed = known_hosts.confirmed(self._file(job), job.host, job.port)
        key = next((key for key in confirmed if key.fingerprint == fingerprint), None)
        if key is None:
            confirmed = known_hosts.confirmed(self._file(job), job.address, job.port)
            key = next((key for key in confirmed if key.fingerprint == fingerprint), None)
        if key is None:
            raise Refused(job.node_id, f"the host key {fingerprint} is no longer confirmed: set it up anew")
        try:
            target = self._access.target(job.node())
        except (ConfigError, SecretError) as error:
            raise Refused(job.node_id, str(error)) from error
        if key not in known_hosts.confirmed(target.known_hosts, target.host, target.port):
            known_hosts.confirm(target.known_hosts, target.host, target.port, key, only=True)

    def _check(self, job: Job, target: ssh.SshTarget, fingerprint: str) -> None:
        """Confirm the shown key in this job's own file, which begins anew with every key: factories share addresses."""
        shown: HostKey = ssh.host_key(target)
        if shown.fingerprint != fingerprint:
            raise HostKeyUnknown(job.node_id, shown)
        if known_hosts.confirmed(target.known_hosts, target.host, target.port) != [shown]:
            known_hosts.confirm(target.known_hosts, target.host, target.port, shown, only=True)

    def _file(self, job: Job) -> Path:
        self._place.mkdir(mode=0o700, exist_ok=True)
        return self._place / f"{job.node_id.replace(':', '-')}.known_hosts"

    def _target(self, job: Job, host: str) -> ssh.SshTarget:
        name = FACTORY if FACTORY in self._config.ssh else "default"
        profile = self._config.ssh.get(name)
        if profile is None:
            return ssh.SshTarget(job.node_id, host, self._file(job), job.port, password="")
        return ssh.SshTarget(
            job.node_id,
            host,
            self._file(job),
            job.port,
            profile.user,
            None if profile.key_file is None else self._base / Path(profile.key_file).expanduser(),
            resolve(profile.passphrase, f"[ssh.{name}] passphrase", self._base) or None,
            resolve(profile.password, f"[ssh.{name}] password", self._base),
            profile.agent,
            timeout_s=profile.timeout_s,
        )


def public_key(config: Config, base: Path) -> str:
    """The public half of the default login's key file, as `ssh-keygen` writes it beside; empty where there is none."""
    profile = config.ssh.get("default")
    if profile is None or profile.key_file is None:
        return ""
    path = base / Path(f"{profile.key_file}.pub").expanduser()
    return path.read_text(encoding="utf-8").strip().split("\n")[0] if path.is_file() else ""


def ports(
    config: Config, base: Path, store: Store, access: NodeAccess, now_ms: Callable[[], int], stop: threading.Event
) -> Ports:
    """Everything setting up needs of the world."""
    from playbooks.configuration.policy import load
    from playbooks.provisioning.steps import Ports

    place = ServicePort(config, base, store.directory, access, access.log)

    def wanted(node: Node) -> Wanted:
        directory = configuration.directory(config, base)
        try:
            return load(directory).wanted(node, configuration.secrets(base))
        except ValueError as error:
            raise error if isinstance(error, DesiredError) else DesiredError("rules", 1, str(error)) from error

    return Ports(
        store,
        place.contact,
        place.trust,
        configuration.as_drivers_fail(access),
        wanted,
        public_key(config, base),
        signing_key(store.directory, config.store.key),
        now_ms,
        stop,
    )


def service(config: Config, base: Path, store: Store, access: NodeAccess, now_ms: Callable[[], int]) -> Service:
    """The engine's part: what screens ask for, and registrations that wait for an uplink."""
    from playbooks.provisioning.runner import Provisioning

    return Service(
        "provisioning",
        lambda stop, report: Provisioning(lambda event: ports(config, base, store, access, now_ms, event)).run(
            stop, report
        ),
    )
