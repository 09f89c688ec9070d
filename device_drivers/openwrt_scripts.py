"""The exact shell text of every operation on an OpenWrt-like node, for busybox ash. Pure; never forces an image.

The first line of each is a no-op that names the operation and its arguments: it makes the log of real calls
readable, and the simulated node obeys it instead of running a shell.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Final

from device_drivers.capabilities import FlashOrder

ROOT: Final = "/tmp/leitstand"  # noqa: S108 - on the node, where /tmp is RAM and ends with the boot
FLASHING: Final = f"{ROOT}/.flashing"
"""Taken by whoever upgrades the node in this boot, whichever console sent it."""
HELD, OTHER_BOOT, OTHER_REVISION, IMAGE_MISSING, REFUSED, OTHER_HASH, OTHER_SIZE = range(70, 77)
"""Exit statuses of our scripts: none of them is one that a shell or sysupgrade gives by itself."""
COMMENCING: Final = "Commencing upgrade"
"""What sysupgrade prints last before it hands over to procd (openwrt base-files)."""
SECTION: Final = "@@ "
"""Begins the line that names the part of the output that follows."""
_OP_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_EACH: Final = "for i in $(_radios); do"
NEIGHBOUR_SOURCES: Final = (
    ("macs", 'for d in /sys/class/net/*; do echo "${d##*/} $(cat "$d/address")"; done'),
    ("hardifs", "batctl meshif bat0 hardifs_json"),
    ("neighbors", "batctl meshif bat0 neighbors_json"),
    ("originators", "batctl meshif bat0 originators_json"),
    ("iwdev", "iw dev"),
    ("stations", f'{_EACH} iw dev "$i" station dump; done'),
    ("paths", f'{_EACH} iw dev "$i" mpath dump; done'),
    ("info", f'{_EACH} echo "dev $i"; ubus call iwinfo info "{{\\"device\\":\\"$i\\"}}"; done'),
    ("assoc", f'{_EACH} echo "dev $i"; ubus call iwinfo assoclist "{{\\"device\\":\\"$i\\"}}"; done'),
    ("lldp", "lldpcli -f json show neighbors"),
)
"""Part of the output, and the command that prints it; one that is not installed leaves its part empty."""


def script(tag: str, *lines: str) -> str:
    """The no-op line `: leitstand TAG` and what follows it."""
    return "\n".join((f": leitstand {tag}", *lines)) + "\n"


def place(op_id: str) -> str:
    """Where everything of one operation lies on the node. Raises ValueError for an id that is no plain name."""
    if not _OP_ID.fullmatch(op_id):
        raise ValueError(f"an operation id is made of letters, digits, - and _, not {op_id!r}")
    return f"{ROOT}/{op_id}"


def image_path(op_id: str) -> str:
    """Where the image of one operation is staged."""
    return f"{place(op_id)}/image.bin"


def board() -> str:
    """`ubus call system board`, then the serial number where the node tells one."""
    return script(
        "board",
        "ubus call system board || exit $?",
        f"echo; echo '{SECTION}serial'",
        "for f in /sys/firmware/devicetree/base/serial-number /tmp/sysinfo/serial; do",
        "  [ -r $f ] && { tr -d '\\000' < $f; echo; break; }",
        "done",
        "exit 0",
    )


def boot() -> str:
    """Boot id, uptime, free memory, free room in /tmp, and the bank where the node knows one.

    A node may bring `/usr/libexec/leitstand-bank` that prints its bank and, when the boot loader gave up on the
    other one, `fell-back`; without it the variable of the Linksys dual-boot models is asked.
    """
    return script(
        "boot",
        f"echo '{SECTION}boot_id'; cat /proc/sys/kernel/random/boot_id || exit 1",
        f"echo '{SECTION}uptime'; cat /proc/uptime",
        f"echo '{SECTION}memory'; grep MemAvailable /proc/meminfo",
        f"echo '{SECTION}tmp'; df -Pk /tmp | tail -n 1",
        f"echo '{SECTION}bank'",
        "if [ -x /usr/libexec/leitstand-bank ]; then /usr/libexec/leitstand-bank",
        "else fw_printenv -n boot_part 2>/dev/null; fi",
        "exit 0",
    )


def neighbours() -> str:
    """Every source of neighbours the node has, each under its name."""
    radios = (
        '_radios() { for d in /sys/class/net/*/phy80211; do [ -e "$d" ] && d=${d%/phy80211} && echo "${d##*/}"; done; }'
    )
    parts = [f"echo '{SECTION}{name}'; {{ {command}; }} 2>/dev/null" for name, command in NEIGHBOUR_SOURCES]
    return script("neighbours", radios, *parts, "exit 0")


def prepare(op_id: str) -> str:
    """Make the operation's directory; prints how many bytes of an earlier try lie there."""
    there = place(op_id)
    return script(
        f"prepare {op_id}",
        f"umask 077; mkdir -p {there} || exit 1",
        f"wc -c < {there}/image.bin.part 2>/dev/null || echo 0",
    )


def part(path: str) -> str:
    """How many bytes of an earlier try lie beside `path`."""
    return script(f"part {shlex.quote(path)}", f"wc -c < {shlex.quote(path + '.part')} 2>/dev/null || echo 0")


