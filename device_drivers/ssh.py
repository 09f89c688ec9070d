"""Shells on Linux-like nodes over SSH exec channels. Only this module opens SSH connections to them."""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.pkey import UnknownKeyType

from device_drivers import known_hosts, ssh_masks
from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import Progress, Ran
from device_drivers.errors import DriverError, Garbled, Refused, Unreachable

BLOCK = 32_768
TAG = ": leitstand "
SEND_BLOCK = 262_144
SLOWEST_HASH = 1_000_000
"""Bytes a second that even a small node hashes."""
KEEPALIVE_S = 15
GONE_MS = 30_000
"""What a node does not acknowledge for so long ends the connection (RFC 5482), be it only the keepalive."""
# Its errors come back as ours; without a handler Python would also write them over the screen.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True)
class SshTarget:
    """One node: where it is, who we are there, which keys we trust. Secrets are never shown by repr."""

    node_id: str
    host: str
    known_hosts: Path
    port: int = 22
    user: str = "root"
    key_file: Path | None = field(default=None, repr=False)
    passphrase: str | None = field(default=None, repr=False)
    password: str | None = field(default=None, repr=False)
    use_agent: bool = False
    jump: SshTarget | None = None
    timeout_s: float = 15.0


class Shell:
    """One open connection; commands run one after the other, each in a channel of its own."""

    def __init__(self, target: SshTarget, transport: paramiko.Transport, log: Callable[[str], None]) -> None:
        self.target = target
        self._transport = transport
        self._log_line = log

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:
        """Run one command and return its exit status and both streams.

        Raises Unreachable when it does not end in time; a connection lost in between is `exit_status=None`.
        """
        self._log(command)
        channel = self._open(timeout_s)
        with contextlib.closing(channel):
            try:
                execute(channel, command, timeout_s)
                _feed(channel, stdin)
                out, err = _drain(channel, time.monotonic() + timeout_s)
            except TimeoutError as error:
                raise Unreachable(self.target.node_id, f"no end of `{command}` within {timeout_s:g} s") from error
            except (OSError, EOFError, paramiko.SSHException):
                return Ran(None, b"", b"")
            return Ran(_exit_status(channel, timeout_s), out, err)

    def upload(self, source: BinaryIO, size: int, sha256: str, path: str, progress: Progress | None = None) -> None:
        """Put `size` bytes at `path` through `cat`, going on where an earlier try broke off.

        The bytes gather in `path.part`; they get their name only once the node's own sha256sum agrees.
        Raises Refused when the node cannot store them, Garbled when the hash differs, Unreachable on a break.
        """
        found = self.run(scripts.part(path)).stdout.split()
        have = int(found[0]) if found and found[0].isdigit() else 0
        have = have if have <= size else 0
        source.seek(have)
        ran = self._send(scripts.receive(path, sha256, size, have), source, have, size, progress)
        if ran.exit_status is None:
            raise Unreachable(self.node_id, f"upload broke off at the end of {size} bytes")
        if ran.exit_status == scripts.OTHER_HASH:
            seen = _text(ran.stdout)[:64]
            raise Garbled(self.node_id, f"{path}: sha256 on the node is {seen}, expected {sha256}")
        if ran.exit_status != 0:
            raise Refused(self.node_id, f"upload to {path} ended with {ran.exit_status}: {_text(ran.stderr)}")

    @property
    def node_id(self) -> str:
        """The inventory's name of the node."""
        return self.target.node_id

    def identity(self) -> str:
        """Fingerprint of the host key this connection proved, as `SHA256:...`."""
        return known_hosts.of_paramiko(self._transport.get_remote_server_key()).fingerprint

    def close(self) -> None:
        """End the connection."""
        self._transport.close()

    def alive(self) -> bool:
        """Whether the connection still stands."""
        return bool(self._transport.is_active())

    def _log(self, command: str) -> None:
        first, _, rest = command.partition("\n")
        named = rest and first.startswith(TAG)  # its first line says what a fixed script does, and to what
        self._log_line(ssh_masks.mask(first if named else command))

    def _open(self, timeout_s: float) -> paramiko.Channel:
        try:
            channel = self._transport.open_session(timeout=timeout_s)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(self.target.node_id, f"no channel: {error}") from error
        channel.settimeout(timeout_s)
        return channel

    def _send(self, command: str, source: BinaryIO, have: int, size: int, progress: Progress | None) -> Ran:
        self._log(f"{command.splitlines()[0]} ({size - have} bytes)")
        channel = self._open(self.target.timeout_s)
        with contextlib.closing(channel):
            sent = have
            try:
                execute(channel, command, self.target.timeout_s)
                while block := source.read(SEND_BLOCK):
                    channel.sendall(block)
                    sent += len(block)
                    if progress is not None:
                        progress(sent, size)
                channel.shutdown_write()
                out, err = _drain(channel, time.monotonic() + max(60.0, size / SLOWEST_HASH))
            except (OSError, EOFError, paramiko.SSHException) as error:
                if channel.status_event.is_set() and channel.exit_status > 0:  # it gave up and said so
                    return Ran(int(channel.exit_status), b"", _leftover(channel))
                raise Unreachable(self.node_id, f"upload broke off after {sent} of {size} bytes") from error
            return Ran(_exit_status(channel, self.target.timeout_s), out, err)


