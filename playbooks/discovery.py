"""Asks addresses who they are, by SNMP with every profile in turn and by SSH host key; bounded, adds nothing. A run."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, replace
from typing import Final

from device_drivers.api import Poll, SnmpCredentials, SnmpTarget
from device_drivers.fingerprint import ssh_fingerprint
from device_drivers.mesh_tables import INTERFACES_PLAN, identity
from device_drivers.snmp import Poller
from mesh_mgmt.discovery import Answer

SSH_WORKERS: Final = 16
IN_FLIGHT: Final = 64
STEP_S: Final = 0.05
SHORTEST_STEP_S: Final = 1e-3
Progress = Callable[[int, int], None]
"""Receives (questions answered or given up, questions in all)."""


@dataclass(frozen=True, slots=True)
class HowHard:
    """`per_s` bounds new SNMP questions; an address is asked once by each profile until one fits."""

    port: int = 161
    ssh_port: int = 22
    timeout_ms: int = 1000
    per_s: float = 50.0


def longest_s(addresses: int, profiles: int, how: HowHard) -> float:
    """How long it takes when nobody answers: the estimate before the start."""
    asked = addresses * max(1, profiles)
    ssh_s = addresses * how.timeout_ms / 1000 / SSH_WORKERS
    return max(asked / how.per_s, asked * how.timeout_ms / 1000 / IN_FLIGHT) + how.timeout_ms / 1000 + ssh_s


def ask(
    addresses: Sequence[str], profiles: Mapping[str, SnmpCredentials], how: HowHard, progress: Progress
) -> list[Answer]:
    """Everything there is to learn without logging in, in the order of the addresses."""
    names = list(profiles)
    total = len(addresses) * (len(names) + 1)
    done = 0
    answers = {host: Answer(host, how.port) for host in addresses}
    for at, name in enumerate(names):
        left = [host for host in addresses if not answers[host].profile]
        answers |= _by_snmp(left, name, profiles[name], how)
        done = (at + 1) * len(addresses)
        progress(done, total)
    with ThreadPoolExecutor(SSH_WORKERS) as pool:
        running = {pool.submit(ssh_fingerprint, host, how.ssh_port, how.timeout_ms / 1000): host for host in addresses}
        for number, one in enumerate(as_completed(running), 1):
            host = running[one]
            answers[host] = replace(answers[host], ssh_key=one.result())
            progress(done + number, total)
    return [answers[host] for host in addresses]


def _by_snmp(hosts: Sequence[str], name: str, credentials: SnmpCredentials, how: HowHard) -> dict[str, Answer]:
    """One profile against many addresses, at most `per_s` new ones a second."""
    found: dict[str, Answer] = {}

    def take(poll: Poll) -> None:
        if poll.error is None:
            known = identity(poll)
            found[poll.node_id] = Answer(
                poll.node_id, how.port, name, known.sys_name, known.object_id, known.description,
                macs=tuple(known.macs.values()),
            )  # fmt: skip

    poller = Poller(take, random.SystemRandom(), max_in_flight=IN_FLIGHT)
    waiting = list(reversed(hosts))
    began, sent = time.monotonic(), 0
    while waiting or poller.in_flight():
        allowed = int((time.monotonic() - began) * how.per_s) + 1 - sent
        for _ in range(min(allowed, len(waiting))):
            host = waiting.pop()
            poller.submit(SnmpTarget(host, host, how.port, credentials, how.timeout_ms, 0), INTERFACES_PLAN, 0)
            sent += 1
        poller.step(STEP_S if poller.in_flight() else SHORTEST_STEP_S)
    poller.close()
    return found
