"""What an SNMPv3 console remembers of each agent's engine and what its reports mean. No I/O; time is an argument."""

from __future__ import annotations

import random

from device_drivers.api import EngineFacts
from device_drivers.errors import DriverError, Garbled, Refused, Stale, Unreachable
from device_drivers.snmp_ber import read_oid
from device_drivers.snmp_codec import REPORT, Pdu, get
from device_drivers.snmp_job import Job
from device_drivers.snmp_keys import LocalKeys, local_keys
from device_drivers.snmp_v3 import (
    AUTH,
    DECRYPTION_ERROR,
    NOT_IN_TIME_WINDOW,
    REPORTABLE,
    TIME_WINDOW_S,
    UNKNOWN_ENGINE,
    UNKNOWN_USER,
    UNSUPPORTED_LEVEL,
    USM_STATS,
    WRONG_DIGEST,
    Message,
    WrongDigest,
    WrongLevel,
    level_of,
    open_message,
    parse,
    seal,
)

NO_KEYS = LocalKeys("", 0, b"")
MAX_RESYNCS = 3
REFUSALS = {
    UNKNOWN_USER: "unknown user name",
    WRONG_DIGEST: "wrong authentication password or protocol",
    UNSUPPORTED_LEVEL: "security level not supported for this user",
    DECRYPTION_ERROR: "wrong privacy password or protocol",
}


class Later(Exception):
    """Drop this packet and keep waiting."""


class Session:
    """Engines by node id, and the salt that never repeats."""

    def __init__(self, rng: random.Random, engines: dict[str, EngineFacts]) -> None:
        self.engines = engines
        self._salt = rng.randrange(1 << 64)

    def request(self, job: Job, templates: dict[object, bytes], now: float) -> bytes:
        """The job's next request, or the discovery of its engine (RFC 3414 section 4)."""
        engine = self.engines.get(job.target.node_id)
        job.engine = engine
        if engine is None:
            return seal(get(job.request_id, ()), job.request_id, REPORTABLE, (b"", 0, 0), b"", NO_KEYS, b"")
        credentials = job.target.credentials
        keys = local_keys(credentials, engine.engine_id)
        self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
        time_s = engine.time_s + (int(now * 1000) - engine.learned_mono_ms) // 1000
        return seal(
            job.next_pdu(job.request_id, templates),
            job.request_id,
            level_of(credentials) | REPORTABLE,
            (engine.engine_id, engine.boots, min(max(0, time_s), (1 << 31) - 1)),
            credentials.user.encode(),
            keys,
            self._salt.to_bytes(8, "big"),
        )

    def open(self, job: Job, raw: bytes, now: float) -> Pdu:
        """Check and open an answer. Raises Later for what may be a forgery, BerError for what is broken."""
        message = parse(raw)
        engine = self.engines.get(job.target.node_id)
        discovering = engine is None
        credentials = job.target.credentials
        keys = NO_KEYS if discovering and not message.flags & AUTH else local_keys(credentials, message.engine_id)
        try:
            scoped = open_message(raw, message, keys, 0 if discovering else level_of(credentials))
        except (WrongDigest, WrongLevel) as error:
            raise Later from error
        if scoped.pdu.kind == REPORT:
            self._believe_report(job, message, scoped.pdu, now)
            return scoped.pdu
        if engine is None or message.engine_id != engine.engine_id or scoped.pdu.request_id != job.request_id:
            raise Later
        self._keep_time(job, engine, message, now)
        return scoped.pdu

    def _believe_report(self, job: Job, message: Message, pdu: Pdu, now: float) -> None:
        """Take over the engine's identity and time where the report may change them."""
        which = _which(pdu)
        known = self.engines.get(job.target.node_id)
        if which == UNKNOWN_ENGINE:
            if known is not None and message.engine_id == known.engine_id:
                raise Later
            # Time of an unauthenticated report is a first guess; a wrong one is put right by the next report.
            self._store(job, message, now)
        elif which == NOT_IN_TIME_WINDOW:
            if not message.flags & AUTH:
                raise Later
            self._store(job, message, now)

    def _keep_time(self, job: Job, engine: EngineFacts, message: Message, now: float) -> None:
        """RFC 3414 section 3.2 step 7b: accept only what lies in the window, follow the engine's clock forward."""
        expected_s = engine.time_s + (int(now * 1000) - engine.learned_mono_ms) // 1000
        if message.boots < engine.boots or (
            message.boots == engine.boots and message.time_s < expected_s - TIME_WINDOW_S
        ):
            raise Later
        if message.boots > engine.boots or message.time_s != expected_s:
            self._store(job, message, now)

    def _store(self, job: Job, message: Message, now: float) -> None:
        facts = EngineFacts(message.engine_id, message.boots, message.time_s, int(now * 1000))
        self.engines[job.target.node_id] = facts
        job.engine = facts

    def learn(self, job: Job, report: Pdu) -> None:
        """Go on after a report, or raise what it means: Refused, Stale, Garbled."""
        which = _which(report)
        node_id = job.target.node_id
        if which in REFUSALS:
            raise Refused(node_id, REFUSALS[which])
        if which not in (UNKNOWN_ENGINE, NOT_IN_TIME_WINDOW):
            raise Garbled(node_id, "a report of unknown kind")
        job.resyncs += 1
        if job.resyncs > MAX_RESYNCS:
            raise Stale(node_id, "engine id or time changes with every answer")

    def silence(self, job: Job, evidence: str) -> DriverError:
        """No answer. After a discovery that worked, silence smells of a wrong privacy key (agents drop noise)."""
        if job.target.credentials.priv and job.resyncs and job.scalars is None:
            return Unreachable(
                job.target.node_id, f"{evidence} after discovery: a wrong privacy password looks like this"
            )
        return Unreachable(job.target.node_id, evidence)

    def describe(self, job: Job) -> str:
        """One line for the log of real calls, in the terms of the protocol, without any secret."""
        target = job.target
        version = target.credentials.version
        if version == "3" and job.engine is None:
            what = "discovery"
        elif job.scalars is None:
            what = f"get {len(job.plan.scalars)} objects"
        else:
            what = f"getbulk {len(job.plan.columns)} columns"
        again = f" (try {job.tries})" if job.tries > 1 else ""
        return f"snmp v{version} {what} {target.host}:{target.port}{again}"


def _which(report: Pdu) -> int:
    """Which usmStats counter the report carries; 0 when it is another."""
    if len(report.binds) != 1:
        return 0
    oid = read_oid(report.binds[0][0])
    if oid[: len(USM_STATS)] != USM_STATS or len(oid) != len(USM_STATS) + 2:
        return 0
    return oid[len(USM_STATS)]