@contextlib.contextmanager
def connect(target: SshTarget, log: Callable[[str], None] = lambda _: None) -> Iterator[Shell]:
    """Open a shell, through the jump host where there is one; every host key on the way is checked first.

    Raises HostKeyUnknown, -Changed or -Revoked before any secret is sent, Refused when no key or password is
    accepted, Unreachable when nothing answers, Garbled when what answers is no SSH.
    """
    with contextlib.ExitStack() as stack:
        sock = dial(target, stack)
        transport = _handshake(target, sock)
        stack.callback(transport.close)
        shown = known_hosts.of_paramiko(transport.get_remote_server_key())
        known_hosts.check(target.node_id, target.known_hosts, target.host, target.port, shown)
        _authenticate(target, transport)
        transport.set_keepalive(KEEPALIVE_S)
        yield Shell(target, transport, log)


def host_key(target: SshTarget) -> known_hosts.HostKey:
    """The key the node shows, without logging in: what a person compares at first contact."""
    with contextlib.ExitStack() as stack:
        transport = _handshake(target, dial(target, stack))
        stack.callback(transport.close)
        return known_hosts.of_paramiko(transport.get_remote_server_key())


def dial(target: SshTarget, stack: contextlib.ExitStack) -> socket.socket | paramiko.Channel:
    """What leads to the node's SSH port, through the jump host where there is one. Raises Unreachable."""
    if target.jump is not None:
        shell = stack.enter_context(connect(target.jump))
        try:
            return shell._transport.open_channel(
                "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=target.timeout_s
            )
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(target.node_id, f"not reached through {target.jump.node_id}: {error}") from error
    try:
        sock = socket.create_connection((target.host, target.port), timeout=target.timeout_s)
    except (OSError, ValueError, OverflowError) as error:  # ValueError: a name no resolver may be asked for
        raise Unreachable(target.node_id, f"{target.host} port {target.port}: {error}") from error
    # paramiko never sets it; Nagle with delayed acknowledgement costs 30-40 ms per small exchange.
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
    stack.callback(sock.close)
    return sock


def _handshake(target: SshTarget, sock: socket.socket | paramiko.Channel) -> paramiko.Transport:
    transport = paramiko.Transport(sock)
    transport.banner_timeout = target.timeout_s
    trusted = known_hosts.confirmed(target.known_hosts, target.host, target.port)
    if trusted:
        # Ask for the algorithm we can compare, or a node with several keys looks like a changed one.
        options = transport.get_security_options()
        names = [name for key in trusted for name in _key_algorithms(key.algorithm)]
        options.key_types = [name for name in options.key_types if name in names] or options.key_types
    try:
        transport.start_client(timeout=target.timeout_s)
        transport.get_remote_server_key()  # start_client returns without an error when its time is over
    except (OSError, EOFError, paramiko.SSHException) as error:
        transport.close()
        raise _no_handshake(target, error) from error
    return transport


def _no_handshake(target: SshTarget, error: Exception) -> DriverError:
    text = str(error) or type(error).__name__
    if isinstance(error, paramiko.ssh_exception.IncompatiblePeer):
        return Refused(target.node_id, f"no common algorithm: {text}")
    if "banner" in text.lower() and "reading" not in text.lower():
        return Garbled(target.node_id, text)
    return Unreachable(target.node_id, f"no SSH handshake: {text}")


