"""Publishes what bins and stations send, as ChirpStack would: events over MQTT at QoS 1, with repeats and gaps."""

from __future__ import annotations

import heapq
import random
import threading
from collections.abc import Callable

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from device_drivers.simcity import events
from device_drivers.simcity.sensors import Life, begin, bin_object, climate_object, grow, weather
from device_drivers.simcity.world import World

SPEED = 60.0
"""Bins fill and batteries fade this much faster than in life, so that a demo shows movement."""
STATUS_EVERY = 12


class Radio:
    """All LoRaWAN devices behind one publishing client."""

    def __init__(
        self, world: World, host: str, port: int, interval_s: float, now_ms: Callable[[], int], rng: random.Random
    ) -> None:
        self.world = world
        self.lives = {device.dev_eui: begin(device, rng) for device in world.devices}
        self.published = 0
        self.gone: frozenset[str] = frozenset()
        """Gateways that are cut off: what they alone hear reaches nobody."""
        self._interval_ms = int(interval_s * 1000)
        self._now_ms = now_ms
        self._rng = rng
        self._due: list[tuple[int, str]] = []
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, "simcity-chirpstack", protocol=MQTTProtocolVersion.MQTTv311
        )
        self._client.max_inflight_messages_set(200)
        self._client.reconnect_delay_set(1, 5)
        self._client.connect(host, port)

    def run(self, stop: threading.Event) -> None:
        """Publish until stopped; every device once per interval, spread over it."""
        start = self._now_ms()
        first = min(self._interval_ms, 15_000)
        self._due = [(start + self._rng.randrange(first), dev_eui) for dev_eui in self.lives]
        heapq.heapify(self._due)
        self._client.loop_start()
        try:
            while not stop.is_set():
                now_ms = self._now_ms()
                while self._due and self._due[0][0] <= now_ms:
                    _, dev_eui = heapq.heappop(self._due)
                    self._speak(self.lives[dev_eui], now_ms)
                    jitter = self._rng.randrange(-self._interval_ms // 20, self._interval_ms // 20 + 1)
                    heapq.heappush(self._due, (now_ms + self._interval_ms + jitter, dev_eui))
                stop.wait(0.1 if not self._due else min(0.2, max(0.01, (self._due[0][0] - now_ms) / 1000)))
        finally:
            self._client.disconnect()
            self._client.loop_stop()

    def rejoin(self, life: Life) -> None:
        """The device restarts: new session, counter from zero."""
        life.dev_addr = f"{self._rng.getrandbits(32):08x}"
        life.fcnt = 0
        self._publish(
            events.topic(life.device, "join"), events.join(life.device, life.dev_addr, self._now_ms(), self._rng)
        )

    def _speak(self, life: Life, now_ms: int) -> None:
        """One turn of a device: nothing while it is silent, a lost frame now and then, else an uplink."""
        grow(life, now_ms, SPEED, self._rng)
        if life.pinned_pct is not None:
            life.fill_pct = life.pinned_pct
        life.fcnt += 1
        if life.silent or self._rng.random() < 0.01:
            return
        if life.device.plain:
            values = weather(life.device, now_ms, self._rng)
            topic = f"wetter/{life.device.dev_eui}/messung"
            self._publish(topic, events.plain(life.device, life.fcnt, values, now_ms + life.skew_ms))
            return
        heard = events.hearing(self.world, life.device, self._rng, self.gone)
        if not heard:
            return
        payload = self._uplink(life, heard, now_ms)
        self._publish(events.topic(life.device, "up"), payload)
        if self._rng.random() < 0.005:
            self._publish(events.topic(life.device, "up"), payload)
        if life.fcnt % STATUS_EVERY == 0:
            body = events.status(life.device, life.battery_pct, self._rng.randint(3, 20), now_ms, self._rng)
            self._publish(events.topic(life.device, "status"), body)

    def _uplink(self, life: Life, heard: list[dict[str, object]], now_ms: int) -> bytes:
        rng = self._rng
        is_bin = life.device.kind == "bin"
        decoded = bin_object(life, rng) if is_bin else climate_object(life.device, now_ms, rng)
        session = (life.dev_addr, life.fcnt)
        return events.uplink(life.device, session, heard, decoded, now_ms + life.skew_ms, rng)

    def _publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)
        self.published += 1
