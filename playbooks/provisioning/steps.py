"""What is done at the mast, step by step. Each looks first, acts, looks again, and returns what shows it."""

from __future__ import annotations

import contextlib
import json
import random
import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_drivers import openwrt_keys
from device_drivers import openwrt_provision_scripts as scripts
from device_drivers.capabilities import LinuxNode, OpenNode
from device_drivers.errors import Garbled, Refused, Stale, Unreachable
from device_drivers.known_hosts import HostKeyUnknown
from local_store import configs, nodes, oplog
from local_store.db import Store
from local_store.journal import PlannedStep, Run
from local_store.records import Node
from local_store.sqlite import Connection
from mesh_mgmt.config_change import NotChanged, apply_to, confirm_on, laid_over, running
from mesh_mgmt.desired import Wanted
from mesh_mgmt.uci_text import digest
from playbooks.provisioning import acceptance, protocol
from playbooks.provisioning.job import Job

REVERT_AFTER_S: Final = 120
GRACE_S: Final = 60
"""After its own deadline a node goes back, reloads and is heard again."""
SETTLE_S: Final = 6.0
PAUSE_S: Final = 2.0
MEASURE_S: Final = 5
_IDS: Final = random.SystemRandom()
_SAID: Final = ("address", "role", "district", "site", "vendor", "serial", "uplink", "lat", "lon")
Evidence = Mapping[str, Any]


class Asks(Exception):
    """A person has to decide; `evidence` is what they decide on."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__("a person has to decide")
        self.evidence = evidence


class Interrupted(Exception):
    """Told to stop in between; the step is looked at again next time."""


@dataclass(frozen=True, slots=True)
class Ports:
    """What setting up a node needs of the world."""

    store: Store
    contact: Callable[[Job, str], AbstractContextManager[LinuxNode]]
    """At the service port, or where it went since; the second argument is the host key a person confirmed, or ""."""
    trust: Callable[[Job, str], None]
    """Make the confirmed key that of the node's final address."""
    reach: OpenNode
    """Through the network, as every other node."""
    wanted: Callable[[Node], Wanted]
    public_key: str
    signer: Ed25519PrivateKey
    now_ms: Callable[[], int]
    stop: threading.Event
    settle_s: float = SETTLE_S
    pause_s: float = PAUSE_S


@dataclass(frozen=True, slots=True)
class Work:
    """One run with what its earlier steps have shown, by step."""

    run: Run
    job: Job
    shown: Mapping[str, Evidence]

    @property
    def key(self) -> str:
        """The host key a person confirmed."""
        return str(self.shown.get("contact", {}).get("fingerprint", ""))


def contact(ports: Ports, work: Work) -> Evidence:
    """Reach it at the service port; its host key is shown to a person, its serial number compared with the label."""
    try:
        with ports.contact(work.job, work.key) as node:
            board = node.board()
            found = {"fingerprint": node.identity(), "board": board.board_name, "model": board.model,
                     "version": board.version, "revision": board.revision, "told_serial": board.serial}  # fmt: skip
    except HostKeyUnknown as error:
        raise Asks({"fingerprint": error.key.fingerprint, "question": "host_key"}) from error
    if board.serial and board.serial.lower() != work.job.serial.lower():
        raise Refused(work.job.node_id, f"it says it is {board.serial}, the label says {work.job.serial}")
    return found


def keys(ports: Ports, work: Work) -> Evidence:
    """Let our key in, so that the configuration may close the door for passwords."""
    if not ports.public_key:
        return {"skipped": "no public key beside the login's private key"}
    try:
        line = openwrt_keys.checked(ports.public_key)
    except ValueError as error:
        raise Refused(work.job.node_id, f"our own public key cannot be installed: {error}") from error
    with ports.contact(work.job, work.key) as node:
        openwrt_keys.add_key(work.job.node_id, node, line)
    return {"key": line.split(" ")[-1]}


def configure(ports: Ports, work: Work) -> Evidence:
    """Render and push with the way back armed; confirmed over a new connection, wherever the node is then."""
    job, op_id = work.job, work.run.run_id
    wanted = ports.wanted(job.node())
    if not wanted.options:
        return {"skipped": "no template speaks of this node"}
    with ports.contact(job, work.key) as node:
        text = running(job.node_id, node)
        waits = node.pending_config() == op_id
        target = laid_over(text, wanted.options)
        if not waits:
            found = apply_to(job.node_id, node, op_id, digest(text), target, REVERT_AFTER_S)
            if "changes" not in found:
                return _kept(ports, work, text, wanted)
    return _kept(ports, work, _confirmed(ports, work, "" if waits else digest(text), target), wanted)


def _confirmed(ports: Ports, work: Work, base: str, target: str) -> str:
    until_ms = ports.now_ms() + (REVERT_AFTER_S + GRACE_S) * 1000
    if ports.stop.wait(ports.settle_s):
        raise Interrupted
    while True:
        try:
            with ports.contact(work.job, work.key) as node:
                return confirm_on(work.job.node_id, node, work.run.run_id, base, digest(target))
        except (Unreachable, Stale) as error:
            if ports.now_ms() >= until_ms:
                raise NotChanged(
                    f"not heard again with its new configuration, it goes back by itself ({error})"
                ) from error
        if ports.stop.wait(ports.pause_s):
            raise Interrupted


