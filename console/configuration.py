"""Configuration management composed: its directory, its secrets, its two services. Part of the composition."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from console.errors import ConfigError, SecretError
from console.secrets import SecretRef, resolve
from console.supervisor import Service
from device_drivers.capabilities import LinuxNode, OpenNode
from device_drivers.errors import Refused
from mesh_mgmt.desired import Resolve, Unresolved

if TYPE_CHECKING:
    from console.config import Config
    from local_store.db import Store

HOUR_MS = 3_600_000


def directory(config: Config, base: Path) -> Path | None:
    """Where templates and rule packs lie; None where none is configured."""
    text = config.configuration.directory
    return base / Path(text).expanduser() if text else None


def secrets(base: Path) -> Resolve:
    """How templates get the secrets they refer to; relative files lie beside the configuration."""

    def found(reference: Mapping[str, str], what: str) -> str:
        try:
            return resolve(SecretRef(**reference), what, base)
        except (SecretError, ValueError) as error:
            raise Unresolved(str(error)) from error

    return found


def as_drivers_fail(open_node: OpenNode) -> OpenNode:
    """The same, with a login that is missing or cannot be had as a refusal of that node instead of an error of ours."""

    @contextlib.contextmanager
    def opened(node_id: str) -> Iterator[LinuxNode]:
        try:
            stack = contextlib.ExitStack()
            node = stack.enter_context(open_node(node_id))
        except (ConfigError, SecretError) as error:
            raise Refused(node_id, str(error)) from error
        with stack:
            yield node

    return opened


def services(
    config: Config, base: Path, store: Store, pooled: OpenNode, fresh: OpenNode, now_ms: Callable[[], int]
) -> list[Service]:
    """The backup and the push service; none without a login for nodes."""
    if not config.ssh:
        return []
    from playbooks.configuration.backups import Backups, Settings
    from playbooks.configuration.service import Means, Pushes

    settings = Settings(config.configuration.backup_interval_h * HOUR_MS, directory(config, base))
    backups = Backups(store, as_drivers_fail(pooled), settings, secrets(base), now_ms)
    pushes = Pushes(Means(store, as_drivers_fail(fresh), secrets(base), settings.directory, now_ms))
    return [Service("backup", backups.run), Service("configuration", pushes.run)]
