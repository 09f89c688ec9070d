"""What a lab node is: reached over hops, booted and rebooted, flashed well and badly, configured well and badly."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from device_drivers import known_hosts, ssh
from device_drivers.api import Poll
from device_drivers.capabilities import Ran
from device_drivers.errors import DriverError, Unreachable
from device_drivers.openwrt import OpenWrtNode
from device_drivers.openwrt_config import OpenWrtConfiguration
from device_drivers.snmp import Poller
from device_drivers.snmp_oids import NODE_PLAN
from tests.lab import images, wires
from tests.lab.lab import RUN, Lab, until
from tests.lab.proxy import proxy

FAR = "lab-31"


def run(lab: Lab, name: str, command: str, stdin: bytes = b"", timeout_s: float = 20.0) -> Ran:
    with ssh.connect(lab.target(name)) as shell:
        return shell.run(command, stdin=stdin, timeout_s=timeout_s)


def answers(lab: Lab, name: str) -> bool:
    try:
        with ssh.connect(lab.target(name, timeout_s=2)) as shell:
            return shell.run("true", timeout_s=2).exit_status == 0
    except DriverError:
        return False


def flash(lab: Lab, name: str, mode: str, image: bytes | None = None, options: str = "") -> Ran:
    lab.next_flash(mode, name)
    with ssh.connect(lab.target(name)) as shell:
        body = image or images.make()
        shell.run("mkdir -p /tmp/leitstand/op && cat > /tmp/leitstand/op/image", stdin=body)
        return shell.run(f"sysupgrade {options} /tmp/leitstand/op/image", timeout_s=3)


def revision(lab: Lab, name: str) -> str:
    return str(json.loads(run(lab, name, "ubus call system board").stdout)["release"]["revision"])


def polled(lab: Lab, *names: str) -> dict[str, Poll]:
    polls: list[Poll] = []
    poller = Poller(polls.append, random.Random(1))
    for name in names:
        poller.submit(lab.snmp(name), NODE_PLAN, 0)
    deadline = time.monotonic() + 30
    while len(polls) < len(names) and time.monotonic() < deadline:
        poller.step(0.2)
    poller.close()
    return {poll.node_id: poll for poll in polls}


def test_packets_pass_every_parent(city: Lab) -> None:
    assert len(city.names()) == 31
    assert city.tree.hops(FAR) == 5
    trace = city.inside(FAR, f"traceroute -n -q 1 -w 2 {city.tree.console_address}").splitlines()[1:]
    passed = [line.split()[1] for line in trace]
    assert passed == [city.tree[name].address for name in ("lab-15", "lab-07", "lab-03", "lab-01")] + [
        city.tree.console_address
    ]


def test_a_stranger_at_the_nodes_address_is_refused(city: Lab, tmp_path: Path) -> None:
    target = city.target(FAR)
    wrong = known_hosts.confirmed(city.known_hosts, city.tree["lab-30"].address, 22)[0]
    known = tmp_path / "known"
    known_hosts.confirm(known, target.host, 22, wrong)
    other = ssh.SshTarget(FAR, target.host, known, key_file=target.key_file)
    with pytest.raises(known_hosts.HostKeyChanged), ssh.connect(other):
        pass


def test_every_node_answers_snmpv3_with_an_engine_of_its_own(city: Lab) -> None:
    polls = polled(city, *city.names())
    assert {name: poll.error for name, poll in polls.items() if poll.error} == {}
    assert len({poll.engine.engine_id for poll in polls.values() if poll.engine}) == 31
    assert all(poll.scalars[4] == name.encode() for name, poll in polls.items())
    assert {row[0] for row in polls[FAR].rows.values()} >= {b"br-lan", b"mesh-up"}


def test_a_reboot_ends_sessions_and_ram_but_not_flash(city: Lab, leaf: str) -> None:
    before, boot_id = polled(city, leaf)[leaf], city.boot_id(leaf)
    with ssh.connect(city.target(leaf)) as shell:
        assert shell.run("cat /proc/sys/kernel/random/boot_id").stdout.decode().strip() == boot_id
        shell.run("touch /tmp/in-ram /etc/on-flash")
        assert shell.run("reboot; sleep 30", timeout_s=10).exit_status is None
    city.wait_reboot(leaf, boot_id)
    assert run(city, leaf, "ls /tmp/in-ram").exit_status == 1
    assert run(city, leaf, "ls /etc/on-flash").exit_status == 0
    assert float(run(city, leaf, "cat /proc/uptime").stdout.split()[0]) < 30
    after = polled(city, leaf)[leaf]
    assert before.engine is not None
    assert after.engine is not None
    assert after.engine.boots == before.engine.boots + 1
    assert after.engine.engine_id == before.engine.engine_id


def test_power_lost_in_silence_is_only_known_by_waiting(city: Lab, leaf: str) -> None:
    with ssh.connect(city.target(leaf)) as shell:
        assert shell.run("true").exit_status == 0
        city.machines.off(leaf, silent=True)
        with pytest.raises(Unreachable, match=r"no channel|within"):
            shell.run("true", timeout_s=0.5)
    assert not answers(city, leaf)


def test_a_node_hears_each_neighbour_once_and_as_loud_as_it_is_heard(city: Lab) -> None:
    def heard(name: str) -> dict[str, tuple[str, float | None]]:
        with ssh.connect(city.target(name)) as shell:
            found = OpenWrtNode(shell, OpenWrtConfiguration(shell, name)).neighbours()
        assert len({one.remote_mac for one in found}) == len(found)
        return {one.remote_mac: (one.band, one.signal_dbm) for one in found}

    node = city.tree["lab-03"]
    found = heard(node.name)
    assert set(found) == {link.peer_mac for link in node.links}
    below = next(link for link in node.links if link.peer == "lab-07")
    assert found[below.peer_mac] == heard("lab-07")[below.mac] == ("5", -57.0)


def test_a_dead_parent_takes_its_whole_branch(city: Lab) -> None:
    assert city.tree["lab-07"].uplink.mac in city.inside("lab-03", "batctl nj")
    city.cut("lab-07")
    assert not answers(city, "lab-14")
    assert answers(city, "lab-06")
    assert city.tree["lab-07"].uplink.mac not in city.inside("lab-03", "batctl nj")
    city.join("lab-07")
    assert until(lambda: answers(city, "lab-14"))


def test_links_lose_packets_and_delay_them(city: Lab, leaf: str) -> None:
    city.lose(leaf, 100)
    assert not answers(city, leaf)
    city.lose(leaf, 20)
    assert run(city, leaf, "echo through").stdout == b"through\n"
    city.lose(leaf, 0)
    with proxy(city.tree[leaf].address, delay_ms=50) as wire, ssh.connect(through(city, leaf, wire.port)) as shell:
        began = time.monotonic()
        shell.run("true")
        assert time.monotonic() - began > 0.1


def through(lab: Lab, name: str, port: int) -> ssh.SshTarget:
    known = lab.home / f"known-{port}"
    if not known.exists():
        known_hosts.confirm(
            known, "127.0.0.1", port, known_hosts.confirmed(lab.known_hosts, lab.tree[name].address, 22)[0]
        )
    return ssh.SshTarget(name, "127.0.0.1", known, port, key_file=lab.key_file)


def test_an_upload_broken_off_at_nine_tenths_goes_on_there(city: Lab, leaf: str) -> None:
    image = images.make()
    sha, seen = hashlib.sha256(image).hexdigest(), list[int]()
    with proxy(city.tree[leaf].address, break_after=len(image) * 9 // 10) as wire:
        with ssh.connect(through(city, leaf, wire.port)) as shell, pytest.raises(Unreachable, match="broke off"):
            shell.upload(io.BytesIO(image), len(image), sha, "/tmp/image")
        wire.break_after = None
        with ssh.connect(through(city, leaf, wire.port)) as shell:
            shell.upload(io.BytesIO(image), len(image), sha, "/tmp/image", lambda at, _: seen.append(at))
    assert seen[0] > len(image) * 8 // 10
    assert run(city, leaf, "sha256sum /tmp/image").stdout.split()[0].decode() == sha


def test_a_flash_brings_the_new_version_and_keeps_what_is_to_be_kept(city: Lab, leaf: str) -> None:
    boot_id = city.boot_id(leaf)
    run(
        city,
        leaf,
        "echo kept > /etc/config/mine; touch /etc/lost; echo /etc/snmp/ /etc/also >> /etc/sysupgrade.conf; "
        "mkdir /etc/also; touch /etc/also/kept",
    )
    assert flash(city, leaf, "ok").exit_status is None
    city.wait_reboot(leaf, boot_id)
    assert revision(city, leaf) == images.NEWER_REVISION
    assert run(city, leaf, "cat /etc/config/mine; ls /etc/lost /etc/also").stdout == b"kept\n/etc/also:\nkept\n"
    log = city.flash_log(leaf)
    assert [(one.boot_id, one.op_id, one.mode) for one in log] == [(boot_id, "op", "ok")]
    assert log[0].sha256 == hashlib.sha256(images.make()).hexdigest()


@pytest.mark.parametrize("mode", ["same", "revert", "slow"])
def test_flashes_that_end_otherwise(city: Lab, leaf: str, mode: str) -> None:
    boot_id, began = city.boot_id(leaf), time.monotonic()
    flash(city, leaf, mode)
    city.wait_reboot(leaf, boot_id)
    assert (revision(city, leaf) == images.NEWER_REVISION) == (mode == "slow")
    assert (b"fell-back" in run(city, leaf, "/usr/libexec/leitstand-bank").stdout) == (mode == "revert")
    assert mode != "slow" or time.monotonic() - began > 4
    assert len(city.flash_log(leaf)) == 1


def test_a_bricked_node_stays_dark_until_somebody_repairs_it(city: Lab, leaf: str) -> None:
    flash(city, leaf, "brick")
    assert until(lambda: not city.machines.is_on(leaf))
    city.machines.on(leaf)
    assert not until(lambda: city.machines.is_on(leaf), within_s=1.0)
    city.repair(leaf)
    city.wait_up(leaf)
    assert len(city.flash_log(leaf)) == 1


def test_a_flash_that_hangs_says_nothing_and_writes_nothing(city: Lab, leaf: str) -> None:
    with pytest.raises(Unreachable, match="no end"):
        flash(city, leaf, "hang")
    assert answers(city, leaf)
    assert city.flash_log(leaf) == []


@pytest.mark.parametrize(
    ("image", "options", "valid"),
    [
        (images.make(["other,board"]), "", False),
        (images.tampered(images.make()), "", False),
        (images.make(compat="2.0"), "-n", False),
        (images.make(compat="1.1"), "", True),
    ],
    ids=["other board", "tampered", "other major compat", "other minor compat keeping the configuration"],
)
def test_images_that_do_not_fit_are_refused_by_the_node(
    city: Lab, leaf: str, image: bytes, options: str, valid: bool
) -> None:
    assert flash(city, leaf, "ok", image, options).exit_status == 1
    asked = run(city, leaf, """ubus call system validate_firmware_image '{"path":"/tmp/leitstand/op/image"}'""")
    assert json.loads(asked.stdout)["valid"] is valid
    assert city.flash_log(leaf) == []


def test_ubus_ends_with_the_status_of_the_bus(city: Lab) -> None:
    calls = {"nobody nothing": 4, "system nothing": 3, "uci confirm": 5, "uci apply '{}'": 2, "system info": 0}
    assert {call: run(city, FAR, f"ubus call {call}").exit_status for call in calls} == calls


APPLY = r"""
sid=$(ubus -S call session create | sed 's/.*"ubus_rpc_session": "\([^"]*\).*/\1/')
mine="{\"ubus_rpc_session\":\"$sid\""
ubus call session grant "$mine,\"scope\":\"uci\"}"
ubus call uci set "$mine,\"config\":\"network\",\"section\":\"lan\",\"values\":{\"ipaddr\":\"198.18.0.9\"}}"
ubus call uci apply "$mine,\"rollback\":true,\"timeout\":6}"
"""


def test_rpcds_way_back_works_once_in_time_and_is_lost_with_a_reboot(city: Lab, leaf: str) -> None:
    assert run(city, leaf, APPLY).exit_status == 0
    assert until(lambda: "198.18.0.9" in city.inside(leaf, "ip addr show br-lan"))
    assert not answers(city, leaf)
    assert until(lambda: answers(city, leaf), 30)
    assert run(city, leaf, APPLY).exit_status == 0
    boot_id = city.boot_id(leaf)
    city.machines.reset(leaf)
    city.wait_reboot(leaf, boot_id)
    assert not until(lambda: answers(city, leaf), 3)
    assert "198.18.0.9" in city.inside(leaf, "uci get network.lan.ipaddr")


def test_what_others_staged_is_committed_with_ours(city: Lab, leaf: str) -> None:
    run(city, leaf, "uci set system.@system[0].zonename=Elsewhere; uci -t /tmp/ours set system.@system[0].notes=x")
    assert run(city, leaf, "uci -t /tmp/ours changes system").stdout.count(b"\n") == 2
    run(city, leaf, "uci -t /tmp/ours commit system")
    assert run(city, leaf, "uci get system.@system[0].zonename").stdout == b"Elsewhere\n"


DEAD_MAN = """#!/bin/sh /etc/rc.common
START=19
boot() {
	[ -e /etc/way-back ] && ! ip route show default | grep -qv 198.18.0.9 &&
		cp /etc/way-back /etc/config/network && rm /etc/way-back
}
"""


@pytest.mark.parametrize("reboots", [False, True])
def test_scripts_run_at_boot_and_by_cron_even_when_nobody_can_log_in(city: Lab, leaf: str, reboots: bool) -> None:
    arm = (
        "cp /etc/config/network /etc/way-back; cat > /etc/init.d/dead-man; chmod +x /etc/init.d/dead-man; "
        "uci set network.lan.gateway=198.18.0.9; uci commit network; reload_config; "
    )
    cron = "echo '* * * * * /etc/init.d/dead-man boot && reload_config' > /etc/crontabs/root; /etc/init.d/cron restart"
    before = city.inside(leaf, "ip route show default")
    assert "via" in before
    run(city, leaf, arm + ("/etc/init.d/dead-man enable" if reboots else cron), stdin=DEAD_MAN.encode())
    if reboots:
        assert until(lambda: not answers(city, leaf))
        boot_id = city.boot_id(leaf)
        city.machines.reset(leaf)
        city.wait_reboot(leaf, boot_id)
    # Taken only where the way was gone, see DEAD_MAN: looked for from here, the two seconds could pass unseen.
    assert until(lambda: "way-back" not in city.inside(leaf, "ls /etc"), 30)
    assert until(lambda: answers(city, leaf), 30)
    assert city.inside(leaf, "ip route show default") == before


def test_a_killed_run_leaves_no_process_and_the_next_start_sweeps_the_rest(city: Lab) -> None:
    program = (
        "from tests.lab.lab import opened\nwith opened(2) as lab:\n print(lab.tree.number, flush=True)\n input()\n"
    )
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    number = int(child.stdout.readline())
    spaces = [wires.NAMED / f"{wires.PREFIX}-{number}-{index}" for index in (1, 2)]
    inodes = {os.stat(path).st_ino for path in spaces}
    key = RUN / str(number) / "client"
    left = key.read_bytes()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert until(lambda: not inodes & {_space_of(process) for process in Path("/proc").glob("[0-9]*")})
    subprocess.run([sys.executable, "-c", program], input=b"\n", capture_output=True, check=True)
    # A lab of somebody else on this machine may have swept it first, and have its number by now.
    assert not key.exists() or key.read_bytes() != left
    assert (RUN / f"{number}.owner").exists() or not any(path.exists() for path in spaces)
    assert number != city.tree.number


def _space_of(process: Path) -> int:
    try:
        return os.stat(process / "ns/net").st_ino
    except OSError:
        return 0


def test_a_lab_is_small(city: Lab) -> None:
    memory = city.memory_mib()
    assert 0 < memory["processes"] < 400
    assert memory["files"] < 100
