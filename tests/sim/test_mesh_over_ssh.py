"""Nodes whose SNMP knows no neighbours are asked over SSH: whichever of batctl, iw, iwinfo and lldpcli they have."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from device_drivers import ssh
from device_drivers.capabilities import LinuxNode, OpenNode
from device_drivers.registry import driver_for
from device_drivers.simcity.fleet import Heard, mesh_text
from device_drivers.simcity.openwrt import Mesh as Says
from device_drivers.simcity.openwrt import VirtualNode
from device_drivers.simcity.shell import CLIENT_KEY, KNOWN_HOSTS, Place, ShellServer, write_client_key
from device_drivers.simcity.wired import CREDENTIALS
from device_drivers.simcity.world import RadioLink
from device_drivers.ssh_pool import ShellPool
from local_store import links
from local_store.mesh_records import LinkState
from local_store.nodes import all_nodes
from playbooks.mesh import Mesh, MeshSettings
from tests.contracts.shell_city import make
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until

TOOLS = ("batctl", "iwinfo", "lldpcli", "snmp", "strange")
"""What each pair of nodes tells by; the second node of the last one shows a host key that nobody has confirmed."""
PAIRS = [(f"{tool}-a", f"{tool}-b") for tool in TOOLS]


def other(node: str) -> str:
    return node[:-1] + ("b" if node.endswith("a") else "a")


def says(node: str, mac: str, far: str) -> Mapping[str, str]:
    """The parts of the neighbours script's output, with the tools this node has."""
    tool = node.partition("-")[0]
    link = RadioLink(node, other(node), "5", 80)
    whole = mesh_text(lambda band: mac if band == "5" else "02:ee:ee:ee:ee:ee", [Heard(other(node), far, link)])
    if tool in ("batctl", "strange"):
        return whole
    if tool == "iwinfo":
        info = {"bssid": mac, "frequency": 2437, "channel": 6, "mode": "Mesh Point"}
        peer = {"mac": far, "signal": -61, "thr": 200_000, "mesh plink": "ESTAB", "inactive": 90}
        assoc = {"results": [peer]}
        return {
            "macs": f"mesh0 {mac}",
            "info": f"dev mesh0\n{json.dumps(info)}",
            "assoc": f"dev mesh0\n{json.dumps(assoc)}",
        }
    port = {"id": {"type": "ifname", "value": "eth0"}}
    chassis = {other(node): {"id": {"type": "mac", "value": far}}}
    wires = {"lldp": {"interface": [{"eth0": {"age": "0 day, 00:02:03", "chassis": chassis, "port": port}}]}}
    return {"macs": f"eth0 {mac}", "lldp": json.dumps(wires)}


def mesh_of(city: MeshCity, node: str) -> Callable[[], Says]:
    """What the node prints just now: nothing of a neighbour behind an obstacle."""

    def now() -> Says:
        mac, far = city.around.address(node, "5"), city.around.address(other(node), "5")
        parts = says(node, mac, far)
        cut = frozenset((node, other(node))) in city.around.broken
        return Says({"macs": parts["macs"]} if cut else parts)

    return now


@contextlib.contextmanager
def shells(city: MeshCity, directory: Path) -> Iterator[tuple[OpenNode, list[tuple[str, str]]]]:
    """SSH for every node at the address of its agent; and the log of what was sent."""
    hosts = {row.node_id: row.address for row in city.store.read(all_nodes)}
    nodes = {name: VirtualNode(make(at), time.monotonic, 1, mesh=mesh_of(city, name)) for at, name in enumerate(hosts)}
    server = ShellServer({hosts[name]: Place(node) for name, node in nodes.items()}, write_client_key(directory, 1))
    known = directory / KNOWN_HOSTS
    server.write_known_hosts(known)
    lines = known.read_text().splitlines(keepends=True)
    known.write_text("".join(line for line in lines if f"[{hosts['strange-b']}]" not in line))
    log: list[tuple[str, str]] = []
    pool = ShellPool(lambda node_id, line: log.append((node_id, line)))

    @contextlib.contextmanager
    def open_node(node_id: str) -> Iterator[LinuxNode]:
        target = ssh.SshTarget(node_id, hosts[node_id], known, server.port, key_file=directory / CLIENT_KEY)
        with driver_for(node_id, "OpenWrt")(target, pool, lambda _line: None) as opened:
            yield opened

    stop = threading.Event()
    thread = threading.Thread(target=server.run, args=(stop,))
    thread.start()
    try:
        yield open_node, log
    finally:
        pool.close()
        stop.set()
        thread.join(10)


def test_whoever_tells_nothing_over_snmp_is_asked_over_ssh(tmp_path: Path) -> None:
    told: list[Mapping[str, Any]] = [{}]
    with mesh_city(tmp_path, [a for a, _ in PAIRS], PAIRS) as city, shells(city, tmp_path) as (open_node, log):
        for name, agent in city.agents.items():
            if not name.startswith("snmp"):
                agent.extra = None
        settings = MeshSettings(interval_s=1, timeout_ms=500, retries=1)
        mesh = Mesh(city.store, CREDENTIALS, settings, lambda: time.time_ns() // 1_000_000, random.Random(1), open_node)
        with serving(lambda stop, _: mesh.run(stop, told.append)):
            until(lambda: len(stored(city)) == len(PAIRS), "every link is known")
            until(lambda: told[-1]["by_ssh"] >= 14 and told[-1]["failed"] >= 2, "everybody was asked twice")
            found = {one.a.partition("-")[0]: one for one in stored(city).values()}
            assert {tool: (one.band, one.source, one.a_ifname, one.state) for tool, one in found.items()} == {
                "batctl": ("5", "batadv", "mesh0", "up"),
                "iwinfo": ("2.4", "iwinfo", "mesh0", "up"),
                "lldpcli": ("wired", "lldp", "eth0", "up"),
                "snmp": ("5", "80211s+batadv", "mesh0", "up"),
                "strange": ("5", "batadv", "mesh0", "up"),
            }
            assert found["batctl"].conflict == found["iwinfo"].conflict == found["lldpcli"].conflict == ""
            assert found["strange"].conflict == "", "an end that cannot be asked contradicts nobody"
            assert found["batctl"].quality_pct == 80.0
            assert found["iwinfo"].signal_dbm == -61.0
            assert {node for node, _ in log} == {name for pair in PAIRS for name in pair} - {
                "snmp-a",
                "snmp-b",
                "strange-b",
            }
            since = len(told)
            until(lambda: len(told) >= since + 4, "some more rounds")
            for said in told[since:]:
                assert any("strange-b: shows a host key nobody has confirmed" in one for one in said["not_understood"])

            city.around.broken.add(frozenset(("iwinfo-a", "iwinfo-b")))
            until(lambda: stored(city)["iwinfo-a"].state == "down", "a link that is missed over SSH breaks")
            assert stored(city)["batctl-a"].state == "up"


def stored(city: MeshCity) -> dict[str, LinkState]:
    return {one.a: one for one in city.store.telemetry.write(links.load_links)}
