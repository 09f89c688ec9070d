"""The receiver against net-snmp's snmptrap and snmpinform, and SET against its snmpd."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from device_drivers.api import SnmpCredentials, SnmpTarget
from device_drivers.errors import DriverError, Refused, Unreachable, Unsupported
from device_drivers.snmp_gate import Notification, Sender
from device_drivers.snmp_notify import Receiver
from device_drivers.snmp_set import Type, set_value
from tests.conftest import require_peer
from tests.peers.snmpd import AUTH_PASSWORD, COMMUNITY, PRIV_PASSWORD, USERS, Snmpd, free_udp_port, snmpd

WAIT_S = 15
OURS = bytes.fromhex("80001f8880aabbccdd11223344")
THEIRS = "8000000001020304aa"
LINK_DOWN = "1.3.6.1.6.3.1.1.5.3"
NAMES = {"MD5": "md5", "SHA": "sha1", "SHA-224": "sha224", "SHA-256": "sha256", "SHA-384": "sha384",
         "SHA-512": "sha512", "DES": "des", "AES": "aes128", "AES-192": "aes192", "AES-256": "aes256"}  # fmt: skip


def rights(user: str) -> SnmpCredentials:
    auth, priv = USERS[user]
    return SnmpCredentials("3", "", user, NAMES[auth], AUTH_PASSWORD, NAMES.get(priv), PRIV_PASSWORD)  # type: ignore[arg-type]


def options(user: str, auth_password: str = AUTH_PASSWORD) -> list[str]:
    """What net-snmp's programs call the same rights."""
    auth, priv = USERS[user]
    sealed = ["-x", priv, "-X", PRIV_PASSWORD] if priv else []
    level = "authPriv" if priv else "authNoPriv"
    return ["-v3", "-u", user, "-l", level, "-a", auth, "-A", auth_password, *sealed]


class Desk:
    """A receiver and what it took."""

    def __init__(self) -> None:
        self.got: list[Notification] = []
        self.receiver = Receiver(self.got.append, "127.0.0.1", 0, OURS, 7)

    def send(self, name: str, *arguments: str) -> int:
        """Run one of net-snmp's programs to its end, with the receiver at work, until its packets are handled."""
        command = [require_peer(name), *arguments, f"udp:127.0.0.1:{self.receiver.port}", "", LINK_DOWN]
        command += ["1.3.6.1.2.1.2.2.1.1.4", "i", "4", "1.3.6.1.2.1.31.1.1.1.1.4", "s", "wlan0"]
        received = self.receiver.state().received
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
            self.until(lambda: process.poll() is not None and self.receiver.state().received > received)
        return int(process.returncode)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + WAIT_S
        while not true() or self.receiver.state().waiting:
            assert time.monotonic() < deadline, self.receiver.state()
            self.receiver.step(0.05)


@pytest.fixture
def desk() -> Iterator[Desk]:
    found = Desk()
    yield found
    found.receiver.close()


@pytest.mark.parametrize("program", ["snmptrap", "snmpinform"])
def test_v2c_is_taken_from_a_known_community_only(desk: Desk, program: str) -> None:
    desk.receiver.know([Sender("ge-bue-0001", "127.0.0.1", SnmpCredentials("2c", COMMUNITY))])
    assert desk.send(program, "-v2c", "-c", COMMUNITY, "-t", "2", "-r", "1") == 0
    (found,) = desk.got
    assert (found.node_id, found.version, found.kind) == ("ge-bue-0001", "2c", "link_down")
    assert (found.if_index, found.interface) == (4, "wlan0")
    desk.send(program, "-v2c", "-c", "public", "-t", "1", "-r", "0")
    assert len(desk.got) == 1
    assert desk.receiver.state().doubts == {"wrong_rights": 1}


