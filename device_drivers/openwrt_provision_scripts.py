"""The exact shell text of setting up a new OpenWrt-like node, for busybox ash. Pure.

The first line of each is a no-op that names it; the simulated node obeys it.
"""

from __future__ import annotations

import re
import shlex
from typing import Final

NO_TOOL: Final = 90
"""Exit status where the node has no tool to measure with."""
_HOST: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:\-]{0,252}")


def engine_id() -> str:
    """The SNMPv3 engine id net-snmp made for itself, in hexadecimal digits; nothing where there is none."""
    places = "/usr/lib/snmp/snmpd.conf /var/lib/snmp/snmpd.conf /var/lib/net-snmp/snmpd.conf"
    return "\n".join(
        (
            ": leitstand engine-id",
            f"sed -n 's/^oldEngineID  *\\(0x\\)\\{{0,1\\}}//p' {places} 2>/dev/null | head -n 1",
            "exit 0",
            "",
        )
    )


def throughput(host: str, seconds: int) -> str:
    """Measure towards an iperf3 server; prints its JSON."""
    if not _HOST.fullmatch(host):
        raise ValueError(f"a host is a name or an address, not {host!r}")
    return "\n".join(
        (
            f": leitstand throughput {shlex.quote(host)} {int(seconds)}",
            f"command -v iperf3 > /dev/null || exit {NO_TOOL}",
            f"exec iperf3 -J -t {int(seconds)} -c {shlex.quote(host)}",
            "",
        )
    )
