"""One try to log in to a node and what came of it; many of them at a time. Sends no command and confirms no key."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from console.errors import ConfigError, SecretError
from device_drivers.errors import DriverError, Garbled, Unreachable, Unsupported
from device_drivers.registry import driver_for

if TYPE_CHECKING:
    from console.node_access import NodeAccess
    from device_drivers.ssh import SshTarget
    from local_store.records import Node

Outcome = Literal[
    "ok", "unknown_key", "changed_key", "revoked_key", "refused", "unreachable", "garbled", "no_login", "no_driver"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Login:
    """What came of it. `device` is who made the difference, the node itself or a jump host; `host_key` is the
    fingerprint of a key that was confirmed and shown."""

    node_id: str
    outcome: Outcome
    device: str
    evidence: str = ""
    host_key: str = ""
    took_ms: int = 0


@cache
def has_driver(vendor: str, model: str) -> bool:
    """Whether anything but polling is possible with nodes of this maker."""
    try:
        driver_for("", vendor, model)
    except Unsupported:
        return False
    return True


def try_login(access: NodeAccess, node: Node, longest_s: float) -> Login:
    """Connect, compare the host key, log in, and leave. `longest_s` bounds each step."""
    if not has_driver(node.vendor, node.model):
        return Login(node.node_id, "no_driver", node.node_id, node.vendor)
    began = time.monotonic()
    found = _tried(access, node, longest_s)
    return replace(found, took_ms=round((time.monotonic() - began) * 1000))


def _tried(access: NodeAccess, node: Node, longest_s: float) -> Login:
    from device_drivers import known_hosts, ssh

    def ended(outcome: Outcome, error: DriverError) -> Login:
        return Login(node.node_id, outcome, error.device, error.evidence)

    try:
        with ssh.connect(_hurried(access.target(node), longest_s)) as shell:
            return Login(node.node_id, "ok", node.node_id, host_key=shell.identity())
    except (ConfigError, SecretError) as error:
        return Login(node.node_id, "no_login", node.node_id, str(error))
    except known_hosts.HostKeyUnknown as error:
        return ended("unknown_key", error)
    except known_hosts.HostKeyChanged as error:
        return ended("changed_key", error)
    except known_hosts.HostKeyRevoked as error:
        return ended("revoked_key", error)
    except Unreachable as error:
        return ended("unreachable", error)
    except Garbled as error:
        return ended("garbled", error)
    except DriverError as error:
        return ended("refused", error)


def try_all(access: NodeAccess, nodes: Sequence[Node], at_once: int, longest_s: float) -> Iterator[Login]:
    """All of them, `at_once` at a time, in the order in which they end; whoever stops reading stops the rest."""
    pool = ThreadPoolExecutor(at_once, "ssh-check")
    try:
        tries = [pool.submit(try_login, access, node, longest_s) for node in nodes]
        for one in as_completed(tries):
            yield one.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def _hurried(target: SshTarget, longest_s: float) -> SshTarget:
    """The same with short patience, at the jump host too."""
    jump = None if target.jump is None else _hurried(target.jump, longest_s)
    return replace(target, timeout_s=min(longest_s, target.timeout_s), jump=jump)