def _key_algorithms(name: str) -> tuple[str, ...]:
    """An RSA key signs under several names (RFC 8332)."""
    return ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if name == "ssh-rsa" else (name,)


def _authenticate(target: SshTarget, transport: paramiko.Transport) -> None:
    tried: list[str] = []
    for word, attempt in _attempts(target, transport):
        tried.append(word)
        try:
            attempt()
        except paramiko.AuthenticationException:
            continue
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(target.node_id, f"lost while logging in: {error}") from error
        if transport.is_authenticated():
            return
    raise Refused(target.node_id, f"login as {target.user} not accepted ({', '.join(tried) or 'no key, no password'})")


def _attempts(target: SshTarget, transport: paramiko.Transport) -> Iterator[tuple[str, Callable[[], object]]]:
    if target.key_file is not None:
        key = load_key(target, target.key_file)
        yield "key file", lambda: transport.auth_publickey(target.user, key)
    if target.use_agent:
        with contextlib.closing(open_agent(target.node_id)) as agent:
            for agent_key in agent.get_keys():
                yield "agent", lambda key=agent_key: transport.auth_publickey(target.user, key)  # type: ignore[misc]
    if target.password is not None:
        password = target.password
        yield "password", lambda: transport.auth_password(target.user, password)


def open_agent(node_id: str) -> paramiko.Agent:
    """The agent of this session; one without keys where there is none. Refused when what answers is no agent."""
    try:
        return paramiko.Agent()
    except (OSError, EOFError, TypeError, ValueError, struct.error, paramiko.SSHException) as error:
        raise Refused(node_id, f"the SSH agent does not answer: {error}") from error


def load_key(target: SshTarget, path: Path) -> paramiko.PKey:
    """The private key of a file. Refused when it cannot be used."""
    try:
        return paramiko.PKey.from_path(path, target.passphrase.encode() if target.passphrase else None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm, UnknownKeyType, paramiko.SSHException) as error:
        raise Refused(target.node_id, f"the key file {path.name} cannot be used: {error}") from error


class _Limited(threading.Event):
    """An event nobody waits for without end."""

    def __init__(self, limit_s: float) -> None:
        super().__init__()
        self._limit_s = limit_s

    def wait(self, timeout: float | None = None) -> bool:
        """Raises TimeoutError when the limit passes."""
        if not super().wait(self._limit_s if timeout is None else timeout):
            raise TimeoutError("no answer to the request")
        return True


def execute(channel: paramiko.Channel, command: str, limit_s: float) -> None:
    """Have the node run a command in a fresh channel. TimeoutError when it does not even say that it does.

    paramiko waits for that answer without any limit, so that a node which vanishes in that moment would hold its
    caller until the kernel gives the connection up, a quarter of an hour later.
    """
    channel.event = _Limited(limit_s)
    channel.exec_command(command)


def _feed(channel: paramiko.Channel, stdin: bytes) -> None:
    """Send a command its input. One that ends before it has read it all is no lost connection: it says how it ended."""
    try:
        if stdin:
            channel.sendall(stdin)
        channel.shutdown_write()
    except OSError:
        if not channel.status_event.is_set():
            raise


def _drain(channel: paramiko.Channel, deadline: float) -> tuple[bytes, bytes]:
    """Read both streams to their end; TimeoutError when the deadline passes first."""
    out, err = bytearray(), bytearray()
    while True:
        while channel.recv_stderr_ready():
            err += channel.recv_stderr(BLOCK)
        channel.settimeout(min(0.2, max(0.01, deadline - time.monotonic())))
        try:
            block = channel.recv(BLOCK)
        except TimeoutError:
            if time.monotonic() >= deadline:
                raise
            continue
        if not block:
            break
        out += block
    channel.settimeout(max(0.01, deadline - time.monotonic()))
    while block := channel.recv_stderr(BLOCK):
        err += block
    return bytes(out), bytes(err)


def _exit_status(channel: paramiko.Channel, timeout_s: float) -> int | None:
    """dropbear sends it after the end of the streams; a connection that ended without it gives None."""
    channel.status_event.wait(timeout_s)
    return None if channel.exit_status < 0 else int(channel.exit_status)


def _leftover(channel: paramiko.Channel) -> bytes:
    channel.settimeout(0.2)
    with contextlib.suppress(OSError):
        return bytes(channel.recv_stderr(BLOCK))
    return b""


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace").strip()[:200] or "no reason given"
