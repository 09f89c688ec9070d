"""The commands of docs/first-steps.md, run as they stand there (on ports nobody else uses)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import require_peer
from tests.journeys.processes import objects, run, until
from tests.peers.snmpd import free_udp_port
from tests.peers.sshd import free_port

ROOT = Path(__file__).parents[2]


def blocks() -> list[str]:
    """The shell blocks of the page, in order."""
    page = (ROOT / "docs" / "first-steps.md").read_text(encoding="utf-8")
    page = page.replace("16100", str(free_udp_port())).replace("18830", str(free_port()))
    return re.findall(r"```sh\n(.*?)```", page, re.DOTALL)


def in_background(block: str) -> str:
    """Daemons and the engine stay our children, so that the test can end them."""
    block = block.replace("snmpd -Lf", "snmpd -f -Lf").replace("-p snmpd.pid ", "")
    block = re.sub(r"^(snmpd .*)$", r"\1 & echo $! >> pids", block, flags=re.MULTILINE)
    block = re.sub(r"^mosquitto -d (.*)$", r"mosquitto \1 & echo $! >> pids", block, flags=re.MULTILINE)
    return block.replace("collect &", "collect & echo $! >> pids")


def test_the_first_steps_work_as_written(tmp_path: Path) -> None:
    for peer in ("snmpd", "mosquitto", "mosquitto_pub"):
        require_peer(peer)
    configuration, peers, inventory, watching, reading = blocks()
    engine, publish = watching.split("mosquitto_pub", 1)
    binary, here = tmp_path / "bin", tmp_path / "here"
    binary.mkdir()
    here.mkdir()
    (binary / "leitstand").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m console "$@"\n')
    (binary / "leitstand").chmod(0o755)
    path = f"{binary}:{os.environ['PATH']}:/usr/sbin:/sbin"
    env = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "SNMP_PERSISTENT_DIR": str(tmp_path / "state")}

    def shell(script: str) -> None:
        with (here / "output").open("a") as output:
            done = subprocess.run(
                ["sh", "-euc", script], cwd=here, env=env, stdout=output, stderr=output, timeout=60, check=False
            )
        assert done.returncode == 0, (here / "output").read_text()

    config = ["--config", str(here / "leitstand.toml")]
    try:
        shell(in_background(configuration + peers + inventory + engine))
        until(lambda: objects("nodes", "list", *config, cwd=here)[0]["state"] != "unknown", "the agent is polled")

        def heard() -> bool:
            """A message published before the engine subscribed is lost, as MQTT has it; a person would repeat it."""
            shell("mosquitto_pub" + publish)
            return run("sensors", "show", "roof", *config, cwd=here).returncode == 0

        until(heard, "the sensor is heard")
        shell(reading)
        assert objects("nodes", "list", *config, cwd=here)[0]["state"] in ("ok", "warning")
        assert objects("sensors", "show", "roof", *config, cwd=here)[0]["reading"] == {"air_temp_c": 7.5}
    finally:
        for pid in (here / "pids").read_text().split() if (here / "pids").exists() else []:
            subprocess.run(["kill", pid], check=False)
