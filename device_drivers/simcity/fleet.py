"""The city's masts as virtual nodes: their boards, their own revision, whom they hear. Pure but for the clock given."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from device_drivers.simcity.mesh import RADIO, WIRE
from device_drivers.simcity.openwrt import Make, Mesh, Times, VirtualNode
from device_drivers.simcity.world import BOARDS, Mast, RadioLink, World

REVISIONS: Final = {"23.05.2": "r23630-842932a63d", "23.05.3": "r23809-234f1a2efa"}
OTHER_TARGETS: Final = {"MikroTik": "arm64", "Ubiquiti": "XC"}
BAND_PORTS: Final = {**RADIO, "wired": (WIRE[0], 0, 0)}
"""Band -> interface, channel, MHz; the same that the node tells over SNMP."""
AddressOf = Callable[[str, str], str]
"""(node id, band) -> the address of the interface that carries that band's links."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One link as one of its ends sees it."""

    other: str
    other_mac: str
    link: RadioLink


def make_of(number: int, mast: Mast) -> Make:
    """What the mast is, in OpenWrt's terms."""
    board = BOARDS[mast.model]
    revision = REVISIONS.get(mast.firmware, "r0-unknown")
    return Make(
        mast.node_id, board.name, f"{mast.vendor} {mast.model}", mast.firmware, revision, f"SIM{number:06}",
        board.target, banks=board.banks, free_bytes=board.free_mib << 20,
    )  # fmt: skip


def openwrt_nodes(
    world: World, clock: Callable[[], float], hears: Callable[[str, str], bool], times: Times, address: AddressOf
) -> dict[str, VirtualNode]:
    """Every mast that runs OpenWrt. `hears` says whether a node hears another just now."""
    heard: dict[str, list[Heard]] = {mast.node_id: [] for mast in world.masts}
    for link in world.links:
        for here, there in ((link.a, link.b), (link.b, link.a)):
            heard[here].append(Heard(there, address(there, link.band), link))

    def mesh(mast: Mast) -> Callable[[], Mesh]:
        return lambda: Mesh(
            mesh_text(
                lambda band: address(mast.node_id, band),
                [one for one in heard[mast.node_id] if hears(mast.node_id, one.other)],
            )
        )

    return {
        mast.node_id: VirtualNode(make_of(number, mast), clock, world.seed, times, mesh(mast))
        for number, mast in enumerate(world.masts)
        if mast.vendor == "OpenWrt"
    }


def other_nodes(world: World, clock: Callable[[], float], times: Times) -> dict[str, VirtualNode]:
    """The masts of makers whose command line can be read: RouterOS and airOS."""
    return {
        mast.node_id: VirtualNode(_other_make(number, mast), clock, world.seed, times)
        for number, mast in enumerate(world.masts)
        if mast.vendor in OTHER_TARGETS
    }


def _other_make(number: int, mast: Mast) -> Make:
    target = OTHER_TARGETS[mast.vendor]
    return Make(
        mast.node_id, mast.model, mast.model, mast.firmware, f"{target}.v{mast.firmware}.46972.220614.0420",
        f"SIM{number:06}", target, "4.4.155", vendor=mast.vendor,
    )  # fmt: skip


def mesh_text(mac: Callable[[str], str], heard: list[Heard]) -> Mapping[str, str]:
    """What batctl, iw and the kernel print, part by part as our script asks for it."""
    bands = [band for band in BAND_PORTS if band == "wired" or any(one.link.band == band for one in heard)]
    radios = [band for band in bands if band != "wired"]
    rows = [(BAND_PORTS[one.link.band][0], one) for one in heard]
    return {
        "macs": "\n".join(
            ["lo 00:00:00:00:00:00", *(f"{BAND_PORTS[band][0]} {mac(band)}" for band in bands)]
        ),
        "hardifs": json.dumps(
            [
                {"hard_ifindex": at + 2, "hard_ifname": BAND_PORTS[band][0], "hard_address": mac(band),
                 "active": True}
                for at, band in enumerate(bands)
            ]
        ),
        "neighbors": json.dumps(
            [
                {"hard_ifindex": bands.index(one.link.band) + 2, "hard_ifname": name, "last_seen_msecs": 120,
                 "neigh_address": one.other_mac}
                for name, one in rows
            ]
        ),
        "originators": json.dumps(
            [
                {"hard_ifname": name, "orig_address": one.other_mac, "neigh_address": one.other_mac, "best": True,
                 "last_seen_msecs": 120, "tq": one.link.quality_pct * 255 // 100}
                for name, one in rows
            ]
        ),
        "iwdev": "\n".join(_iw_dev(at, band, mac(band)) for at, band in enumerate(radios)),
        "stations": "".join(_station(one) for one in heard if one.link.band != "wired"),
        "paths": "".join(_path(one) for one in heard if one.link.band != "wired"),
        "info": "",
        "assoc": "",
        "lldp": "",
    }  # fmt: skip


def _iw_dev(at: int, band: str, mac: str) -> str:
    name, channel, mhz = BAND_PORTS[band]
    return (
        f"phy#{at}\n\tInterface {name}\n\t\tifindex {at + 3}\n\t\twdev 0x{at:x}00000002\n\t\taddr {mac}\n"
        f"\t\ttype mesh point\n\t\tchannel {channel} ({mhz} MHz), width: 80 MHz, center1: {mhz + 30} MHz"
    )


def _station(one: Heard) -> str:
    signal = one.link.quality_pct // 2 - 100
    rate = one.link.quality_pct * 8.667
    return (
        f"Station {one.other_mac} (on {BAND_PORTS[one.link.band][0]})\n\tinactive time:\t120 ms\n"
        f"\tsignal:  \t{signal} [{signal - 2}, {signal - 3}] dBm\n\tsignal avg:\t{signal} dBm\n"
        f"\ttx bitrate:\t{rate:.1f} MBit/s VHT-MCS 9 80MHz VHT-NSS 2\n{_expected(one, rate / 2)}\tmesh plink:\tESTAB\n"
    )


def _expected(one: Heard, mbps: float) -> str:
    """The drivers of newer radios choose the rate in firmware and tell none."""
    return "" if one.link.band == "5" else f"\texpected throughput:\t{mbps:.1f}Mbps\n"


def _path(one: Heard) -> str:
    airtime = 1 + round(8192 / max(0.1, one.link.quality_pct * 8.667 / 2))
    name = BAND_PORTS[one.link.band][0]
    return f"{one.other_mac} {one.other_mac} {name}\t12\t{airtime}\t0\t900\t0\t0\t0x15\t1\t2\n"
