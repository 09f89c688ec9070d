"""A new node from its factory state to a signed protocol, with questions to a person, crashes, and no uplink."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from device_drivers.capabilities import LinuxNode, NeighbourSeen
from device_drivers.errors import Unreachable
from device_drivers.known_hosts import HostKey, HostKeyUnknown
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from local_store import journal, nodes, oplog
from local_store.db import Store
from local_store.errors import StoreRefused
from local_store.records import Node
from mesh_mgmt.desired import Source, render, templates
from playbooks.provisioning import protocol, runner, steps
from playbooks.provisioning.job import Job, JobError, checked, decode, serial_of
from tests.sim.config_fleet import START_MS, Crash, CrashingStore, Fleet, Passing, Told, resolve

KEY = HostKey("ssh-ed25519", "AAAAC3NzaC1lZDI1NTE5AAAAIA==")
JOB = Job("SN0000", "ge-bue-0099", "10.20.0.99", "mesh", site="Markt", district="Buer", lat=51.57, lon=7.05,
          expected={"5": 2})  # fmt: skip
TEMPLATE = "[uci.system.'@system[0]']\nhostname = '{{ node.id }}'\n[uci.wireless.radio0]\nchannel = 44\n"


class MastNode(OpenWrtNode):
    """The driver, with a host key and neighbours of the test's choice."""

    def __init__(self, shell: Told, mast: Mast) -> None:
        super().__init__(shell, OpenWrtConfiguration(shell, shell.node_id))
        self._mast = mast

    def identity(self) -> str:
        return KEY.fingerprint

    def neighbours(self) -> list[NeighbourSeen]:
        return [NeighbourSeen("iwinfo", "mesh0", "", f"02:00:00:00:00:{at:02x}", "5") for at in range(self._mast.heard)]

    def own_macs(self) -> dict[str, str]:
        return {"mesh0": "02:00:00:00:01:01"}


@dataclass
class Mast:
    """The laptop, the node before it, and the network behind."""

    store: Store
    fleet: Fleet = field(default_factory=lambda: Fleet({"factory": ""}))
    heard: int = 2
    uplink: bool = True
    template: str = TEMPLATE
    trusted: list[str] = field(default_factory=list)
    signer: Ed25519PrivateKey = field(default_factory=lambda: Ed25519PrivateKey.from_private_bytes(bytes(range(32))))

    @contextlib.contextmanager
    def contact(self, job: Job, key: str) -> Iterator[LinuxNode]:
        if not self.fleet.nodes["factory"].awake() or self.fleet.nodes["factory"].cut_off:
            raise Unreachable(job.node_id, "no answer")
        if key != KEY.fingerprint:
            raise HostKeyUnknown(job.node_id, KEY)
        yield MastNode(Told(self.fleet, "factory"), self)

    @contextlib.contextmanager
    def reach(self, node_id: str) -> Iterator[LinuxNode]:
        if not self.uplink:
            raise Unreachable(node_id, "no route")
        yield MastNode(Told(self.fleet, "factory"), self)

    def ports(self, store: Any = None) -> steps.Ports:
        def wanted(node: Any) -> Any:
            return render(templates([Source("global.toml", self.template)]), node, resolve)

        return steps.Ports(store or self.store, self.contact, lambda _job, key: self.trusted.append(key), self.reach,
                           wanted, "ssh-ed25519 AAAA console", self.signer, lambda: self.fleet.now_ms,
                           Passing(self.fleet))  # fmt: skip

    def begin(self, job: Job = JOB) -> str:
        return self.store.ops.write(lambda cx: runner.create(cx, job, "mk", START_MS))

    def go_on(self, store: Any = None) -> str:
        (run,) = self.store.read(runner.open_runs)
        return runner.go_on(self.ports(store), run)

    def answer(self, agreed: bool = True, reason: str = "") -> None:
        (run,) = self.store.read(runner.open_runs)
        self.store.ops.write(lambda cx: runner.answer(cx, run, agreed, "mk", reason, START_MS))

    def shown(self, run_id: str) -> dict[str, dict[str, Any]]:
        rows = self.store.read(lambda cx: journal.steps_of(cx, run_id))
        return {row.name: {"state": row.state, **json.loads(row.evidence)} for row in rows}


@pytest.fixture
def mast(store: Store) -> Mast:
    return Mast(store)


