"""Giving nodes out to a laptop at the command line: nothing else of the store waits while the bundle is written."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from device_drivers.known_hosts import HostKey, confirm
from local_store import liveness, rollouts
from local_store.db import Store
from local_store.keys import store_key
from playbooks.firmware import lease_files
from tests.journeys.processes import run
from tests.sim.rollout_fleet import Fleet, planned

LAPTOP = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))


def once_read(path: Path, reader: threading.Thread) -> int:
    """A handle to write to a named pipe as soon as somebody reads it."""
    while reader.is_alive():
        try:
            return os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            reader.join(0.05)
    pytest.fail("the command ended before it came to the bundle")


def test_an_engine_writes_while_a_bundle_takes_its_time(tmp_path: Path) -> None:
    store = Store(tmp_path / "store", store_key(tmp_path / "store", "file").raw)
    row = planned(store, Fleet({"g0": "", "n00": "g0", "n01": "g0"}), only={"n00", "n01"})
    catalogue = tmp_path / "store" / "firmware" / "catalogue"
    (catalogue / "metadata").mkdir(parents=True)
    (catalogue / "metadata" / "timestamp.json").write_text("{}")
    os.mkfifo(tmp_path / "store" / "firmware" / "root.json")  # as slow as a stick can be
    public = lease_files.public_hex(LAPTOP)
    asked = lease_files.Request(lease_files.FORMAT, "eva", public, "ssh-ed25519 AAAA eva")
    (tmp_path / "request").write_bytes(lease_files.signed(LAPTOP, "request", asked))
    ended: list[int] = []

    def give() -> None:
        done = run("lease", "give", row.rollout_id, str(tmp_path / "a.lease"), "--request", str(tmp_path / "request"),
                   "--node", "n01", "--fingerprint", lease_files.fingerprint(public), "--no-key", "--json", "--store",
                   str(tmp_path / "store"))  # fmt: skip
        ended.append(done.returncode)

    thread = threading.Thread(target=give)
    thread.start()
    with os.fdopen(once_read(tmp_path / "store" / "firmware" / "root.json", thread), "wb") as anchor:
        store.ops.maintain("PRAGMA busy_timeout = 0")
        store.ops.write(lambda cx: liveness.beat(cx, "poll", "running", "{}", 1))
        anchor.write(b"root")
    thread.join()
    assert ended == [0]
    read = lease_files.read_lease(tmp_path / "a.lease")
    assert [one.node.node_id for one in read.lease.nodes] == ["n01"]
    states = {one.node_id: one.state for one in store.read(lambda cx: rollouts.nodes(cx, row.rollout_id))}
    assert states == {"n00": "pending", "n01": "field"}
    store.close()


def test_a_lease_brings_every_confirmed_host_key_of_its_nodes(tmp_path: Path) -> None:
    """A node may show either of two keys of one kind; the laptop knows no more than the console tells it."""
    store = Store(tmp_path / "store", store_key(tmp_path / "store", "file").raw)
    row = planned(store, Fleet({"g0": "", "n00": "g0"}), only={"n00"})
    store.close()
    made = (Ed25519PrivateKey.from_private_bytes(bytes([number] * 32)).public_key() for number in (1, 2))
    keys = [HostKey(*one.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode().split()) for one in made]
    for key in keys:
        confirm(tmp_path / "store" / "known_hosts", "127.0.0.1", 22, key)
    catalogue = tmp_path / "store" / "firmware" / "catalogue"
    (catalogue / "metadata").mkdir(parents=True)
    (catalogue / "metadata" / "timestamp.json").write_text("{}")
    (tmp_path / "store" / "firmware" / "root.json").write_text("{}")
    config = tmp_path / "leitstand.toml"
    config.write_text(f'[store]\ndirectory = "{tmp_path / "store"}"\n[ssh.default]\nuser = "root"\nagent = true\n')
    public = lease_files.public_hex(LAPTOP)
    asked = lease_files.Request(lease_files.FORMAT, "eva", public, "ssh-ed25519 AAAA eva")
    (tmp_path / "request").write_bytes(lease_files.signed(LAPTOP, "request", asked))
    done = run("lease", "give", row.rollout_id, str(tmp_path / "a.lease"), "--request", str(tmp_path / "request"),
               "--node", "n00", "--fingerprint", lease_files.fingerprint(public), "--no-key", "--config",
               str(config))  # fmt: skip
    assert done.returncode == 0, done.stderr
    (leased,) = lease_files.read_lease(tmp_path / "a.lease").lease.nodes
    assert leased.known_host.splitlines() == [f"22 {key.algorithm} {key.body}" for key in keys]
