"""The pollers ours is compared with: what one poll of the same data costs each of them in processor time."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from benchmarks.snmp_agents import PORTS, Agents
from device_drivers.api import Oid
from device_drivers.simcity.wired import AUTH_PASSWORD, COMMUNITY, PRIV_PASSWORD, USER
from device_drivers.snmp_oids import NODE_PLAN, SYS_DESCR, SYS_NAME

ROWS = PORTS + 1
READY_WITHIN_S = 20.0
COLLECTD_HOSTS = 100


def pysnmp_v2c(agents: Agents, polls: int) -> float:
    """Microseconds of processor time per poll; one dispatcher, no MIB lookup: the fastest way pysnmp has."""
    from pysnmp.hlapi.v1arch import asyncio as snmp

    dispatcher = snmp.SnmpDispatcher()
    rights = snmp.CommunityData(COMMUNITY, mpModel=1)

    async def poll(target: snmp.UdpTransportTarget) -> None:
        scalars, columns = _pysnmp_objects(snmp)
        _good(await snmp.get_cmd(dispatcher, rights, target, *scalars, lookupMib=False), 12)
        _good(await snmp.bulk_cmd(dispatcher, rights, target, 0, ROWS, *columns, lookupMib=False), 6 * ROWS)

    return _pysnmp_cost(snmp.UdpTransportTarget, agents, poll, polls, dispatcher.transport_dispatcher.close_dispatcher)


def pysnmp_v3(agents: Agents, polls: int) -> float:
    """The same in SNMPv3 with SHA-1 and AES-128, engines discovered and keys derived before."""
    from pysnmp.hlapi.v3arch import asyncio as snmp

    engine = snmp.SnmpEngine()
    context = snmp.ContextData()
    rights = snmp.UsmUserData(
        USER,
        AUTH_PASSWORD,
        PRIV_PASSWORD,
        authProtocol=snmp.USM_AUTH_HMAC96_SHA,
        privProtocol=snmp.USM_PRIV_CFB128_AES,
    )

    async def poll(target: snmp.UdpTransportTarget) -> None:
        scalars, columns = _pysnmp_objects(snmp)
        _good(await snmp.get_cmd(engine, rights, target, context, *scalars, lookupMib=False), 12)
        _good(await snmp.bulk_cmd(engine, rights, target, context, 0, ROWS, *columns, lookupMib=False), 6 * ROWS)

    return _pysnmp_cost(snmp.UdpTransportTarget, agents, poll, polls, engine.close_dispatcher)


def _pysnmp_objects(snmp: object) -> tuple[list[object], list[object]]:
    make = lambda oid: snmp.ObjectType(snmp.ObjectIdentity(oid))  # type: ignore[attr-defined]  # noqa: E731
    return [make(oid) for oid in NODE_PLAN.scalars], [make(column) for column in NODE_PLAN.columns]


def _good(result: tuple[object, object, object, tuple[object, ...]], count: int) -> None:
    error, status, _, binds = result
    assert (error, bool(status), len(binds)) == (None, False, count)


def _pysnmp_cost(
    make: object, agents: Agents, poll: Callable[..., object], polls: int, close: Callable[[], None]
) -> float:
    async def measured() -> float:
        some = agents.addresses[:20]
        targets = [await make.create(address, timeout=5) for address in some]  # type: ignore[attr-defined]
        for target in targets:
            await poll(target)  # type: ignore[misc]
        before = time.process_time()
        for number in range(0, polls, len(targets)):
            await asyncio.gather(*(poll(target) for target in targets[: polls - number]))  # type: ignore[call-overload]
        used = time.process_time() - before
        close()
        return used / polls * 1e6

    return asyncio.run(measured())


def process_cpu_s(pid: int) -> float:
    """User and system time of a process and all its threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def dotted(oid: Oid) -> str:
    """The usual notation."""
    return ".".join(map(str, oid))


EXPORTER_RIGHTS = {
    2: f"  version: 2\n  auth: {{community: {COMMUNITY}}}\n",
    3: f"""  version: 3
  auth:
    username: {USER}
    security_level: authPriv
    password: {AUTH_PASSWORD}
    auth_protocol: SHA
    priv_protocol: AES
    priv_password: {PRIV_PASSWORD}
""",
}


def exporter_config(version: int) -> str:
    """One module that asks for exactly our objects and shows them as metrics."""
    lines = ["node:", "  walk: [" + ", ".join(map(dotted, NODE_PLAN.columns)) + "]"]
    lines += ["  get: [" + ", ".join(map(dotted, NODE_PLAN.scalars)) + "]", f"  max_repetitions: {ROWS}", "  metrics:"]
    for number, oid in enumerate((*NODE_PLAN.scalars, *NODE_PLAN.columns)):
        text = oid in (SYS_NAME, SYS_DESCR, NODE_PLAN.columns[0])
        lines += [f"  - name: object{number}", f"    oid: {dotted(oid[:-1] if oid[-1] == 0 else oid)}", "    help: x"]
        lines += [f"    type: {'DisplayString' if text else 'gauge'}"]
        if oid in NODE_PLAN.columns:
            lines += ["    indexes: [{labelname: port, type: gauge}]"]
    return "\n".join(lines) + "\n" + EXPORTER_RIGHTS[version]


