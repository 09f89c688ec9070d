"""The composition root: from a configuration to profiles, brokers, services and the simulated city."""

from __future__ import annotations

import contextlib
import random
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Final

from console import configuration, provisioning
from console.call_log import CallLog
from console.config import BrokerSection, Config, SnmpProfile
from console.errors import ConfigError, SecretError
from console.node_access import NodeAccess
from console.rollout_service import rollout_service
from console.secrets import resolve
from console.supervisor import Report, Service
from device_drivers.api import BrokerTarget, SnmpCredentials, Subscription
from device_drivers.capabilities import LinuxNode, OpenNode
from device_drivers.errors import Unsupported
from device_drivers.mqtt import MqttSource
from device_drivers.simcity import serve
from local_store.db import Store
from local_store.keys import signing_key
from local_store.nodes import get_node
from local_store.records import Node
from local_store.telemetry.retention import Keep
from mesh_mgmt.health import HealthLimits, Threshold
from playbooks.ingest import Ingest, Intake, decoders
from playbooks.mesh import Mesh, MeshSettings
from playbooks.rules import Rules
from playbooks.upkeep import Upkeep
from playbooks.watch import Watch, WatchSettings

Clock = Callable[[], int]
SHORT_S: Final = 10
"""Polls that come as often as this must not wait for tables of neighbours: few of those are asked for at once."""


def credentials(profiles: Mapping[str, SnmpProfile], base: Path) -> dict[str, SnmpCredentials]:
    """The profiles with their secrets; raises SecretError."""
    return {
        name: SnmpCredentials(
            profile.version,
            resolve(profile.community, f"[snmp.{name}] community", base),
            profile.user,
            profile.auth,
            resolve(profile.auth_password, f"[snmp.{name}] auth_password", base),
            profile.priv,
            resolve(profile.priv_password, f"[snmp.{name}] priv_password", base),
        )
        for name, profile in profiles.items()
    }


def broker_target(section: BrokerSection, base: Path) -> BrokerTarget:
    """One broker with its secret; the client id is fixed per machine so that two consoles do not fight."""

    def path(text: str | None) -> str | None:
        return None if text is None else str(base / Path(text).expanduser())

    password = resolve(section.password, f"[[broker]] {section.name} password", base) or None
    return BrokerTarget(
        section.name,
        section.host,
        section.port,
        section.client_id or f"leitstand-{socket.gethostname()}-{section.name}",
        section.user,
        password,
        section.tls,
        path(section.ca_file),
        path(section.cert_file),
        path(section.key_file),
    )


def limits(config: Config) -> HealthLimits:
    """The health table's numbers with what the configuration changes."""
    usual = HealthLimits()
    changed: dict[str, Threshold] = {name: Threshold(one.upper, one.lower) for name, one in config.thresholds.items()}
    return HealthLimits({**usual.thresholds, **changed})


def services(config: Config, base: Path, store: Store, now_ms: Clock) -> list[Service]:
    """Everything an engine runs; raises SecretError before anything has started."""
    poll_now: SimpleQueue[str] = SimpleQueue()
    clients: SimpleQueue[tuple[str, int]] = SimpleQueue()
    back: SimpleQueue[str] = SimpleQueue()
    engine = config.engine
    settings = WatchSettings(
        engine.poll_interval_s,
        engine.timeout_ms,
        engine.retries,
        engine.max_in_flight,
        engine.max_per_uplink,
        limits(config),
    )
    profiles = credentials(config.snmp, base)
    intake = Intake(store, decoders(config.mapping, config.profile))
    rules = Rules(store, now_ms, poll_now, lambda number: intake.retry(number, now_ms()))
    signer = signing_key(store.directory, config.store.key)
    keep = Keep(config.store.raw_days, config.store.quarter_hour_days, config.store.day_days)
    log = CallLog(store)
    found = [
        Service(
            "poll",
            lambda stop, report: _watch(store, profiles, settings, now_ms, poll_now, clients, back).run(stop, report),
        ),
        _mesh(config, base, store, profiles, now_ms, log, clients, back),
        Service("calls", log.run),
        Service("rules", rules.run),
        Service("upkeep", lambda stop, report: Upkeep(store, keep, signer, now_ms).run(stop, report)),
    ]
    found.append(rollout_service(lambda: open_nodes(config, base, store, log), store, now_ms, signer, poll_now))
    if config.notify.listen:
        found.append(_notify(config, store, profiles, now_ms, poll_now))
    pooled, fresh = open_nodes(config, base, store, log), open_nodes(config, base, store, log, fresh=True)
    found += configuration.services(config, base, store, pooled, fresh, now_ms)
    found.append(provisioning.service(config, base, store, pooled, now_ms))
    for section in config.broker:
        target = broker_target(section, base)
        subscriptions = [Subscription(one.topic, one.kind, one.qos) for one in section.subscribe]
        found.append(_ingest(intake, target, subscriptions, now_ms))
    return found


