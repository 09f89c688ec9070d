"""What an OpenWrt-like node prints, as facts. Pure; everything it cannot understand is Garbled."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from device_drivers.capabilities import Band, BoardFacts, BootFacts, ImageVerdict, NeighbourSeen
from device_drivers.errors import Garbled
from device_drivers.openwrt_scripts import SECTION


class BatNeighbour(msgspec.Struct, frozen=True):
    """One entry of `batctl neighbors_json`; the throughput (kbit/s) exists with B.A.T.M.A.N. V only."""

    hard_ifname: str
    neigh_address: str
    last_seen_msecs: int
    throughput: int | None = None


def sections(text: str) -> dict[str, str]:
    """The parts of an output by the name on their `@@ NAME` line; what stands before the first is ""."""
    found: dict[str, list[str]] = {"": []}
    name = ""
    for line in text.splitlines():
        if line.startswith(SECTION):
            name = line[len(SECTION) :].strip()
            found[name] = []
        else:
            found[name].append(line)
    return {one: "\n".join(lines).strip() for one, lines in found.items()}


def board_facts(node_id: str, text: str) -> BoardFacts:
    """`ubus call system board` and the serial number behind it."""
    parts = sections(text)
    found = as_json(node_id, parts[""])
    release = found.get("release")
    if not isinstance(release, dict) or not found.get("board_name"):
        raise Garbled(node_id, f"no board_name or release in {parts[''][:80]!r}")
    return BoardFacts(
        _text(found, "board_name"),
        _text(found, "model"),
        _text(found, "hostname"),
        _text(release, "version"),
        _text(release, "revision"),
        _text(release, "target"),
        _text(found, "kernel"),
        _text(release, "distribution"),
        parts.get("serial", ""),
        parts[""],
    )


def boot_facts(node_id: str, text: str) -> BootFacts:
    """The parts the boot script prints."""
    parts = sections(text)
    bank = parts.get("bank", "").split()
    try:
        return BootFacts(
            parts["boot_id"].split()[0],
            int(float(parts["uptime"].split()[0])),
            int(parts["memory"].split()[1]) * 1024,
            int(parts["tmp"].split()[3]) * 1024,
            bank[0] if bank else "",
            "fell-back" in bank[1:],
        )
    except (KeyError, IndexError, ValueError) as error:
        raise Garbled(node_id, f"no boot facts in {text[-120:]!r}") from error


def image_verdict(node_id: str, text: str) -> ImageVerdict:
    """The JSON of `validate_firmware_image`; what it does not say counts as no."""
    found = as_json(node_id, text)
    tests = found.get("tests")
    said = {str(name): value is True for name, value in tests.items()} if isinstance(tests, dict) else {}
    return ImageVerdict(
        found.get("valid") is True,
        found.get("forceable") is True,
        found.get("allow_backup") is True,
        said,
        text.strip(),
    )


def own_macs(parts: Mapping[str, str]) -> dict[str, str]:
    """Interface -> MAC from the part `macs`; loopback and interfaces without an address carry no links."""
    rows = (line.split() for line in parts.get("macs", "").splitlines())
    return {row[0]: row[1].lower() for row in rows if len(row) == 2 and row[1].count(":") == 5 and row[0] != "lo"}


def neighbours_seen(parts: Mapping[str, str]) -> Sequence[NeighbourSeen]:
    """The direct neighbours batman-adv knows, each on the band of the interface it was heard on."""
    bands, macs = _bands(parts.get("iwdev", "")), own_macs(parts)
    try:
        rows = msgspec.json.decode(parts.get("neighbors") or "[]", type=list[BatNeighbour])
    except msgspec.ValidationError:
        return ()
    return [
        NeighbourSeen(
            "batadv",
            row.hard_ifname,
            macs.get(row.hard_ifname, ""),
            row.neigh_address.lower(),
            bands.get(row.hard_ifname, "wired"),
            throughput_mbps=None if row.throughput is None else row.throughput / 1000,
            age_ms=row.last_seen_msecs,
        )
        for row in rows
    ]


def _bands(text: str) -> dict[str, Band]:
    """Interface -> band from the channel lines of `iw dev`."""
    found: dict[str, Band] = {}
    name = ""
    for line in text.splitlines():
        words = line.split()
        if words[:1] == ["Interface"] and len(words) == 2:
            name = words[1]
        elif words[:1] == ["channel"] and (mhz := re.search(r"\((\d+) MHz\)", line)):
            found[name] = _band(int(mhz[1]))
    return found


def _band(mhz: int) -> Band:
    for upper, band in ((3_000, "2.4"), (5_925, "5"), (7_125, "6")):
        if mhz < upper:
            return band  # type: ignore[return-value]
    return "60"


def as_json(node_id: str, text: str) -> dict[str, Any]:
    """A JSON object the node printed. Garbled when it is none."""
    try:
        found = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise Garbled(node_id, f"no JSON ({error}): {text[:80]!r}") from error
    if not isinstance(found, dict):
        raise Garbled(node_id, f"no JSON object: {text[:80]!r}")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    return value if isinstance(value, str) else ""
