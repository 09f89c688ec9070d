"""Rows of makers' neighbour tables as they were seen on devices, and what becomes of them."""

from __future__ import annotations

import pytest

from device_drivers import mesh_tables
from device_drivers.api import Oid, Poll, PollPlan, SnmpValue
from device_drivers.capabilities import NeighbourSeen
from device_drivers.mesh_tables import AF60_PLAN, AIRMAX_PLAN, CNWAVE_PLAN, LLDP_PLAN, MIKROTIK_PLAN, Identity
from local_store.mesh_records import LinkState
from local_store.records import Node
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.links import Links, Report

AP, STATION, OTHER = "f4:1e:57:00:00:01", "f4:1e:57:00:00:02", "f4:1e:57:00:00:03"


def raw(mac: str) -> bytes:
    return bytes.fromhex(mac.replace(":", ""))


def heard(plan: PollPlan, rows: dict[Oid, tuple[SnmpValue, ...]], known: Identity) -> list[NeighbourSeen]:
    sound, odd = mesh_tables.without_odd(plan, Poll("n", 0, 0.0, 0, (), rows))
    assert not odd
    return mesh_tables.heard(plan, sound, known)[0]


def linked(*reports: Report) -> list[LinkState]:
    """The links after everybody told the same three times."""
    links = Links(HealthLimits())
    links.set_nodes(Node(one.node_id, one.node_id, "127.0.0.1", "mesh") for one in reports)
    for at_ms in (1000, 2000, 3000):
        for one in reports:
            links.learn(one)
        for one in reports:
            links.take(Report(one.node_id, at_ms, one.macs, one.seen))
    return links.links()


WAP_60G = Identity((), "", "", {1: "lo", 3: "wlan60-1", 4: "bridge", 5: "wlan60-station-1"},
                   {"wlan60-1": AP, "wlan60-station-1": AP})  # fmt: skip


def mikrotik_ap(*stations: tuple[int, str]) -> list[NeighbourSeen]:
    """As a wAP 60G with RouterOS 7.20 tells it: its first station at the radio and at the station interface."""
    first = raw(stations[0][1])
    rows: dict[Oid, tuple[SnmpValue, ...]] = {(3,): (None, None, None, None, first, -53, 385, None, None, None)}
    for number, mac in stations:
        rows[number,] = (None, None, None, None, None, None, None, raw(mac), 385, -53)
    return heard(MIKROTIK_PLAN, rows, WAP_60G)


def test_a_60_ghz_station_told_of_twice_is_one_link() -> None:
    (one,) = mikrotik_ap((5, STATION))
    assert (one.local_ifname, one.local_mac, one.remote_mac, one.band) == ("wlan60-1", AP, STATION, "60")
    assert (one.signal_dbm, one.throughput_mbps) == (-53.0, 385.0)
    far = Identity((), "", "", {3: "wlan60-1"}, {"wlan60-1": STATION})
    back = heard(MIKROTIK_PLAN, {(3,): (None, None, None, None, raw(AP), -55, 385, None, None, None)}, far)
    (link,) = linked(Report("ap", 0, WAP_60G.macs, [one]), Report("sta", 0, far.macs, back))
    assert (link.a_ifname, link.b_ifname, link.band, link.conflict) == ("wlan60-1", "wlan60-1", "60", "")
    assert link.quality_a_pct is not None
    assert link.quality_b_pct is not None


def test_every_60_ghz_station_of_a_radio_is_told() -> None:
    found = mikrotik_ap((5, STATION), (9, OTHER))
    assert {(one.local_ifname, one.remote_mac) for one in found} == {("wlan60-1", STATION), ("wlan60-1", OTHER)}


def test_a_station_interface_stays_where_two_radios_could_carry_it() -> None:
    names = {3: "wlan60-1", 4: "wlan60-2", 9: "sta"}
    two = Identity((), "", "", names, {"wlan60-1": AP, "wlan60-2": OTHER, "sta": OTHER})
    rows: dict[Oid, tuple[SnmpValue, ...]] = {
        (3,): (None, None, None, None, None, -1, 0, None, None, None),
        (4,): (None, None, None, None, None, -1, 0, None, None, None),
        (9,): (None, None, None, None, None, None, None, raw(STATION), 385, -53),
    }
    assert [one.local_ifname for one in heard(MIKROTIK_PLAN, rows, two)] == ["wlan60-2"]


def test_each_airmax_radio_has_its_own_frequency_and_interface() -> None:
    known = Identity((), "", "", {2: "eth0", 5: "ath0", 6: "ath1"}, {"ath0": AP, "ath1": OTHER})
    rows: dict[Oid, tuple[SnmpValue, ...]] = {
        (1,): (None, None, None, 5785),
        (2,): (None, None, None, 2437),
        (1, *raw(STATION)): (b"five", -60, 92, None),
        (2, *raw(STATION)): (b"two", -70, 60, None),
    }
    found = {one.remote_name: (one.band, one.local_ifname, one.local_mac) for one in heard(AIRMAX_PLAN, rows, known)}
    assert found == {"five": ("5", "ath0", AP), "two": ("2.4", "ath1", OTHER)}


def test_an_airmax_station_takes_the_only_frequency_whatever_its_radio_is_called() -> None:
    known = Identity((), "", "", {5: "ath0"}, {"ath0": AP})
    rows: dict[Oid, tuple[SnmpValue, ...]] = {(1,): (None, None, None, 2437), (5, *raw(STATION)): (b"x", -60, 92, None)}
    assert [(one.band, one.local_ifname) for one in heard(AIRMAX_PLAN, rows, known)] == [("2.4", "ath0")]


