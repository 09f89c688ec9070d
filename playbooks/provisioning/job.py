"""What a technician says about a new node before anything is done to it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Final

from local_store.records import Node
from mesh_mgmt.inventory import ROLES, RowError, plain_address

PLAYBOOK: Final = "provisioning"
BANDS: Final = ("2.4", "5", "6", "60", "wired", "lora")
SERVICE_HOST: Final = "192.168.1.1"
"""Where OpenWrt answers on its LAN port as it leaves the factory."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:\-]{0,63}")
_SERIAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:\-]{2,63}")
_WEDGE: Final = re.compile(r"^(?:\]C1(?:21)?|\(21\)|S/?N[:= ]+)", re.IGNORECASE)
"""What scanners put before a serial number: the symbology (ISO/IEC 15424), GS1's application identifier 21, a label."""


class JobError(ValueError):
    """Something a technician typed that cannot be; the sentence says what is expected."""


@dataclass(frozen=True, slots=True)
class Job:
    """One node to be set up. `expected` is neighbours per band; `host` is the service port's address."""

    serial: str
    node_id: str
    address: str
    role: str
    site: str = ""
    district: str = ""
    name: str = ""
    uplink: str = ""
    model: str = ""
    vendor: str = "openwrt"
    lat: float | None = None
    lon: float | None = None
    host: str = SERVICE_HOST
    port: int = 22
    expected: Mapping[str, int] = field(default_factory=dict)
    measure_to: str = ""
    least_mbps: float | None = None

    def encoded(self) -> str:
        """As it is stored in the run."""
        return json.dumps(asdict(self), ensure_ascii=False)

    def node(self) -> Node:
        """The inventory row it becomes."""
        return Node(
            self.node_id,
            self.name or self.node_id,
            self.address,
            self.role,
            district=self.district,
            site=self.site,
            vendor=self.vendor,
            model=self.model,
            serial=self.serial,
            uplink=self.uplink,
            lat=self.lat,
            lon=self.lon,
        )


def decode(text: str) -> Job:
    """A stored job."""
    return Job(**json.loads(text))


def serial_of(scanned: str) -> str:
    """The serial number in what was typed or what a scanner sent as keys. Raises JobError."""
    text = _WEDGE.sub("", scanned.strip().strip("*")).strip()
    if not _SERIAL.fullmatch(text):
        raise JobError(
            f"{scanned.strip()[:70]!r} is no serial number: 3 to 64 letters, digits and . _ / : - are expected"
        )
    return text


def checked(job: Job) -> Job:
    """The job with its address in the usual spelling, or the first thing that is wrong with it. Raises JobError."""
    if not _ID.fullmatch(job.node_id):
        raise JobError(f"{job.node_id!r} is no node id: letters, digits and . _ : - are expected")
    if job.role not in ROLES:
        raise JobError(f"{job.role!r} is no role: one of {', '.join(ROLES)} is expected")
    if not job.address or not job.host:
        raise JobError("the node needs an address it will have, and one at its service port")
    wrong = next((band for band in job.expected if band not in BANDS), None)
    if wrong is not None:
        raise JobError(f"{wrong!r} is no band: one of {', '.join(BANDS)} is expected")
    if not 0 < job.port < 65_536 or any(count < 0 for count in job.expected.values()):
        raise JobError("a port is 1 to 65535, and an expected number of neighbours is not negative")
    if (job.lat is None) != (job.lon is None):
        raise JobError("a position needs latitude and longitude")
    if job.lat is not None and job.lon is not None and not (-90 <= job.lat <= 90 and -180 <= job.lon <= 180):
        raise JobError("a latitude is -90 to 90 and a longitude -180 to 180 degrees")
    try:
        return replace(job, address=plain_address(job.address.strip()))
    except RowError:
        raise JobError(f"{job.address!r} is neither an IP address nor a host name") from None