def _kept(ports: Ports, work: Work, text: str, wanted: Wanted) -> Evidence:
    job, now_ms = work.job, ports.now_ms()

    def keep(cx: Connection) -> None:
        configs.add_applied(cx, job.node_id, text, work.run.run_id, work.run.actor, now_ms)
        configs.add_backup(cx, job.node_id, text, "uci", cause="accepted", actor=work.run.actor, now_ms=now_ms)

    ports.store.ops.write(keep)
    return {"configuration": digest(text), "templates": list(wanted.sources)}


def identity(ports: Ports, work: Work) -> Evidence:
    """Who it is for good: host key, MACs, board, SNMPv3 engine id where it has one."""
    with ports.contact(work.job, work.key) as node:
        board = node.board()
        ran = node.run(scripts.engine_id())
        found = {
            "host_key": node.identity(),
            "macs": dict(node.own_macs()),
            "board": board.board_name,
            "model": board.model,
            "version": board.version,
            "revision": board.revision,
            "serial": board.serial or work.job.serial,
            "engine_id": ran.stdout.decode("ascii", "replace").strip().lower(),
        }
    ports.trust(work.job, str(found["host_key"]))
    return found


def inventory(ports: Ports, work: Work) -> Evidence:
    """The node becomes a row of the inventory, as an operation that is sent when there is an uplink."""
    now_ms = ports.now_ms()

    def write(cx: Connection) -> bool:
        before = nodes.get_node(cx, work.job.node_id)
        node = _row(work, before)
        if before == node:
            return False
        fields = {name: getattr(node, name) for name in node.__dataclass_fields__}
        nodes.upsert_nodes(cx, [node], now_ms)
        change = oplog.Change("node", node.node_id, "declared", fields)
        oplog.record(cx, change, work.run.actor, now_ms=now_ms, rng=_IDS)
        return True

    return {"node": work.job.node_id, "new": ports.store.ops.write(write)}


def _row(work: Work, before: Node | None) -> Node:
    """The row it becomes; where another device had this id, what the technician did not say of it stays."""
    told, made = work.shown["identity"], work.job.node()
    attributes = json.loads(before.attributes) if before is not None else {}
    attributes |= {name: told[name] for name in ("macs", "engine_id", "host_key")}
    said: dict[str, Any] = {name: getattr(made, name) for name in _SAID if getattr(made, name) not in ("", None)}
    said |= {"name": work.job.name} if work.job.name else {}
    found: dict[str, Any] = {
        "model": str(told["model"]) or made.model,
        "board_name": str(told["board"]),
        "firmware": str(told["version"]),
        "attributes": json.dumps(attributes, sort_keys=True),
    }
    return replace(before or made, **said, **found)


def accept(ports: Ports, work: Work) -> Evidence:
    """Neighbours, throughput, position; what falls short is shown to a person, who tries again or takes it."""
    with ports.contact(work.job, work.key) as node:
        seen = node.neighbours()
        mbps = _measured(node, work.job)
    found = acceptance.summary(acceptance.judge(work.job, seen, mbps))
    if not found["passed"]:
        raise Asks({**found, "question": "acceptance"})
    return found


def _measured(node: LinuxNode, job: Job) -> float | None:
    if not job.measure_to:
        return None
    ran = node.run(scripts.throughput(job.measure_to, MEASURE_S), timeout_s=MEASURE_S + 20.0)
    if ran.exit_status != 0:
        return None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        return float(json.loads(ran.stdout)["end"]["sum_received"]["bits_per_second"]) / 1e6
    raise Garbled(job.node_id, "iperf3 printed no result")


def write_protocol(ports: Ports, work: Work) -> Evidence:
    """Everything that was shown, signed."""
    job = work.job
    body = {
        "run": work.run.run_id,
        "technician": work.run.actor,
        "begun_ms": work.run.created_ms,
        "signed_ms": ports.now_ms(),
        "node": job.node_id,
        "serial": job.serial,
        "site": job.site,
        "district": job.district,
        "role": job.role,
        "address": job.address,
        "position": [f"{job.lat:.6f}", f"{job.lon:.6f}"] if job.lat is not None and job.lon is not None else [],
        "steps": {name: dict(found) for name, found in work.shown.items()},
    }
    return {"protocol": protocol.signed(body, ports.signer)}


def reach(ports: Ports, work: Work) -> Evidence:
    """Reached through the network at its final address, with the same host key: then it is in service."""
    with ports.reach(work.job.node_id) as node:
        shown, boot = node.identity(), node.boot()
    expected = work.shown["identity"]["host_key"]
    if shown != expected:
        raise Refused(work.job.node_id, f"another node answers at {work.job.address}: {shown} instead of {expected}")
    return {"address": work.job.address, "uptime_s": boot.uptime_s}


Step = Callable[[Ports, Work], Evidence]
STEPS: Final[Mapping[str, tuple[PlannedStep, Step]]] = {
    "contact": (PlannedStep("contact", "idempotent"), contact),
    "keys": (PlannedStep("keys", "idempotent"), keys),
    "configure": (PlannedStep("configure", "observable"), configure),
    "identity": (PlannedStep("identity", "idempotent"), identity),
    "inventory": (PlannedStep("inventory", "idempotent"), inventory),
    "accept": (PlannedStep("accept", "idempotent"), accept),
    "protocol": (PlannedStep("protocol", "idempotent"), write_protocol),
    "reach": (PlannedStep("reach", "observable"), reach),
}
"""In order; `reach` is the one that needs an uplink and stays open without."""
