"""What RouterOS prints, as facts. Pure. Units and spans are RouterOS' own (`1w2d3h4m5s`, `512.0MiB`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from device_drivers.capabilities import BoardFacts, BootFacts, ConfigRead
from device_drivers.errors import Garbled

END_MARK: Final = "# leitstand: end of export"
EXPORT: Final = f'/export terse; :put "{END_MARK}"'
RESOURCE, ROUTERBOARD, IDENTITY = "/system resource print", "/system routerboard print", "/system identity print"
_ROW: Final = re.compile(r"^\s*([a-z0-9-]+):\s*(.*?)\s*$", re.MULTILINE)
_SPAN: Final = re.compile(r"(\d{1,9})([wdhms])")
_SPAN_S: Final = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_SIZE: Final = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)\s*(KiB|MiB|GiB|B)?")
_SIZES: Final = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
_ESCAPES: Final = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def rows(text: str) -> dict[str, str]:
    """The `name: value` lines of a print."""
    return dict(_ROW.findall(_ESCAPES.sub("", text).replace("\r", "\n")))


def span_s(text: str) -> int | None:
    """`1w2d3h4m5s` in seconds; None for anything else."""
    parts = _SPAN.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text.strip():
        return None
    return sum(int(number) * _SPAN_S[unit] for number, unit in parts)


def size_bytes(text: str) -> int:
    """`512.0MiB` in bytes, 0 when it is not told."""
    found = _SIZE.fullmatch(text.strip())
    return int(float(found[1]) * _SIZES[found[2] or "B"]) if found else 0


def board_facts(node_id: str, resource: str, routerboard: str, identity: str) -> BoardFacts:
    """From three prints; one of a virtual router has no routerboard."""
    main, board = rows(resource), rows(routerboard)
    if not main.get("version") or not main.get("board-name"):
        raise Garbled(node_id, f"no version and board-name in {resource.strip()[:80]!r}")
    version = main["version"].split()[0]
    return BoardFacts(
        board.get("model") or main["board-name"],
        main["board-name"],
        rows(identity).get("name", ""),
        version,
        main["version"],
        main.get("architecture-name", ""),
        "",
        "RouterOS",
        board.get("serial-number", ""),
        resource.strip(),
    )


def boot_facts(node_id: str, resource: str) -> BootFacts:
    """RouterOS has no boot id: whoever needs to tell boots apart compares uptimes."""
    main: Mapping[str, str] = rows(resource)
    uptime = span_s(main.get("uptime", ""))
    if uptime is None:
        raise Garbled(node_id, f"no uptime in {resource.strip()[:80]!r}")
    return BootFacts("", uptime, size_bytes(main.get("free-memory", "")), size_bytes(main.get("free-hdd-space", "")))


def config_read(raw: bytes) -> ConfigRead:
    """An export is whole when our mark stands behind it: RouterOS itself marks no end."""
    text = raw.decode("utf-8", "replace").replace("\r\n", "\n")
    body, mark, rest = text.rpartition(END_MARK)
    return ConfigRead(body if mark else text, bool(mark) and not rest.strip())
