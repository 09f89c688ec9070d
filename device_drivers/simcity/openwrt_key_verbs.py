"""What a virtual node does with the scripts of `openwrt_keys`: lines of one file on its flash. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from device_drivers.capabilities import Ran
from device_drivers.openwrt_keys import FILE
from device_drivers.simcity.openwrt import VirtualNode


def authorized(node: VirtualNode) -> list[str]:
    """The keys that may log in besides the city's own."""
    return bytes(node.files.get(FILE, b"")).decode().splitlines()


def _add(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    lines = authorized(node)
    return _keep(node, lines if words[0] in lines else [*lines, words[0]])


def _drop(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    return _keep(node, [line for line in authorized(node) if line != words[0]])


def _keep(node: VirtualNode, lines: list[str]) -> Ran:
    node.files[FILE] = "".join(f"{line}\n" for line in lines).encode()
    return Ran(0, b"", b"")


KEY_VERBS: Final[dict[str, Callable[[VirtualNode, list[str], bytes], Ran]]] = {"key-add": _add, "key-drop": _drop}