@pytest.mark.parametrize(
    ("generic", "specific", "kind"), [("2", "0", "link_down"), ("0", "0", "cold_start"), ("6", "17", "other")]
)
def test_v1_traps_mean_what_v2c_says(desk: Desk, generic: str, specific: str, kind: str) -> None:
    desk.receiver.know([Sender("ge-bue-0001", "127.0.0.1", SnmpCredentials("2c", COMMUNITY))])
    where = (f"udp:127.0.0.1:{desk.receiver.port}", "1.3.6.1.4.1.14988.1", "192.0.2.9", generic, specific, "4711")
    value = ("1.3.6.1.2.1.2.2.1.1.4", "i", "4")
    subprocess.run([require_peer("snmptrap"), "-v1", "-c", COMMUNITY, *where, *value], check=True)
    desk.until(lambda: desk.receiver.state().received > 0)
    (found,) = desk.got
    assert (found.node_id, found.version, found.kind, found.uptime_ticks) == ("ge-bue-0001", "1", kind, 4711)
    assert found.if_index == 4
    assert found.trap_oid[-1] == (17 if kind == "other" else int(generic) + 1)
    assert COMMUNITY.encode() not in [value for _, value in found.binds]


@pytest.mark.parametrize("user", USERS)
def test_v3_traps_and_informs_of_every_algorithm(desk: Desk, user: str) -> None:
    desk.receiver.know([Sender("ge-bue-0001", "127.0.0.1", rights(user), bytes.fromhex(THEIRS))])
    assert desk.send("snmptrap", *options(user), "-e", f"0x{THEIRS}") == 0
    assert desk.send("snmpinform", *options(user), "-t", "2", "-r", "1") == 0
    assert [(one.node_id, one.version, one.kind) for one in desk.got] == [("ge-bue-0001", "3", "link_down")] * 2


def test_a_wrong_password_an_unknown_engine_and_no_protection_stay_outside(desk: Desk) -> None:
    desk.receiver.know([Sender("ge-bue-0001", "127.0.0.1", rights("sha256aes"), bytes.fromhex(THEIRS))])
    engine = ("-e", f"0x{THEIRS}")
    desk.send("snmptrap", *options("sha256aes", "not-this-one"), *engine)
    desk.send("snmptrap", *options("sha256aes"), "-e", "0x8000000001020304bb")
    desk.send("snmptrap", "-v3", "-u", "sha256aes", "-l", "noAuthNoPriv", *engine)
    assert desk.send("snmpinform", *options("sha256aes", "not-this-one"), "-t", "1", "-r", "0") != 0
    state = desk.receiver.state()
    assert (desk.got, state.doubts) == ([], {"wrong_rights": 2, "unknown_engine": 1, "too_weak": 1})
    assert [one.engine_id for one in state.unknown] == ["8000000001020304bb"]


def test_an_agent_that_restarted_is_believed_and_its_past_is_not(desk: Desk) -> None:
    desk.receiver.know([Sender("ge-bue-0001", "127.0.0.1", rights("sha256aes"), bytes.fromhex(THEIRS), boots=2)])
    for when in ("2,500", "3,10", "2,600", "1,9000"):
        desk.send("snmptrap", *options("sha256aes"), "-e", f"0x{THEIRS}", "-Z", when)
    assert len(desk.got) == 2
    assert desk.receiver.state().doubts == {"too_old": 2}


def test_a_password_that_makes_no_key_is_named_and_the_others_go_on(desk: Desk) -> None:
    short = Sender("ge-bue-0002", "127.0.0.2", replace(rights("sha256aes"), user="x", auth_password="short"))
    good = Sender("ge-bue-0001", "127.0.0.1", SnmpCredentials("2c", COMMUNITY))
    ((node_id, why),) = desk.receiver.know([short, good])
    assert (node_id, "8 characters" in why) == ("ge-bue-0002", True)
    desk.send("snmptrap", "-v2c", "-c", COMMUNITY)
    assert len(desk.got) == 1