def _watch(
    store: Store,
    profiles: Mapping[str, SnmpCredentials],
    settings: WatchSettings,
    now_ms: Clock,
    poll_now: SimpleQueue[str],
    clients: SimpleQueue[tuple[str, int]],
    back: SimpleQueue[str],
) -> Watch:
    return Watch(store, profiles, settings, now_ms, random.Random(), poll_now, clients, back)  # noqa: S311 - spreads retries


def _mesh(
    config: Config,
    base: Path,
    store: Store,
    profiles: Mapping[str, SnmpCredentials],
    now_ms: Clock,
    log: CallLog,
    clients: SimpleQueue[tuple[str, int]],
    back: SimpleQueue[str],
) -> Service:
    engine = config.engine
    settings = MeshSettings(engine.mesh_interval_s, engine.timeout_ms, engine.retries, limits=limits(config))
    if engine.poll_interval_s <= SHORT_S:
        settings = replace(settings, max_in_flight=16, first_per_s=80)

    def run(stop: threading.Event, report: Report) -> None:
        with contextlib.closing(open_nodes(config, base, store, log)) as access:
            offered = _offered(access) if config.ssh else None
            Mesh(store, profiles, settings, now_ms, random.Random(), offered, clients, back).run(stop, report)  # noqa: S311

    return Service("mesh", run)


def _offered(access: NodeAccess) -> OpenNode:
    """Nodes without a login are nodes without this capability: the mesh service goes on without them."""

    @contextlib.contextmanager
    def open_node(node_id: str) -> Iterator[LinuxNode]:
        with contextlib.ExitStack() as stack:
            try:
                node = stack.enter_context(access(node_id))
            except (ConfigError, SecretError) as error:
                raise Unsupported(node_id, str(error)) from error
            yield node

    return open_node


def _notify(
    config: Config,
    store: Store,
    profiles: Mapping[str, SnmpCredentials],
    now_ms: Clock,
    poll_now: SimpleQueue[str],
) -> Service:
    from playbooks.notify import Notify, NotifySettings  # pysnmp: half a second that others need not wait for

    settings = NotifySettings(config.notify.listen, config.notify.port)
    return Service("notify", lambda stop, report: Notify(store, profiles, settings, now_ms, poll_now).run(stop, report))


def _ingest(intake: Intake, target: BrokerTarget, subscriptions: list[Subscription], now_ms: Clock) -> Service:
    def open_source() -> MqttSource:
        return MqttSource(target, subscriptions, now_ms, random.Random())  # noqa: S311 - spreads reconnections

    return Service(f"ingest {target.name}", lambda stop, report: Ingest(intake, open_source, now_ms).run(stop, report))


def open_nodes(
    config: Config, base: Path, store: Store, log: CallLog | None = None, *, fresh: bool = False
) -> NodeAccess:
    """How services open nodes over SSH (an `OpenNode`); close it at their end. What is sent goes to the store."""

    def node_of(node_id: str) -> Node | None:
        return store.read(lambda cx: get_node(cx, node_id))

    if log is not None:
        return NodeAccess(config, base, store.directory, node_of, log, fresh=fresh)
    own = CallLog(store)
    return NodeAccess(config, base, store.directory, node_of, own, fresh=fresh, at_end=own.flush)


SimOptions = serve.SimOptions
run_simcity = serve.run
ask_simcity = serve.ask
