"""The demo and a killed engine, end to end over the real protocols."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from console.demo import city
from tests.journeys.processes import LEITSTAND, WAIT_S, background, objects, quick, run, until


@pytest.mark.parametrize("broker", [[], ["--embedded-broker"]], ids=["mosquitto-if-there", "embedded"])
def test_the_headless_demo_sees_the_city_as_it_is(tmp_path: Path, broker: list[str]) -> None:
    place = ["--directory", str(tmp_path), "--nodes", "120"]
    done = run("demo", "--headless", "--seconds", "20", "--json", *place, *broker)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["nodes"]["known"] == 120
    assert found["healthy_ok"] > 0.95
    assert found["polls"]["ok"] >= 100
    assert (
        found["messages"]["stored"] + found["messages"]["duplicates"] + found["messages"]["quarantined"]
        == (found["messages"]["received"])
    )
    assert found["messages"]["stored"] > 500
    assert found["messages"]["quarantined"] == 0
    assert found["measurements"] > 1000
    assert found["store_bytes"] > 0


def polled(config: Path) -> int:
    """Polls that ended well, as the store counts them."""
    return int(objects("status", "--config", str(config))[0]["totals"].get("polls_ok", 0))


def test_a_killed_engine_goes_on_at_once_and_a_second_one_is_refused(tmp_path: Path) -> None:
    with city(quick(tmp_path, 60), lambda _: None) as demo:
        collect = ["collect", "--config", str(demo.config_file)]
        first = subprocess.Popen([*LEITSTAND, *collect])
        until(lambda: polled(demo.config_file) > 30, "the first engine polls")
        second = run("collect", "--config", str(demo.config_file))
        assert second.returncode == 4
        assert f"process {first.pid}" in second.stderr
        first.send_signal(signal.SIGKILL)
        first.wait(WAIT_S)
        before = polled(demo.config_file)
        with background(*collect):
            until(lambda: polled(demo.config_file) > before + 30, "the next engine goes on")
            until(
                lambda: len(objects("nodes", "list", "ok", "--config", str(demo.config_file))) > 50, "nearly all are ok"
            )


def test_a_dead_node_is_alarmed_acknowledged_and_recovers(tmp_path: Path) -> None:
    with city(quick(tmp_path, 40), lambda _: None) as demo:
        config = ["--config", str(demo.config_file)]
        with background("collect", *config):
            until(lambda: polled(demo.config_file) > 30, "the engine polls")
            hotspot = next(n for n in objects("nodes", "list", "role:hotspot ok", *config))["node"]
            assert run("simcity", "--directory", str(demo.city), "--fault", "down", hotspot).returncode == 0

            def critical() -> list[dict[str, object]]:
                found = objects("alerts", "list", f"entity={hotspot} severity:critical", *config)
                return [dict(one) for one in found]

            until(lambda: bool(critical()), "an alarm for the dead node", 120)
            number = str(int(float(str(critical()[0]["alert"]))))
            assert run("alerts", "ack", number, "--reason", "on my way", *config).returncode == 0
            until(lambda: critical()[0]["reason"] == "on my way", "the acknowledgement")
            assert run("simcity", "--directory", str(demo.city), "--fault", "up", hotspot).returncode == 0
            until(lambda: not critical(), "the alarm closes by recovery", 120)
