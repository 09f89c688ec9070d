"""The simulated node's `uci` as a program over real directories: `-c` and `-t` as the real one has them."""

from __future__ import annotations

import sys
from pathlib import Path

from device_drivers.simcity.openwrt_uci import CONFIG, UciFiles


def main(arguments: list[str]) -> int:
    config, saved = Path(arguments[1]), Path(arguments[3])
    assert (arguments[0], arguments[2]) == ("-c", "-t")
    saved.mkdir(parents=True, exist_ok=True)
    files: dict[str, bytes | bytearray] = {CONFIG + path.name: path.read_bytes() for path in config.iterdir()}
    files.update({f"{saved}/{path.name}": path.read_bytes() for path in saved.iterdir()})
    stdin = sys.stdin.buffer.read() if arguments[4:] == ["batch"] else b""
    ran = UciFiles(files).run(["-t", str(saved), *arguments[4:]], stdin)
    for folder, inside in ((config, CONFIG), (saved, f"{saved}/")):
        for path in folder.iterdir():
            path.unlink()
        for name, body in files.items():
            if name.startswith(inside):
                (folder / name[len(inside) :]).write_bytes(body)
    sys.stdout.buffer.write(ran.stdout)
    sys.stderr.buffer.write(ran.stderr)
    return ran.exit_status or 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
