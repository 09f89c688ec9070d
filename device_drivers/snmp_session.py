"""What an SNMPv3 console remembers of each agent's engine and what its reports mean. No I/O; time is an argument."""

from __future__ import annotations

import random
from collections.abc import Callable

from device_drivers.api import EngineFacts
from device_drivers.errors import DriverError, Garbled, Refused, Stale, Unreachable
from device_drivers.snmp_ber import BerError, read_oid
from device_drivers.snmp_codec import REPORT, Head, get, parse_binds
from device_drivers.snmp_job import Job
from device_drivers.snmp_keys import NO_KEYS, local_keys, master_keys
from device_drivers.snmp_v3 import (
    AUTH,
    DECRYPTION_ERROR,
    MAX_BOOTS,
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
    open_answer,
    scoped_head,
    seal,
)

MAX_RESYNCS = 3
ENGINE_ID_BYTES = range(5, 33)  # RFC 3411 section 5, SnmpEngineID
REFUSALS = {
    UNKNOWN_USER: "unknown user name",
    WRONG_DIGEST: "wrong authentication password or protocol",
    UNSUPPORTED_LEVEL: "security level not supported for this user",
    DECRYPTION_ERROR: "wrong privacy password or protocol",
}


class Later(Exception):
    """Drop this packet and keep waiting."""


class Session:
    """Engines by node id, and the salt that never repeats. `inside` reads what was sealed."""

    def __init__(
        self, rng: random.Random, engines: dict[str, EngineFacts], inside: Callable[[bytes], Head] = scoped_head
    ) -> None:
        self.engines = engines
        self._inside = inside
        self._salt = rng.randrange(1 << 64)

    def request(self, job: Job, now: float) -> bytes:
        """The job's next request, or the discovery of its engine (RFC 3414 section 4)."""
        credentials = job.target.credentials
        engine = self.engines.get(job.target.node_id)
        if engine is None:
            master_keys(credentials)
            job.engine, job.keys = None, NO_KEYS
            return seal(get(job.request_id, ()), job.request_id, REPORTABLE, (b"", 0, 0), b"", NO_KEYS, b"")
        if job.engine is None or job.engine.engine_id != engine.engine_id:
            job.keys = local_keys(credentials, engine.engine_id)
        job.engine = engine
        self._salt = (self._salt + 1) & 0xFFFFFFFFFFFFFFFF
        return seal(
            job.encode(job.request_id, None),
            job.request_id,
            level_of(credentials) | REPORTABLE,
            (engine.engine_id, engine.boots, min(max(0, _time_s(engine, now)), MAX_BOOTS)),
            credentials.user.encode(),
            job.keys,
            self._salt.to_bytes(8, "big"),
        )

    def open(self, job: Job, message: Message, raw: bytes, now: float) -> tuple[bytes, Head]:
        """Check and open an answer. Raises Later for what may be a forgery, BerError for what is broken."""
        engine = job.engine
        level = level_of(job.target.credentials)
        try:
            # With the keys of the request: none is derived for an engine only this packet speaks of.
            plain, head = open_answer(raw, message, job.keys, level, self._inside)
        except (WrongDigest, WrongLevel) as error:
            raise Later from error
        if head.kind == REPORT:
            self._believe_report(job, message, _which(plain, head), now)
        elif engine is None or message.engine_id != engine.engine_id or head.request_id != job.request_id:
            raise Later
        else:
            self._keep_time(job, message, now)
        return plain, head

    def _believe_report(self, job: Job, message: Message, which: int, now: float) -> None:
        """Take over the engine's identity and time where the report may change them."""
        used = job.engine
        if which == UNKNOWN_ENGINE:
            if used is not None and message.engine_id == used.engine_id:
                raise Later
            if len(message.engine_id) not in ENGINE_ID_BYTES:
                raise BerError("an engine id that is not 5 to 32 bytes long")
            known = self.engines.get(job.target.node_id)
            if known is None or known.engine_id != message.engine_id:
                # Time of an unauthenticated report is a first guess; a wrong one is put right by the next report.
                self._store(job, message, now)
        elif which == NOT_IN_TIME_WINDOW:
            if not message.flags & AUTH and job.target.credentials.auth is not None:
                raise Later
            self._store(job, message, now)

    def _keep_time(self, job: Job, message: Message, now: float) -> None:
        """RFC 3414 section 3.2 step 7b: accept only what lies in the window, follow the engine's clock forward."""
        engine = self.engines.get(job.target.node_id)
        if engine is None or engine.engine_id != message.engine_id:
            return
        expected_s = _time_s(engine, now)
        if message.flags & AUTH and (
            message.boots < engine.boots
            or (message.boots == engine.boots and message.time_s < expected_s - TIME_WINDOW_S)
        ):
            raise Later
        if message.boots > engine.boots or message.time_s != expected_s:
            self._store(job, message, now)

    def _store(self, job: Job, message: Message, now: float) -> None:
        facts = EngineFacts(message.engine_id, message.boots, message.time_s, int(now * 1000))
        self.engines[job.target.node_id] = facts
        if job.engine is not None and job.engine.engine_id == facts.engine_id:
            job.engine = facts

    def learn(self, job: Job, plain: bytes, report: Head) -> None:
        """Go on after a report, or raise what it means: Refused, Stale, Garbled."""
        which = _which(plain, report)
        node_id = job.target.node_id
        if which in REFUSALS:
            raise Refused(node_id, REFUSALS[which])
        if which not in (UNKNOWN_ENGINE, NOT_IN_TIME_WINDOW):
            raise Garbled(node_id, "a report of unknown kind")
        job.resyncs += 1
        if job.resyncs > MAX_RESYNCS:
            raise Stale(node_id, "engine id or time changes with every answer")

    def silence(self, job: Job) -> DriverError:
        """No answer. After a discovery that worked, silence smells of a wrong privacy key (agents drop noise)."""
        times = "once" if job.tries == 1 else f"{job.tries} times"
        evidence = f"no answer, asked {times}, first waiting {job.target.timeout_ms / 1000:g} s"
        if job.target.credentials.priv and job.resyncs and job.scalars is None:
            evidence += " after discovery: a wrong privacy password looks like this"
        return Unreachable(job.target.node_id, evidence)

    def describe(self, job: Job) -> str:
        """One line for the log of real calls, in the terms of the protocol, without any secret."""
        target = job.target
        version = target.credentials.version
        if version == "3" and job.engine is None:
            what = "discovery"
        elif job.together:
            what = f"getbulk {len(job.plan.scalars)} objects and {len(job.plan.columns)} columns"
        elif job.scalars is None:
            what = f"get {len(job.plan.scalars)} objects"
        else:
            what = f"getbulk {len(job.plan.columns)} columns"
        again = f" (try {job.tries})" if job.tries > 1 else ""
        return f"snmp v{version} {what} {target.host}:{target.port}{again}"


def _time_s(engine: EngineFacts, now: float) -> int:
    """The engine's time by our clock."""
    return engine.time_s + (int(now * 1000) - engine.learned_mono_ms) // 1000


def _which(plain: bytes, report: Head) -> int:
    """Which usmStats counter the report carries; 0 when it is another."""
    binds = parse_binds(plain, report.first, report.last)
    if len(binds) != 1:
        return 0
    oid = read_oid(binds[0][0])
    if oid[: len(USM_STATS)] != USM_STATS or len(oid) != len(USM_STATS) + 2:
        return 0
    return oid[len(USM_STATS)]