def test_an_af60_goes_over_to_its_backup_and_is_still_one_link() -> None:
    """Its index is the MAC with the radio's number behind it."""
    mine, far = Identity((), "", "", {}, {"wlan0": AP}), Identity((), "", "", {}, {"wlan0": STATION})

    def told(active: bytes) -> list[LinkState]:
        there = heard(AF60_PLAN, {(*raw(STATION), 1): (active, -47, 1_201_000, b"far")}, mine)
        back = heard(AF60_PLAN, {(*raw(AP), 1): (active, -48, 1_201_000, b"near")}, far)
        assert [one.remote_mac for one in (*there, *back)] == [STATION, AP]
        reports.extend((Report("a", 0, mine.macs, there), Report("b", 0, far.macs, back)))
        for at_ms in (1, 2, 3):
            for one in reports[-2:]:
                links.take(Report(one.node_id, at_ms * 1000, one.macs, one.seen))
        return links.links()

    reports: list[Report] = []
    links = Links(HealthLimits())
    links.set_nodes(Node(name, name, "127.0.0.1", "mesh") for name in ("a", "b"))
    ((main,), (backup,)) = told(b"main"), told(b"backup")
    assert (main.band, main.conflict, main.throughput_mbps) == ("60", "", 1201.0)
    assert (backup.link_id, backup.band, backup.conflict, backup.state) == (main.link_id, "5", "", "up")


def test_the_interfaces_of_one_cnwave_radio_do_not_double_its_links() -> None:
    def node(name: str, own: str, *far: str) -> Report:
        rows: dict[Oid, tuple[SnmpValue, ...]] = {
            (10 + at,): (f"terra{at}".encode(), own.encode(), mac.encode(), 14, -55) for at, mac in enumerate(far)
        }
        poll = Poll("n", 0, 0.0, 0, (), rows)
        seen, macs, *_ = mesh_tables.heard(CNWAVE_PLAN, poll, Identity((), "", ""))
        return Report(name, 0, macs, seen)

    found = linked(node("dn", AP, STATION, OTHER), node("cn1", STATION, AP), node("cn2", OTHER, AP))
    ends = {(one.a, one.a_ifname, one.b, one.b_ifname, one.conflict) for one in found}
    assert ends == {("cn1", "terra0", "dn", "terra0", ""), ("cn2", "terra0", "dn", "terra1", "")}


NO: tuple[None, None, None] = (None, None, None)
SWITCH = Identity((), "", "", {1: "lo", 2: "br-lan", 450: "eth7"}, {"br-lan": AP, "eth7": AP})


def lldp_row(local: tuple[SnmpValue, ...], remote: tuple[SnmpValue, ...], known: Identity = SWITCH) -> NeighbourSeen:
    """One neighbour at port 450. `local`: subtype, id, description; `remote`: those of chassis and port, and names."""
    rows: dict[Oid, tuple[SnmpValue, ...]] = {(450,): (*NO, *NO, *local), (0, 450, 1): (*remote, *NO)}
    (one,) = heard(LLDP_PLAN, rows, known)
    return one


FAR = (4, raw(STATION), 3, raw(OTHER), b"sfp0", b"ge-bue-0002")


@pytest.mark.parametrize(
    ("local", "names", "name"),
    [
        ((3, raw(AP), b"eth7"), {}, "eth7"),  # Debian's lldpd 1.0.16 over AgentX, with a bridge of the same MAC
        ((3, raw(AP), b"Gigabit port 7"), {}, "eth7"),  # the number tells which of the two
        ((3, raw(AP), b""), {7: "eth7"}, "eth7"),  # the number is none of an interface
        ((5, b"ether1", b""), {}, "ether1"),
        ((7, b"450", b"eth7"), {}, "eth7"),
        ((4, b"\1\n\t\t\1", b""), {}, "eth7"),
        (NO, {}, "eth7"),
        ((3, raw(OTHER), b""), {1: "lo"}, "port450"),
    ],
)
def test_lldp_names_our_own_port_as_the_interface_table_does(
    local: tuple[SnmpValue, ...], names: dict[int, str], name: str
) -> None:
    one = lldp_row(local, FAR, Identity((), "", "", names, {"eth7": AP}) if names else SWITCH)
    assert one.local_ifname == name
    assert one.local_mac == (AP if name == "eth7" else "")
    assert (one.remote_mac, one.remote_name, one.remote_ifname) == (OTHER, "ge-bue-0002", "sfp0")


@pytest.mark.parametrize(
    ("chassis", "remote_mac", "called"),
    [
        ((4, raw(STATION)), STATION, ""),
        ((5, b"\1\n\t\t\2"), "", "10.9.9.2"),
        ((5, b"\2" + bytes.fromhex("20010db8") + bytes(11) + b"\1"), "", "2001:db8::1"),
    ],
)
def test_a_neighbour_that_tells_no_name_is_known_by_its_chassis(
    chassis: tuple[SnmpValue, ...], remote_mac: str, called: str
) -> None:
    one = lldp_row((5, b"eth7", b""), (*chassis, 5, b"sfp0", b"", b""))
    assert (one.remote_mac, one.remote_name, one.remote_ifname) == (remote_mac, called, "sfp0")


def test_a_chassis_that_is_no_address_names_nobody() -> None:
    rows: dict[Oid, tuple[SnmpValue, ...]] = {(0, 450, 1): (5, b"\1\n\t", 5, b"sfp0", b"", b"", *NO)}
    assert heard(LLDP_PLAN, rows, SWITCH) == []
