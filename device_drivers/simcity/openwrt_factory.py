"""The configuration a virtual node leaves the factory with. No I/O."""

from __future__ import annotations

from typing import Final

MANAGEMENT: Final = "192.168.1.1"
"""The address of its interface `lan` in its own configuration; where it stands in the city is another matter."""
_FILES: Final = {
    "system": """
config system
\toption hostname '{name}'
\toption timezone 'CET-1CEST,M3.5.0,M10.5.0/3'

config timeserver 'ntp'
\toption enabled '1'
\tlist server '0.openwrt.pool.ntp.org'
\tlist server '1.openwrt.pool.ntp.org'
""",
    "network": """
config interface 'loopback'
\toption device 'lo'
\toption proto 'static'
\toption ipaddr '127.0.0.1'
\toption netmask '255.0.0.0'

config interface 'lan'
\toption device 'br-lan'
\toption proto 'static'
\toption ipaddr '{management}'
\toption netmask '255.255.255.0'
""",
    "wireless": """
config wifi-device 'radio0'
\toption band '5g'
\toption channel '36'
\toption htmode 'HE80'
\toption country 'DE'

config wifi-iface 'mesh0'
\toption device 'radio0'
\toption mode 'mesh'
\toption mesh_id 'gevernetzt'
\toption encryption 'sae'
\toption key 'factory-{serial}'
""",
    "dropbear": """
config dropbear
\toption PasswordAuth 'off'
\toption Port '22'
""",
    "firewall": """
config defaults
\toption input 'REJECT'

config rule
\toption name 'Allow-Ping'
\toption proto 'icmp'
\toption target 'ACCEPT'
""",
}


def files(name: str, serial: str) -> dict[str, bytes | bytearray]:
    """The files of /etc/config by their paths."""
    return {
        f"/etc/config/{package}": text.format(name=name, serial=serial, management=MANAGEMENT).encode() + b"\n"
        for package, text in _FILES.items()
    }
