"""Runs the simulated city in this process until it is told to stop. Opens sockets on loopback only."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import random
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from device_drivers import input_end
from device_drivers.simcity import broker, faults, fleet, inventory, releases, upgraded, world
from device_drivers.simcity.faults import Trouble
from device_drivers.simcity.mesh import Neighbourhood
from device_drivers.simcity.openwrt import Times, VirtualNode
from device_drivers.simcity.radio import Radio
from device_drivers.simcity.shell import KNOWN_HOSTS, Place, ShellServer, write_client_key
from device_drivers.simcity.wired import Wired, description, make_agent

TICK_S: Final = 0.5
READY, TRUTH, CONTROL, BORN, LOCK = "ready.json", "truth.json", "control.sock", "born.json", "city.lock"


@dataclass(frozen=True, slots=True)
class SimOptions:
    """`directory` receives the inventory, ready.json, truth.json and the control socket."""

    directory: Path
    now_ms: Callable[[], int]
    seed: int = 1
    nodes: int = 550
    bins: int = 800
    stations: int = 60
    interval_s: int = 120
    with_faults: bool = True
    embedded_broker: bool = False
    snmp_port: int = 0
    ssh_port: int = 0
    reboot_s: float = 12.0
    broker_port: int = 0
    until_stdin_closes: bool = False


def run(options: SimOptions) -> None:
    """Start everything, say so in ready.json and on standard output; serve until SIGTERM, SIGINT or end of input.

    Raises OSError where another city runs in the same directory.
    """
    options.directory.mkdir(parents=True, exist_ok=True)
    with _alone(options.directory):
        _run(options)


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Two cities in one directory would take each other's files away. The kernel frees the lock of a dead one."""
    handle = os.open(directory / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            text = "a simulated city runs here already: stop it first, or give another --directory"
            raise OSError(errno.EBUSY, text, str(directory)) from None
        yield
    finally:
        os.close(handle)


def _run(options: SimOptions) -> None:
    for name in (READY, TRUTH, CONTROL):
        (options.directory / name).unlink(missing_ok=True)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: stop.set())
    if options.until_stdin_closes:
        input_end.watch(stop.set)
    rng = random.Random(options.seed)
    known = upgraded.load(options.directory, _whose(options))
    city = upgraded.lay_over(world.build(options.seed, options.nodes, options.bins, options.stations), known)
    agents = [
        make_agent(number, mast.node_id, description(mast), mast.ports, rng) for number, mast in enumerate(city.masts)
    ]
    wired = Wired(agents, rng, options.snmp_port, age_s(options))
    around = Neighbourhood(city, agents)
    inventory.write(city, options.directory, wired.addresses, options.interval_s)
    releases.write(options.directory / "releases")
    with broker.running(options.directory, options.broker_port, options.embedded_broker) as (kind, port):
        radio = Radio(city, "127.0.0.1", port, options.interval_s, options.now_ms, random.Random(options.seed + 1))
        trouble = Trouble(city, wired, radio, around)
        nodes = fleet.openwrt_nodes(city, time.monotonic, trouble.hears, Times(1.0, options.reboot_s), around.address)
        nodes |= fleet.other_nodes(city, time.monotonic, Times(1.0, options.reboot_s))
        upgraded.restore(nodes, known)
        shells = shell_server(options, city, wired, nodes, trouble)
        threads = [
            threading.Thread(target=wired.run, args=(stop,), name="wired"),
            threading.Thread(target=radio.run, args=(stop,), name="radio"),
            threading.Thread(target=shells.run, args=(stop,), name="shells"),
        ]
        for thread in threads:
            thread.start()
        plan = faults.schedule(city, random.Random(options.seed + 2)) if options.with_faults else []
        facts = {"pid": os.getpid(), "broker": kind, "broker_port": port, "nodes": len(city.masts)}
        facts |= {"sensors": len(city.devices), "ssh_port": shells.port}
        _supervise(options, trouble, nodes, plan, facts, known, stop)
        for thread in threads:
            thread.join(5)


def _whose(options: SimOptions) -> list[int]:
    """What makes it the same city when it is started again."""
    return [options.seed, options.nodes]


