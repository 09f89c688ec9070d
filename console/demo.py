"""The demo: the simulated city and the engine as child processes, with the screens on top or a minute headless."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from console import demo_firmware
from console.clock import now_ms
from console.errors import ConfigError
from console.texts import _
from local_store import lease, nodes, sensing, tally
from local_store.db import Reader, Store
from local_store.keys import store_key
from local_store.views.overview import overview, store_bytes
from mesh_mgmt.inventory import plan_nodes, plan_sensors
from mesh_mgmt.inventory_formats import parse_nodes, parse_sensors

READY_S: Final = 60.0
POLL_S: Final = 15
MESH_S: Final = 60
REBOOT_S: Final = 12
CONFIGURATION: Final = """# The simulated city on loopback. Nothing in it is real, its passwords are public.
[store]
directory = {store}
key = "file"

[engine]
poll_interval_s = {poll_s}
timeout_ms = 800
retries = 1
mesh_interval_s = {mesh_s}

[snmp.demo-v2c]
version = "2c"
community = {{ file = "community" }}

[snmp.demo-v3]
version = "3"
user = "demo"
auth = "sha1"
auth_password = {{ file = "authentication" }}
priv = "aes128"
priv_password = {{ file = "privacy" }}

[ssh.default]
port = {ssh_port}
key_file = "city/ssh-key"
known_hosts = "city/known_hosts"

[[broker]]
name = "simcity"
host = "127.0.0.1"
port = {port}
client_id = "leitstand-demo"

[[broker.subscribe]]
topic = "application/+/device/+/event/+"

[[broker.subscribe]]
topic = "wetter/+/messung"
kind = "wetter"

[mapping.wetter]
device = "station"
time = "ts"
counter = "seq"

[mapping.wetter.values]
air_temp_c = "werte.air_temperature"
humidity_pct = "werte.air_humidity"
pressure_hpa = "werte.pressure"
no2_ug_m3 = "werte.no2"
pm10_ug_m3 = "werte.pm10"
pm2_5_ug_m3 = "werte.pm2_5"
o3_ug_m3 = "werte.o3"
"""
CITY_PROFILES: Final = frozenset({"demo-v2c", "demo-v3"})
"""What only nodes of a simulated city have; whom a person adds here stays."""
SECRETS: Final = {
    "community": "demo-public",
    "authentication": "demo-authentication",
    "privacy": "demo-privacy-2026",
}


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """`directory` holds everything the demo makes; a fresh one is emptied first.

    Nodes are polled every `poll_s` seconds and asked about their neighbours every `mesh_s`; a restart takes `reboot_s`.
    """

    directory: Path
    nodes: int = 550
    seed: int = 1
    fresh: bool = False
    embedded_broker: bool = False
    well: bool = False
    poll_s: int = POLL_S
    mesh_s: int = MESH_S
    reboot_s: int = REBOOT_S


@dataclass(frozen=True, slots=True)
class Demo:
    """A running city with its configuration and store."""

    config_file: Path
    store: Path
    city: Path


@contextlib.contextmanager
def city(options: DemoOptions, tell: Callable[[str], None]) -> Iterator[Demo]:
    """Start the simulated city and put its inventory into the store; stops it at the end."""
    if options.fresh:
        shutil.rmtree(options.directory, ignore_errors=True)
    place = options.directory / "city"
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = options.directory / "store"
    if lease.is_held(store):
        text = _(
            "a demo already runs in {place}: use it with `leitstand --config '{file}'`, or give another --directory"
        )
        raise ConfigError(text.format(place=options.directory, file=options.directory / "leitstand.toml"))
    command = [sys.executable, "-m", "console", "simcity", "--directory", str(place), "--nodes", str(options.nodes)]
    command += ["--seed", str(options.seed), "--reboot", str(options.reboot_s), "--until-stdin-closes"]
    command += ["--embedded-broker"] if options.embedded_broker else []
    command += ["--well"] if options.well else []
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log)  # noqa: S603
    try:
        facts = _wait_ready(place, process)
        tell(f"{facts['nodes']} + {facts['sensors']}, {facts['broker']}")
        demo = Demo(_configure(options, store, facts), store, place)
        _import(demo)
        demo_firmware.prepare(place / "releases", options.directory / "keys", store, now_ms())
        yield demo
    finally:
        end(process)


@contextlib.contextmanager
def engine(demo: Demo) -> Iterator[subprocess.Popen[bytes]]:
    """The engine as a child; it is told to stop at the end and has its time to do so."""
    command = [sys.executable, "-m", "console", "collect", "--config", str(demo.config_file), "--until-stdin-closes"]
    with (demo.city / "engine.log").open("ab") as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=log, stderr=log)  # noqa: S603
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask a child to stop, then insist."""
    if process.stdin is not None:
        process.stdin.close()
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    except KeyboardInterrupt:  # somebody does not want to wait
        process.kill()
        process.wait()
        raise


