"""How fast a 16 MB image reaches a node: our upload with its hash on the node, side by side with OpenSSH's scp."""

from __future__ import annotations

import hashlib
import io
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.claim import Claim, main
from benchmarks.delay_proxy import delayed
from device_drivers import known_hosts, ssh
from tests.conftest import program
from tests.peers.sshd import Sshd, dropbear, openssh

SIZE = 16_000_000
WINDOW = 2_097_152
ROUNDS = 3
TARGET = 0.8


def ours(server: Sshd, port: int, image: bytes, sha256: str, folder: Path) -> float:
    """Seconds for connecting, sending and having the node hash it."""
    target = ssh.SshTarget("n", "127.0.0.1", folder / f"known-{port}", port, server.user, server.key_file)
    if not target.known_hosts.exists():
        known_hosts.confirm(target.known_hosts, "127.0.0.1", port, ssh.host_key(target))
    where = f"/tmp/leitstand-bench-{port}.bin"
    begun = time.monotonic()
    with ssh.connect(target) as shell:
        shell.upload(io.BytesIO(image), len(image), sha256, where)
    took = time.monotonic() - begun
    Path(where).unlink()
    return took


def theirs(server: Sshd, port: int, file: Path, old_protocol: bool) -> float:
    """Seconds for scp, which checks nothing after sending."""
    options = ["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]
    where = f"/tmp/leitstand-bench-{port}.scp"
    command = ["scp", "-q", *(["-O"] if old_protocol else []), "-P", str(port), "-i", str(server.key_file), *options]
    begun = time.monotonic()
    subprocess.run([*command, str(file), f"{server.user}@127.0.0.1:{where}"], check=True)
    took = time.monotonic() - begun
    assert Path(where).stat().st_size == file.stat().st_size
    Path(where).unlink()
    return took


def compare(name: str, server: Sshd, round_trip_ms: int, file: Path, *, old_protocol: bool) -> Claim:
    """Best of a few rounds each, one after the other."""
    image = file.read_bytes()
    sha256 = hashlib.sha256(image).hexdigest()
    mine, other = [], []
    with delayed(server.port, round_trip_ms) as port:
        for _ in range(ROUNDS):
            mine.append(ours(server, port, image, sha256, file.parent))
            other.append(theirs(server, port, file, old_protocol))
    speed, peer = len(image) / min(mine) / 1e6, len(image) / min(other) / 1e6
    claim = f"upload of {len(image) // 1_000_000} MB to {name}, {round_trip_ms} ms round trip"
    ratio = round(speed / peer, 3)
    return Claim(claim, round(speed, 1), "MB/s", f">= {TARGET} x scp", f"scp: {peer:.1f} MB/s", ratio, ratio >= TARGET)


def run(quick: bool) -> list[Claim]:
    """OpenSSH and dropbear, near and far."""
    claims: list[Claim] = []
    servers: list[tuple[str, str, Callable[[Path], AbstractContextManager[Sshd]], bool]] = [
        ("OpenSSH", "sshd", openssh, False),
        ("dropbear with a tuned window", "dropbear", lambda place: dropbear(place, WINDOW), True),
    ]
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "image.bin"
        file.write_bytes(random.Random(1).randbytes(SIZE // 4 if quick else SIZE))
        for name, needs, start, old_protocol in servers:
            if program(needs) is None or program("scp") is None or (needs == "dropbear" and os.getuid() != 0):
                claims.append(Claim(f"upload to {name}", None, "MB/s", f">= {TARGET} x scp", f"no {needs}", None, None))
                continue
            with start(Path(folder) / needs) as server:
                for round_trip_ms in (0, 20):
                    claims.append(compare(name, server, round_trip_ms, file, old_protocol=old_protocol))
    return claims


if __name__ == "__main__":
    main(run)