def test_a_taken_port_is_refused_by_name(desk: Desk) -> None:
    with pytest.raises(Refused, match=f"127.0.0.1:{desk.receiver.port}"):
        Receiver(desk.got.append, "127.0.0.1", desk.receiver.port, OURS, 7)


@pytest.fixture(scope="module")
def agent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Snmpd]:
    with snmpd(tmp_path_factory.mktemp("snmpd")) as running:
        yield running


LOCATION = (1, 3, 6, 1, 2, 1, 1, 6, 0)
WRITER = SnmpCredentials("3", "", "writer", "sha1", AUTH_PASSWORD, "aes128", PRIV_PASSWORD)


def target_of(agent: Snmpd, credentials: SnmpCredentials) -> SnmpTarget:
    return SnmpTarget("ge-bue-0001", "127.0.0.1", agent.port, credentials, timeout_ms=500, retries=1)


def test_a_value_is_set_and_read_back(agent: Snmpd) -> None:
    set_value(target_of(agent, WRITER), LOCATION, "octets", b"Mast 17")
    read = [
        require_peer("snmpget"),
        "-v2c",
        "-c",
        COMMUNITY,
        "-Oqv",
        f"udp:127.0.0.1:{agent.port}",
        "1.3.6.1.2.1.1.6.0",
    ]
    assert subprocess.run(read, capture_output=True, text=True, check=True).stdout.strip() == '"Mast 17"'


@pytest.mark.parametrize(
    ("rights_", "oid", "kind", "value", "outcome", "evidence"),
    [
        (WRITER, LOCATION, "integer", 4, Refused, "wrongType"),
        (WRITER, LOCATION, "integer", 1 << 40, Refused, "no integer"),
        (WRITER, (1, 3, 6, 1, 2, 1, 1, 3, 0), "ticks", 4, Unsupported, "notWritable"),
        (rights("sha1aes"), LOCATION, "octets", b"x", Refused, "noAccess"),
        (replace(WRITER, auth_password="not-this-one"), LOCATION, "octets", b"x", Refused, "digest"),
        (replace(WRITER, priv_password="not-this-one"), LOCATION, "octets", b"x", Unreachable, "privacy password"),
        (replace(WRITER, user="nobody"), LOCATION, "octets", b"x", Refused, "user"),
        (replace(WRITER, auth_password="short"), LOCATION, "octets", b"x", Refused, "8 characters"),
    ],
)
def test_a_set_that_is_not_done_says_why(
    agent: Snmpd,
    rights_: SnmpCredentials,
    oid: tuple[int, ...],
    kind: Type,
    value: int | bytes,
    outcome: type[DriverError],
    evidence: str,
) -> None:
    with pytest.raises(outcome, match=evidence) as raised:
        set_value(target_of(agent, rights_), oid, kind, value)
    assert "not-this-one" not in str(raised.value)


def test_nobody_there_is_unreachable(agent: Snmpd) -> None:
    gone = replace(target_of(agent, WRITER), port=free_udp_port(), timeout_ms=100)
    with pytest.raises(Unreachable, match=r"2 x 0\.1 s"):
        set_value(gone, LOCATION, "octets", b"x")


def test_two_agents_of_one_image_keep_their_own_names(desk: Desk) -> None:
    both = [Sender(f"ge-bue-000{at}", f"127.0.0.{at}", rights("sha256aes"), bytes.fromhex(THEIRS)) for at in (1, 2)]
    desk.receiver.know(both)
    for address, when in (("127.0.0.2", "9,9000"), ("127.0.0.1", "3,10"), ("127.0.0.2", "9,9001")):
        named = (f"--clientaddr={address}", "-e", f"0x{THEIRS}", "-Z", when)
        assert desk.send("snmptrap", *options("sha256aes"), *named) == 0
    assert [one.node_id for one in desk.got] == ["ge-bue-0002", "ge-bue-0001", "ge-bue-0002"]
