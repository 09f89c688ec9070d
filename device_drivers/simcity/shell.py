"""SSH for every simulated node: one listening socket for the whole of 127.0.0.0/8, the address tells the node.

Only loopback can reach it, and only the public key made in the city's directory is let in.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import paramiko
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_drivers import known_hosts
from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import Ran
from device_drivers.simcity import edgeos, routeros
from device_drivers.simcity.openwrt import VirtualNode
from device_drivers.simcity.openwrt_key_verbs import authorized
from device_drivers.simcity.openwrt_verbs import DEAD, NO_ROOM, begin_receive, end_receive, execute, receives

SO_BINDTODEVICE: Final = 25  # Linux, asm-generic/socket.h
MOST_SESSIONS: Final = 400
BLOCK: Final = 131_072
LOOK_S: Final = 0.1
BACKLOG: Final = 512
INPUT_S: Final = 60.0
NO_INPUT_S: Final = 0.25
ROUTEROS: Final = "MikroTik"
TERMINALS: Final = {ROUTEROS: routeros, "EdgeOS": edgeos}
CLIENT_KEY, KNOWN_HOSTS = "ssh-key", "known_hosts"
logging.getLogger("paramiko").addHandler(logging.NullHandler())


def _key(secret: str) -> Ed25519PrivateKey:
    """An ed25519 key made of these words: nothing in the simulated city is a secret."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(secret.encode()).digest())


def _private(secret: str) -> bytes:
    return _key(secret).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )


def write_client_key(directory: Path, seed: int) -> paramiko.PKey:
    """The one key the nodes let in, as a 0600 file a console can name; returns its public half."""
    path = directory / CLIENT_KEY
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(_private(f"client {seed}"))
    return paramiko.Ed25519Key.from_private_key_file(str(path))


@dataclass(slots=True)
class Place:
    """One node on the wire, and whether packets reach it at all. Its key is another for every node and seed."""

    node: VirtualNode
    seed: int = 1
    reachable: Callable[[], bool] = lambda: True
    key_name: str = "host"

    def key(self) -> paramiko.PKey:
        """The host key it proves itself with."""
        return paramiko.Ed25519Key.from_private_key(io.StringIO(_private(self._secret()).decode()))

    def public(self) -> str:
        """Algorithm and body as known-hosts files hold them; a quarter of the time `key` takes."""
        public = _key(self._secret()).public_key()
        return public.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()

    def _secret(self) -> str:
        return f"{self.key_name} {self.seed} {self.node.make.node_id}"


@dataclass(slots=True)
class Session:
    """One open connection and the boot it belongs to."""

    transport: paramiko.Transport
    place: Place
    generation: int
    login: str = ""


class Gate(paramiko.ServerInterface):  # type: ignore[misc]
    """Lets in the city's key and the node's own ones, and runs commands on one node."""

    def __init__(self, session: Session, allowed: paramiko.PKey) -> None:
        self._session = session
        self._allowed = allowed

    def get_allowed_auths(self, _username: str) -> str:
        """Keys only."""
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        """The city's own key and those added to the node, for any name."""
        self._session.login = username
        shown = f"{key.get_name()} {key.get_base64()}"
        added = any(line.startswith(shown) for line in authorized(self._session.place.node))
        good = key.asbytes() == self._allowed.asbytes() or added
        return int(paramiko.AUTH_SUCCESSFUL if good else paramiko.AUTH_FAILED)

    def check_channel_request(self, kind: str, _chanid: int) -> int:
        """Sessions only: no forwarding."""
        refused = paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED
        return int(paramiko.OPEN_SUCCEEDED if kind == "session" else refused)

    def check_channel_pty_request(self, *_unused: object) -> bool:
        """A terminal, where the maker's command line lives in one."""
        return self._has_terminal()

    def check_channel_shell_request(self, channel: paramiko.Channel) -> bool:
        """The maker's command line."""
        if self._has_terminal():
            threading.Thread(target=_terminal, args=(self._session, channel), daemon=True).start()
        return self._has_terminal()

    def _has_terminal(self) -> bool:
        return self._session.place.node.make.vendor in TERMINALS

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        """Run it in a thread of its own, as a process would."""
        thread = threading.Thread(
            target=_serve, args=(self._session, channel, command.decode("utf-8", "replace")), daemon=True
        )
        thread.start()
        return True


def _serve(session: Session, channel: paramiko.Channel, command: str) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException), contextlib.closing(channel):
        upload = receives(command)
        ran = _run(session, channel, command) if upload is None else _receive(session, channel, command)
        if ran.exit_status is None:
            session.transport.close()
            return
        channel.sendall(ran.stdout)
        channel.sendall_stderr(ran.stderr)
        channel.send_exit_status(ran.exit_status)


def _takes_input(command: str) -> bool:
    """Others do not wait for the end of an input that a terminal never ends."""
    words = command.split()
    return (
        command.startswith(": leitstand ")
        or words == ["cat"]
        or (words[:1] == ["uci"] and not {"batch", "import"}.isdisjoint(words))
    )


