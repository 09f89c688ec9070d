"""What a node prints or answers, damaged in any way, is understood or is that one node's error."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_drivers import mesh_parse, mesh_tables
from device_drivers import openwrt_parse as openwrt
from device_drivers.api import EngineFacts, Poll, SnmpValue
from device_drivers.errors import DriverError
from device_drivers.mesh_parse import NotUnderstood
from device_drivers.vendors import airos, edgeos, routeros_parse
from local_store import nodes
from local_store.db import Store
from mesh_mgmt.config_text import NotStored, normalised
from mesh_mgmt.health import HealthLimits
from mesh_mgmt.poller import Mapper
from tests.conftest import KEY

BOARD = (
    '{"kernel":"5.15","hostname":"a","model":"M","board_name":"b","release":{"distribution":"OpenWrt",'
    '"version":"23.05","revision":"r1","target":"t"}}\n@@ serial\nSN1\n'
)
BOOT = (
    "@@ boot_id\nabc-def\n@@ uptime\n123.45 99.2\n@@ memory\nMemAvailable: 12345 kB\n@@ tmp\ntmpfs 100 20 80 20% /tmp\n"
    "@@ bank\n1 fell-back\n"
)
HEARD = """@@ macs
wlan0 00:11:22:33:44:55
@@ iwdev
phy#0
\tInterface wlan0
\t\taddr 00:11:22:33:44:55
\t\ttype mesh point
\t\tchannel 36 (5180 MHz), width: 80 MHz
@@ neighbors
[{"hard_ifname":"wlan0","last_seen_msecs":10,"neigh_address":"aa:bb:cc:dd:ee:ff","throughput":12000}]
@@ originators
[{"hard_ifname":"wlan0","neigh_address":"aa:bb:cc:dd:ee:ff","tq":200}]
@@ hardifs
[{"hard_ifname":"wlan0","hard_address":"00:11:22:33:44:55"}]
@@ info
dev wlan0
{"frequency":5180,"channel":36,"bssid":"00:11:22:33:44:55","mode":"Mesh Point"}
@@ stations
Station aa:bb:cc:dd:ee:ff (on wlan0)
\tinactive time:\t10 ms
\tsignal avg:\t-60 dBm
\tmesh plink:\tESTAB
@@ assoc
dev wlan0
{"results":[{"mac":"aa:bb:cc:dd:ee:ff","signal":-60,"inactive":10,"thr":1000,"tx":{"rate":100}}]}
@@ lldp
{"lldp":{"interface":[{"eth0":{"chassis":{"sw":{"id":{"type":"mac","value":"aa:bb:cc:dd:ee:01"}}},
"port":{"id":{"type":"ifname","value":"ge1"}},"age":"1 day, 02:03:04"}}]}}
"""
RESOURCE = """   uptime: 1w2d3h4m5s
   version: 7.10 (stable)
   free-memory: 512.0MiB
   free-hdd-space: 100.0MiB
   board-name: RB
