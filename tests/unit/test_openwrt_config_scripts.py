"""Confirm-or-revert as busybox ash runs it, in a directory of its own, over a `uci` that lies as the real one does."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from device_drivers import openwrt_config_scripts as scripts
from device_drivers.capabilities import Ran
from device_drivers.errors import Refused, Stale, Unsupported
from device_drivers.openwrt_config import OpenWrtConfiguration
from tests.conftest import require_peer

ROOT = Path(__file__).parents[2]
UCI = f'#!/bin/sh\nPYTHONPATH={ROOT} exec {sys.executable} {Path(__file__).with_name("uci_tool.py")} "$@"\n'
NETWORK = "\nconfig interface 'lan'\n\toption proto 'static'\n\toption ipaddr '10.0.0.1'\n\n"


class AshShell:
    """Runs commands with busybox ash, `uci` and `reload_config` of our own in front of the PATH."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.places = scripts.Places(str(root / "etc"), str(root / "tmp"))
        self.busybox = require_peer("busybox")
        (root / "bin").mkdir()
        for name, text in {"uci": UCI, "reload_config": f"#!/bin/sh\ndate >> {root}/reloads\n"}.items():
            (root / "bin" / name).write_text(text)
            (root / "bin" / name).chmod(0o755)
        for applet in ("sh", "cp", "mv", "rm", "cat", "cut", "sed", "ln", "cmp", "sha256sum", "mkdir", "sleep", "sync"):
            (root / "bin" / applet).symlink_to(self.busybox)
        (root / "etc/config").mkdir(parents=True)
        (root / "etc/config/network").write_text(NETWORK)
        (root / "etc/config/system").write_text("\nconfig system\n\toption hostname 'a'\n\n")

    def run(self, command: str, *, stdin: bytes = b"", timeout_s: float = 30.0) -> Ran:
        done = subprocess.run(
            [self.busybox, "ash", "-c", command], input=stdin, capture_output=True, timeout=timeout_s, check=False,
            env={"PATH": f"{self.root}/bin:{os.environ['PATH']}"},
        )  # fmt: skip
        return Ran(done.returncode, done.stdout, done.stderr)

    def upload(self, *_arguments: object) -> None:
        raise NotImplementedError

    def network(self) -> str:
        return (self.root / "etc/config/network").read_text()

    def guard(self, word: str) -> None:
        done = self.run(f"{self.places.flash}/guard {word}")
        assert done.exit_status == 0, done.stderr


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[AshShell]:
    made = AshShell(tmp_path)
    yield made
    shutil.rmtree(made.places.flash, ignore_errors=True)  # ends the background check


@pytest.fixture
def node(shell: AshShell) -> OpenWrtConfiguration:
    return OpenWrtConfiguration(shell, "n1", shell.places)


CHANGE = ["set network.lan.ipaddr='10.0.0.9'"]


def applied(node: OpenWrtConfiguration, op_id: str = "op1", revert_after_s: int = 600) -> None:
    assert list(node.stage_config(op_id, CHANGE)) == ["network.lan.ipaddr='10.0.0.9'"]
    node.apply_config(op_id, revert_after_s)


def wait_for(condition: object, what: str) -> None:
    deadline = time.monotonic() + 15
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def test_a_whole_read_says_that_it_is_whole(shell: AshShell, node: OpenWrtConfiguration) -> None:
    found = node.read_config()
    assert found.complete
    assert "package network" in found.text
    assert "package system" in found.text
    assert scripts.END_MARK not in found.text
    shutil.rmtree(shell.root / "etc/config")
    with pytest.raises(Unsupported, match="did not print"):
        node.read_config()


def test_uci_says_what_it_took_and_not_what_was_asked(node: OpenWrtConfiguration) -> None:
    told = node.stage_config("op1", ["set network.nowhere.x='1'", *CHANGE, "garbage"])
    assert list(told) == ["network.lan.ipaddr='10.0.0.9'"]


def test_a_package_that_is_not_there_can_be_made(shell: AshShell, node: OpenWrtConfiguration) -> None:
    told = node.stage_config("op1", ["set mesh.main='mesh'", "set mesh.main.id='it'\\''s; $(reboot) `x`'"])
    assert list(told) == ["mesh.main='mesh'", "mesh.main.id='it'\\''s; $(reboot) `x`'"]
    assert not (shell.root / "etc/config/mesh").exists()
    node.apply_config("op1", 600)
    assert "it'\\''s; $(reboot) `x`" in (shell.root / "etc/config/mesh").read_text()
    node.revert_config("op1")
    assert not (shell.root / "etc/config/mesh").exists()


