"""One MQTT connection on paho-mqtt's packet layer; the only module that touches its inside.

paho reads a packet with four calls of recv and builds six objects of it, and writes each PUBACK by itself. Here
PUBLISH packets are cut out of big reads and PUBACKs leave in one write; every other packet is paho's business.
Never acknowledges by itself.
"""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Iterator, Sequence
from time import monotonic
from typing import Any

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from device_drivers.api import BrokerTarget, Message, Subscription
from device_drivers.errors import DriverError, Garbled, Refused, Unreachable, Unsupported
from device_drivers.mqtt_tls import alert, refusal, tls_context
from device_drivers.mqtt_topics import Kinds

READ_BYTES = 128 * 1024
READS_IN_A_ROW = 8
CONNECT_TIMEOUT_S = 5.0
LARGEST_PACKET = 8 * 1024 * 1024
CONNACK = 0x20
PUBLISH = 0x30
PUBACK = 0x40

# MQTT 5.0 section 2.4: the reason codes that say something else than "refused".
_UNSUPPORTED = frozenset({0x84, 0x9A, 0x9B, 0x9E, 0xA1, 0xA2})
_UNREACHABLE = frozenset({0x88, 0x89, 0x8B, 0x8D})
_GARBLED = frozenset({0x81, 0x82, 0x94, 0x95, 0x99})
_TAKEN_OVER = 0x8E


def trouble_of(broker: str, reason: ReasonCode) -> DriverError:
    """The broker's reason code as one of our errors."""
    if reason.value == _TAKEN_OVER:
        return Refused(broker, "another client connected with our client id; give each console its own")
    kinds: tuple[tuple[frozenset[int], type[DriverError]], ...] = (
        (_UNSUPPORTED, Unsupported),
        (_UNREACHABLE, Unreachable),
        (_GARBLED, Garbled),
    )
    for codes, error in kinds:
        if reason.value in codes:
            return error(broker, str(reason))
    return Refused(broker, str(reason))


