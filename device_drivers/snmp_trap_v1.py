"""SNMPv1 traps as the SNMPv2c notifications they mean (RFC 3584 section 3.1). No I/O.

Much of what hangs on masts sends nothing else unless it is told to.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from device_drivers.api import Oid
from device_drivers.snmp_ber import (
    INTEGER,
    IP_ADDRESS,
    OCTETS,
    OID,
    SEQUENCE,
    TIME_TICKS,
    BerError,
    expect,
    integer,
    read_oid,
)
from device_drivers.snmp_codec import (
    MAX_INT,
    TRAP,
    V2C,
    bind,
    community_message,
    parse_binds,
    pdu,
    value_of,
    value_tlv,
    version_at,
)

TRAP_V1: Final = 0xA4
ENTERPRISE_SPECIFIC: Final = 6
SYS_UPTIME: Final[Oid] = (1, 3, 6, 1, 2, 1, 1, 3, 0)
SNMP_TRAP_OID: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 4, 1, 0)
SNMP_TRAP_ENTERPRISE: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 4, 3, 0)
SNMP_TRAP_ADDRESS: Final[Oid] = (1, 3, 6, 1, 6, 3, 18, 1, 3, 0)
SNMP_TRAPS: Final[Oid] = (1, 3, 6, 1, 6, 3, 1, 1, 5)


@dataclass(frozen=True, slots=True)
class Translated:
    """Who says it about whom, and the same as a whole v2c message. `agent` is where the trap says it began."""

    community: bytes
    agent: str
    message: bytes


def translate(raw: bytes) -> Translated:
    """Translate one v1 trap; BerError for anything else. The community does not become one of its values."""
    _, at, end = version_at(raw)
    first, at = expect(raw, at, end, OCTETS)
    community = raw[first:at]
    at, stop = expect(raw, at, end, TRAP_V1)
    if stop != end:
        raise BerError("something behind the trap")
    first, at = expect(raw, at, stop, OID)
    enterprise = read_oid(raw[first:at])
    first, at = expect(raw, at, stop, IP_ADDRESS)
    agent = value_of(raw, IP_ADDRESS, first, at)
    generic, at = _number(raw, at, stop)
    specific, at = _number(raw, at, stop)
    first, at = expect(raw, at, stop, TIME_TICKS)
    ticks = value_of(raw, TIME_TICKS, first, at)
    first, last = expect(raw, at, stop, SEQUENCE)
    if last != stop or generic > ENTERPRISE_SPECIFIC:
        raise BerError("something behind the bindings, or a generic trap of unknown number")
    parse_binds(raw, first, last)
    kind = (*enterprise, 0, specific) if generic == ENTERPRISE_SPECIFIC else (*SNMP_TRAPS, generic + 1)
    binds = [
        bind(SYS_UPTIME, value_tlv(TIME_TICKS, ticks)),
        bind(SNMP_TRAP_OID, value_tlv(OID, kind)),
        raw[first:last],
        bind(SNMP_TRAP_ADDRESS, value_tlv(IP_ADDRESS, agent)),
        bind(SNMP_TRAP_ENTERPRISE, value_tlv(OID, enterprise)),
    ]
    assert isinstance(agent, bytes)
    message = community_message(V2C, community, pdu(TRAP, 1, 0, 0, binds))
    return Translated(community, ".".join(map(str, agent)), message)


def _number(raw: bytes, at: int, end: int) -> tuple[int, int]:
    first, at = expect(raw, at, end, INTEGER)
    value = integer(raw, first, at)
    if not 0 <= value <= MAX_INT:
        raise BerError("trap number out of range")
    return value, at
