"""What SSH costs: memory of 200 sessions open at once, processor time of 500 configuration backups beside paramiko."""

from __future__ import annotations

import contextlib
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import paramiko

from benchmarks.claim import Claim, main
from device_drivers import known_hosts, ssh
from device_drivers.ssh_pool import ShellPool
from tests.conftest import program
from tests.peers.sshd import Sshd, openssh

SESSIONS = 200
BACKUPS = 500
THREADS = 16
CONFIGURATION_BYTES = 20_000
READ = f"head -c {CONFIGURATION_BYTES} /dev/zero; echo; echo '# end'"


def rss_mb() -> float:
    """Resident memory of this process."""
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(rows["VmRSS"].split()[0]) / 1000


def targets(server: Sshd, folder: Path, count: int) -> list[ssh.SshTarget]:
    """Many nodes, which are all the same server."""
    one = ssh.SshTarget("n", "127.0.0.1", folder / "known", server.port, server.user, server.key_file)
    known_hosts.confirm(one.known_hosts, one.host, one.port, ssh.host_key(one))
    return [ssh.SshTarget(f"n{at}", one.host, one.known_hosts, one.port, one.user, one.key_file) for at in range(count)]


def memory(nodes: list[ssh.SshTarget]) -> float:
    """Megabytes while every session is open and has run a command."""
    pool = ShellPool(most=len(nodes))
    all_open, seen = threading.Barrier(len(nodes) + 1), threading.Event()
    starting = threading.Semaphore(THREADS)  # sshd turns away more than a few unauthenticated at a time

    def hold(target: ssh.SshTarget) -> None:
        with contextlib.ExitStack() as stack:
            with starting:
                shell = stack.enter_context(pool.shell(target))
                assert shell.run("true").exit_status == 0
            all_open.wait(120)
            seen.wait(120)

    threads = [threading.Thread(target=hold, args=(one,)) for one in nodes]
    for thread in threads:
        thread.start()
    all_open.wait(120)
    found = rss_mb()
    assert pool.open_shells() == len(nodes)
    seen.set()
    for thread in threads:
        thread.join()
    pool.close()
    return found


def ours(nodes: list[ssh.SshTarget]) -> float:
    """Milliseconds of processor time per node: connect, key check, read, log with masks, close."""
    lines: list[str] = []
    pool = ShellPool(lambda node, line: lines.append(node + line), most=THREADS)

    def read(target: ssh.SshTarget) -> None:
        with pool.shell(target) as shell:
            assert shell.run(READ).stdout.endswith(b"# end\n")

    begun = time.process_time()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(read, nodes))
    pool.close()
    assert len(lines) == len(nodes)
    return (time.process_time() - begun) / len(nodes) * 1000


def plain(nodes: list[ssh.SshTarget]) -> float:
    """The same with paramiko's own client as its documentation shows it."""

    def read(target: ssh.SshTarget) -> None:
        client = paramiko.SSHClient()
        client.load_host_keys(str(target.known_hosts))
        with contextlib.closing(client):
            key = str(target.key_file)
            client.connect(target.host, target.port, target.user, key_filename=key, look_for_keys=False)
            _, out, _ = client.exec_command(READ)
            assert out.read().endswith(b"# end\n")
            assert out.channel.recv_exit_status() == 0

    begun = time.process_time()
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(read, nodes))
    return (time.process_time() - begun) / len(nodes) * 1000


def run(quick: bool) -> list[Claim]:
    """Memory first: a fresh process."""
    sessions, backups = (50, 60) if quick else (SESSIONS, BACKUPS)
    if program("sshd") is None:
        return [Claim("SSH sessions", None, "MB", "< 150", "sshd is not installed", None, None)]
    with tempfile.TemporaryDirectory() as folder, openssh(Path(folder) / "sshd") as server:
        nodes = targets(server, Path(folder), max(sessions, backups))
        used = memory(nodes[:sessions])
        mine, other = ours(nodes[:backups]), plain(nodes[:backups])
    ratio = round(mine / other, 3)
    return [
        Claim(f"{sessions} parallel SSH sessions, memory", round(used, 1), "MB", "< 150", "none", None, used < 150),
        Claim(f"configuration backup of {backups} nodes", round(mine, 2), "ms CPU", "<= 1.5 x paramiko",
              f"paramiko exec: {other:.2f} ms", ratio, ratio <= 1.5),
    ]  # fmt: skip


if __name__ == "__main__":
    main(run)
