"""What an OpenWrt-like node prints, as facts. Pure; everything it cannot understand is Garbled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from device_drivers import lldpcli_parse, mesh_parse
from device_drivers.capabilities import BoardFacts, BootFacts, ImageVerdict, NeighbourSeen
from device_drivers.errors import Garbled
from device_drivers.openwrt_scripts import SECTION

_COUNT = re.compile(r"[0-9]{1,18}")


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
    except (KeyError, IndexError, ValueError, OverflowError) as error:
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


def neighbours_seen(node_id: str, parts: Mapping[str, str]) -> list[NeighbourSeen]:
    """Every far end once per interface: what one source does not know is filled in from the next."""
    try:
        return _merged(_all_seen(parts, own_macs(parts)))
    except mesh_parse.NotUnderstood as error:
        raise Garbled(node_id, str(error)) from error


def _all_seen(parts: Mapping[str, str], macs: Mapping[str, str]) -> Iterator[NeighbourSeen]:
    known = mesh_parse.radios(parts.get("iwdev", ""))
    for name, info in per_interface(parts.get("info", "")):
        known.setdefault(name, mesh_parse.iwinfo_radio(info))
    if neighbors := parts.get("neighbors", ""):
        hard = {**macs, **(mesh_parse.batadv_macs(parts["hardifs"]) if parts.get("hardifs") else {})}
        originators, hardifs = parts.get("originators", ""), parts.get("hardifs", "")
        yield from mesh_parse.batadv(neighbors, originators, known, hard, hardifs)
    yield from mesh_parse.stations(parts.get("stations", ""), known, parts.get("paths", ""))
    for name, text in per_interface(parts.get("assoc", "")):
        yield from mesh_parse.assoclist(text, name, known.get(name))
    if told := parts.get("lldp", ""):
        yield from lldpcli_parse.lldp(told, macs)


def _merged(seen: Iterator[NeighbourSeen]) -> list[NeighbourSeen]:
    found: dict[tuple[str, str, str], NeighbourSeen] = {}
    for one in seen:
        key = (one.local_ifname, one.remote_mac, one.remote_mac or one.remote_name)
        first = found.get(key)
        found[key] = (
            one
            if first is None
            else replace(
                first,
                local_mac=first.local_mac or one.local_mac,
                remote_name=first.remote_name or one.remote_name,
                quality_pct=_either(first.quality_pct, one.quality_pct),
                signal_dbm=_either(first.signal_dbm, one.signal_dbm),
                throughput_mbps=_either(first.throughput_mbps, one.throughput_mbps),
            )
        )
    return list(found.values())


def _either(first: float | None, second: float | None) -> float | None:
    return second if first is None else first


def per_interface(text: str) -> list[tuple[str, str]]:
    """The blocks behind `dev NAME` lines that hold anything."""
    blocks = [block.partition("\n") for block in re.split(r"^dev ", text, flags=re.MULTILINE)[1:]]
    return [(name.strip(), body.strip()) for name, _, body in blocks if body.strip()]


def first_number(node_id: str, text: str) -> int:
    """The number a script ends with as its only word that counts. Garbled when it printed none."""
    word = next(iter(text.split()), "")
    if not _COUNT.fullmatch(word):
        raise Garbled(node_id, f"a number was expected, not {text[:80]!r}")
    return int(word)


def as_json(node_id: str, text: str) -> dict[str, Any]:
    """A JSON object the node printed. Garbled when it is none."""
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Garbled(node_id, f"no JSON ({error}): {text[:80]!r}") from error
    if not isinstance(found, dict):
        raise Garbled(node_id, f"no JSON object: {text[:80]!r}")
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name, "")
    return value if isinstance(value, str) else ""
