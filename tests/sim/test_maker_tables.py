"""The mesh service learns links from the tables of MikroTik, Ubiquiti and Cambium; odd rows are only counted."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from device_drivers.mesh_tables import AF60, AIRMAX, CNWAVE, MIKROTIK
from device_drivers.simcity.maker_tables import OBJECT_IDS, SIGNAL_DBM, Cells, TableRows, peer_cells
from device_drivers.simcity.wired import CREDENTIALS
from local_store import links
from local_store.mesh_records import LinkState
from playbooks.mesh import Mesh, MeshSettings
from tests.sim.mesh_city import MeshCity, mesh_city, serving, until

FAR = (2, 0, 0, 0, 0, 9)
ODD: dict[str, Cells] = {
    "routeros": {
        (*MIKROTIK, 2, 1, 3, *FAR): -60,
        (*MIKROTIK, 2, 1, 3, *FAR, 9): b"-60",
        (*MIKROTIK, 2, 1, 10, 2, 0, 0, 0, 0, 8, 3): b"RouterOS",
    },
    "airos": {
        (*AIRMAX, 7, 1, 3, 1, *FAR[:4]): -60,
        (*AIRMAX, 7, 1, 3, 1, *FAR): b"-60",
        (*AIRMAX, 7, 1, 2, 1, *FAR[:5], 7): b"x",
    },
    "af60": {(*AF60, 3, 1, 3, *FAR[:5]): -60, (*AF60, 3, 1, 3, *FAR): b"-60", (*AF60, 3, 1, 14, *FAR[:5], 300): b"x"},
    "cnwave": {(*CNWAVE, 4, 7): 5, (*CNWAVE, 4, 8): bytes(FAR), (*CNWAVE, 7, 9): -60},
}


def stored(city: MeshCity) -> dict[tuple[str, str, str], LinkState]:
    return {(one.a, one.b, one.band): one for one in city.store.telemetry.write(links.load_links)}


@pytest.mark.parametrize("maker", ["routeros", "airos", "af60", "cnwave"])
def test_a_makers_table_gives_a_link_and_odd_rows_are_counted(tmp_path: Path, maker: str) -> None:
    band = "5" if maker in ("routeros", "airos") else "60"
    with mesh_city(tmp_path, ["g"], [("g", "p")], band=band) as city:  # type: ignore[arg-type]
        agent = city.agents["g"]
        agent.box.object_id = OBJECT_IDS[maker]
        own, far = (bytes.fromhex(city.around.address(name, band).replace(":", "")) for name in ("g", "p"))
        agent.extra = TableRows({**peer_cells(maker, own, far, "p"), **ODD[maker]})
        settings = MeshSettings(interval_s=1, timeout_ms=300, retries=0)
        mesh = Mesh(city.store, CREDENTIALS, settings, lambda: time.time_ns() // 1_000_000, random.Random(1))
        told: list[dict[str, object]] = []
        with serving(lambda stop, _: mesh.run(stop, lambda detail: told.append(dict(detail)))):
            until(lambda: ("g", "p", band) in stored(city), "the link is known")
            until(lambda: bool(told[-1]["odd_rows"]), "odd rows are counted")
        assert told[-1]["garbled"] == 0
        assert int(str(told[-1]["odd_rows"])) % 3 == 0
        assert {one.signal_dbm for one in stored(city).values()} == {SIGNAL_DBM}