def test_a_node_is_set_up_once_its_host_key_was_confirmed(mast: Mast) -> None:
    run_id = mast.begin()
    assert mast.go_on() == "asks"
    assert mast.shown(run_id)["contact"]["fingerprint"] == KEY.fingerprint
    assert mast.fleet.commands == [], "nothing may be sent before a person has compared the key"
    mast.answer(agreed=False)
    assert mast.go_on() == "asks"
    mast.answer()
    assert mast.go_on() == "done"
    node = mast.store.read(lambda cx: nodes.get_node(cx, JOB.node_id))
    assert node is not None
    assert (node.serial, node.board_name, node.firmware, node.site) == ("SN0000", "acme,ap5", "23.05.3", "Markt")
    assert json.loads(node.attributes)["engine_id"].startswith("80001f88")
    assert mast.trusted == [KEY.fingerprint]
    assert [op.entity for op in mast.store.read(lambda cx: oplog.outbox(cx, 10))] == ["node"]
    assert mast.fleet.nodes["factory"].files["/etc/dropbear/authorized_keys"] == b"ssh-ed25519 AAAA console\n"
    assert b"ge-bue-0099" in mast.fleet.nodes["factory"].files["/etc/config/system"]


def test_the_protocol_shows_by_itself_what_was_found(mast: Mast) -> None:
    run_id = mast.begin(replace(JOB, measure_to="10.0.0.1", least_mbps=50.0))
    mast.go_on()
    mast.answer()
    assert mast.go_on() == "done"
    text = mast.shown(run_id)["protocol"]["protocol"]
    verdict = protocol.verify(text)
    assert verdict.genuine
    assert verdict.key == mast.signer.public_key().public_bytes_raw().hex()
    items = {one["name"]: one for one in verdict.body["steps"]["accept"]["items"]}
    assert items["neighbours 5"]["found"] == "2"
    assert items["throughput"]["passed"] is True
    assert verdict.body["steps"]["contact"]["fingerprint"] == KEY.fingerprint
    assert not protocol.verify(text.replace('"Markt"', '"Murkt"')).genuine
    for broken in ("", "[]", "{}", text.replace("leitstand acceptance 1", "x"), '{"body": {}, "key": "00"}'):
        with pytest.raises(protocol.NoProtocol):
            protocol.verify(broken)


def test_without_an_uplink_the_registration_stays_open_and_runs_later(mast: Mast) -> None:
    mast.uplink = False
    run_id = mast.begin()
    mast.go_on()
    mast.answer()
    assert mast.go_on() == "open"
    shown = mast.shown(run_id)
    assert [name for name, one in shown.items() if one["state"] != "done"] == ["reach"]
    assert "no route" in shown["reach"]["why"]
    assert mast.store.read(lambda cx: nodes.get_node(cx, JOB.node_id)) is not None
    mast.uplink = True
    assert mast.go_on() == "done"


def test_what_falls_short_is_taken_only_with_a_reason(mast: Mast) -> None:
    mast.heard = 1
    run_id = mast.begin()
    mast.go_on()
    mast.answer()
    assert mast.go_on() == "asks"
    assert mast.shown(run_id)["accept"]["question"] == "acceptance"
    mast.answer(agreed=False)
    assert mast.go_on() == "asks"
    with pytest.raises(StoreRefused, match="needs a reason"):
        mast.answer()
    mast.answer(reason="second neighbour comes on Monday")
    assert mast.go_on() == "done"
    body = protocol.verify(mast.shown(run_id)["protocol"]["protocol"]).body
    assert body["steps"]["accept"]["reason"] == "second neighbour comes on Monday"
    assert body["steps"]["accept"]["passed"] is False


def test_a_wrong_label_stops_before_anything_is_changed(mast: Mast) -> None:
    run_id = mast.begin(replace(JOB, serial="SN7777"))
    mast.go_on()
    mast.answer()
    before = dict(mast.fleet.nodes["factory"].files)
    assert mast.go_on() == "failed"
    assert "it says it is SN0000, the label says SN7777" in mast.shown(run_id)["contact"]["why"]
    assert mast.fleet.nodes["factory"].files == before


