"""What the layers above may know about devices: wire dataclasses and small Protocols by capability. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from device_drivers.errors import DriverError

AuthProtocol = Literal["md5", "sha1", "sha224", "sha256", "sha384", "sha512"]
PrivProtocol = Literal["des", "aes128", "aes192", "aes256", "aes192-cisco", "aes256-cisco"]
"""`aes192`/`aes256` extend the key after Blumenthal's draft (net-snmp), `-cisco` after Reeder's."""

Oid = tuple[int, ...]
SnmpValue = int | bytes | Oid | None
"""INTEGER, Counter, Gauge, TimeTicks -> int; OCTET STRING, IpAddress, Opaque -> bytes; OID -> tuple; absent -> None."""


@dataclass(frozen=True, slots=True)
class SnmpCredentials:
    """One named set of SNMP rights. Secrets are never shown by repr."""

    version: Literal["2c", "3"]
    community: str = field(default="", repr=False)
    user: str = ""
    auth: AuthProtocol | None = None
    auth_password: str = field(default="", repr=False)
    priv: PrivProtocol | None = None
    priv_password: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class SnmpTarget:
    """One agent: the inventory's node id, its numeric address and the rights to use."""

    node_id: str
    host: str
    port: int
    credentials: SnmpCredentials
    timeout_ms: int = 2000
    retries: int = 2


@dataclass(frozen=True, slots=True)
class EngineFacts:
    """What SNMPv3 has to remember of an agent between runs (RFC 3414 section 2.2)."""

    engine_id: bytes
    boots: int
    time_s: int
    learned_mono_ms: int


@dataclass(frozen=True, slots=True)
class PollPlan:
    """What one poll asks: scalars with one GET, table columns side by side with GETBULK until each ends."""

    scalars: tuple[Oid, ...]
    columns: tuple[Oid, ...]
    max_rows: int = 64


@dataclass(frozen=True, slots=True)
class Poll:
    """One finished poll. `scalars` follows the plan's order, `rows` maps a row's index to its columns in the
    plan's order. On failure `error` is set and the rest is empty; `exchanges` counts requests on the wire."""

    node_id: str
    due_ms: int
    rtt_ms: float
    exchanges: int
    scalars: tuple[SnmpValue, ...] = ()
    rows: dict[Oid, tuple[SnmpValue, ...]] = field(default_factory=dict)
    engine: EngineFacts | None = None
    error: DriverError | None = None


@dataclass(frozen=True, slots=True)
class BrokerTarget:
    """One MQTT broker. Paths point to PEM files; the password is never shown by repr."""

    name: str
    host: str
    port: int
    client_id: str
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = field(default=None, repr=False)
    receive_maximum: int = 1000
    session_expiry_s: int = 7 * 86400
    keepalive_s: int = 30


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter and the kind of payload that arrives there (`chirpstack` or the name of a JSON mapping)."""

    topic: str
    kind: str
    qos: int = 1


@dataclass(frozen=True, slots=True)
class Message:
    """One received PUBLISH that waits for its acknowledgement. `generation` is the connection it came on."""

    broker: str
    topic: str
    payload: bytes
    kind: str
    qos: int
    retained: bool
    mid: int
    generation: int


class QueueSource(Protocol):
    """A broker connection that hands out batches and acknowledges them only when told to."""

    def take(self, limit: int, wait_s: float) -> Sequence[Message]:
        """Up to `limit` messages, waiting at most `wait_s` for the first; empty when nothing came."""

    def acknowledge(self, messages: Sequence[Message]) -> int:
        """Acknowledge after COMMIT; those of an older connection are dropped. Returns how many went out."""

    def close(self) -> None:
        """Disconnect cleanly, keeping the session at the broker."""


class PollSource(Protocol):
    """Something that polls many agents from one thread and reports each finished poll."""

    def submit(self, target: SnmpTarget, plan: PollPlan, due_ms: int) -> None:
        """Start one poll; its result goes to the callback given at construction."""

    def step(self, wait_s: float) -> int:
        """Wait for and handle what arrived; returns the number of polls finished."""

    def in_flight(self) -> int:
        """Polls started and not finished."""


CallLog = Callable[[str, str], None]
"""Receives (node_id, one line in the terms of the protocol, secrets masked)."""
