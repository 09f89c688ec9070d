"""The commands of docs/first-steps.md, run as they stand there."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import require_peer
from tests.journeys.processes import objects, run, until

ROOT = Path(__file__).parents[2]


def blocks() -> list[str]:
    """The shell blocks of the page, in order."""
    page = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


def test_the_first_steps_work_as_written(tmp_path: Path) -> None:
    for peer in ("snmpd", "mosquitto", "mosquitto_pub"):
        require_peer(peer)
    configuration, peers, inventory, watching, reading = blocks()
    binary = tmp_path / "bin"
    binary.mkdir()
    (binary / "leitstand").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m console "$@"\n')
    (binary / "leitstand").chmod(0o755)
    here = tmp_path / "here"
    here.mkdir()
    path = f"{binary}:{os.environ['PATH']}:/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SNMP_PERSISTENT_DIR": str(tmp_path / "state")}
    start = watching.replace("collect &", "collect & echo $! > engine.pid\n").replace(
        "mosquitto_pub", "sleep 4; mosquitto_pub"
    )
    (here / "script").write_text(
        "set -eu\n"
        + configuration
        + peers.replace("mosquitto -d -p 18830", "mosquitto -p 18830 & echo $! > mosquitto.pid")
        + inventory
        + start
    )
    try:
        done = subprocess.run(
            ["sh", "script"], cwd=here, env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
        config = ["--config", str(here / "leitstand.toml")]
        assert "--json" in reading
        until(lambda: objects("nodes", "list", *config, cwd=here)[0]["state"] == "ok", "the agent is polled")
        until(lambda: run("sensors", "show", "roof", *config, cwd=here).returncode == 0, "the sensor is heard")
        assert objects("sensors", "show", "roof", *config, cwd=here)[0]["reading"] == {"air_temp_c": 7.5}
    finally:
        for name in ("engine.pid", "mosquitto.pid", "snmpd.pid"):
            if (here / name).exists():
                subprocess.run(["kill", (here / name).read_text().strip()], check=False)
