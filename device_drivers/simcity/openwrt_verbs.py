"""What a virtual node does when it is sent a command: our tagged scripts, and a few plain commands. No I/O."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from device_drivers import openwrt_scripts as scripts
from device_drivers.capabilities import Ran
from device_drivers.simcity import images
from device_drivers.simcity.openwrt import VirtualNode
from device_drivers.simcity.openwrt_config_verbs import CONFIG_VERBS
from device_drivers.simcity.openwrt_key_verbs import KEY_VERBS
from device_drivers.simcity.openwrt_provision_verbs import PROVISION_VERBS

DEAD: Final = Ran(None, b"", b"")
NO_ROOM: Final = Ran(1, b"", b"cat: write error: No space left on device\n")
OPENWRT_ONLY: Final = frozenset({"board", "neighbours", "test-image", "flash", "ubus", "uci"})
_TAG: Final = re.compile(r": leitstand ([^\n]*)")
Verb = Callable[[VirtualNode, list[str], bytes], Ran]


def execute(node: VirtualNode, command: str, stdin: bytes = b"", generation: int | None = None) -> Ran:
    """Run one command; the exit status is None when the node is dark or went dark since `generation`."""
    with node.at_work() as awake:
        if not awake or node.cut_off or generation not in (None, node.generation):
            return DEAD
        before = node.generation
        ran = _dispatch(node, command, stdin)
        return ran if node.generation == before else DEAD


@dataclass(frozen=True, slots=True)
class Receive:
    """An upload: its bytes need not lie in memory twice, so a server feeds them in as they come."""

    path: str
    sha256: str
    size: int
    offset: int

    @property
    def part(self) -> str:
        """Where the bytes gather."""
        return self.path + ".part"


def receives(command: str) -> Receive | None:
    """The upload a command begins, None when it is none."""
    tag = _TAG.match(command)
    words = shlex.split(tag[1]) if tag else []
    return Receive(words[1], words[2], int(words[3]), int(words[4])) if words[:1] == ["receive"] else None


def _dispatch(node: VirtualNode, command: str, stdin: bytes) -> Ran:
    tag = _TAG.match(command)
    try:
        words = shlex.split(tag[1] if tag else command)
    except ValueError:
        return Ran(2, b"", b"ash: syntax error: unterminated quoted string\n")
    if not words:
        return Ran(0, b"", b"")
    if node.make.vendor != "OpenWrt" and words[0] in OPENWRT_ONLY:
        return Ran(127, b"", b"ash: ubus: not found\n")
    known: Mapping[str, Verb] = VERBS if tag else PLAIN
    verb = known.get(words[0])
    if verb is None:
        return Ran(127, b"", f"ash: {words[0]}: not found\n".encode())
    return verb(node, words[1:], stdin)


def _said(*lines: str, status: int = 0) -> Ran:
    return Ran(status, ("\n".join(lines) + "\n").encode() if lines else b"", b"")


def board_json(node: VirtualNode) -> str:
    """As procd prints it."""
    make = node.make
    release = {
        "distribution": "OpenWrt", "version": make.version, "revision": make.revision, "target": make.target,
        "description": f"OpenWrt {make.version} {make.revision}",
    }  # fmt: skip
    facts = {
        "kernel": make.kernel, "hostname": make.node_id, "system": "simulated", "model": make.model,
        "board_name": make.board_name, "rootfs_type": "squashfs", "release": release,
    }  # fmt: skip
    return json.dumps(facts, indent="\t")


def _board(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    return _said(board_json(node), f"{scripts.SECTION}serial", node.make.serial)


def _boot(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    free_kib = node.free_bytes() // 1024
    bank = f"{node.bank}{' fell-back' if node.fell_back else ''}" if node.make.banks == 2 else ""
    up_s = node.clock() - node.booted_s
    return _said(
        f"{scripts.SECTION}boot_id", node.boot_id, f"{scripts.SECTION}uptime", f"{up_s:.2f} {up_s:.2f}",
        f"{scripts.SECTION}memory", f"MemAvailable: {free_kib} kB", f"{scripts.SECTION}tmp",
        f"tmpfs 262144 0 {free_kib} 0% /tmp", f"{scripts.SECTION}bank", bank,
    )  # fmt: skip


def _neighbours(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    parts = node.mesh().parts
    return _said(*(line for name, text in parts.items() for line in (f"{scripts.SECTION}{name}", text)))


def _prepare(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    return _said(str(len(node.files.get(scripts.image_path(words[0]) + ".part", b""))))


def _part(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    return _said(str(len(node.files.get(words[0] + ".part", b""))))


def begin_receive(node: VirtualNode, upload: Receive) -> bool:
    """Make ready to append to a part; False when it is not as long as the sender thinks."""
    if upload.offset:
        return len(node.files.get(upload.part, b"")) == upload.offset
    node.files[upload.part] = b""
    return True


def end_receive(node: VirtualNode, upload: Receive) -> Ran:
    """The input ended: a whole part with the right hash gets its name, one that is not whole stays."""
    if len(node.files[upload.part]) != upload.size:
        return Ran(scripts.OTHER_SIZE, b"", b"")
    seen = node.sha256(upload.part)
    if seen != upload.sha256:
        del node.files[upload.part]
        return Ran(scripts.OTHER_HASH, seen.encode(), b"")
    node.files[upload.path] = bytes(node.files.pop(upload.part))
    return _said(seen)


def _receive(node: VirtualNode, words: list[str], stdin: bytes) -> Ran:
    upload = Receive(words[0], words[1], int(words[2]), int(words[3]))
    if not begin_receive(node, upload):
        return Ran(scripts.OTHER_SIZE, b"", b"")
    if not node.append(upload.part, stdin):
        return NO_ROOM
    return end_receive(node, upload)


def _staged(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    path = scripts.image_path(words[0])
    return _said(f"{node.sha256(path)}  {path}") if path in node.files else Ran(1, b"", b"")


def verdict(node: VirtualNode, image: bytes, *, keep_config: bool = True) -> dict[str, object]:
    """`validate_firmware_image`: board, compat version (a minor step only without the configuration), signature."""
    header = images.read(image)
    if header is None:
        return {"tests": {"fwtool_device_match": False, "fwtool_signature": False}, "valid": False,
                "forceable": False, "allow_backup": False}  # fmt: skip
    own, theirs = node.make.compat_version.split("."), header.compat_version.split(".")
    match = node.make.board_name in header.boards and own[0] == theirs[0]
    same = own == theirs
    signed = images.is_signed(image, header)
    return {
        "tests": {"fwtool_signature": signed, "fwtool_device_match": match and (same or not keep_config)},
        "valid": match and signed and (same or not keep_config),
        "forceable": match,
        "allow_backup": same,
    }


def _test_image(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    image = node.files.get(words[0])
    if image is None:
        return Ran(scripts.IMAGE_MISSING, b"", b"")
    found = verdict(node, bytes(image))
    return _said(json.dumps(found), status=0 if found["valid"] else 1)


def _flash(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    op_id, path, sha256, boot_id, revision, keep = words
    fence = f"{scripts.place(op_id)}/fence"
    if boot_id != node.boot_id:
        return Ran(scripts.OTHER_BOOT, b"", b"")
    if fence in node.files or scripts.FLASHING in node.files:
        return Ran(scripts.HELD, b"", b"")
    if revision != node.make.revision:
        return Ran(scripts.OTHER_REVISION, b"", b"")
    if path not in node.files or node.sha256(path) != sha256:
        return Ran(scripts.IMAGE_MISSING, b"", b"")
    if not verdict(node, bytes(node.files[path]), keep_config=keep == "keep")["valid"]:
        return Ran(scripts.REFUSED, b"", b"Image check failed.\n")
    node.files[scripts.FLASHING] = node.files[fence] = b""
    node.files[f"{scripts.place(op_id)}/log"] = f"{scripts.COMMENCING}. Closing all shell sessions.\n".encode()
    node.begin_flash(op_id, path, keep_config=keep == "keep")
    return Ran(0, b"", b"")


def _fence(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    there = scripts.place(words[0])
    held = ["held"] if f"{there}/fence" in node.files else []
    return _said(*held, f"{scripts.SECTION}log", node.files.get(f"{there}/log", b"").decode())


def _sweep(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    inside = [path for path in node.files if path.startswith(scripts.ROOT + "/")]
    ops = {path.split("/")[3] for path in inside if path.split("/")[-1] in ("image.bin", "image.bin.part", "fence")}
    running = {path.split("/")[3] for path in inside if path.endswith("/fence")}
    gone = sorted(ops - running - set(words))
    for path in inside:
        if path.split("/")[3] in gone:
            del node.files[path]
    return _said(str(len(gone)))


VERBS: Final[dict[str, Verb]] = {
    "board": _board,
    "boot": _boot,
    "neighbours": _neighbours,
    "prepare": _prepare,
    "part": _part,
    "receive": _receive,
    "staged": _staged,
    "test-image": _test_image,
    "flash": _flash,
    "fence": _fence,
    "sweep": _sweep,
    **CONFIG_VERBS,
    **KEY_VERBS,
    **PROVISION_VERBS,
}
"""By the verb behind `: leitstand`; whoever sends more scripts adds what a node does with them."""


def _airos(answer: Callable[[VirtualNode], Ran]) -> Verb:
    """What only airOS has the files for."""

    def verb(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
        missing = Ran(127, b"", b"cat: can't open '/etc/board.info': No such file or directory\n")
        return answer(node) if node.make.vendor == "Ubiquiti" else missing

    return verb


def _airos_board(node: VirtualNode) -> Ran:
    make = node.make
    address = f"02:6f:{int(make.serial[3:]) >> 16 & 255:02x}:{int(make.serial[3:]) >> 8 & 255:02x}:00:01"
    rows = (f"board.name={make.model}", f"board.shortname={make.board_name}", f"board.hwaddr={address}")
    parts = (f"{scripts.SECTION}board", *rows, f"{scripts.SECTION}version", make.revision)
    return _said(*parts, f"{scripts.SECTION}name", make.node_id)


def _airos_config(node: VirtualNode) -> Ran:
    lines = ("radio.1.status=enabled", "radio.1.freq=5580", f"resolv.host.1.name={node.make.node_id}")
    return _said(*lines, "# leitstand: end of configuration")


VERBS.update(
    {
        "airos-board": _airos(_airos_board),
        "airos-boot": _airos(lambda node: _boot(node, [], b"")),
        "airos-config": _airos(_airos_config),
    }
)


def _ubus(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    if words[:3] == ["call", "system", "board"]:
        return _said(board_json(node))
    if words[:3] == ["call", "system", "info"]:
        memory = {"total": node.make.free_bytes * 2, "free": node.free_bytes(), "available": node.free_bytes()}
        return _said(json.dumps({"uptime": int(node.clock() - node.booted_s), "memory": memory}))
    if words[:3] == ["call", "system", "validate_firmware_image"] and len(words) == 4:
        try:
            path = json.loads(words[3])["path"]
        except (ValueError, KeyError, TypeError):
            return Ran(2, b"", b"Command failed: Invalid argument\n")
        return _said(json.dumps(verdict(node, bytes(node.files.get(path, b"")))))
    return Ran(4, b"", b"Command failed: Not found\n")


def _cat(node: VirtualNode, words: list[str], stdin: bytes) -> Ran:
    if not words:
        return Ran(0, stdin, b"")
    path = words[0]
    if path == "/proc/sys/kernel/random/boot_id":
        return _said(node.boot_id)
    body = node.files.get(path)
    missing = f"cat: can't open '{path}': No such file or directory\n".encode()
    return Ran(1, b"", missing) if body is None else Ran(0, bytes(body), b"")


def _rm(node: VirtualNode, words: list[str], _stdin: bytes) -> Ran:
    for path in (word for word in words if not word.startswith("-")):
        node.files.pop(path, None)
    return Ran(0, b"", b"")


def _reboot(node: VirtualNode, _words: list[str], _stdin: bytes) -> Ran:
    node.reboot()
    return DEAD


def _mkdir(node: VirtualNode, path: str) -> Ran:
    node.files[path] = b""  # there are no directories here; that it is there is all that is asked of one
    return Ran(0, b"", b"")


PLAIN: Final[Mapping[str, Verb]] = {
    "ubus": _ubus,
    "uci": lambda node, words, stdin: node.uci.run(words, stdin),
    "cat": _cat,
    "rm": _rm,
    "mkdir": lambda node, words, _stdin: _mkdir(node, words[-1]),
    "rmdir": _rm,
    "reboot": _reboot,
    "true": lambda _node, _words, _stdin: Ran(0, b"", b""),
    "echo": lambda _node, words, _stdin: _said(" ".join(words)),
    "hostname": lambda node, _words, _stdin: _said(node.make.node_id),
    "uptime": lambda node, _words, _stdin: _said(f" up {int(node.clock() - node.booted_s)} s"),
}
