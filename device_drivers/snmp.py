"""Polls many SNMP agents from one thread over one UDP socket per address family. Only this module opens them."""

from __future__ import annotations

import contextlib
import heapq
import random
import select
import socket
import time
from collections.abc import Callable, Mapping
from typing import Final

from device_drivers.api import EngineFacts, Poll, PollPlan, SnmpTarget
from device_drivers.errors import DriverError, Garbled, Refused, Unreachable
from device_drivers.snmp_ber import INTEGER, SEQUENCE, BerError, expect, integer
from device_drivers.snmp_codec import REPORT, V2C, V3, Pdu, community_message, parse_message
from device_drivers.snmp_job import Job, indexed
from device_drivers.snmp_keys import KeyChoiceError
from device_drivers.snmp_session import Later, Session

RECEIVE_BUFFER: Final = 8 << 20
DRAIN: Final = 512
FIRST_ID: Final = 1 << 24
LAST_ID: Final = (1 << 31) - 1


class Poller:
    """Implements api.PollSource. Every finished poll goes to `on_poll`, failed ones with one of the five errors.

    `engines` are facts remembered from an earlier run by node id; `log` receives (node id, line) per request.
    """

    def __init__(
        self,
        on_poll: Callable[[Poll], None],
        rng: random.Random,
        engines: Mapping[str, EngineFacts] | None = None,
        clock: Callable[[], float] = time.monotonic,
        log: Callable[[str, str], None] | None = None,
    ) -> None:
        self._on_poll = on_poll
        self._rng = rng
        self._clock = clock
        self._log = log
        self._sockets: dict[int, socket.socket] = {}
        self._jobs: dict[int, Job] = {}
        self._deadlines: list[tuple[float, int, int]] = []
        self._templates: dict[object, bytes] = {}
        self._row_counts: dict[str, int] = {}
        self._session = Session(rng, dict(engines or {}))
        self._next_id = rng.randrange(FIRST_ID, LAST_ID)
        self._finished = 0

    def submit(self, target: SnmpTarget, plan: PollPlan, due_ms: int) -> None:
        """Start one poll; its first request is sent before this returns."""
        engine = self._session.engines.get(target.node_id)
        self._send_next(Job(target, plan, due_ms, engine, self._row_counts.get(target.node_id, 0)))

    def in_flight(self) -> int:
        """Polls started and not finished."""
        return len(self._jobs)

    def step(self, wait_s: float) -> int:
        """Handle what arrived, waiting at most `wait_s` for the first packet, then what timed out."""
        self._finished = 0
        if self._deadlines:
            wait_s = min(wait_s, max(0.0, self._deadlines[0][0] - self._clock()))
        if self._sockets:
            ready, _, _ = select.select(list(self._sockets.values()), (), (), wait_s)
            for sock in ready:
                self._drain(sock)
        elif wait_s > 0:
            time.sleep(wait_s)
        self._expire()
        return self._finished

    def close(self) -> None:
        """Close the sockets; polls in flight are forgotten."""
        for sock in self._sockets.values():
            sock.close()
        self._sockets.clear()
        self._jobs.clear()

    def _socket(self, family: int) -> socket.socket:
        sock = self._sockets.get(family)
        if sock is None:
            sock = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
        return sock

    def _send_next(self, job: Job) -> None:
        """Build the job's next request under a fresh id and send it."""
        self._next_id = self._next_id + 1 if self._next_id < LAST_ID else FIRST_ID
        job.request_id = self._next_id
        job.tries = 0
        try:
            if job.target.credentials.version == "2c":
                pdu = job.next_pdu(job.request_id, self._templates)
                job.request = community_message(V2C, job.target.credentials.community.encode(), pdu)
            else:
                job.request = self._session.request(job, self._templates, self._clock())
        except KeyChoiceError as error:
            self._fail(job, Refused(job.target.node_id, str(error)))
            return
        self._jobs[job.request_id] = job
        self._transmit(job)

    def _transmit(self, job: Job) -> None:
        now = self._clock()
        target = job.target
        job.tries += 1
        job.exchanges += 1
        job.sent_at = now
        family = socket.AF_INET6 if ":" in target.host else socket.AF_INET
        try:
            self._socket(family).sendto(job.request, (target.host, target.port))
        except BlockingIOError:
            pass  # the send buffer is full: the retry below sends it
        except (OSError, OverflowError) as error:
            self._jobs.pop(job.request_id, None)
            self._fail(job, Unreachable(target.node_id, f"{target.host}: {error}"))
            return
        wait_s = target.timeout_ms / 1000 * self._rng.uniform(0.9, 1.1)
        heapq.heappush(self._deadlines, (now + wait_s, job.request_id, job.tries))
        if self._log is not None:
            self._log(target.node_id, self._session.describe(job))

    def _drain(self, sock: socket.socket) -> None:
        for _ in range(DRAIN):
            try:
                raw, address = sock.recvfrom(65_535)
            except BlockingIOError:
                return
            except OSError:
                continue  # an ICMP error of an earlier packet; its poll runs into its timeout
            self._receive(raw, address)

    def _receive(self, raw: bytes, address: tuple[str, int]) -> None:
        """Match by id *and* sender; everything else is somebody else's, late, or forged, and is dropped."""
        try:
            version, message_id = _identify(raw)
        except BerError:
            return
        job = self._jobs.get(message_id)
        if job is None or address[0] != job.target.host or address[1] != job.target.port:
            return
        if (version == V3) != (job.target.credentials.version == "3"):
            return
        try:
            pdu = self._open(job, raw, version)
            if pdu is None:
                return
            del self._jobs[message_id]
            if pdu.kind == REPORT:
                self._session.learn(job, pdu)
                self._send_next(job)
                return
            if job.rtt_ms < 0:
                job.rtt_ms = (self._clock() - job.sent_at) * 1000
            done = job.take(pdu)
        except DriverError as error:
            self._jobs.pop(message_id, None)
            self._fail(job, error)
            return
        if done:
            self._succeed(job)
        else:
            self._send_next(job)

    def _open(self, job: Job, raw: bytes, version: int) -> Pdu | None:
        """The PDU inside; None when it is to be dropped as if it never came. Raises Garbled or Refused."""
        try:
            if version == V3:
                return self._session.open(job, raw, self._clock())
            pdu = parse_message(raw).pdu
        except Later:
            return None
        except BerError as error:
            raise Garbled(job.target.node_id, f"{error}: {raw[:24].hex()}") from error
        return pdu if pdu.request_id == job.request_id else None

    def _expire(self) -> None:
        now = self._clock()
        while self._deadlines and self._deadlines[0][0] <= now:
            _, request_id, tries = heapq.heappop(self._deadlines)
            job = self._jobs.get(request_id)
            if job is None or job.tries != tries:
                continue
            if tries <= job.target.retries:
                self._transmit(job)
                continue
            del self._jobs[request_id]
            seconds = job.target.timeout_ms / 1000
            self._fail(job, self._session.silence(job, f"no answer, {tries} x {seconds:g} s"))

    def _succeed(self, job: Job) -> None:
        self._finished += 1
        target = job.target
        self._row_counts[target.node_id] = len(job.rows)
        self._on_poll(
            Poll(
                target.node_id, job.due_ms, job.rtt_ms, job.exchanges, job.scalars or (), indexed(job), job.engine, None
            )
        )

    def _fail(self, job: Job, error: DriverError) -> None:
        self._finished += 1
        self._on_poll(Poll(job.target.node_id, job.due_ms, 0.0, job.exchanges, engine=job.engine, error=error))


def _identify(raw: bytes) -> tuple[int, int]:
    """Version and the id that pairs an answer with its request: msgID in v3, request-id before."""
    start, end = expect(raw, 0, len(raw), SEQUENCE)
    first, at = expect(raw, start, end, INTEGER)
    version = integer(raw, first, at)
    if version == V3:
        first, stop = expect(raw, at, end, SEQUENCE)
    else:
        _, at = expect(raw, at, end, 0x04)
        if at + 2 > end:
            raise BerError("no PDU")
        size = raw[at + 1]
        first, stop = at + 2 + (size & 0x7F if size & 0x80 else 0), end
    first, last = expect(raw, first, stop, INTEGER)
    return version, integer(raw, first, last)