def test_a_configuration_that_cuts_the_technician_off_goes_back(mast: Mast) -> None:
    mast.template = "[uci.network.lan]\nproto = 'none'\n"
    run_id = mast.begin()
    mast.go_on()
    mast.answer()
    assert mast.go_on() == "failed"
    assert "it went back by itself" in mast.shown(run_id)["configure"]["why"]
    assert not mast.fleet.nodes["factory"].cut_off
    mast.template = TEMPLATE
    assert mast.go_on() == "done"


def test_a_crash_at_every_write_goes_on_without_doing_anything_twice(tmp_path: Any) -> None:
    crashes = 0
    for writes in range(20):
        store = Store(tmp_path / str(writes), bytes(32))
        mast = Mast(store)
        run_id = mast.begin()
        mast.go_on()
        mast.answer()
        try:
            mast.go_on(CrashingStore(store, writes))
        except Crash:
            crashes += 1
            assert not store.read(runner.open_runs) or mast.go_on() == "done"
        assert {one["state"] for one in mast.shown(run_id).values()} == {"done"}
        assert mast.fleet.applied("factory") == 1
        assert len(store.read(lambda cx: oplog.outbox(cx, 10))) == 1
        assert mast.fleet.nodes["factory"].files["/etc/dropbear/authorized_keys"].count(b"\n") == 1
        store.close()
    assert crashes >= 15


def test_one_node_is_set_up_by_one_run(mast: Mast) -> None:
    mast.begin()
    for other in (JOB, replace(JOB, node_id="other"), replace(JOB, serial="SN1")):
        with pytest.raises(StoreRefused, match="already sets up"):
            mast.begin(other)


def test_an_address_that_another_node_has_is_told_before_the_work(mast: Mast) -> None:
    mast.store.ops.write(lambda cx: nodes.upsert_nodes(cx, [Node("other", "other", JOB.address, "mesh")], START_MS))
    with pytest.raises(StoreRefused, match=r"other has the address 10\.20\.0\.99 already"):
        mast.begin(replace(JOB, address=" 10.20.0.99/24 "))


def test_another_device_under_a_known_id_keeps_what_nobody_said_anew(mast: Mast) -> None:
    known = Node(JOB.node_id, "Mast Markt", "10.20.0.7", "hotspot", profile="v3", serial="OLD1", uplink="g0",
                 stage="test", board_name="old,board", attributes='{"contract": "17"}')  # fmt: skip
    mast.store.ops.write(lambda cx: nodes.upsert_nodes(cx, [known], START_MS))
    mast.begin()
    assert mast.go_on() == "asks"
    mast.answer()
    assert mast.go_on() == "done"
    node = mast.store.read(lambda cx: nodes.get_node(cx, JOB.node_id))
    assert node is not None
    assert (node.name, node.profile, node.uplink, node.stage) == ("Mast Markt", "v3", "g0", "test")
    assert (node.address, node.role, node.serial) == (JOB.address, "mesh", "SN0000")
    assert node.board_name != "old,board"
    assert {"contract", "macs", "host_key"} <= set(json.loads(node.attributes))


@pytest.mark.parametrize(
    ("scanned", "serial"),
    [("SN0000\n", "SN0000"), ("]C1SN0000", "SN0000"), ("S/N: E8:94/22", "E8:94/22"), ("(21)ABC123", "ABC123"),
     ("*ABC-1*", "ABC-1"), ("]C121ABC", "ABC"), ("21ABC", "21ABC")],
)  # fmt: skip
def test_a_scanner_is_a_keyboard(scanned: str, serial: str) -> None:
    assert serial_of(scanned) == serial


@pytest.mark.parametrize("scanned", ["", "a", "x y z", "http://example/SN?x=1", "ä" * 5, "A" * 65])
def test_what_is_no_serial_is_refused(scanned: str) -> None:
    with pytest.raises(JobError, match="no serial number"):
        serial_of(scanned)


@pytest.mark.parametrize(
    "changed",
    [{"node_id": "a b"}, {"role": "mast"}, {"address": ""}, {"address": "10.20.0.999"},
     {"address": "ge bue"}, {"expected": {"7": 1}}, {"expected": {"5": -1}},
     {"lat": None}, {"lat": 91.0}, {"port": 0}],
)  # fmt: skip
def test_a_job_that_cannot_be_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(JobError):
        checked(replace(JOB, **changed))
    assert decode(JOB.encoded()) == JOB
