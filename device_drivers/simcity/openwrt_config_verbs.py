"""What a virtual node does with our configuration scripts, step by step as they are written. No I/O.

A reload that leaves the interface `lan` disabled, without an address or with another than before cuts the node off
until its guard goes back: nobody reaches it meanwhile.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from device_drivers import openwrt_config_scripts as scripts
from device_drivers.capabilities import Ran
from device_drivers.simcity.openwrt import VirtualNode
from device_drivers.simcity.openwrt_uci import CONFIG, UciFiles, parse

FLASH: Final = scripts.HERE.flash
RELOAD_AFTER_S: Final = 1.0
Verb = Callable[[VirtualNode, list[str], bytes], Ran]


def _ran(status: int, text: str = "") -> Ran:
    return Ran(status, text.encode(), b"")


def _under(node: VirtualNode, folder: str) -> dict[str, bytes]:
    """The files of a folder by their names in it."""
    return {path[len(folder) :]: bytes(body) for path, body in node.files.items() if path.startswith(folder)}


def _clear(node: VirtualNode, folder: str) -> None:
    for path in [path for path in node.files if path.startswith(folder)]:
        del node.files[path]


def _base(node: VirtualNode) -> bytes:
    return hashlib.sha256(repr(sorted(_under(node, CONFIG).items())).encode()).hexdigest().encode()


def _op_of(node: VirtualNode, name: str) -> str:
    return node.files.get(f"{FLASH}/{name}", b"").decode().partition(" ")[0]


def _read(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    files = sorted(_under(node, CONFIG).items())
    text = "".join(f"package {name}\n{body.decode('utf-8', 'replace')}\n" for name, body in files)
    return _ran(0, f"{text}{scripts.END_MARK}\n")


def _stage(node: VirtualNode, words: list[str], stdin: bytes) -> Ran:
    there = scripts.HERE.stage(words[0])
    if f"{FLASH}/pending" in node.files or f"{FLASH}/reverting" in node.files:
        return _ran(scripts.BUSY)
    _clear(node, f"{there}/")
    copy: dict[str, bytes | bytearray] = {CONFIG + name: body for name, body in _under(node, CONFIG).items()}
    for name in words[1:]:
        copy.setdefault(CONFIG + name, b"")
    uci, delta = UciFiles(copy), f"{there}/delta"
    uci.run(["-t", delta, "batch"], stdin)
    changes = uci.run(["-t", delta, "changes"])
    uci.run(["-t", delta, "commit"])
    node.files.update({f"{there}/config/{path[len(CONFIG) :]}": body for path, body in copy.items()
                       if path.startswith(CONFIG)})  # fmt: skip
    node.files[f"{there}/base"] = _base(node)
    return Ran(0, changes.stdout, b"")


def _apply(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    op_id, there = words[0], scripts.HERE.stage(words[0])
    if f"{FLASH}/pending" in node.files:
        return _ran(0 if _op_of(node, "pending") == op_id else scripts.BUSY)
    if f"{FLASH}/reverting" in node.files:
        return _ran(scripts.BUSY)
    if f"{there}/base" not in node.files:
        return _ran(scripts.NOT_STAGED)
    if bytes(node.files[f"{there}/base"]) != _base(node):
        return _ran(scripts.CHANGED)
    for old in ("prev-", "confirmed-", "reverted-"):
        _clear(node, f"{FLASH}/{old}")
    node.files.update({f"{FLASH}/prev-{op_id}/{name}": body for name, body in _under(node, CONFIG).items()})
    until_s = node.clock() + int(words[1])
    node.files[f"{FLASH}/pending"] = f"{op_id} {node.boot_id} {until_s}\n".encode()
    if _boot not in node.boot_hooks:
        node.boot_hooks.append(_boot)
    _put(node, f"{there}/config/")
    node.due.append((until_s, lambda there: _go_back(there, op_id)))
    node.due.append((node.clock() + RELOAD_AFTER_S, reload_config))
    return _ran(0)


def _put(node: VirtualNode, folder: str) -> None:
    wanted = _under(node, folder)
    _clear(node, CONFIG)
    node.files.update({CONFIG + name: body for name, body in wanted.items()})


def _confirm(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    op_id = words[0]
    if f"{FLASH}/confirmed-{op_id}" in node.files:
        return _ran(0)
    if _op_of(node, "pending") != op_id:
        return _ran(scripts.ENDED)
    node.files[f"{FLASH}/confirmed-{op_id}"] = node.files.pop(f"{FLASH}/pending")
    _clear(node, f"{FLASH}/prev-{op_id}/")
    _clear(node, f"{scripts.HERE.stage(op_id)}/")
    return _ran(0)


def _revert(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    op_id = words[0]
    _clear(node, f"{scripts.HERE.stage(op_id)}/")
    if _op_of(node, "pending") == op_id:
        _go_back(node, op_id)
        return _ran(0)
    return _ran(scripts.ENDED if f"{FLASH}/confirmed-{op_id}" in node.files else 0)


def _pending(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    found = _op_of(node, "pending") or _op_of(node, "reverting")
    return _ran(0, f"{found}\n" if found else "")


def _go_back(node: VirtualNode, op_id: str) -> None:
    """What the guard does once it is due; an operation that was confirmed since has no `pending` any more."""
    if not op_id or _op_of(node, "pending") != op_id:
        return
    del node.files[f"{FLASH}/pending"]
    _put(node, f"{FLASH}/prev-{op_id}/")
    _clear(node, f"{FLASH}/prev-{op_id}/")
    node.files[f"{FLASH}/reverted-{op_id}"] = b""
    reload_config(node)


def _boot(node: VirtualNode) -> None:
    """The guard in /etc/rc.d, before the network starts with whatever is there then."""
    _go_back(node, _op_of(node, "pending"))
    reload_config(node)


def reload_config(node: VirtualNode) -> None:
    """Bring the network up as it is configured: the management interface `lan` may be gone then."""
    node.cut_off = False
    body = node.files.get(f"{CONFIG}network")
    if body is None:
        return
    lan = next((one for one in parse(body.decode("utf-8", "replace")) if one.name == "lan"), None)
    options = {} if lan is None else lan.options
    moved = options.get("ipaddr", node.management) != node.management
    node.cut_off = lan is None or options.get("disabled") == "1" or options.get("proto") == "none" or moved


CONFIG_VERBS: Final[Mapping[str, Verb]] = {
    "config-read": _read,
    "config-stage": _stage,
    "config-apply": _apply,
    "config-confirm": _confirm,
    "config-revert": _revert,
    "config-pending": _pending,
}
