"""One command line over netmiko, with our rules: a confirmed host key or nothing, no key tried that was not named."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import paramiko

from device_drivers import known_hosts, ssh, ssh_masks
from device_drivers.errors import Garbled, Refused, Unreachable

READ_S: Final = 90.0
"""A large export on a small processor takes a minute."""


class CommandLine:
    """An interactive session: one command, its answer, no exit status. `fingerprint` is the host key it showed."""

    def __init__(self, node_id: str, fingerprint: str, session: Any, log: Callable[[str], None]) -> None:
        self.node_id = node_id
        self.fingerprint = fingerprint
        self._session = session
        self._log = log

    def ask(self, command: str, *, read_s: float = READ_S) -> str:
        """Send one command and return what came before the next prompt. Unreachable when none came in time."""
        from netmiko.exceptions import NetmikoBaseException

        self._log(ssh_masks.mask(command))
        try:
            return str(self._session.send_command(command, read_timeout=read_s, strip_prompt=True, strip_command=True))
        except ValueError as error:  # no prompt where one has to be
            raise Garbled(self.node_id, f"no prompt after `{ssh_masks.mask(command)}`: {_first_line(error)}") from error
        except (OSError, EOFError, paramiko.SSHException, NetmikoBaseException) as error:
            raise Unreachable(self.node_id, f"no end of `{ssh_masks.mask(command)}`: {_first_line(error)}") from error

    def execute(self, command: str, *, read_s: float = READ_S) -> bytes:
        """Run one command in a channel without terminal, where nothing is painted anew, on the same connection."""
        self._log(ssh_masks.mask(command))
        try:
            channel = self._session.remote_conn_pre.get_transport().open_session(timeout=read_s)
            with contextlib.closing(channel):
                channel.settimeout(read_s)
                ssh.execute(channel, command, read_s)
                channel.shutdown_write()
                found = bytearray()
                while block := channel.recv(ssh.BLOCK):
                    found += block
                return bytes(found)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(self.node_id, f"no end of `{ssh_masks.mask(command)}`: {_first_line(error)}") from error


@contextlib.contextmanager
def connect(target: ssh.SshTarget, device_type: str, log: Callable[[str], None]) -> Iterator[CommandLine]:
    """Log in. Raises HostKeyUnknown, -Changed or -Revoked before a secret is sent, Refused, Garbled, Unreachable."""
    shown = ssh.host_key(target)
    known_hosts.check(target.node_id, target.known_hosts, target.host, target.port, shown)
    with contextlib.ExitStack() as stack:
        session = _login(target, shown, device_type, stack)
        stack.callback(_end, session)
        yield CommandLine(target.node_id, shown.fingerprint, session, log)


def _login(target: ssh.SshTarget, shown: known_hosts.HostKey, device_type: str, stack: contextlib.ExitStack) -> Any:
    from netmiko import ConnectHandler
    from netmiko.exceptions import NetmikoAuthenticationException, NetmikoBaseException

    # netmiko reads the whole file itself, and a line with a marker or a damaged one keeps it out of every node.
    only = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="leitstand-"))) / "known_hosts"
    known_hosts.confirm(only, target.host, target.port, shown)
    key = None if target.key_file is None else ssh.load_key(target, target.key_file)
    try:
        return ConnectHandler(
            device_type=device_type,
            host=target.host,
            port=target.port,
            username=target.user,
            password=target.password,
            pkey=key,
            use_keys=False,  # it means: try every key of the user's home
            allow_agent=target.use_agent,
            ssh_strict=True,
            system_host_keys=False,
            alt_host_keys=True,
            alt_key_file=str(only),
            sock=ssh.dial(target, stack),
            conn_timeout=target.timeout_s,
            banner_timeout=target.timeout_s,
            auth_timeout=target.timeout_s,
            keepalive=ssh.KEEPALIVE_S,
        )
    except NetmikoAuthenticationException as error:
        raise Refused(target.node_id, f"login as {target.user} not accepted") from error
    except ValueError as error:
        raise Garbled(target.node_id, f"not the prompt of a {device_type}: {_first_line(error)}") from error
    except (OSError, EOFError, paramiko.SSHException, NetmikoBaseException) as error:
        raise Unreachable(target.node_id, f"no command line: {_first_line(error)}") from error


def _end(session: Any) -> None:
    with contextlib.suppress(OSError, EOFError, paramiko.SSHException):
        session.disconnect()


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