def headless(demo: Demo, seconds: float, tell: Callable[[str], None]) -> dict[str, Any]:
    """Watch for a while and say what was seen; `healthy_ok` is the share of well nodes that are seen as ok."""
    deadline = time.monotonic() + seconds
    with engine(demo) as process:
        while time.monotonic() < deadline:
            if process.poll() is not None:
                raise ConfigError(_ended(_("the engine"), process, demo.city / "engine.log"))
            time.sleep(min(5.0, max(0.0, deadline - time.monotonic())))
            left = deadline - time.monotonic()
            if left > 0:
                tell(f"{left:.0f} s")
        return report(demo)


def report(demo: Demo) -> dict[str, Any]:
    """What the store knows now, beside what is true in the city."""
    reader = Reader(demo.store, store_key(demo.store, "file", create=False).raw)
    with contextlib.closing(reader):
        seen = reader.read(lambda cx: overview(cx, now_ms()))
        states = reader.read(nodes.load_states)
        totals = reader.read(tally.read)
    truth = json.loads((demo.city / "truth.json").read_text(encoding="utf-8"))
    healthy = truth["healthy"]
    well = sum(1 for node_id in healthy if node_id in states and states[node_id].state == "ok")
    return {
        "nodes": {
            "known": seen.nodes.known,
            "ok": seen.nodes.ok,
            "warning": seen.nodes.warning,
            "down": seen.nodes.down,
            "unreachable": seen.nodes.unreachable,
        },
        "polls": {"ok": totals.get("polls_ok", 0), "failed": totals.get("polls_failed", 0)},
        "messages": {
            name: totals.get(f"messages_{source}", 0)
            for name, source in (
                ("received", "received"),
                ("stored", "stored"),
                ("quarantined", "quarantined"),
                ("duplicates", "duplicate"),
            )
        },
        "measurements": totals.get("measurements", 0),
        "alerts_open": seen.open_alerts,
        "store_bytes": store_bytes(demo.store),
        "healthy": len(healthy),
        "healthy_ok": round(well / len(healthy), 4) if healthy else None,
    }


def _wait_ready(place: Path, process: subprocess.Popen[bytes]) -> dict[str, Any]:
    deadline = time.monotonic() + READY_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise ConfigError(_ended(_("the simulated city"), process, place / "log"))
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads((place / "ready.json").read_text(encoding="utf-8"))
            if found["pid"] == process.pid:
                return found
        time.sleep(0.02)
    raise ConfigError(_("the simulated city is not ready after {seconds} s").format(seconds=f"{READY_S:.0f}"))


def _ended(what: str, process: subprocess.Popen[bytes], log: Path) -> str:
    """The last a child said: its log may be gone in a moment, with the directory of a demo without screens."""
    said = log.read_text(encoding="utf-8", errors="replace").strip().rpartition("\n")[2]
    return _("{what} ended with {code}: {said}").format(what=what, code=process.returncode, said=said or "–")


def _configure(options: DemoOptions, store: Path, facts: Mapping[str, Any]) -> Path:
    """Write the configuration and the city's public passwords, each in a 0600 file."""
    for name, text in {
        **SECRETS,
        "leitstand.toml": CONFIGURATION.format(
            store=json.dumps(str(store), ensure_ascii=False),  # TOML writes a text as JSON does
            port=facts["broker_port"],
            ssh_port=facts["ssh_port"],
            poll_s=options.poll_s,
            mesh_s=options.mesh_s,
        ),
    }.items():
        path = options.directory / name
        path.unlink(missing_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
    return options.directory / "leitstand.toml"


def _import(demo: Demo) -> None:
    """The city's own files through the same import a person uses."""
    store = Store(demo.store, store_key(demo.store, "file").raw)
    with contextlib.closing(store):
        now = now_ms()
        known = {node.node_id: node for node in store.read(nodes.all_nodes)}
        rows, odd = parse_nodes((demo.city / "nodes.csv").read_text(encoding="utf-8"), "csv")
        found = plan_nodes(rows, known, odd)
        declared = {sensor.sensor_id: sensor for sensor in store.read(sensing.all_sensors)}
        speaking, strange = parse_sensors((demo.city / "sensors.csv").read_text(encoding="utf-8"))
        told = plan_sensors(speaking, declared, strange)
        for one in (*found.rejected, *told.rejected):
            raise ConfigError(f"the city's own inventory is wrong in line {one.line}: {one.reason} {one.value}")
        were = {node_id for node_id, node in known.items() if node.profile in CITY_PROFILES}
        gone = were - {row["node_id"] for _line, row in rows}  # a smaller city than the last one here
        store.ops.write(lambda cx: nodes.upsert_nodes(cx, found.rows(), now))
        store.ops.write(lambda cx: sensing.upsert_sensors(cx, told.rows(), now))
        if gone:
            store.ops.write(lambda cx: nodes.retire_nodes(cx, sorted(gone), now))