def test_what_is_confirmed_stays(shell: AshShell, node: OpenWrtConfiguration) -> None:
    applied(node)
    assert node.pending_config() == "op1"
    assert "10.0.0.9" in shell.network()
    wait_for((shell.root / "reloads").exists, "the configuration was never reloaded")
    node.confirm_config("op1")
    node.confirm_config("op1")
    assert node.pending_config() is None
    assert not (shell.root / "etc/rc.d/S15leitstand-guard").exists()
    assert "guard" not in (shell.root / "etc/crontabs/root").read_text()
    for word in ("tick", "boot", "now"):
        shell.guard(word)
    assert "10.0.0.9" in shell.network()
    with pytest.raises(Stale, match="waits no more"):
        node.revert_config("op1")


def test_silence_brings_the_old_one_back(shell: AshShell, node: OpenWrtConfiguration) -> None:
    applied(node, revert_after_s=0)
    wait_for(lambda: "10.0.0.1" in shell.network(), "the check in the background never went back")
    assert shell.network() == NETWORK
    wait_for(lambda: node.pending_config() is None, "still pending")
    with pytest.raises(Stale, match="waits no more"):
        node.confirm_config("op1")


def test_a_tick_in_time_changes_nothing(shell: AshShell, node: OpenWrtConfiguration) -> None:
    applied(node)
    shell.guard("tick")
    assert "10.0.0.9" in shell.network()
    assert node.pending_config() == "op1"


def test_a_boot_inside_the_window_brings_the_old_one_back(shell: AshShell, node: OpenWrtConfiguration) -> None:
    applied(node)
    boot = shell.root / "etc/rc.d/S15leitstand-guard"
    assert boot.exists(), "nothing would run at boot"
    shutil.rmtree(shell.places.ram)
    assert shell.run(f"{boot} boot").exit_status == 0
    assert shell.network() == NETWORK
    assert node.pending_config() is None


def test_a_check_in_another_boot_goes_back_whatever_the_uptime(shell: AshShell, node: OpenWrtConfiguration) -> None:
    applied(node)
    pending = Path(shell.places.flash) / "pending"
    op_id, _boot, until = pending.read_text().split()
    pending.write_text(f"{op_id} 00000000-other-boot {until}\n")
    shell.guard("tick")
    assert shell.network() == NETWORK


def test_a_way_back_that_was_cut_off_goes_on(shell: AshShell, node: OpenWrtConfiguration) -> None:
    applied(node)
    flash = Path(shell.places.flash)
    (flash / "pending").rename(flash / "reverting")
    assert node.pending_config() == "op1"
    with pytest.raises(Stale):
        node.confirm_config("op1")
    shell.guard("boot")
    assert shell.network() == NETWORK
    assert node.pending_config() is None


def test_only_one_change_waits_at_a_time(node: OpenWrtConfiguration) -> None:
    applied(node)
    with pytest.raises(Refused, match="another change"):
        node.stage_config("op2", CHANGE)
    node.apply_config("op1", 600)
    node.revert_config("op1")
    node.stage_config("op2", CHANGE)


def test_what_somebody_else_changed_meanwhile_is_not_overwritten(shell: AshShell, node: OpenWrtConfiguration) -> None:
    node.stage_config("op1", CHANGE)
    (shell.root / "etc/config/system").write_text("\nconfig system\n\toption hostname 'b'\n\n")
    with pytest.raises(Stale, match="changed by somebody else"):
        node.apply_config("op1", 600)
    with pytest.raises(Stale, match="nothing is staged"):
        node.apply_config("op9", 600)
    assert node.pending_config() is None
    assert shell.network() == NETWORK


def test_what_others_staged_is_not_committed_with_ours(shell: AshShell, node: OpenWrtConfiguration) -> None:
    theirs = 'case "$*" in *changes) echo "system.@system[0].hostname=theirs";; esac\n'
    (shell.root / "bin/uci").write_text(f"#!/bin/sh\n{theirs}")
    with pytest.raises(Refused, match="uci changes"):
        node.stage_config("op1", CHANGE)
    assert "theirs" not in node.read_config().text


def test_a_value_with_a_line_break_is_refused_before_it_is_sent(node: OpenWrtConfiguration) -> None:
    with pytest.raises(Refused, match="line break"):
        node.stage_config("op1", ["set network.lan.x='a\nset network.lan.ipaddr='1''"])


@pytest.mark.parametrize("op_id", ["", "../x", "a b", "a;reboot", "-x"])
def test_an_operation_id_is_a_plain_name(op_id: str) -> None:
    with pytest.raises(ValueError, match="operation id"):
        scripts.apply(op_id, 60)


def test_every_script_names_itself_first() -> None:
    firsts = [text.splitlines()[0] for text in (
        scripts.read(), scripts.stage("op", ["network"]), scripts.apply("op", 60), scripts.confirm("op"),
        scripts.revert("op"), scripts.pending(),
    )]  # fmt: skip
    assert firsts == [
        ": leitstand config-read", ": leitstand config-stage op network", ": leitstand config-apply op 60",
        ": leitstand config-confirm op", ": leitstand config-revert op", ": leitstand config-pending",
    ]  # fmt: skip
