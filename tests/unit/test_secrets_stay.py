"""No secret reaches an output, a log, an argument list or a repr, whatever goes wrong around it."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from console.compose import broker_target, credentials
from console.config import load
from local_store.db import Store
from local_store.keys import store_key
from local_store.sqlite import Connection

SECRET = "hunter2-hunter2-hunter2"
CONFIG = """
[store]
directory = "store"
key = "file"

[engine]
poll_interval_s = 1
timeout_ms = 50
retries = 0

[snmp.v3]
version = "3"
user = "u"
auth = "sha256"
auth_password = {{ file = "secret" }}
priv = "aes128"
priv_password = {{ env = "TEST_SECRET" }}

[snmp.v2]
version = "2c"
community = {{ file = "secret" }}

[[broker]]
name = "b"
host = "127.0.0.1"
port = {port}
user = "u"
password = {{ file = "secret" }}

[[broker.subscribe]]
topic = "a"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration whose secrets are used and whose broker is not there."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (tmp_path / "secret").write_text(SECRET + "\n")
    (tmp_path / "secret").chmod(0o600)
    (tmp_path / "nodes.csv").write_text("node_id,address,role,profile\na,127.0.0.1,mesh,v3\nb,127.0.0.2,mesh,v2\n")
    path = tmp_path / "leitstand.toml"
    path.write_text(CONFIG.format(port=port))
    return path


def said(config: Path, *arguments: str, seconds: float = 60) -> str:
    """Everything a command says, on both streams."""
    command = [sys.executable, "-m", "console", *arguments, "--config", str(config)]
    env = {"TEST_SECRET": SECRET, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(__file__).parents[2])}
    assert not any(SECRET in word for word in command)
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        return process.communicate(timeout=seconds)[0]
    except subprocess.TimeoutExpired:
        process.terminate()
        return process.communicate(timeout=60)[0]


def test_no_command_tells_a_secret(config: Path) -> None:
    nodes = str(config.parent / "nodes.csv")
    everything = [
        said(config, "nodes", "import", nodes),
        said(config, "doctor"),
        said(config, "doctor", "--json"),
        said(config, "collect", seconds=4),
        said(config, "status", "--json"),
        said(config, "nodes", "show", "a", "--json"),
        said(config, "nodes", "show", "b"),
        said(config, "store", "stats"),
    ]
    assert "127.0.0.1" in everything[-2] or "127.0.0.2" in everything[-2]
    assert not any(SECRET in text for text in everything)


def test_no_repr_tells_a_secret(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_SECRET", SECRET)
    loaded = load(config)
    found = [loaded, credentials(loaded.snmp, config.parent), broker_target(loaded.broker[0], config.parent)]
    assert SECRET in credentials(loaded.snmp, config.parent)["v2"].community
    assert not any(SECRET in repr(one) for one in found)


def test_the_store_holds_no_secret_of_the_configuration(config: Path) -> None:
    said(config, "nodes", "import", str(config.parent / "nodes.csv"))
    said(config, "collect", seconds=4)
    store = Store(config.parent / "store", store_key(config.parent / "store").raw)
    with contextlib.closing(store):
        cells = store.read(lambda cx: [cell for schema in ("main", "tm") for cell in everything_in(cx, schema)])
    assert "127.0.0.2" in cells
    assert any("polls_failed" in cell for cell in cells)
    assert not any(SECRET in cell for cell in cells)


def everything_in(cx: Connection, schema: str) -> Iterator[str]:
    """Every cell of every table, as text."""
    for (name,) in cx.execute(f"SELECT name FROM {schema}.sqlite_schema WHERE type = 'table'").fetchall():
        for row in cx.execute(f"SELECT * FROM {schema}.{name}"):
            yield from (cell.decode("latin-1") if isinstance(cell, bytes) else str(cell) for cell in row)
