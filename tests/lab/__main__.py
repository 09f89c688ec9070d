"""`python -m tests.lab [NODES]`: open a lab by hand, print where everything is, close it at Ctrl-C."""

from __future__ import annotations

import sys
import threading
import time

from tests.lab import flash, wires
from tests.lab.lab import opened


def main(count: int) -> None:
    """Keep a lab open."""
    began = time.monotonic()
    with opened(count) as lab:
        took_s, memory = time.monotonic() - began, lab.memory_mib()
        print(
            f"{count} nodes up after {took_s:.1f} s; {memory['processes']:.0f} MiB in processes, "
            f"{memory['files']:.0f} MiB in files"
        )
        print(f"ssh -i {lab.key_file} -o UserKnownHostsFile={lab.known_hosts} root@{lab.tree.nodes[-1].address}")
        print(
            f"snmpwalk -v3 -l authPriv -u {flash.SNMP_USER} -a SHA-256 -A {flash.SNMP_AUTH} -x AES "
            f"-X {flash.SNMP_PRIV} {lab.tree.nodes[-1].address} system"
        )
        for node in lab.tree.nodes:
            print(
                f"  {node.name}  {node.address:<14} {lab.tree.hops(node.name)} hops  {node.board:<14} "
                f"ip netns exec {wires.space(lab.tree.number, node)} sh; files {lab.folder(node.name)}"
            )
        print("Ctrl-C ends it.")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print("closing")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 31)