@contextmanager
def exporter(program: str, folder: Path, version: int) -> Iterator[tuple[int, int]]:
    """prometheus-snmp-exporter on a free port: its process id and port."""
    config = folder / f"snmp{version}.yml"
    config.write_text(exporter_config(version))
    port = _free_tcp_port()
    listen = f"127.0.0.1:{port}"
    with (folder / "exporter.log").open("ab") as log:
        command = [program, f"--config.file={config}", f"--web.listen-address={listen}", "--log.level=error"]
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait_for_port(port, process, folder / "exporter.log")
        yield process.pid, port
    finally:
        process.terminate()
        process.wait(10)


def exporter_cost(program: str, folder: Path, agents: Agents, version: int, polls: int) -> float:
    """Microseconds of the exporter's processor time per scrape, eight at a time."""
    with exporter(program, folder, version) as (pid, port):

        def scrape(number: int) -> None:
            host, agent_port = agents.addresses[number % len(agents.addresses)]
            url = f"http://127.0.0.1:{port}/snmp?target={host}:{agent_port}&module=node"
            with urllib.request.urlopen(url, timeout=20) as answer:
                body = answer.read()
            assert body.count(b"\nobject") >= 12 + 6 * PORTS, body.decode()

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(scrape, range(50)))
            before = process_cpu_s(pid)
            list(pool.map(scrape, range(polls)))
            return (process_cpu_s(pid) - before) / polls * 1e6


def collectd_config(folder: Path, agents: Agents) -> str:
    """The numbers of our poll in as few requests as collectd can: wide types of our own, bulk transfers.

    It cannot collect sysName and sysDescr, which are texts, so it is asked for less than we are.
    """
    numbers = [oid for oid in NODE_PLAN.scalars if oid not in (SYS_NAME, SYS_DESCR)]
    columns = NODE_PLAN.columns[1:]
    types = folder / "types.db"
    sources = lambda count: ", ".join(f"v{n}:GAUGE:U:U" for n in range(count))  # noqa: E731
    types.write_text(f"node {sources(len(numbers))}\nport {sources(len(columns))}\n")
    quoted = lambda oids: " ".join(f'"{dotted(oid)}"' for oid in oids)  # noqa: E731
    hosts = [
        f'<Host "n{number}">\nAddress "udp:{host}:{port}"\nVersion 2\nCommunity "{COMMUNITY}"\n'
        f'Collect "node" "port"\nInterval 1\nTimeout 5\nRetries 1\nBulkSize {ROWS}\n</Host>'
        for number, (host, port) in enumerate(agents.addresses[:COLLECTD_HOSTS])
    ]
    return "\n".join(
        [
            f'Hostname "bench"\nFQDNLookup false\nBaseDir "{folder}"\nPIDFile "{folder}/pid"\nTypesDB "{types}"',
            "Interval 1\nReadThreads 5\nLoadPlugin logfile",
            f'<Plugin logfile>\nLogLevel warning\nFile "{folder}/collectd.log"\n</Plugin>',
            "LoadPlugin snmp\n<Plugin snmp>",
            f'<Data "node">\nTable false\nType "node"\nValues {quoted(numbers)}\n</Data>',
            f'<Data "port">\nTable true\nType "port"\nTypeInstanceOID "{dotted(NODE_PLAN.columns[0])}"',
            f"Values {quoted(columns)}\n</Data>",
            *hosts,
            "</Plugin>\n",
        ]
    )


def collectd_cost(program: str, folder: Path, agents: Agents, seconds: float) -> float:
    """Microseconds of collectd's processor time per poll, counted at the agents."""
    config = folder / "collectd.conf"
    config.write_text(collectd_config(folder, agents))
    process = subprocess.Popen([program, "-f", "-C", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + READY_WITHIN_S
        while agents.polls_seen() < COLLECTD_HOSTS and time.monotonic() < deadline:
            assert process.poll() is None, "collectd ended; see its log"
            time.sleep(0.1)
        time.sleep(1)
        cpu, seen = process_cpu_s(process.pid), agents.polls_seen()
        time.sleep(seconds)
        cpu, seen = process_cpu_s(process.pid) - cpu, agents.polls_seen() - seen
        assert seen > COLLECTD_HOSTS, "collectd does not poll; see its log"
        return cpu / seen * 1e6
    finally:
        process.terminate()
        process.wait(20)


def _free_tcp_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for_port(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the exporter does not listen: " + log.read_text())
