"""The lab's `validate_firmware_image`: reads the metadata at the end of an image and prints a verdict. Never flashes.

An image is any bytes, then `FWx0`, then one JSON object like the one OpenWrt's fwtool appends; `payload_sha256` in it
stands for the maker's signature, which these nodes insist on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

MARK = b"\nFWx0"


def metadata(raw: bytes) -> tuple[bytes, dict[str, Any]]:
    """What is in front of the mark, and what stands behind it; empty when there is no mark or it is garbled."""
    body, mark, tail = raw.rpartition(MARK)
    try:
        return (body, dict(json.loads(tail))) if mark else (raw, {})
    except ValueError:
        return raw, {}


def fits(meta: dict[str, Any], board: str, compat: str, keeps_config: bool) -> bool:
    """fwtool's rule: the board is listed; another major compat version never fits, another minor one only without
    the old configuration."""
    if board not in meta.get("supported_devices", []):
        print(f"Device {board} not supported by this image", file=sys.stderr)
        return False
    wanted = meta.get("compat_version", "1.0")
    if wanted.partition(".")[0] != compat.partition(".")[0]:
        print("The device is supported, but this image is incompatible for sysupgrade", file=sys.stderr)
        return False
    if wanted != compat and keeps_config:
        print("The device is supported, but the config is incompatible to the new image (use -n)", file=sys.stderr)
        return False
    return True


def main(path: Path) -> int:
    """Print the verdict as JSON; 1 when the image is not valid."""
    if not path.is_file():
        print(f"Invalid image: {path}", file=sys.stderr)
        return 1
    body, meta = metadata(path.read_bytes())
    board = Path("/tmp/sysinfo/board_name").read_text().strip()
    compat = Path("/tmp/sysinfo/compat_version").read_text().strip()
    device_match = fits(meta, board, compat, keeps_config=os.environ.get("SAVE_CONFIG") == "1")
    whole = hashlib.sha256(body).hexdigest() == meta.get("payload_sha256")
    if not whole:
        print("Image signature not valid", file=sys.stderr)
    tests = {"fwtool_signature": whole, "fwtool_device_match": device_match}
    valid = all(tests.values())
    print(json.dumps({"tests": tests, "valid": valid, "forceable": True, "allow_backup": valid}, indent="\t"))
    return 0 if valid else 1


def describe(path: Path) -> None:
    """The lines a flash bank holds about its image, for sysupgrade."""
    version = metadata(path.read_bytes())[1]["version"]
    print(f"VERSION='{version['version']}'\nREVISION='{version['revision']}'")


if __name__ == "__main__":
    if sys.argv[1] == "--describe":
        describe(Path(sys.argv[2]))
    else:
        sys.exit(main(Path(sys.argv[1])))
