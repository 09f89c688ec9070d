"""The mesh service learns links from the tables of MikroTik, Ubiquiti and Cambium; odd rows are only counted."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from device_drivers.api import Oid
from device_drivers.mesh_tables import AF60, AIRMAX, CNWAVE, MIKROTIK
from device_drivers.simcity.maker_tables import Cells
from device_drivers.simcity.wired import CREDENTIALS, ExtraRows
from device_drivers.simcity.world import Band
from device_drivers.snmp_ber import INTEGER, OCTETS, oid_body, read_oid
from device_drivers.snmp_codec import value_tlv
from local_store import links
from local_store.mesh_records import LinkState
from playbooks.mesh import Mesh, MeshSettings
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until

FAR = (2, 0, 0, 0, 0, 9)
PHONE = (0x3A, 1, 2, 3, 4, 5)
SETTINGS = MeshSettings(interval_s=1, timeout_ms=300, retries=0)
ODD: Mapping[str, Cells] = {
    "routeros": {
        (*MIKROTIK, 2, 1, 3, *FAR): -60,
        (*MIKROTIK, 2, 1, 3, *FAR, 9): b"-60",
        (*MIKROTIK, 2, 1, 10, 2, 0, 0, 0, 0, 8, 3): b"RouterOS",
    },
    "airos": {
        (*AIRMAX, 7, 1, 3, 1, *FAR[:4]): -60,
        (*AIRMAX, 7, 1, 3, 1, *FAR): b"-60",
        (*AIRMAX, 7, 1, 2, 1, *FAR[:5], 7): b"x",
    },
    "af60": {(*AF60, 3, 1, 3, *FAR[:5]): -60, (*AF60, 3, 1, 3, *FAR): b"-60", (*AF60, 3, 1, 14, *FAR[:5], 300): b"x"},
    "cnwave": {(*CNWAVE, 4, 7): 5, (*CNWAVE, 4, 8): bytes(FAR), (*CNWAVE, 7, 9): -60},
}


class Besides:
    """Implements wired.ExtraRows: what the city's agent says, and more; all of it in the gap of NET-SNMP-EXTEND."""

    def __init__(self, city: ExtraRows, cells: Cells) -> None:
        self.city = city
        self._own = {
            oid: (oid_body(oid), value_tlv(INTEGER if isinstance(value, int) else OCTETS, value))
            for oid, value in cells.items()
        }

    def find(self, raw: bytes, now_s: float) -> bytes | None:
        return dict(self._own.values()).get(raw) or self.city.find(raw, now_s)

    def behind(self, raw: bytes, place: int, now_s: float) -> list[tuple[bytes, bytes]]:
        city = self.city.behind(raw, place, now_s)
        if not place:
            return city
        rows: dict[Oid, tuple[bytes, bytes]] = {read_oid(oid): (oid, value) for oid, value in city}
        rows |= {oid: row for oid, row in self._own.items() if oid > read_oid(raw)}
        return [rows[oid] for oid in sorted(rows)]


def stored(city: MeshCity) -> list[LinkState]:
    return city.store.telemetry.write(links.load_links)


