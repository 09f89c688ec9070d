"""A virtual EdgeOS command line: a Linux shell with Vyatta's words, echo and prompt. No I/O of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from device_drivers.simcity.openwrt import VirtualNode

CONFIG: Final = """system {{
    host-name {name}
}}


/* Warning: Do not remove the following line. */
/* === vyatta-config-version: "config-management@1:system@5" === */
/* Release version: {version} */"""


def greeting(node: VirtualNode, login: str) -> str:
    """What a terminal receives first."""
    return f"Linux {node.make.node_id} {node.make.kernel} (simulated)\r\nWelcome to EdgeOS\r\n{prompt(node, login)}"


def prompt(node: VirtualNode, login: str) -> str:
    """What stands before the cursor."""
    return f"{login}@{node.make.node_id}:~$ "


def typed(node: VirtualNode, line: str, login: str) -> Iterator[str]:
    """What a terminal receives for one line; its letters were echoed as they came."""
    answer = _answer(node, line.strip())
    yield "\r\n" + "".join(f"{row}\r\n" for row in answer.splitlines()) + prompt(node, login)


def _answer(node: VirtualNode, command: str) -> str:
    make, up_s = node.make, node.clock() - node.booted_s
    if not command or command.startswith("terminal "):
        return ""
    if command == "show version":
        rows = {"Version": make.version, "Build ID": make.revision, "HW model": make.model, "HW S/N": make.serial}
        return "\n".join(f"{name + ':':13} {value}" for name, value in rows.items())
    if command.startswith("cat /proc/sys/kernel/random/boot_id"):
        return (
            f"{node.boot_id}\n{up_s:.2f} {up_s:.2f}\nMemTotal: 262144 kB\nMemAvailable: {node.free_bytes() // 1024} kB"
        )
    if command == "cat /config/config.boot":
        return CONFIG.format(name=make.node_id, version=make.version)
    return f"vbash: {command.split(maxsplit=1)[0]}: command not found"
