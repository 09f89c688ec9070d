"""Polls many SNMP agents from one thread over one UDP socket per address family. Only this module opens them."""

from __future__ import annotations

import contextlib
import ipaddress
import random
import selectors
import socket
import time
from collections import deque
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from device_drivers.api import CallLog, EngineFacts, Poll, PollPlan, SnmpTarget
from device_drivers.errors import DriverError, Garbled, Refused, Unreachable
from device_drivers.snmp_ber import BerError
from device_drivers.snmp_codec import REPORT, Head
from device_drivers.snmp_frame import answers, identify, scoped_pdus
from device_drivers.snmp_job import Job
from device_drivers.snmp_keys import KeyChoiceError
from device_drivers.snmp_layout import Prepared, Remembered
from device_drivers.snmp_session import Later, Session
from device_drivers.snmp_v3 import Message, scoped_head

RECEIVE_BUFFER: Final = 8 << 20
DRAIN: Final = 512
LOOK_EVERY: Final = 8
FIRST_ID: Final = 1 << 24
ID_BITS: Final = 30
BACKOFF: Final = 1.5
MOST_PLANS: Final = 64
MOST_NOISE: Final = 1024
ALARMS_A_S: Final = 16
NEVER: Final = 1 << 62


class Poller:
    """Implements api.PollSource. Every finished poll goes to `on_poll`, failed ones with one of the five errors.

    `engines` are facts remembered from an earlier run by node id; `log` receives (node id, line) per request. Polls
    beyond `max_in_flight` wait for their turn. `remember` how answers look pays where the same is asked again soon;
    it takes 1 kB a node.
    """

    def __init__(
        self,
        on_poll: Callable[[Poll], None],
        rng: random.Random,
        engines: Mapping[str, EngineFacts] | None = None,
        clock: Callable[[], float] = time.monotonic,
        log: CallLog | None = None,
        max_in_flight: int = 2000,
        *,
        remember: bool = True,
    ) -> None:
        self._on_poll = on_poll
        self._rng = rng
        self._clock = clock
        self._log = log
        self._max_in_flight = max_in_flight
        self._selector = selectors.DefaultSelector()
        self._sockets: dict[int, socket.socket] = {}
        self._ears: dict[socket.socket, socket.socket] = {}  # the same sockets, which alone may wait
        self._steps = 0
        self._busy = False
        self._jobs: dict[int, Job] = {}
        self._waiting: deque[Job] = deque()
        self._alarms: dict[int, list[int]] = {}
        self._next_alarm = NEVER
        self._plans: dict[int, Prepared] = {}
        self._remember = remember
        self._known: dict[str, Remembered] = {}
        self._read: Callable[[bytes], Message | Head] = answers() if remember else identify
        self._noise: dict[tuple[str, int], tuple[float, str]] = {}
        self._session = Session(rng, dict(engines or {}), scoped_pdus() if remember else scoped_head)
        self._finished = 0

    def submit(self, target: SnmpTarget, plan: PollPlan, due_ms: int) -> None:
        """Start one poll; below `max_in_flight` its first request is sent before this returns."""
        job = Job(target, self._prepared(plan), due_ms, self._remembered(target.node_id))
        if len(self._jobs) < self._max_in_flight:
            self._send_next(job)
        else:
            self._waiting.append(job)

    def _remembered(self, node_id: str) -> Remembered:
        if not self._remember:
            return Remembered(lasting=False)
        known = self._known.get(node_id)
        if known is None:
            known = self._known[node_id] = Remembered()
        return known

    def in_flight(self) -> int:
        """Polls started and not finished."""
        return len(self._jobs) + len(self._waiting)

    def step(self, wait_s: float) -> int:
        """Handle what arrived, waiting at most `wait_s` for the first packet, then what timed out."""
        self._finished = 0
        if self._alarms:
            wait_s = min(wait_s, max(0.0, self._next_alarm / ALARMS_A_S - self._clock()))
        if len(self._sockets) == 1:
            self._listen(next(iter(self._sockets.values())), wait_s)
        elif self._sockets:
            for key, _ in self._selector.select(wait_s):
                self._drain(self._sockets[key.data])
        elif wait_s > 0:
            time.sleep(wait_s)
        self._expire()
        while self._waiting and len(self._jobs) < self._max_in_flight:
            self._send_next(self._waiting.popleft())
        return self._finished

    def work(self, for_s: float) -> None:
        """Step for so long. Polls started together in between cost half of what each costs alone: code is warm."""
        ends = self._clock() + for_s
        while (left_s := ends - self._clock()) > 0:
            self.step(left_s)

    def close(self) -> None:
        """Close the sockets; polls in flight are forgotten."""
        self._selector.close()
        for sock in (*self._sockets.values(), *self._ears.values()):
            sock.close()
        self._sockets.clear()
        self._ears.clear()
        self._jobs.clear()
        self._waiting.clear()

    def _prepared(self, plan: PollPlan) -> Prepared:
        """By identity, because hashing a plan costs more than encoding a request; `Prepared` keeps the plan alive."""
        found = self._plans.get(id(plan))
        if found is None:
            if len(self._plans) >= MOST_PLANS:
                self._plans.clear()
            found = self._plans[id(plan)] = Prepared(plan)
        return found

    def _socket(self, family: int) -> socket.socket:
        sock = self._sockets.get(family)
        if sock is None:
            sock = self._sockets[family] = socket.socket(family, socket.SOCK_DGRAM)
            sock.setblocking(False)
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
            self._selector.register(sock, selectors.EVENT_READ, family)
            self._ears[sock] = sock.dup()
        return sock

    def _fresh_id(self) -> int:
        """Not to be guessed from ids sent to other nodes; always four bytes long, so that it can be patched in."""
        while (number := FIRST_ID + self._rng.getrandbits(ID_BITS)) in self._jobs:
            pass
        return number

    def _send_next(self, job: Job, tries: int = 0) -> None:
        """Build the job's next request under a fresh id and send it."""
        job.request_id = self._fresh_id()
        job.tries = tries
        credentials = job.target.credentials
        try:
            if credentials.version == "2c":
                job.request = job.encode(job.request_id, credentials.community)
            else:
                job.request = self._session.request(job, self._clock())
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
        if job.tries == 1:
            job.asked_at = now
        try:
            family, host = numeric(target.host)
            job.address = address = (host, target.port)
            self._socket(family).sendto(job.request, address)
        except BlockingIOError:
            pass  # the send buffer is full: the retry below sends it
        except (OSError, OverflowError, ValueError) as error:
            del self._jobs[job.request_id]
            self._fail(job, Unreachable(target.node_id, f"{target.host}: {error}"))
            return
        wait_s = target.timeout_ms / 1000 * BACKOFF ** (job.tries - 1) * self._rng.uniform(0.9, 1.1)
        self._set_alarm(now + wait_s, job.request_id)
        if self._log is not None:
            self._log(target.node_id, self._session.describe(job))

    def _listen(self, sock: socket.socket, wait_s: float) -> None:
        """Wait for one packet without a selector, and look for more only while more come at once.

        Answers of a calm network arrive one by one; for each a selector costs as much as reading the answer.
        """
        ear = self._ears[sock]
        ear.settimeout(wait_s)
        try:
            raw, address = ear.recvfrom(65_535)
        except (TimeoutError, BlockingIOError):
            return
        except OSError:
            pass  # as in `_drain`
        else:
            self._receive(raw, address)
        self._steps += 1
        if self._busy or self._steps % LOOK_EVERY == 0:
            self._busy = self._drain(sock) > 0

    def _drain(self, sock: socket.socket) -> int:
        for count in range(DRAIN):
            try:
                raw, address = sock.recvfrom(65_535)
            except BlockingIOError:
                return count
            except OSError:
                continue  # an ICMP error of an earlier packet; its poll runs into its timeout
            self._receive(raw, address)
        return DRAIN

    def _receive(self, raw: bytes, address: tuple[str, int]) -> None:
        """Match by id *and* sender; everything else is somebody else's, late, or forged, and is dropped."""
        try:
            found = self._read(raw)
        except BerError as error:
            self._remember_noise(address, raw, error)
            return
        message_id = found.msg_id if isinstance(found, Message) else found.request_id
        job = self._jobs.get(message_id)
        if job is None or address[0] != job.address[0] or address[1] != job.address[1]:
            return
        if isinstance(found, Message) != (job.target.credentials.version == "3"):
            return
        try:
            done = self._take(job, raw, found)
        except Later:
            return
        except BerError as error:
            del self._jobs[message_id]
            self._fail(job, Garbled(job.target.node_id, f"{error}: {raw[:24].hex()}"))
        except DriverError as error:
            self._jobs.pop(message_id, None)
            self._fail(job, error)
        else:
            del self._jobs[message_id]
            if done:
                self._succeed(job)
            else:
                self._send_next(job)

    def _take(self, job: Job, raw: bytes, found: Message | Head) -> bool:
        """Let the job digest the answer; whether it has everything. Raises Later, BerError or a DriverError."""
        if isinstance(found, Message):
            plain, head = self._session.open(job, found, raw, self._clock())
            if head.kind == REPORT:
                self._session.learn(job, plain, head)
                return False
        else:
            plain, head = raw, found
        if job.rtt_ms < 0 and job.tries == 1:
            # After a retry nobody knows which try was answered (Karn's rule): the next exchange is measured.
            job.rtt_ms = (self._clock() - job.sent_at) * 1000
        return job.take(plain, head)

    def _remember_noise(self, address: tuple[str, int], raw: bytes, error: BerError) -> None:
        """Bytes without an id match no request; they explain the silence of their sender, should it be asked."""
        if len(self._noise) >= MOST_NOISE:
            self._noise.clear()
        self._noise[address[:2]] = (self._clock(), f"{error}: {raw[:24].hex()}")

    def _set_alarm(self, at: float, request_id: int) -> None:
        """A little late rather than exactly: nearly all requests are answered, so an alarm must cost little."""
        tick = int(at * ALARMS_A_S) + 1
        alarms = self._alarms.get(tick)
        if alarms is None:
            self._alarms[tick] = [request_id]
            self._next_alarm = min(self._next_alarm, tick)
        else:
            alarms.append(request_id)

    def _expire(self) -> None:
        now = self._clock()
        while self._next_alarm <= now * ALARMS_A_S:
            due = self._alarms.pop(self._next_alarm)
            self._next_alarm = min(self._alarms, default=NEVER)
            for request_id in due:
                job = self._jobs.get(request_id)
                if job is not None:
                    self._unanswered(job)

    def _unanswered(self, job: Job) -> None:
        asked_more = job.less()
        if job.tries <= job.target.retries and not asked_more:
            self._transmit(job)
            return
        del self._jobs[job.request_id]
        if job.tries <= job.target.retries:
            self._send_next(job, job.tries)
            return
        job.give_up(asked_more=asked_more)
        heard_at, noise = self._noise.pop(job.address, (0.0, ""))
        if noise and heard_at >= job.asked_at:
            self._fail(job, Garbled(job.target.node_id, noise))
        else:
            self._fail(job, self._session.silence(job))

    def _succeed(self, job: Job) -> None:
        self._finished += 1
        node_id = job.target.node_id
        if job.rtt_ms < 0:
            job.rtt_ms = (self._clock() - job.sent_at) * 1000
        self._on_poll(
            Poll(node_id, job.due_ms, job.rtt_ms, job.exchanges, job.scalars or (), job.rows, job.engine, None)
        )

    def _fail(self, job: Job, error: DriverError) -> None:
        self._finished += 1
        self._on_poll(Poll(job.target.node_id, job.due_ms, 0.0, job.exchanges, engine=job.engine, error=error))


@lru_cache(maxsize=65_536)
def numeric(host: str) -> tuple[int, str]:
    """Address family and the form in which the system names a sender; ValueError for what would need a name server."""
    address = ipaddress.ip_address(host)
    return (socket.AF_INET6 if address.version == 6 else socket.AF_INET), str(address)