@contextmanager
def asking(city: MeshCity) -> Iterator[Callable[[], dict[str, Any]]]:
    """The mesh service at work; yields what it says of itself."""
    mesh = Mesh(city.store, CREDENTIALS, SETTINGS, lambda: time.time_ns() // 1_000_000, random.Random(1))
    told: list[dict[str, Any]] = [{}]
    with serving(lambda stop, _: mesh.run(stop, lambda detail: told.append(dict(detail)))):
        yield lambda: told[-1]


MAKERS: Mapping[str, tuple[str, Band, str, str]] = {
    "m5": ("MikroTik", "5", "routeros", "wlan1"),
    "m2": ("MikroTik", "2.4", "routeros", "wlan3"),
    "m60": ("MikroTik", "60", "routeros", "wlan60-1"),
    "mw": ("MikroTik", "wired", "lldp", "ether1"),
    "u5": ("Ubiquiti", "5", "airos", "ath0"),
    "u6": ("Ubiquiti", "6", "airos", "ath1"),
    "u60": ("Ubiquiti", "60", "af60", "wlan0"),
    "c60": ("Cambium", "60", "cnwave", "terra0"),
}
"""Name of a pair of nodes -> vendor, band, the table that tells of them, the interface at both ends."""


def test_nodes_of_a_maker_tell_of_each_other(tmp_path: Path) -> None:
    pairs = [(f"{name}-a", f"{name}-b") for name in MAKERS]
    vendors = {node: MAKERS[node.partition("-")[0]][0] for pair in pairs for node in pair}
    bands = {pair: MAKERS[pair[0].partition("-")[0]][1] for pair in pairs}
    with mesh_city(tmp_path, [a for a, _ in pairs], pairs, bands=bands, vendors=vendors) as city:
        with asking(city) as told:
            until(lambda: len(stored(city)) == len(pairs) and told()["reports"] >= 6 * len(pairs), "all, thrice")
        assert told()["garbled"] == told()["odd_rows"] == 0
        for link in stored(city):
            _, band, source, ifname = MAKERS[link.a.partition("-")[0]]
            assert (link.band, link.source, link.state, link.conflict) == (band, source, "up", "")
            assert (link.a_ifname, link.b_ifname) == (ifname, ifname)
            assert all((link.quality_a_pct, link.quality_b_pct, link.signal_dbm or band == "wired"))


def test_odd_rows_are_counted_and_the_others_read(tmp_path: Path) -> None:
    makers = {"routeros": "m5", "airos": "u5", "af60": "u60", "cnwave": "c60"}
    pairs = [(f"{maker}-g", f"{maker}-p") for maker in makers]
    vendors = {f"{maker}-g": MAKERS[name][0] for maker, name in makers.items()}
    bands = {(f"{maker}-g", f"{maker}-p"): MAKERS[name][1] for maker, name in makers.items()}
    with mesh_city(tmp_path, [a for a, _ in pairs], pairs, bands=bands, vendors=vendors) as city:
        for maker in makers:
            agent = city.agents[f"{maker}-g"]
            assert agent.extra is not None
            agent.extra = Besides(agent.extra, ODD[maker])
        with asking(city) as told:
            until(lambda: told().get("odd_rows", 0) == 3 * len(makers), "odd rows of each table")
            until(lambda: all(one.a.partition("-")[0] in one.source for one in stored(city)), "and the others")
            assert told()["odd"] == {f"{maker}-g": 3 for maker in makers}
            for agent in city.agents.values():
                agent.extra = agent.extra.city if isinstance(agent.extra, Besides) else agent.extra
            until(lambda: told()["odd_rows"] == 0, "they are gone when the tables are sound again")
        assert told()["garbled"] == 0
        assert len(stored(city)) == len(pairs)


def test_a_station_without_routeros_is_a_neighbour_only_if_it_is_a_node(tmp_path: Path) -> None:
    with mesh_city(tmp_path, ["g"], [("g", "p")], vendors={"g": "MikroTik"}) as city:
        agent = city.agents["g"]
        assert agent.extra is not None
        phone: Cells = {(*MIKROTIK, 2, 1, 3, *PHONE, 3): -70, (*MIKROTIK, 2, 1, 10, *PHONE, 3): b""}
        agent.extra = Besides(agent.extra, phone)
        with asking(city) as told:
            until(lambda: bool(stored(city)) and told()["reports"] >= 6, "asked thrice")
            until(lambda: "routeros" in stored(city)[0].source, "the access point hears the node")
        (link,) = stored(city)
        assert (link.a, link.b, link.conflict) == ("g", "p", "")
        query = "SELECT mac FROM unknown_end UNION SELECT mac FROM node_mac WHERE mac LIKE '3a:%'"
        assert city.store.telemetry.write(lambda cx: cx.execute(query).fetchall()) == [], "nobody's telephone is kept"


def test_a_links_port_keeps_its_name_while_another_neighbour_restarts(tmp_path: Path) -> None:
    pairs = [("g", "c1"), ("g", "c2")]
    vendors = dict.fromkeys(("g", "c1", "c2"), "Cambium")
    bands: dict[tuple[str, str], Band] = dict.fromkeys(pairs, "60")
    with mesh_city(tmp_path, ["g"], pairs, bands=bands, vendors=vendors) as city, asking(city) as told:
        until(lambda: len(stored(city)) == 2 and told()["reports"] >= 9, "both, thrice")
        before = {link.link_id for link in stored(city)}
        city.agents["c1"].down = True
        reports = told()["reports"]
        until(lambda: told()["reports"] >= reports + 6, "the others are asked again")
        assert {link.link_id for link in stored(city)} == before
