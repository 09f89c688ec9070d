"""A virtual RouterOS command line with its odd behaviour: echo, repainted lines, prompts twice. No I/O of its own.

The login name carries console options behind a plus sign: without `c` among them everything is coloured, without `t`
the terminal is asked where its cursor is, and the prompt waits for an answer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from device_drivers.capabilities import Ran
from device_drivers.simcity.openwrt import VirtualNode

_PUT: Final = re.compile(r':put "(.*)"')
_SPANS: Final = (("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def span(seconds: int) -> str:
    """As RouterOS writes an uptime: `1w2d3h4m5s`, parts of zero left out."""
    found = ""
    for unit, size in _SPANS:
        count, seconds = divmod(seconds, size)
        found += f"{count}{unit}" if count else ""
    return found or "0s"


def run(node: VirtualNode, command: str) -> Ran:
    """One line of commands, without terminal."""
    said = [_one(node, part.strip()) for part in command.split(";") if part.strip()]
    return Ran(0, "".join(text + "\r\n" for text in said).encode(), b"")


def greeting(node: VirtualNode, login: str) -> str:
    """What a terminal receives first; nothing but a question where it is not known what the terminal can."""
    options = login.partition("+")[2]
    banner = f"\r\n  MikroTik RouterOS {node.make.version} (simulated)\r\n\r\n"
    return banner + prompt(node, login) if "t" in options else "\x1b[6n"


def prompt(node: VirtualNode, login: str) -> str:
    """What stands before the cursor."""
    if "c" in login.partition("+")[2]:
        return f"[admin@{node.make.node_id}] > "
    return f"[\x1b[m\x1b[36madmin\x1b[m@\x1b[32m{node.make.node_id}\x1b[m] > "


def typed(node: VirtualNode, line: str, login: str) -> Iterator[str]:
    """What a terminal receives for one line: the line painted anew, the answer, the prompt twice."""
    shown = prompt(node, login)
    yield f"\r{shown}{line}\x1b[K\r\n"
    if line.strip():
        answer = run(node, line).stdout.decode()
        yield answer
    yield f"\r\r\x1b[K\r{shown}\x1b[K\r{shown}"


def _one(node: VirtualNode, command: str) -> str:
    make, free = node.make, node.free_bytes()
    if said := _PUT.fullmatch(command):
        return said[1]
    if command == "/system resource print":
        return _printed(
            {
                "uptime": span(int(node.clock() - node.booted_s)), "version": f"{make.version} (stable)",
                "build-time": "2024-03-26 08:25:33", "free-memory": f"{free / (1 << 20):.1f}MiB",
                "total-memory": "4.0GiB", "cpu": "ARM64", "free-hdd-space": "99.9MiB",
                "architecture-name": make.target, "board-name": make.model, "platform": "MikroTik",
            }
        )  # fmt: skip
    if command == "/system routerboard print":
        return _printed(
            {"routerboard": "yes", "model": make.board_name, "serial-number": make.serial, "firmware-type": "al64",
             "current-firmware": make.version}
        )  # fmt: skip
    if command == "/system identity print":
        return _printed({"name": make.node_id})
    if command == "/export terse":
        return "\r\n".join(
            (
                f"# 2026-11-24 18:00:00 by RouterOS {make.version}",
                f"# model = {make.board_name}",
                f"# serial number = {make.serial}",
                "/interface bridge add name=bridge1",
                f"/ip address add address=10.1.{len(make.serial)}.1/24 interface=bridge1 network=10.1.0.0",
                f"/system identity set name={make.node_id}",
            )
        )
    if command in ("quit", "/quit"):
        return "interrupted"
    return f"bad command name {command.split(maxsplit=1)[0]} (line 1 column 1)"


def _printed(rows: dict[str, str]) -> str:
    width = max(map(len, rows))
    return "\r\n".join(f"{name:>{width + 2}}: {value}" for name, value in rows.items()) + "\r\n"