"""
ROUTERBOARD = " routerboard: yes\n model: X\n serial-number: 123\n"
AIROS = "@@ board\nboard.name=LiteBeam\nboard.hwaddr=aabb\n@@ version\nXC.v8.7.11.46972\n@@ name\nhost\n"
EDGEOS = "Version:      v2.0.9\nBuild ID:     123\nHW model:     ER-X\nHW S/N:       AA\n"
PATHS = "aa:bb:cc:dd:ee:ff aa:bb:cc:dd:ee:ff wlan0 3 44 0 0 0 0x5 1 2"
UCI = "package network\n\nconfig interface 'lan'\n\toption proto 'static'\n\tlist dns '1.1.1.1'\n"
READERS: Final[dict[str, tuple[str, Callable[[str], object]]]] = {
    "board": (BOARD, lambda text: openwrt.board_facts("n", text)),
    "boot": (BOOT, lambda text: openwrt.boot_facts("n", text)),
    "heard": (HEARD, lambda text: openwrt.neighbours_seen("n", openwrt.sections(text))),
    "verdict": ('{"valid":true,"tests":{"a":true}}', lambda text: openwrt.image_verdict("n", text)),
    "number": ("12\n", lambda text: openwrt.first_number("n", text)),
    "paths": (PATHS, mesh_parse.mesh_paths),
    "routeros board": (RESOURCE, lambda text: routeros_parse.board_facts("n", text, ROUTERBOARD, text)),
    "routeros boot": (RESOURCE, lambda text: routeros_parse.boot_facts("n", text)),
    "airos board": (AIROS, lambda text: airos.board_facts("n", text)),
    "edgeos board": (EDGEOS, lambda text: edgeos.board_facts("n", text)),
    "edgeos boot": ("abc\n123.4 55\nMemAvailable:   123 kB\n", lambda text: edgeos.boot_facts("n", text)),
    "uci": (UCI, lambda text: normalised(text, "uci")),
    "routeros": (RESOURCE, lambda text: normalised(text, "routeros")),
}
ODD = ("9" * 5000, "1e999", "inf", "nan", "-1", "²", "٣", "", "\0", "\ufffd", "{", "]", "[" * 100_000, '"', "null",
       "true", "1.2.3", "9" * 30, "\n", "\x1c", "\u2028", "@@ ", "1E5000", "\r")  # fmt: skip
NUMBERS = (0, 1, -1, 100, 2**31, 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
BYTES = (b"", b"wlan0", b"\xff\xfe", bytes(6), bytes(range(6)), b"eth0\0", b"00:11:22:33:44:55", b"OpenWrt 23.05.3")


def damaged(text: str, rng: random.Random) -> str:
    """Cut, with a piece missing, or with something odd in place of a word or in between."""
    for _ in range(rng.choice((1, 1, 2, 3))):
        at = rng.randrange(len(text) + 1)
        kind = rng.randrange(4)
        if kind == 0:
            text = text[:at]
        elif kind == 1:
            text = text[:at] + text[at + rng.randrange(20) :]
        elif kind == 2:
            text = text[:at] + rng.choice(ODD) + text[at:]
        elif words := [found.span() for found in re.finditer(r"[-\w.]+|\S", text)]:
            start, end = rng.choice(words)
            text = text[:start] + rng.choice(ODD) + text[end:]
    return text


@pytest.mark.parametrize("name", READERS)
@settings(max_examples=150)
@given(seed=st.integers(0, 2**32))
def test_damaged_text_is_understood_or_that_nodes_error(name: str, seed: int) -> None:
    text, read = READERS[name]
    try:
        read(damaged(text, random.Random(seed)))
    except (DriverError, NotStored):
        return


def odd_value(rng: random.Random) -> SnmpValue:
    kind = rng.random()
    return rng.choice(NUMBERS) if kind < 0.6 else rng.choice(BYTES) if kind < 0.9 else None


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples."""
    opened = Store(tmp_path_factory.mktemp("hostile") / "store", KEY)
    yield opened
    opened.close()


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_odd_numbers_of_an_agent_can_be_stored(shelf: Store, seed: int) -> None:
    rng, mapper = random.Random(seed), Mapper(HealthLimits())
    for turn in range(4):
        columns = 8 if mapper.widths("a") == "both" else 6
        rows = {(at,): (b"wlan0", *(odd_value(rng) for _ in range(columns - 1))) for at in range(3)}
        scalars = tuple(odd_value(rng) for _ in range(12))
        poll = Poll("a", turn * 60_000, 1.0, 1, scalars, rows, EngineFacts(b"x", 1, 1, 0))
        state = mapper.handle(poll, turn * 60_000 + 1).state
        shelf.telemetry.write(partial(nodes.save_states, states=[state]))


@settings(max_examples=300)
@given(seed=st.integers(0, 2**32))
def test_odd_rows_of_neighbour_tables_are_understood_or_not(seed: int) -> None:
    rng = random.Random(seed)
    known = mesh_tables.Identity((1, 3, 6, 1, 4, 1, 8072, 1), "a", "d", {1: "wlan0"}, {"wlan0": "00:11:22:33:44:55"})
    plans = (mesh_tables.EXTEND_PLAN, mesh_tables.LLDP_PLAN, *mesh_tables.MAKERS_PLANS)
    plan = rng.choice(plans)
    rows = {
        tuple(rng.choice((0, 1, 255, 256, 2**32 - 1)) for _ in range(rng.choice((0, 1, 2, 3, 6, 7, 9)))): tuple(
            odd_value(rng) for _ in plan.columns
        )
        for _ in range(3)
    }
    try:
        mesh_tables.heard(plan, mesh_tables.without_odd(plan, Poll("a", 0, 1.0, 1, (), rows))[0], known)
    except NotUnderstood:
        return
