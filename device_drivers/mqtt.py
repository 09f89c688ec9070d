"""A broker connection in its own thread that hands out batches and acknowledges only what it is told to.

A message counts as delivered when its PUBACK leaves, and that is after the caller's COMMIT. Each connection is a
generation: after a reconnect a packet id may already mean another message, so older acknowledgements are dropped.
"""

from __future__ import annotations

import random
import selectors
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from device_drivers.api import BrokerTarget, Message, QueueState, Subscription
from device_drivers.errors import DriverError, Unreachable, Unsupported
from device_drivers.mqtt_inbox import Inbox
from device_drivers.mqtt_topics import Kinds, objection
from device_drivers.mqtt_wire import Wire

TICK_S = 1.0
ANSWER_WITHIN_S = 10.0
CLOSE_WITHIN_S = 3.0
STEADY_AFTER_S = 10.0


@dataclass(frozen=True, slots=True)
class Pace:
    """How long a batch may gather, and how fast a lost broker is tried again."""

    window_s: float = 0.03
    first_delay_s: float = 1.0
    longest_delay_s: float = 120.0


class MqttSource:
    """The `api.QueueSource` of one broker. It connects by itself, for ever, until closed."""

    def __init__(
        self,
        target: BrokerTarget,
        subscriptions: Sequence[Subscription],
        now_ms: Callable[[], int],
        rng: random.Random,
        pace: Pace | None = None,
    ) -> None:
        """Start connecting; raises Unsupported at once for a subscription that cannot be made."""
        for sentence in filter(None, map(objection, subscriptions)):
            raise Unsupported(target.name, sentence)
        self._target = target
        self._subscriptions = tuple(subscriptions)
        self._kinds = Kinds(subscriptions)
        self._now_ms = now_ms
        self._rng = rng
        self._pace = pace or Pace()
        self._inbox = Inbox(max(2 * target.receive_maximum, 1000))
        self._lock = threading.Lock()
        self._acks: list[tuple[int, list[int]]] = []
        self._live = 0  # generation of the connection that is up; 0 while there is none
        self._state = QueueState(target.name, connected=False, since_ms=now_ms())
        self._closing = threading.Event()
        self._wake_r, self._wake_w = socket.socketpair()
        self._wake_r.setblocking(False)
        self._wake_w.setblocking(False)
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{target.name}", daemon=True)
        self._thread.start()

    def take(self, limit: int, wait_s: float) -> Sequence[Message]:
        """Up to `limit` messages: wait at most `wait_s` for the first, then a short window for more."""
        held = self._inbox.crowded
        batch = self._inbox.take(limit, wait_s, self._pace.window_s)
        if held and not self._inbox.crowded:
            self._wake()
        if not batch and self._inbox.ended and not self._closing.is_set():
            raise Unreachable(self._target.name, "the connection's thread has ended")
        return batch

    def acknowledge(self, messages: Sequence[Message]) -> int:
        """Acknowledge after COMMIT; those of an older connection are dropped. Returns how many went out."""
        waiting = [message for message in messages if message.qos]
        with self._lock:
            mids = [message.mid for message in waiting if message.generation == self._live]
            if mids:
                self._acks.append((self._live, mids))
            self._change(
                acknowledged=self._state.acknowledged + len(mids),
                acks_dropped=self._state.acks_dropped + len(waiting) - len(mids),
            )
        if mids:
            self._wake()
        return len(mids)

    def state(self) -> QueueState:
        """A snapshot of the connection for liveness."""
        with self._lock:
            return replace(self._state, waiting=len(self._inbox), reading=not self._inbox.crowded)

    def close(self) -> None:
        """Send what is to be acknowledged, disconnect cleanly and keep the session at the broker."""
        self._closing.set()
        self._wake()
        self._thread.join(CLOSE_WITHIN_S + ANSWER_WITHIN_S)

    def _wake(self) -> None:
        try:
            self._wake_w.send(b"x")
        except OSError:
            return  # full, so it is awake anyway; or closed, so nobody is left to wake

    def _change(self, **changes: Any) -> None:
        self._state = replace(self._state, **changes)

    def _run(self) -> None:
        """Connect, serve, wait, again. Runs in the connection's thread."""
        v5, refused_v5, failures, generation = True, False, 0, 0
        try:
            while not self._closing.is_set():
                generation += 1
                wire = Wire(self._target, self._subscriptions, self._kinds, generation, v5=v5)
                steady = self._live_through(wire)
                refused_now = v5 and wire.answered and not wire.greeted and isinstance(wire.trouble, Unsupported)
                refused_v5 = refused_v5 or refused_now
                # Some old brokers hang up on MQTT 5 without a word: then the versions are tried in turn.
                v5 = not refused_v5 and (not v5 or wire.greeted or not wire.spoken)
                failures = 0 if steady else failures + 1
                if not refused_now:
                    self._closing.wait(self._delay_s(failures))
        finally:
            self._inbox.end()
            self._wake_r.close()
            self._wake_w.close()

    def _delay_s(self, failures: int) -> float:
        """Doubles with each failure; with jitter, so that many consoles do not come back in step."""
        longest: float = min(self._pace.longest_delay_s, self._pace.first_delay_s * 2 ** min(failures, 12))
        return longest * self._rng.uniform(0.5, 1.0)

    def _live_through(self, wire: Wire) -> bool:
        """Serve one connection to its end; whether it was up long enough to forget earlier failures."""
        began = monotonic()
        try:
            wire.open()
            with selectors.DefaultSelector() as selector:
                selector.register(self._wake_r, selectors.EVENT_READ)
                while wire.socket() is not None:
                    self._serve(wire, selector)
                    if wire.overdue(began + ANSWER_WITHIN_S):
                        wire.abandon(Unreachable(self._target.name, "no answer to CONNECT"))
                    if self._closing.is_set():
                        self._say_goodbye(wire)
        except DriverError as error:
            wire.trouble = error
        finally:
            wire.abandon()
            self._went_away(wire)
        return wire.greeted and monotonic() - began > STEADY_AFTER_S

    def _serve(self, wire: Wire, selector: selectors.BaseSelector) -> None:
        """Wait for something to do, at most a tick, and do it."""
        reading = not self._inbox.crowded
        watch(selector, wire.socket(), reading=reading, writing=wire.want_write())
        for key, _ in selector.select(0 if reading and wire.pending() else TICK_S):
            if key.fileobj is self._wake_r:
                self._wake_r.recv(4096)
        self._send_acknowledgements(wire)
        if reading:
            messages = wire.receive()
            self._note(wire, len(messages))
            if messages:
                self._inbox.put(messages)
        else:
            wire.hold()
        if wire.want_write():
            wire.loop_write()
        wire.loop_misc()

    def _send_acknowledgements(self, wire: Wire) -> None:
        with self._lock:
            acks, self._acks = self._acks, []
        wire.acknowledge([mid for generation, mids in acks if generation == wire.generation for mid in mids])

    def _note(self, wire: Wire, received: int) -> None:
        """Keep the snapshot; on the first look at a new connection decide what becomes of the old one's messages."""
        with self._lock:
            if wire.greeted and self._live != wire.generation:
                if wire.session_present:
                    self._inbox.drop_unacknowledged()
                self._live = wire.generation
            if wire.connected and not self._state.connected:
                self._change(
                    connected=True,
                    since_ms=self._now_ms(),
                    protocol="5" if wire.v5 else "3.1.1",
                    session_present=wire.session_present,
                    connections=self._state.connections + 1,
                    error=wire.subscribe_trouble,
                )
            if received:
                self._change(received=self._state.received + received)

    def _went_away(self, wire: Wire) -> None:
        with self._lock:
            self._live = 0
            self._acks.clear()
            since_ms = self._now_ms() if self._state.connected else self._state.since_ms
            trouble = wire.trouble or self._state.error
            self._change(connected=False, since_ms=since_ms, error=None if self._closing.is_set() else trouble)

    def _say_goodbye(self, wire: Wire) -> None:
        """A broker drops what it has not read yet of a client that closes or comes back: it has to answer first."""
        self._send_acknowledgements(wire)
        deadline = monotonic() + CLOSE_WITHIN_S
        with selectors.DefaultSelector() as selector:
            wire.ask()
            while wire.socket() is not None and wire.asked and monotonic() < deadline:
                watch(selector, wire.socket(), reading=True, writing=wire.want_write())
                selector.select(0 if wire.pending() else deadline - monotonic())
                wire.receive()  # not acknowledged, so it comes again
                wire.loop_write()
            wire.disconnect()
            while wire.socket() is not None and monotonic() < deadline:
                watch(selector, wire.socket(), reading=False, writing=True)
                selector.select(deadline - monotonic())
                wire.loop_write()
        wire.abandon()


def watch(selector: selectors.BaseSelector, sock: Any, *, reading: bool, writing: bool) -> None:
    """Register, change or drop a socket as asked; selectors know no interest in nothing."""
    events = (selectors.EVENT_READ if reading else 0) | (selectors.EVENT_WRITE if writing else 0)
    known = selector.get_map().get(sock)
    if known is None and events:
        selector.register(sock, events)
    elif known is not None and not events:
        selector.unregister(sock)
    elif known is not None and known.events != events:
        selector.modify(sock, events)
