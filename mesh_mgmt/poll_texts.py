"""What the texts in an agent's answer mean: names of interfaces, the version of its software. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Final

from device_drivers.api import Oid, SnmpValue

IF_UP: Final = 1
"""ifOperStatus (RFC 2863)."""
_VERSION = re.compile(r"(?:OpenWrt|RouterOS|airOS|LEDE|firmware|version)[ /v]*([0-9][\w.\-]*)", re.IGNORECASE)


@lru_cache(maxsize=4096)
def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip("\0 ")


def _name(raw: SnmpValue, index: Oid) -> str:
    """ifName, or the index where an agent has no names."""
    name = _text(raw) if isinstance(raw, bytes) else ""
    return name or "if" + ".".join(map(str, index))


def by_name(rows: Mapping[Oid, Sequence[SnmpValue]]) -> dict[str, Sequence[SnmpValue]]:
    """One row of each name: net-snmp keeps that of a deleted interface, frozen, beside the one made anew."""
    found: dict[str, Sequence[SnmpValue]] = {}
    for index, row in rows.items():
        name = _name(row[0], index)
        if name not in found or row[5] == IF_UP or found[name][5] != IF_UP:
            found[name] = row
    return found


@lru_cache(maxsize=4096)
def _version(raw: bytes) -> str | None:
    found = _VERSION.search(_text(raw))
    return found[1] if found else None


def firmware(description: SnmpValue) -> str | None:
    """The version of the software, where sysDescr tells one."""
    return _version(description) if isinstance(description, bytes) else None
