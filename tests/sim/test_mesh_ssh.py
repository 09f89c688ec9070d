"""Nodes that tell the mesh service no neighbours over SNMP are asked over SSH, and no link is lost when they refuse."""

from __future__ import annotations

import random
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue

import pytest

from device_drivers.capabilities import NeighbourSeen
from device_drivers.errors import DriverError, Unreachable, Unsupported
from device_drivers.mesh_tables import EXTEND
from device_drivers.simcity.wired import CREDENTIALS
from device_drivers.snmp_ber import INTEGER, OCTETS, oid_body, read_oid
from device_drivers.snmp_codec import value_tlv
from local_store import links
from local_store.mesh_records import LinkState
from mesh_mgmt.links import Report
from mesh_mgmt.shells import Shells, Told
from playbooks.mesh import Mesh, MeshSettings
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until

DEVICES = "\tInterface phy0-ap0\n\t\taddr 02:00:00:00:00:aa\n\t\ttype AP\n\t\tchannel 6 (2437 MHz), width: 20 MHz\n"
GUEST = "Station 02:00:5e:10:00:01 (on phy0-ap0)\n\tinactive time:\t90 ms\n\tsignal:  \t-61 dBm\n"


def now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass
class Shell:
    """A node's command line; `error` is why nobody gets in."""

    seen: list[NeighbourSeen] = field(default_factory=list)
    macs: dict[str, str] = field(default_factory=dict)
    error: DriverError | None = None
    asked: int = 0

    @contextmanager
    def open(self, _node_id: str) -> Iterator[Shell]:
        self.asked += 1
        if self.error is not None:
            raise self.error
        yield self

    def neighbours(self) -> Sequence[NeighbourSeen]:
        return self.seen

    def own_macs(self) -> Mapping[str, str]:
        return self.macs


class Published:
    """Implements wired.ExtraRows: NET-SNMP-EXTEND with these outputs and nothing else."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        rows = {
            (*EXTEND, 2, len(name), *name.encode()): value_tlv(OCTETS, text.encode()) for name, text in texts.items()
        }
        rows |= {(*EXTEND, 4, len(name), *name.encode()): value_tlv(INTEGER, 0) for name in texts}
        self._rows = [(oid, oid_body(oid), rows[oid]) for oid in sorted(rows)]

    def find(self, raw: bytes, _now_s: float) -> bytes | None:
        return next((value for _, oid, value in self._rows if oid == raw), None)

    def behind(self, raw: bytes, place: int, _now_s: float) -> list[tuple[bytes, bytes]]:
        at = bisect_right(self._rows, read_oid(raw), key=lambda row: row[0])
        return [(oid, value) for _, oid, value in self._rows[at:]] if place > 0 else []


def hotspot_only(city: MeshCity, name: str) -> None:
    """Its agent publishes the access point with one guest, and nothing of the mesh."""
    city.agents[name].extra = Published({"iw-dev": DEVICES, "iw-station-phy0-ap0": GUEST})


def stored(city: MeshCity) -> dict[tuple[str, str], LinkState]:
    return {(one.a, one.b): one for one in city.store.telemetry.write(links.load_links)}


@contextmanager
def asked_by_ssh(city: MeshCity, shell: Shell, told: SimpleQueue[tuple[str, int]]) -> Iterator[list[dict[str, object]]]:
    """The mesh service over two hotspots; yields what it reports."""
    for name in ("g", "p"):
        hotspot_only(city, name)
    settings = MeshSettings(interval_s=1, timeout_ms=300, retries=0)
    mesh = Mesh(city.store, CREDENTIALS, settings, now_ms, random.Random(1), shell.open, told)
    details: list[dict[str, object]] = []
    with serving(lambda stop, _: mesh.run(stop, lambda detail: details.append(dict(detail)))):
        yield details


def reports(details: list[dict[str, object]]) -> int:
    return int(str(details[-1]["reports"])) + int(str(details[-1]["failed"])) if details else 0


def test_a_node_that_tells_its_clients_but_no_mesh_is_asked_over_ssh(tmp_path: Path) -> None:
    told: SimpleQueue[tuple[str, int]] = SimpleQueue()
    with mesh_city(tmp_path, ["g"], [("g", "p")]) as city:
        shell = Shell([NeighbourSeen("80211s", "mesh0", "", "", "5", remote_name="p", signal_dbm=-60.0)])
        with asked_by_ssh(city, shell, told):
            until(lambda: ("g", "p") in stored(city), "the link that only SSH tells is known")
        assert told.get(timeout=5)[1] == 1, "and the guest that only SNMP tells is counted"


@pytest.mark.parametrize("error", [Unreachable("p", "no answer"), None])
def test_a_link_goes_down_by_a_node_that_tells_it_no_more_and_not_by_one_that_lets_nobody_in(
    tmp_path: Path, error: DriverError | None
) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p")]) as city:
        shell = Shell([NeighbourSeen("80211s", "mesh0", "", "", "5", remote_name="p", signal_dbm=-60.0)])
        with asked_by_ssh(city, shell, SimpleQueue()) as details:
            until(lambda: ("g", "p") in stored(city), "the link is known")
            shell.seen, shell.error = [], error
            if error is None:
                until(lambda: stored(city)["g", "p"].state == "down", "nobody hears it any more")
            else:
                seen = reports(details)
                until(lambda: reports(details) > seen + 6, "several reports without it")
                assert stored(city)["g", "p"].state == "up"


def test_a_node_is_asked_once_at_a_time_and_one_that_refuses_more_and_more_rarely() -> None:
    now = [1_000_000]
    shell = Shell(error=Unreachable("p", "no answer"))
    shells = Shells(shell.open, lambda: now[0], pause_ms=1_000)
    part = Report("p", 1, {}, [])

    def ended() -> Told:
        found: list[Told] = []
        until(lambda: bool(found.extend(shells.answers()) or found), "the question ended")
        return found[0]

    assert shells.ask(part) is None
    again = shells.ask(part)
    assert again is not None
    assert not again.whole
    assert ended().trouble == "unreachable: no answer"
    pauses = []
    for _ in range(3):
        began = now[0]
        while shells.ask(part) is not None:
            now[0] += 100
        pauses.append(now[0] - began)
        assert ended().trouble
    shells.forgive("p")
    assert shells.ask(part) is None
    assert ended().trouble
    shells.close()
    assert pauses == [1_000, 2_000, 4_000]


def test_where_nobody_can_log_in_what_snmp_tells_is_all_there_is() -> None:
    shell = Shell(error=Unsupported("p", "no login"))
    shells = Shells(shell.open, now_ms, pause_ms=60_000)
    part = Report("p", 1, {}, [])
    assert shells.ask(part) is None
    found: list[Told] = []
    until(lambda: bool(found.extend(shells.answers()) or found), "the question ended")
    again = shells.ask(part)
    shells.close()
    assert found[0].report.whole
    assert again is not None
    assert again.whole
    assert shell.asked == 1
