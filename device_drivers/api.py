"""What the layers above may know about devices: wire dataclasses and small Protocols by capability. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

import msgspec

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
    """What one poll asks: scalars with one GET, table columns side by side with GETBULK until each ends.

    A node whose answers are known and fit one packet is asked for both with one GETBULK (RFC 3416 section 4.2.3).
    """

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
    receive_maximum: int = 8000  # two full batches: one is stored while the other arrives
    session_expiry_s: int = 7 * 86400
    keepalive_s: int = 30


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter and the kind of payload that arrives there (`chirpstack` or the name of a JSON mapping)."""

    topic: str
    kind: str
    qos: int = 1


class Message(msgspec.Struct, frozen=True, gc=False):
    """One received PUBLISH that waits for its acknowledgement. `generation` is the connection it came on.

    A Struct, as `Reading` is: made for every message, and a fifth of the cost of a frozen dataclass.
    """

    broker: str
    topic: str
    payload: bytes
    kind: str
    qos: int
    retained: bool
    mid: int
    generation: int
    dup: bool = False
    """Set by the broker on a second delivery; tells a repeat of a message that has neither time nor counter."""


class Reading(msgspec.Struct, frozen=True, gc=False):
    """What one device measured, however it was encoded.

    `counter` is None when the device does not count; `timed` is False when `at_ms` is the time of receipt;
    `heard_by` are the EUIs of the gateways that received it;
    `refused` names values of a wrong type or outside what is physically possible, as `quantity=value`.
    """

    device: str
    at_ms: int
    values: dict[str, float]
    name: str = ""
    profile: str = ""
    session: str = ""
    counter: int | None = None
    timed: bool = True
    rssi_dbm: float | None = None
    snr_db: float | None = None
    sf: int | None = None
    gateways: int | None = None
    refused: tuple[str, ...] = ()
    heard_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DeviceEvent:
    """Something a device's server reports that is no measurement; `body` is compact JSON for people.

    A join carries the new `session`, a status `battery_pct` and `margin_db`, a log its `text`.
    """

    device: str
    at_ms: int
    kind: Literal["join", "status", "ack", "txack", "log", "location"]
    body: str
    name: str = ""
    profile: str = ""
    timed: bool = True
    session: str = ""
    battery_pct: float | None = None
    margin_db: float | None = None
    text: str = ""


UndecodableReason = Literal[
    "too_large",
    "not_json",
    "not_utf8",
    "too_deep",
    "wrong_shape",
    "bad_device",
    "other_device",
    "bad_time",
    "time_in_future",
    "time_too_old",
    "bad_counter",
    "no_values",
    "unknown_event",
    "unknown_kind",
]


@dataclass(frozen=True, slots=True)
class Undecodable:
    """Why a message cannot be understood; it belongs into quarantine with its bytes."""

    reason: UndecodableReason
    detail: str


Decoded = Reading | DeviceEvent | Undecodable
Decode = Callable[[str, bytes, int], Decoded]
"""(topic, payload, now_ms) -> what it says. Pure; never raises on hostile input."""


@dataclass(frozen=True, slots=True)
class QueueState:
    """A broker connection right now. `protocol` is empty before the first answer; `error` is the last trouble
    and stays until the next good connection; `waiting` messages were received and not yet taken."""

    broker: str
    connected: bool
    since_ms: int
    protocol: str = ""
    session_present: bool = False
    connections: int = 0
    received: int = 0
    acknowledged: int = 0
    acks_dropped: int = 0
    waiting: int = 0
    reading: bool = True
    error: DriverError | None = None


class QueueSource(Protocol):
    """A broker connection that hands out batches and acknowledges them only when told to."""

    def take(self, limit: int, wait_s: float) -> Sequence[Message]:
        """Up to `limit` messages, waiting at most `wait_s` for the first; empty when nothing came."""

    def acknowledge(self, messages: Sequence[Message]) -> int:
        """Acknowledge after COMMIT; those of an older connection are dropped. Returns how many went out."""

    def state(self) -> QueueState:
        """A snapshot of the connection for liveness."""

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