def frames(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(first byte, start, end) of the body of each whole packet; the last triple is (-1, rest, bytes wanted).

    Raises MalformedPacket on a remaining length of more than four bytes (MQTT 5.0 section 1.5.5).
    """
    place, size = 0, len(data)
    while True:
        start, length, shift = place + 1, 0, 0
        while start < size:
            byte = data[start]
            start += 1
            length |= (byte & 0x7F) << shift
            if byte < 0x80:
                break
            shift += 7
            if shift > 21:
                raise MalformedPacket("remaining length of more than four bytes")
        else:
            yield -1, place, 0
            return
        end = start + length
        if end > size:
            yield -1, place, end - place
            return
        yield data[place], start, end
        place = end


class Wire(Client):
    """One connection from CONNECT to its end. It is never reused: `trouble` says why it ended."""

    def __init__(
        self, target: BrokerTarget, subscriptions: Sequence[Subscription], kinds: Kinds, generation: int, *, v5: bool
    ) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            target.client_id,
            clean_session=None if v5 else False,
            protocol=MQTTProtocolVersion.MQTTv5 if v5 else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        if target.user is not None:
            self.username_pw_set(target.user, target.password)
        self.on_connect = self._greeted
        self.on_subscribe = self._subscribed
        self.on_disconnect = self._left
        self.v5 = v5
        self.generation = generation
        self.spoken = False  # our CONNECT is under way: TCP and TLS let it through
        self.answered = False  # the broker said anything
        self.greeted = False  # CONNACK said yes
        self.connected = False  # and SUBACK came: what is published from now on reaches us
        self.session_present = False
        self.trouble: DriverError | None = None
        self.subscribe_trouble: DriverError | None = None
        self._target = target
        self._filters = tuple(subscriptions)
        self._kinds = kinds
        self._arrived: list[Message] = []
        self._pieces: list[bytes] = []
        self._wanted = 0
        self._acknowledged = False

    def open(self) -> None:
        """Connect and send CONNECT; raises Unreachable, Refused or Unsupported."""
        try:
            if self.v5:
                self.connect(
                    self._target.host,
                    self._target.port,
                    self._target.keepalive_s,
                    clean_start=False,
                    properties=self._connect_wishes(),
                )
            else:
                self.connect(self._target.host, self._target.port, self._target.keepalive_s)
        except ssl.SSLError as error:
            untold = Refused(self._target.name, f"no TLS connection: {error.reason or error}")
            raise refusal(self._target, error) or untold from error
        except OSError as error:
            raise Unreachable(self._target.name, f"{self._target.host}:{self._target.port}: {error}") from error
        self.spoken = self.trouble is None

    def _connect_wishes(self) -> Properties:
        wishes = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
        wishes.SessionExpiryInterval = self._target.session_expiry_s
        wishes.ReceiveMaximum = self._target.receive_maximum
        wishes.MaximumPacketSize = LARGEST_PACKET
        return wishes

    def _create_socket(self) -> socket.socket:
        """Files of the TLS context are read for each connection: a renewed certificate needs no restart."""
        context = None if not self._target.tls else tls_context(self._target)
        plain = socket.create_connection((self._target.host, self._target.port), CONNECT_TIMEOUT_S)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain if context is None else context.wrap_socket(plain, server_hostname=self._target.host)

    def _greeted(
        self, _client: Client, _data: Any, flags: ConnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self.trouble = trouble_of(self._target.name, reason)
            return
        self.greeted = True
        self.session_present = flags.session_present
        if self.v5:
            # Retain handling 1: retained messages once per subscription, not again on each connection.
            wishes = [(s.topic, SubscribeOptions(qos=s.qos, retainHandling=1)) for s in self._filters]
            self.subscribe(wishes)
        else:
            self.subscribe([(s.topic, s.qos) for s in self._filters])

    def _subscribed(
        self, _client: Client, _data: Any, _mid: int, reasons: list[ReasonCode], _properties: Properties | None
    ) -> None:
        for subscription, reason in zip(self._filters, reasons, strict=False):
            if reason.is_failure:
                sentence = f"subscription {subscription.topic!r}: {reason}"
                self.subscribe_trouble = Refused(self._target.name, sentence)
        self.connected = True

    def _left(
        self, _client: Client, _data: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        self.connected = False
        if self.trouble is None and flags.is_disconnect_packet_from_server:
            self.trouble = trouble_of(self._target.name, reason)
        elif self.trouble is None and reason.is_failure:
            self.trouble = Unreachable(self._target.name, f"connection lost: {reason}")

    def receive(self) -> list[Message]:
        """Read what is there; the messages of it. Everything else is handled on the way."""
        self.loop_read()
        return self.arrived()

    def arrived(self) -> list[Message]:
        """The messages cut out so far, once."""
        arrived, self._arrived = self._arrived, []
        return arrived

    def loop_read(self, max_packets: int = READS_IN_A_ROW) -> MQTTErrorCode:
        """Read in big pieces until the socket is empty, at most a few times in a row."""
        result = MQTTErrorCode.MQTT_ERR_SUCCESS
        for _ in range(max_packets):
            try:
                piece = self._sock_recv(READ_BYTES)
                if not piece:
                    return self._give_up(Unreachable(self._target.name, self._hung_up()))
                self._last_bytes_received = monotonic()
                result = self.feed(piece)
            except BlockingIOError:
                break
            except OSError as error:
                return self._give_up(self._lost(error))
            except MalformedPacket as error:
                return self._give_up(Garbled(self._target.name, f"malformed packet: {error}"))
            if result or self._sock is None:
                return self._loop_rc_handle(result)
        return result

    def _sock_send(self, buf: bytes | bytearray) -> int:
        """Who refuses our certificate says so and hangs up while we still write: that word lies unread."""
        try:
            return super()._sock_send(buf)
        except BlockingIOError:
            raise
        except OSError as error:
            self.trouble = self.trouble or self._lost(self._last_word(error))
            raise

    def _last_word(self, error: OSError) -> OSError:
        try:
            if isinstance(self._sock, ssl.SSLSocket):
                self._sock.recv(1)
        except OSError as last:
            return last if alert(last) else error
        return error

    def _lost(self, error: OSError) -> DriverError:
        refused = refusal(self._target, error)
        self.spoken = self.spoken and refused is None  # with TLS 1.3 an alert comes after our first words
        return refused or Unreachable(self._target.name, f"connection lost: {error}")

    def _hung_up(self) -> str:
        """mosquitto 2.0 closes without a word when a second client comes with the same id."""
        ours = self._target.client_id
        hint = f"; if it does so again and again, another client may be using the id {ours!r}" if self.greeted else ""
        return f"the broker closed the connection{hint}"

    def _give_up(self, trouble: DriverError) -> MQTTErrorCode:
        self.trouble = self.trouble or trouble
        return self._loop_rc_handle(MQTTErrorCode.MQTT_ERR_CONN_LOST)

    def feed(self, piece: bytes) -> MQTTErrorCode:
        """Cut one read into packets. Parts of a large packet wait unjoined: joining each time would be quadratic."""
        self.answered = True
        if not self.greeted and not self._pieces and piece[0] != CONNACK:
            raise MalformedPacket(f"answers CONNECT with {piece[:20]!r}: is this an MQTT broker?")
        self._pieces.append(piece)
        self._wanted -= len(piece)
        if self._wanted > 0:
            return MQTTErrorCode.MQTT_ERR_SUCCESS
        data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        for first, start, end in frames(data):
            if first < 0:
                if start < len(data):
                    self._pieces.append(data[start:])
                self._wanted = end - (len(data) - start)
            elif first & 0xF0 == PUBLISH:
                self._arrived.append(self._message(data, first, start, end))
            else:
                result = self._hand_over(first, data[start:end])
                if result or self._sock is None:
                    return result
        return MQTTErrorCode.MQTT_ERR_SUCCESS

    def _message(self, data: bytes, first: int, start: int, end: int) -> Message:
        """Decode PUBLISH (MQTT 5.0 section 3.3); its properties carry nothing we use and are skipped."""
        try:
            at = start + 2 + (data[start] << 8 | data[start + 1])
            topic, kind = self._kinds.of(data[start + 2 : at])
            qos, mid = first >> 1 & 3, 0
            if qos:
                mid = data[at] << 8 | data[at + 1]
                at += 2
            if self.v5:
                length, shift = data[at] & 0x7F, 7
                while data[at] >= 0x80:
                    at += 1
                    length |= (data[at] & 0x7F) << shift
                    shift += 7
                at += 1 + length
        except IndexError:
            at = end + 1
        # QoS 2 was never asked for; an empty topic is an alias, which we never allowed.
        if at > end or qos > 1 or not topic:
            raise MalformedPacket("PUBLISH of a wrong form")
        broker, retained, dup = self._target.name, bool(first & 1), bool(first & 8)
        return Message(broker, topic, data[at:end], kind, qos, retained, mid, self.generation, dup)

    def _hand_over(self, first: int, body: bytes) -> MQTTErrorCode:
        """Let paho handle a packet that is no PUBLISH."""
        self._in_packet["command"] = first
        self._in_packet["packet"] = bytearray(body)
        self._in_packet["remaining_length"] = len(body)
        return self._packet_handle()

    def acknowledge(self, mids: Sequence[int]) -> None:
        """PUBACK all in one write; they must be in the order of receipt (MQTT 5.0 section 4.6)."""
        if mids and self._sock is not None:
            words = [word for mid in mids for word in (PUBACK << 8 | 2, mid)]
            self._acknowledged = True
            self._packet_queue(PUBACK, struct.pack(f">{len(words)}H", *words), mids[0], 1)

    def ask(self) -> None:
        """Have the broker say that it has taken our acknowledgements, if there were any: it reads in order."""
        if self._acknowledged and self._sock is not None:
            self._send_pingreq()

    @property
    def asked(self) -> bool:
        """Whether it still owes that answer."""
        return self._ping_t > 0

    def hold(self) -> None:
        """Keep the connection while we do not read: our own silence is not the broker's."""
        self._last_bytes_received = monotonic()
        self._ping_t = 0.0

    def pending(self) -> bool:
        """Whether TLS holds decrypted bytes that the socket no longer shows."""
        return isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() > 0

    def overdue(self, deadline: float) -> bool:
        """Whether the broker still owes its answer to CONNECT."""
        return not self.greeted and monotonic() > deadline

    def abandon(self, trouble: DriverError | None = None) -> None:
        """Close without a word; does nothing on a closed connection."""
        if self._sock is not None:
            self.trouble = self.trouble or trouble
            self.connected = False
            self._sock_close()