def _run(session: Session, channel: paramiko.Channel, command: str) -> Ran:
    # The end of input also says that the client has our consent to the command; paramiko sends that only after
    # this thread was started, and an answer that overtakes it looks like a lost connection.
    given = bytearray()
    channel.settimeout(INPUT_S if _takes_input(command) else NO_INPUT_S)
    with contextlib.suppress(TimeoutError):
        while block := channel.recv(BLOCK):
            given += block
    if session.place.node.make.vendor != ROUTEROS:
        return execute(session.place.node, command, bytes(given), session.generation)
    with session.place.node.at_work() as awake:
        here = awake and session.place.node.generation == session.generation
        return routeros.run(session.place.node, command) if here else DEAD


def _terminal(session: Session, channel: paramiko.Channel) -> None:
    """Lines typed at a maker's prompt, character by character, until one that ends the session."""
    node, line, before = session.place.node, "", ""
    maker = TERMINALS[node.make.vendor]
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException), contextlib.closing(channel):
        channel.sendall(maker.greeting(node, session.login).encode())
        while block := channel.recv(BLOCK):
            for letter in block.decode("utf-8", "replace"):
                if letter not in "\r\n":
                    line += letter
                    channel.sendall(letter.encode())
                elif letter == "\r" or before != "\r":
                    for text in maker.typed(node, line, session.login):
                        channel.sendall(text.encode())
                    if line.strip() in ("quit", "/quit", "exit"):
                        return
                    line = ""
                before = letter


def _receive(session: Session, channel: paramiko.Channel, command: str) -> Ran:
    node, upload = session.place.node, receives(command)
    assert upload is not None
    with node.at_work() as awake:
        if not awake or node.generation != session.generation:
            return DEAD
        if not begin_receive(node, upload):
            return Ran(scripts.OTHER_SIZE, b"", b"")
    channel.settimeout(INPUT_S)
    while block := channel.recv(BLOCK):
        with node.at_work():
            if node.generation != session.generation:
                return DEAD
            if not node.append(upload.part, block):
                return NO_ROOM
    with node.at_work():
        return end_receive(node, upload) if node.generation == session.generation else DEAD


class ShellServer:
    """Listens for all nodes; the address a connection was made to says which one is meant."""

    def __init__(self, places: Mapping[str, Place], allowed: paramiko.PKey, port: int = 0) -> None:
        self._places = places
        self._allowed = allowed
        self._sock = _wildcard(port)
        self.port = int(self._sock.getsockname()[1])
        self._sessions: list[Session] = []
        self._lock = threading.Lock()

    def write_known_hosts(self, path: Path) -> None:
        """What a person would have confirmed at first contact, for the demo."""
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            for host, place in self._places.items():
                file.write(f"{known_hosts.entry(host, self.port)} {place.public()}\n")

    def run(self, stop: threading.Event) -> None:
        """Accept until stopped; end the sessions of nodes that went dark."""
        self._sock.settimeout(LOOK_S)
        looked_s = 0.0
        try:
            while not stop.is_set():
                with contextlib.suppress(TimeoutError):
                    sock, _ = self._sock.accept()
                    self._greet(sock)
                if time.monotonic() - looked_s >= LOOK_S:
                    looked_s = time.monotonic()
                    self._end_dead()
        finally:
            self._sock.close()
            for session in self._sessions:
                session.transport.close()

    def _greet(self, sock: socket.socket) -> None:
        place = self._places.get(sock.getsockname()[0])
        if place is None or not _answers(place) or len(self._sessions) >= MOST_SESSIONS:
            sock.close()
            return
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        transport = paramiko.Transport(sock, default_window_size=2 << 20)
        transport.add_server_key(place.key())
        session = Session(transport, place, place.node.generation)
        try:
            # With an event of its own it returns at once: the handshake runs in the transport's thread.
            transport.start_server(event=threading.Event(), server=Gate(session, self._allowed))
        except (OSError, EOFError, paramiko.SSHException):
            transport.close()
            return
        self._sessions.append(session)

    def _end_dead(self) -> None:
        for place in self._places.values():
            if place.node.restless:
                place.node.awake()  # lets due upgrades and boots happen although nobody asks
        alive: list[Session] = []
        for session in self._sessions:
            here = _answers(session.place) and session.generation == session.place.node.generation
            if not here:
                session.transport.close()
            elif session.transport.is_active():
                alive.append(session)
        self._sessions = alive


def _answers(place: Place) -> bool:
    return place.reachable() and place.node.awake() and not place.node.cut_off


def _wildcard(port: int) -> socket.socket:
    """One socket for 127.0.0.0/8 that no other network can reach; 127.0.0.1 alone where that does not work."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.setsockopt(socket.SOL_SOCKET, SO_BINDTODEVICE, b"lo\0")
        sock.bind(("", port))
    except OSError:
        sock.bind(("127.0.0.1", port))
    sock.listen(BACKLOG)
    return sock
