"""Which public keys may log in to an OpenWrt-like node: add one, take one away. Never removes anybody else's."""

from __future__ import annotations

import re
import shlex
from typing import Final

from device_drivers.capabilities import RunsCommands
from device_drivers.errors import Refused
from device_drivers.openwrt_scripts import script

FILE: Final = "/etc/dropbear/authorized_keys"
"""Where dropbear of OpenWrt looks for root's keys; it is on flash and kept by an upgrade."""
_LINE: Final = re.compile(r"ssh-ed25519 [A-Za-z0-9+/=]+( [\x21-\x7e]{1,64})?")


def checked(line: str) -> str:
    """The line as it may stand in the file. Raises ValueError for anything but one plain Ed25519 key."""
    if not _LINE.fullmatch(line):
        raise ValueError("a key is one line: ssh-ed25519, the key, and a name without spaces")
    return line


def add_script(line: str) -> str:
    """Append a key unless it is there; a copy replaces the file, so that a full flash leaves the old one whole."""
    quoted = shlex.quote(checked(line))
    return script(
        f"key-add {quoted}",
        f"umask 077; mkdir -p {FILE.rpartition('/')[0]}; touch {FILE} || exit 1",
        f"grep -qxF {quoted} {FILE} && exit 0",
        f"{{ cat {FILE}; echo {quoted}; }} > {FILE}.new && sync && mv {FILE}.new {FILE}",
    )


def drop_script(line: str) -> str:
    """Remove exactly this line."""
    quoted = shlex.quote(checked(line))
    return script(
        f"key-drop {quoted}",
        f"[ -f {FILE} ] || exit 0",
        f"umask 077; grep -vxF {quoted} {FILE} > {FILE}.new; sync; mv {FILE}.new {FILE}",
    )


def add_key(device: str, shell: RunsCommands, line: str) -> None:
    """Let the holder of this key log in. Raises Refused when the node cannot keep it, ValueError for no key."""
    _expect(device, shell, add_script(line))


def drop_key(device: str, shell: RunsCommands, line: str) -> None:
    """Let the holder of this key log in no more. Raises Refused, ValueError."""
    _expect(device, shell, drop_script(line))


def _expect(device: str, shell: RunsCommands, command: str) -> None:
    ran = shell.run(command)
    if ran.exit_status != 0:
        raise Refused(device, f"{FILE} cannot be written: {ran.stderr.decode('utf-8', 'replace').strip()[:200]}")
