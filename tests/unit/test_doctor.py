"""The doctor: each thing that can be wrong is found, named by a stable word, and comes with what to do."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from console import doctor
from console.config import BrokerSection, Config, SnmpProfile, SubscribeSection, load
from console.secrets import SecretRef
from local_store.db import Store
from local_store.keys import store_key
from local_store.lease import Lease, LeaseRow
from local_store.nodes import upsert_nodes
from local_store.records import Node
from tests.journeys.processes import run

NOW = 1_800_000_000_000


def secret(directory: Path, text: str) -> SecretRef:
    """A secret in a private file."""
    path = directory / "secret"
    path.write_text(text)
    path.chmod(0o600)
    return SecretRef(file="secret")


@pytest.mark.parametrize(
    ("auth", "priv", "password", "verdict"),
    [
        ("sha256", "aes128", "long enough", "ok"),
        ("md5", "aes128", "long enough", "warning"),
        ("sha1", "des", "long enough", "warning"),
        ("sha1", None, "long enough", "warning"),
        (None, None, "long enough", "warning"),
        ("sha256", "aes256", "xyzzy", "problem"),
    ],
)
def test_snmp_rights_are_weighed(tmp_path: Path, auth: str, priv: str, password: str, verdict: str) -> None:
    reference = secret(tmp_path, password)
    profile = SnmpProfile(version="3", user="u", auth=auth, auth_password=reference, priv=priv, priv_password=reference)
    found = doctor.snmp("mast", profile, tmp_path)
    assert (found.check, found.subject, found.verdict) == ("snmp", "mast", verdict)
    assert bool(found.advice) == (verdict != "ok")
    assert password not in repr(found)


def filled(directory: Path) -> Store:
    """A store with one node."""
    store = Store(directory, store_key(directory, "file").raw)
    store.ops.write(lambda cx: upsert_nodes(cx, [Node("a", "a", "10.0.0.1", "mesh", profile="tower")], 1))
    return store


def about_store(directory: Path, now_ms: int = NOW) -> dict[str, doctor.Check]:
    """The checks of a store by their word."""
    return {check.check: check for check in doctor.store(Config(), directory, now_ms)}


def test_a_store_is_looked_through(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    assert about_store(directory)["store"].verdict == "warning"
    store = filled(directory)
    found = about_store(directory)
    assert {name: check.verdict for name, check in found.items()} == {
        "store": "warning", "rights": "ok", "engine": "warning", "clock": "ok", "profiles": "warning",
    }  # fmt: skip
    assert "tower" in found["profiles"].found
    lease = Lease(store, NOW)
    assert about_store(directory, NOW + 1000)["engine"].verdict == "ok"
    assert about_store(directory, NOW + 600_000)["engine"].verdict == "problem"
    assert about_store(directory, NOW - 600_000)["clock"].verdict == "problem"
    lease.release()
    store.close()


def test_rights_of_others_and_lost_keys_are_problems(tmp_path: Path) -> None:
    directory = tmp_path / "store"
    filled(directory).close()
    (directory / "ops.db").chmod(0o644)
    assert "ops.db" in about_store(directory)["rights"].found
    (directory / "store.key").unlink()
    assert about_store(directory)["store"].verdict == "problem"


def test_a_clock_nobody_set_is_seen() -> None:
    assert doctor.clock(None, 946_684_800_000).verdict == "problem"
    assert doctor.clock(LeaseRow(1, 1, "h", NOW, 0), NOW).verdict == "ok"


def test_a_broker_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    section = BrokerSection(name="b", host="127.0.0.1", port=port, subscribe=[SubscribeSection(topic="t")])
    assert doctor.broker(section, tmp_path).verdict == "problem"
    silent = BrokerSection(name="b", host="127.0.0.1", port=port)
    assert doctor.broker(silent, tmp_path).verdict == "warning"


def test_the_terminal_is_judged_by_what_it_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.terminal({}).verdict == "ok"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("LINES", "24")
    assert doctor.terminal({}).verdict == "warning"
    assert "16 colours" in doctor.terminal({"TERM": "linux"}).found
    assert "no colours" in doctor.terminal({"TERM": "xterm-256color", "NO_COLOR": "1"}).found
    monkeypatch.setenv("COLUMNS", "60")
    assert doctor.terminal({"TERM": "xterm-256color"}).verdict == "warning"


def test_a_broken_configuration_is_a_finding_and_the_rest_is_still_looked_at(tmp_path: Path) -> None:
    path = tmp_path / "leitstand.toml"
    path.write_text("[stroe]\n")
    done = run("doctor", "--json", "--config", str(path))
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, found[0]["check"], found[0]["verdict"]) == (3, "configuration", "problem")
    assert {"database", "terminal"} < {check["check"] for check in found}


def test_an_empty_configuration_is_a_configuration(tmp_path: Path) -> None:
    assert load(Path("/dev/null")) == Config()
