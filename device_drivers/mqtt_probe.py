"""Logs in at a broker once, subscribes, and leaves without a trace: what doctor asks. Never takes a message."""

from __future__ import annotations

import selectors
from collections.abc import Sequence
from dataclasses import replace
from time import monotonic

from device_drivers.api import BrokerTarget, Subscription
from device_drivers.errors import Refused, Unreachable
from device_drivers.mqtt_topics import Kinds
from device_drivers.mqtt_wire import Wire


def probe(target: BrokerTarget, subscriptions: Sequence[Subscription], client_id: str, wait_s: float = 5.0) -> None:
    """Return when the broker let us in and grants every subscription; raises a DriverError otherwise.

    `client_id` must be nobody else's, a broker throws the other one out. MQTT 5 only, where a session can end with
    its connection: in 3.1.1 a persistent one would stay behind, so such a broker raises Unsupported.
    """
    stranger = replace(target, client_id=client_id, session_expiry_s=0)
    wire = Wire(stranger, subscriptions, Kinds(subscriptions), 1, v5=True)
    wire.open()
    try:
        _wait(wire, target.name, monotonic() + wait_s)
        wire.disconnect()
        if wire.want_write():
            wire.loop_write()
    finally:
        wire.abandon()


def _wait(wire: Wire, name: str, deadline: float) -> None:
    with selectors.DefaultSelector() as selector:
        sock = wire.socket()
        if sock is None:  # it hung up before it had read our CONNECT
            raise wire.trouble or Unreachable(name, "the broker closed the connection")
        selector.register(sock, selectors.EVENT_READ)
        while not wire.connected:
            left = deadline - monotonic()
            if left <= 0:
                raise Unreachable(name, "no answer to CONNECT or SUBSCRIBE")
            if wire.want_write():
                wire.loop_write()
            if wire.pending() or selector.select(left):
                wire.receive()
            if wire.trouble is not None:
                raise wire.trouble
            if wire.socket() is None:
                raise Refused(name, "the broker closed the connection")
    if wire.subscribe_trouble is not None:
        raise wire.subscribe_trouble
