"""Makers' command lines through their drivers, against simulated nodes with the makers' odd behaviour."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from device_drivers import known_hosts
from device_drivers.capabilities import FlashOrder, LinuxNode
from device_drivers.errors import Refused, Unreachable, Unsupported
from device_drivers.registry import driver_for
from device_drivers.simcity import routeros
from device_drivers.simcity.openwrt import Make
from device_drivers.simcity.shell import KNOWN_HOSTS
from device_drivers.ssh import SshTarget
from device_drivers.ssh_pool import ShellPool
from tests.contracts.shell_city import ShellCity, make, shell_city

ROUTER = Make(
    "ge-alt-0001", "CCR2004", "CCR2004-1G-12S+2XS", "7.14.2", "7.14.2", "SIM000001", "arm64", vendor="MikroTik"
)
RADIO = Make(
    "ge-alt-0002", "LAP", "LiteAP AC", "8.7.11", "XC.v8.7.11.46972.220614.0420", "SIM000002", "XC", vendor="Ubiquiti"
)

EDGE = Make("ge-alt-0004", "ER-X", "EdgeRouter X 5-Port", "v2.0.9-hotfix.7", "5622762", "7483C2A1B2C3", vendor="EdgeOS")


@pytest.fixture
def city(tmp_path: Path) -> Iterator[ShellCity]:
    with shell_city(tmp_path, [ROUTER, RADIO, make(3), EDGE]) as found:
        yield found


OTHER_KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIDk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"


@contextlib.contextmanager
def opened(target: SshTarget, vendor: str, lines: list[str] | None = None) -> Iterator[LinuxNode]:
    log = [] if lines is None else lines
    pool = ShellPool(lambda _node, line: log.append(line))
    with contextlib.closing(pool), driver_for(target.node_id, vendor)(target, pool, log.append) as node:
        yield node


def test_routeros_tells_its_facts_and_its_whole_export(city: ShellCity) -> None:
    lines: list[str] = []
    with opened(city.targets[0], "MikroTik", lines) as node:
        board, boot, config = node.board(), node.boot(), node.read_config()
        assert node.identity().startswith("SHA256:")
    assert (board.board_name, board.version, board.serial) == ("CCR2004", "7.14.2", "SIM000001")
    assert (board.hostname, board.distribution, board.target) == ("ge-alt-0001", "RouterOS", "arm64")
    assert boot.boot_id == ""
    assert abs(boot.uptime_s - (city.nodes[0].clock() - city.nodes[0].booted_s)) < 30
    assert boot.mem_available_bytes > 1 << 20
    assert config.complete
    assert "/system identity set name=ge-alt-0001" in config.text
    assert "leitstand" not in config.text
    assert "/system resource print" in lines


def test_airos_tells_its_facts_and_its_whole_configuration(city: ShellCity) -> None:
    with opened(city.targets[1], "Ubiquiti") as node:
        board, boot, config = node.board(), node.boot(), node.read_config()
    assert (board.model, board.version, board.target) == ("LiteAP AC", "8.7.11", "XC")
    assert board.revision == RADIO.revision
    assert boot.boot_id == city.nodes[1].boot_id
    assert config.complete
    assert "radio.1.freq=5580" in config.text


def test_edgeos_tells_its_facts_and_its_whole_configuration(city: ShellCity) -> None:
    with opened(city.targets[3], "EdgeOS") as node:
        board, boot, config = node.board(), node.boot(), node.read_config()
    assert (board.model, board.version, board.serial) == (EDGE.model, EDGE.version, EDGE.serial)
    assert boot.boot_id == city.nodes[3].boot_id
    assert abs(boot.uptime_s - (city.nodes[3].clock() - city.nodes[3].booted_s)) < 30
    assert config.complete
    assert config.text.startswith("system {")
    assert "host-name ge-alt-0004" in config.text


def test_the_simulated_terminals_are_as_odd_as_the_makers(city: ShellCity) -> None:
    router = city.nodes[0]
    assert ">" not in routeros.greeting(router, "admin"), "it waits to be told what the terminal can"
    assert "\x1b[" in routeros.prompt(router, "admin+t")
    painted = "".join(routeros.typed(router, "/system identity print", "admin+ct511w4098h"))
    assert painted.count("[admin@ge-alt-0001] > ") == 3


@pytest.mark.parametrize(("at", "vendor"), [(0, "MikroTik"), (1, "Ubiquiti")])
def test_nothing_is_flashed_or_changed_where_there_is_no_fence(city: ShellCity, at: int, vendor: str) -> None:
    with opened(city.targets[at], vendor) as node:
        for forbidden in (
            lambda: node.stage(io.BytesIO(b"x"), 1, "0" * 64, "op1"),
            lambda: node.flash(FlashOrder("op1", "/x", "0" * 64, "b", "r")),
            lambda: node.apply_config("op1", 60),
            lambda: node.run("/system reboot"),
        ):
            with pytest.raises(Unsupported, match=r"ge-alt-000[12]"):
                forbidden()
    assert city.nodes[at].flashes == []


def test_a_key_nobody_confirmed_or_another_one_stops_a_command_line(city: ShellCity, tmp_path: Path) -> None:
    target = city.targets[0]
    with pytest.raises(known_hosts.HostKeyUnknown), opened(replace(target, known_hosts=tmp_path / "none"), "MikroTik"):
        pass
    text = (tmp_path / KNOWN_HOSTS).read_text().splitlines()
    theirs, other = text[0].split(), text[1].split()
    (tmp_path / "swapped").write_text(f"{theirs[0]} {other[1]} {other[2]}\n")
    with (
        pytest.raises(known_hosts.HostKeyChanged),
        opened(replace(target, known_hosts=tmp_path / "swapped"), "MikroTik"),
    ):
        pass


def test_the_second_confirmed_key_of_one_kind_lets_in_like_the_first(city: ShellCity, tmp_path: Path) -> None:
    target = city.targets[0]
    (mine,) = known_hosts.confirmed(target.known_hosts, target.host, target.port)
    place = tmp_path / "two"
    known_hosts.confirm(place, target.host, target.port, known_hosts.HostKey(mine.algorithm, OTHER_KEY))
    known_hosts.confirm(place, target.host, target.port, mine)
    with opened(replace(target, known_hosts=place), "MikroTik") as node:
        assert node.board().hostname == "ge-alt-0001"


def test_lines_with_a_marker_keep_nobody_out_but_the_revoked(city: ShellCity, tmp_path: Path) -> None:
    target = city.targets[0]
    text = (tmp_path / KNOWN_HOSTS).read_text()
    _name, algorithm, body = text.splitlines()[0].split()
    (tmp_path / "marked").write_text(f"@cert-authority * {algorithm} {body}\n{text}")
    with opened(replace(target, known_hosts=tmp_path / "marked"), "MikroTik") as node:
        assert node.board().board_name
    (tmp_path / "marked").write_text(f"@revoked * {algorithm} {body}\n{text}")
    revoked = replace(target, known_hosts=tmp_path / "marked")
    with pytest.raises(known_hosts.HostKeyRevoked), opened(revoked, "MikroTik"):
        pass


def test_a_wrong_login_is_refused_and_a_dead_node_unreachable(city: ShellCity, tmp_path: Path) -> None:
    target = city.targets[0]
    with pytest.raises(Refused, match="login"), opened(replace(target, key_file=None, password="no"), "MikroTik"):
        pass
    city.nodes[0].go_dark(None)
    with pytest.raises(Unreachable), opened(target, "MikroTik"):
        pass


def test_another_makers_node_is_told_apart(city: ShellCity) -> None:
    with opened(city.targets[2], "Ubiquiti") as node, pytest.raises(Unsupported, match="no airOS"):
        node.board()
    with opened(city.targets[1], "OpenWrt") as node, pytest.raises(Unsupported, match="ended with 127"):
        node.board()
    with pytest.raises(Unreachable, match="command line"), opened(city.targets[2], "MikroTik"):
        pass