def receive(path: str, sha256: str, size: int, offset: int) -> str:
    """Store standard input behind the first `offset` bytes; the file gets its name only once its hash fits.

    A part that is no longer as long as it was is somebody else's: nothing is written then. One that is not whole
    after the end of the input stays for the next try: a broken connection looks like an end to `cat`.
    """
    whole, half = shlex.quote(path), shlex.quote(path + ".part")
    check = [f'[ "$(wc -c < {half})" -eq {offset} ] || exit {OTHER_SIZE}'] if offset else []
    return script(
        f"receive {whole} {sha256} {size} {offset}",
        "umask 077",
        *check,
        f"cat {'>>' if offset else '>'} {half} || exit 1",
        f'[ "$(wc -c < {half})" -eq {size} ] || exit {OTHER_SIZE}',
        f"seen=$(sha256sum {half}) || exit 1",
        "seen=${seen%% *}; echo $seen",
        f'[ "$seen" = {shlex.quote(sha256)} ] || {{ rm -f {half}; exit {OTHER_HASH}; }}',
        f"mv {half} {whole}",
    )


def staged(op_id: str) -> str:
    """The hash of the whole staged image as the node computes it now; exit status 1 when there is none."""
    path = image_path(op_id)
    return script(f"staged {op_id}", f"[ -f {path} ] || exit 1", f"sha256sum {path}")


def test_image(path: str) -> str:
    """The node's own judgement as JSON, from ubus or from the program behind it."""
    quoted, asked = shlex.quote(path), shlex.quote(f'{{"path":"{path}"}}')
    return script(
        f"test-image {quoted}",
        f"[ -f {quoted} ] || exit {IMAGE_MISSING}",
        f"ubus call system validate_firmware_image {asked} 2>/dev/null && exit 0",
        f"exec /usr/libexec/validate_firmware_image {quoted}",
    )


def flash(order: FlashOrder) -> str:
    """Compare boot, fence, revision and image, let sysupgrade test once more, take the fence, flash detached.

    `mkdir` is atomic and lives in RAM: a second sending in the same boot finds it, one after the reboot finds
    another boot id. Of operations that know nothing of each other the first one takes the whole node. The upgrade
    runs outside the session, which therefore ends well before the node goes.
    """
    there, path = place(order.op_id), shlex.quote(order.path)
    keep = "" if order.keep_config else "-n "
    words = shlex.join((order.op_id, order.path, order.sha256, order.boot_id, order.revision))
    return script(
        f"flash {words} {'keep' if order.keep_config else 'drop'}",
        f'[ "$(cat /proc/sys/kernel/random/boot_id)" = {shlex.quote(order.boot_id)} ] || exit {OTHER_BOOT}',
        f"[ -d {there}/fence ] && exit {HELD}",
        'revision=$(ubus call system board | sed -n \'s/.*"revision": *"\\([^"]*\\)".*/\\1/p\')',
        f'[ "$revision" = {shlex.quote(order.revision)} ] || exit {OTHER_REVISION}',
        f"[ -f {path} ] || exit {IMAGE_MISSING}",
        f'[ "$(sha256sum {path} | cut -d " " -f 1)" = {shlex.quote(order.sha256)} ] || exit {IMAGE_MISSING}',
        f"sysupgrade -T {keep}{path} > {there}/test.log 2>&1 || {{ cat {there}/test.log >&2; exit {REFUSED}; }}",
        f"if ! mkdir {FLASHING}; then [ -d {FLASHING} ] && exit {HELD}; exit {REFUSED}; fi",
        f"if ! mkdir {there}/fence; then rmdir {FLASHING}; [ -d {there}/fence ] && exit {HELD}; exit {REFUSED}; fi",
        f"( trap '' HUP; sleep 1; sysupgrade {keep}{path} > {there}/log 2>&1; echo $? > {there}/exit;"
        f" rmdir {FLASHING} )"
        " < /dev/null > /dev/null 2>&1 &",
        "exit 0",
    )


def fence(op_id: str) -> str:
    """Look at the fence: whether it is held, sysupgrade's exit status if it came back, the end of its log."""
    there = place(op_id)
    return script(
        f"fence {op_id}",
        f"[ -d {there}/fence ] && echo held",
        f'[ -f {there}/exit ] && echo "exit $(cat {there}/exit)"',
        f"echo '{SECTION}log'; tail -c 2000 {there}/log 2>/dev/null",
        "exit 0",
    )


def sweep(keep: Sequence[str]) -> str:
    """Remove images and fences of operations not to be kept; a fence whose upgrade still runs always stays."""
    kept = "|".join(place(op_id).rsplit("/", 1)[1] for op_id in keep)
    return script(
        " ".join(("sweep", *keep)),
        f"n=0; for d in {ROOT}/*; do",
        '  [ -f "$d/image.bin" ] || [ -f "$d/image.bin.part" ] || [ -d "$d/fence" ] || continue',
        *([f'  case "${{d##*/}}" in {kept}) continue;; esac'] if kept else []),
        '  [ -d "$d/fence" ] && [ ! -f "$d/exit" ] && continue',
        '  rm -rf "$d" && n=$((n+1))',
        "done; echo $n",
    )
