"""What lldpcli prints of wired neighbours, from JSON to NeighbourSeen. Pure, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from device_drivers.capabilities import NeighbourSeen
from device_drivers.mesh_parse import json_object, mac_of

_AGE = re.compile(r"(?:(\d{1,5}) days?, )?(\d{1,5}):(\d\d):(\d\d)")


def lldp(lldpcli_json: str, macs: Mapping[str, str] | None = None) -> list[NeighbourSeen]:
    """Wired far ends of `lldpcli -f json show neighbors` (the keyed form and json0)."""
    root = json_object(lldpcli_json, "lldpcli").get("lldp", {})
    found: list[NeighbourSeen] = []
    for one in _each(root):
        for ifname, entry in _interfaces(one.get("interface", {})):
            name, chassis = _chassis(entry.get("chassis"))
            port = _only(entry.get("port"))
            port_id = _only(port.get("id"))
            chassis_id = _only(chassis.get("id"))
            remote = _mac_id(port_id) or _mac_id(chassis_id)
            far_port = _value(port_id) if _value(port_id, "type") == "ifname" else _value(_only(port.get("descr")))
            name = name or (_value(chassis_id) if _value(chassis_id, "type") == "ip" else "")
            if not remote and not name:
                continue
            local = (macs or {}).get(ifname, "")
            age_ms = _age_ms(str(entry.get("age", "")))
            seen = NeighbourSeen("lldp", ifname, local, remote, "wired", name, age_ms=age_ms, remote_ifname=far_port)
            found.append(seen)
    return found


def _interfaces(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in _each(value):
        if isinstance(one.get("name"), str):
            yield one["name"], one
        else:
            yield from ((ifname, entry) for ifname, entry in one.items() if isinstance(entry, dict))


def _chassis(value: object) -> tuple[str, dict[str, Any]]:
    """System name and the chassis itself: keyed by the name, or with a name of its own."""
    chassis = _only(value)
    if "id" in chassis:
        return _value(_only(chassis.get("name"))) or str(chassis.get("name") or ""), chassis
    for name, inner in chassis.items():
        if isinstance(inner, dict):
            return name, inner
    return "", {}


def _each(value: object) -> Iterable[dict[str, Any]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _only(value: object) -> dict[str, Any]:
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, dict) else {"value": first} if isinstance(first, str) else {}


def _value(of: Mapping[str, Any], key: str = "value") -> str:
    found = of.get(key)
    return found if isinstance(found, str) else ""


def _mac_id(of: Mapping[str, Any]) -> str:
    return mac_of(_value(of)) if _value(of, "type") == "mac" else ""


def _age_ms(text: str) -> int:
    """ "1 day, 02:03:04" in milliseconds."""
    found = _AGE.search(text)
    if found is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000
