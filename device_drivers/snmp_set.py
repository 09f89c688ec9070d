"""Sets one SNMP object with pysnmp. One engine per call: a SET is rare, and nothing of it outlives its answer."""

from __future__ import annotations

import asyncio
from typing import Any, Final, Literal

from pyasn1.error import PyAsn1Error
from pysnmp.error import PySnmpError
from pysnmp.hlapi.v3arch import asyncio as hlapi
from pysnmp.proto import errind, rfc1902

from device_drivers.api import Oid, SnmpTarget
from device_drivers.errors import DriverError, Garbled, Refused, Unreachable, Unsupported
from device_drivers.snmp_keys import KeyChoiceError, master_keys
from device_drivers.snmp_protocols import AUTH, PRIV

Type = Literal["integer", "octets", "oid", "address", "gauge", "ticks"]
TYPES: Final[dict[Type, Any]] = {
    "integer": rfc1902.Integer32,
    "octets": rfc1902.OctetString,
    "oid": rfc1902.ObjectIdentifier,
    "address": rfc1902.IpAddress,
    "gauge": rfc1902.Gauge32,
    "ticks": rfc1902.TimeTicks,
}
# fmt: off
STATUS: Final = (
    "noError", "tooBig", "noSuchName", "badValue", "readOnly", "genErr", "noAccess", "wrongType", "wrongLength",
    "wrongEncoding", "wrongValue", "noCreation", "inconsistentValue", "resourceUnavailable", "commitFailed",
    "undoFailed", "authorizationError", "notWritable", "inconsistentName",
)
# fmt: on
"""RFC 3416 section 3, error-status by number."""
ABSENT: Final = frozenset({"noSuchName", "noCreation", "notWritable", "readOnly"})


def set_value(target: SnmpTarget, oid: Oid, kind: Type, value: int | bytes | Oid) -> None:
    """Set one object to a value of the given SNMP type and wait for the agent's yes.

    Raises Unreachable, Refused (rights, or the agent does not take the value), Unsupported (no such object to write)
    or Garbled. Blocks up to the target's time and tries. A lost answer leaves open whether it was done: read it back.
    """
    try:
        master_keys(target.credentials)
        typed = TYPES[kind](value)
    except KeyChoiceError as error:
        raise Refused(target.node_id, str(error)) from error
    except PyAsn1Error as error:
        raise Refused(target.node_id, f"{value!r} is no {kind}") from error
    try:
        failure, status = asyncio.run(_send(target, oid, typed))
    except (PySnmpError, PyAsn1Error) as error:
        raise Garbled(target.node_id, str(error)) from error
    if failure is not None:
        raise _failed(target, failure)
    if status:
        word = STATUS[status] if status < len(STATUS) else f"error {status}"
        outcome = Unsupported if word in ABSENT else Refused
        raise outcome(target.node_id, f"set {'.'.join(map(str, oid))}: {word}")


async def _send(target: SnmpTarget, oid: Oid, typed: Any) -> tuple[Any, int]:
    """(what went wrong on the way, the agent's error-status)."""
    engine = hlapi.SnmpEngine()
    try:
        family = hlapi.Udp6TransportTarget if ":" in target.host else hlapi.UdpTransportTarget
        try:
            wire = await family.create((target.host, target.port), target.timeout_ms / 1000, target.retries)
        except PySnmpError as error:
            raise Unreachable(target.node_id, f"{target.host} has no address") from error
        bind = hlapi.ObjectType(hlapi.ObjectIdentity(oid), typed)
        failure, status, _, _ = await hlapi.set_cmd(
            engine, _rights(target), wire, hlapi.ContextData(), bind, lookupMib=False
        )
        return failure, int(status)
    finally:
        engine.close_dispatcher()


def _rights(target: SnmpTarget) -> Any:
    rights = target.credentials
    if rights.version == "2c":
        return hlapi.CommunityData(rights.community, mpModel=1)  # noqa: S508 - what the inventory says it speaks
    return hlapi.UsmUserData(
        rights.user,
        rights.auth_password if rights.auth else None,
        (rights.priv_password or rights.auth_password) if rights.priv else None,
        AUTH[rights.auth],
        PRIV[rights.priv],
    )


def _failed(target: SnmpTarget, failure: Any) -> DriverError:
    if isinstance(failure, errind.RequestTimedOut):
        text = f"no answer to a set, {target.retries + 1} x {target.timeout_ms / 1000:g} s"
        if target.credentials.priv:
            text += "; a wrong privacy password looks the same"
        return Unreachable(target.node_id, text)
    return Refused(target.node_id, str(failure))
