"""A demo leaves nothing running however it ends, and one that starts again finds no remains of the last city."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from console.demo import city, engine
from local_store import lease, nodes
from local_store.db import Reader
from local_store.keys import store_key
from tests.conftest import require_peer
from tests.journeys.processes import LEITSTAND, quick, run, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_no_engine_and_no_city_outlive_their_demo(tmp_path: Path, number: signal.Signals) -> None:
    store = tmp_path / "demo" / "store"
    options = ["--nodes", "20", "--embedded-broker", "--well", "--directory", str(tmp_path / "demo")]
    command = [*LEITSTAND, "demo", "--headless", "--seconds", "600", *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: lease.is_held(store), "the engine runs")
        process.send_signal(number)
        assert process.wait(60) == (-number if number == signal.SIGKILL else 130)
    finally:
        process.kill()
        process.wait()
    until(lambda: not lease.is_held(store), "the engine has ended", 20)
    until(lambda: not (tmp_path / "demo" / "city" / "ready.json").exists(), "the city has ended", 20)


def test_a_killed_city_takes_its_broker_with_it(tmp_path: Path) -> None:
    require_peer("mosquitto")
    command = [*LEITSTAND, "simcity", "--directory", str(tmp_path), "--nodes", "3", "--bins", "1", "--stations", "0"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        facts = json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.communicate()

    def is_gone() -> bool:
        with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", facts["broker_port"])):
            return False
        return True

    assert facts["broker"] == "mosquitto"
    until(is_gone, "the broker has ended", 10)


def test_a_smaller_city_takes_the_place_of_a_larger_one(tmp_path: Path) -> None:
    def known(count: int) -> int:
        options = quick(tmp_path / 'with "ä" b', count, well=True)
        with city(options, lambda _facts: None) as demo, engine(demo):
            until(lambda: lease.is_held(demo.store), "the engine reads its configuration")
            reader = Reader(demo.store, store_key(demo.store, "file", create=False).raw)
            with contextlib.closing(reader):
                return len(reader.read(nodes.all_nodes))

    assert [known(40), known(20), known(30)] == [40, 20, 30]


def test_a_second_city_in_the_same_place_is_refused(tmp_path: Path) -> None:
    with city(quick(tmp_path, 20, well=True), lambda _facts: None) as demo:
        second = run("simcity", "--directory", str(demo.city), "--nodes", "20")
        assert second.returncode == 4
        assert "runs here already" in second.stderr
        assert run("simcity", "--directory", str(demo.city), "--fault", "down", "ge-alt-0001").returncode == 0
        elsewhere = run("simcity", "--directory", "city", "--fault", "up", "ge-alt-0001", cwd=demo.city.parent)
        assert (elsewhere.returncode, elsewhere.stderr) == (0, "")


def test_a_terminal_that_cannot_show_the_screens_starts_no_city(tmp_path: Path) -> None:
    master, slave = os.openpty()
    command = [*LEITSTAND, "--lang", "en", "demo", "--directory", str(tmp_path / "demo"), "--nodes", "20"]
    try:
        done = subprocess.run(
            command, stdout=slave, stderr=subprocess.PIPE, env={**os.environ, "TERM": "dumb"}, timeout=60, check=False
        )
    finally:
        os.close(slave)
        os.close(master)
    assert (done.returncode, (tmp_path / "demo").exists()) == (2, False)
    assert b"--headless" in done.stderr
