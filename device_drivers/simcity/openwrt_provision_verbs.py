"""What a virtual node does with the scripts that set a new one up. No I/O."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Final

from device_drivers.capabilities import Ran
from device_drivers.simcity.openwrt import VirtualNode

MBPS: Final = 94.2
Verb = Callable[[VirtualNode, list[str], bytes], Ran]


def _engine_id(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    return Ran(0, f"80001f8804{node.make.serial.encode().hex()}\n".encode(), b"")


def _throughput(_node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    return Ran(0, json.dumps({"end": {"sum_received": {"bits_per_second": MBPS * 1e6}}}).encode(), b"")


PROVISION_VERBS: Final[Mapping[str, Verb]] = {
    "engine-id": _engine_id,
    "throughput": _throughput,
}