def age_s(options: SimOptions) -> float:
    """How long this city has been there: one that is started again goes on as if it had never stopped.

    Otherwise every node would seem to have restarted at once.
    """
    path = options.directory / BORN
    me = _whose(options)
    with contextlib.suppress(OSError, ValueError, TypeError):
        *whose, born_ms = json.loads(path.read_text(encoding="utf-8"))
        passed_ms = options.now_ms() - int(born_ms)
        if whose == me and passed_ms >= 0:
            return passed_ms / 1000
    _write(path, [*me, options.now_ms()])
    return 0.0


def shell_server(
    options: SimOptions, city: world.World, wired: Wired, nodes: Mapping[str, VirtualNode], trouble: Trouble
) -> ShellServer:
    """SSH for every node that has one; the key to log in and the nodes' own keys go into the directory."""
    hosts = {mast.node_id: host for mast, (host, _) in zip(city.masts, wired.addresses, strict=True)}
    places = {
        hosts[node_id]: Place(node, city.seed, lambda node_id=node_id: trouble.is_well(node_id))  # type: ignore[misc]
        for node_id, node in nodes.items()
    }
    server = ShellServer(places, write_client_key(options.directory, city.seed), options.ssh_port)
    server.write_known_hosts(options.directory / KNOWN_HOSTS)
    return server


def _supervise(
    options: SimOptions,
    trouble: Trouble,
    nodes: Mapping[str, VirtualNode],
    plan: list[faults.Fault],
    facts: dict[str, object],
    known: dict[str, upgraded.Upgraded],
    stop: threading.Event,
) -> None:
    """Let faults happen when they are due or asked for, and keep truth.json up to date."""
    start_ms = options.now_ms()
    pending = list(plan)
    with contextlib.closing(_control_socket(options.directory / CONTROL)) as control:
        changed = True
        announced = False
        while not stop.is_set():
            elapsed_s = (options.now_ms() - start_ms) / 1000
            while pending and pending[0].after_s <= elapsed_s:
                one = pending.pop(0)
                trouble.apply(one.kind, one.target)
                changed = True
            changed |= _obey(control, trouble, nodes)
            changed |= trouble.follow(nodes)
            _keep_upgrades(options, nodes, known)
            if changed:
                _write(options.directory / TRUTH, trouble.truth())
                changed = False
            if not announced:
                _write(options.directory / READY, facts)
                sys.stdout.write(json.dumps(facts) + "\n")
                sys.stdout.flush()
                announced = True
            stop.wait(TICK_S)
    _keep_upgrades(options, nodes, known)
    (options.directory / READY).unlink(missing_ok=True)
    (options.directory / CONTROL).unlink(missing_ok=True)


def _keep_upgrades(options: SimOptions, nodes: Mapping[str, VirtualNode], known: dict[str, upgraded.Upgraded]) -> None:
    if upgraded.follow(nodes, known):
        upgraded.write(options.directory, _whose(options), known)


def _control_socket(path: Path) -> socket.socket:
    control = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    control.bind(os.path.relpath(path))  # a UNIX socket's path holds 107 bytes, the relative one is shorter
    path.chmod(0o600)
    control.setblocking(False)
    return control


def _obey(control: socket.socket, trouble: Trouble, nodes: Mapping[str, VirtualNode]) -> bool:
    """Apply every fault asked for by `ask`; the answer goes back to who asked."""
    obeyed = False
    while True:
        try:
            raw, sender = control.recvfrom(4096)
        except BlockingIOError:
            return obeyed
        kind, _, target = raw.decode("utf-8", "replace").partition(" ")
        known = [one for one in faults.KINDS if one == kind]
        if kind == "reboot" and target in nodes:
            nodes[target].reboot()
        text = trouble.apply(known[0], target) if known else f"no fault {kind}; there are: {', '.join(faults.KINDS)}"
        obeyed = True
        if sender:
            with contextlib.suppress(OSError):
                control.sendto((text or "").encode(), sender)


def ask(directory: Path, kind: str, target: str) -> str:
    """Tell a running city to do something to a node or sensor; its objection, or "" when it was done."""
    if not (directory / CONTROL).exists():
        return f"no simulated city runs in {directory}"
    with contextlib.closing(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)) as sock:
        sock.bind("")  # the kernel names it: a path would mean another file to a city that runs in another directory
        try:
            sock.settimeout(5)
            sock.sendto(f"{kind} {target}".encode(), os.path.relpath(directory / CONTROL))
            return sock.recv(4096).decode()
        except OSError as error:
            return f"no simulated city answers in {directory}: {error}"


def _write(path: Path, facts: object) -> None:
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(facts), encoding="utf-8")
    draft.replace(path)
