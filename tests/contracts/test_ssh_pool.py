"""The pool of shells over simulated nodes: reuse, bounds, dead connections, what reaches the log."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from device_drivers.errors import Refused, Unreachable
from device_drivers.ssh_pool import ShellPool
from tests.contracts.shell_city import make, shell_city


def test_a_shell_is_used_again_and_closed_when_idle(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make()]) as city:
        pool = ShellPool(idle_s=0.0)
        keeping = ShellPool()
        with keeping.shell(city.targets[0]) as first:
            pass
        with keeping.shell(city.targets[0]) as second:
            assert second is first
        with pool.shell(city.targets[0]):
            assert pool.open_shells() == 1
        assert pool.open_shells() == 0
        keeping.close()
        assert not first.alive()
        with pytest.raises(Unreachable, match="any more"), keeping.shell(city.targets[0]):
            pass


def test_one_at_a_time_on_a_node_and_never_more_than_the_bound(tmp_path: Path) -> None:
    most, busy, peak, guard = 3, {"all": 0}, {"all": 0}, threading.Lock()
    with shell_city(tmp_path, [make(number) for number in range(1, 9)]) as city:
        pool = ShellPool(most=most)

        def use(at: int) -> bytes:
            target = city.targets[at % len(city.targets)]
            with pool.shell(target) as shell:
                with guard:
                    for name in ("all", target.node_id):
                        busy[name] = busy.get(name, 0) + 1
                        peak[name] = max(peak.get(name, 0), busy[name])
                out = shell.run("hostname").stdout
                with guard:
                    busy["all"] -= 1
                    busy[target.node_id] -= 1
            return out.strip()

        with ThreadPoolExecutor(16) as threads:
            answers = list(threads.map(use, range(48)))
        pool.close()
    assert answers == [city.targets[at % 8].node_id.encode() for at in range(48)]
    assert peak.pop("all") <= most
    assert set(peak.values()) == {1}


def test_a_node_that_rebooted_is_reached_anew(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make()]) as city:
        pool = ShellPool()
        with pool.shell(city.targets[0]) as first:
            assert first.run("reboot").exit_status is None
        deadline = threading.Event()
        for _ in range(100):
            try:
                with pool.shell(city.targets[0]) as second:
                    assert second is not first
                    assert second.run("hostname").exit_status == 0
                    break
            except Unreachable:
                deadline.wait(0.05)
        else:
            pytest.fail("the node did not come back")
        pool.close()


def test_a_failed_login_frees_its_place(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make()]) as city:
        pool = ShellPool(most=1)
        stranger = replace(city.targets[0], key_file=None)
        for _ in range(2):
            with pytest.raises(Refused), pool.shell(stranger):
                pass
        with pool.shell(city.targets[0]) as shell:
            assert shell.run("true").exit_status == 0
        pool.close()


def test_waiting_ends_with_a_sentence(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make()]) as city:
        pool = ShellPool(wait_s=0.05)
        with pool.shell(city.targets[0]), pytest.raises(Unreachable, match="free"), pool.shell(city.targets[0]):
            pass
        pool.close()


def test_the_log_names_scripts_and_hides_secrets(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    with shell_city(tmp_path, [make()]) as city:
        pool = ShellPool(lambda node, line: lines.append((node, line)))
        with pool.shell(city.targets[0]) as shell:
            shell.run("uci set wireless.default_radio0.key='Hunter2'")
            shell.run(": leitstand sweep op1\nrm -rf things")
        pool.close()
    assert lines == [
        ("ge-bue-0001", "uci set wireless.default_radio0.key=***"),
        ("ge-bue-0001", ": leitstand sweep op1"),
    ]


def test_a_driver_that_connects_by_itself_counts_too(tmp_path: Path) -> None:
    with shell_city(tmp_path, [make(1), make(2)]) as city:
        pool = ShellPool(most=1, wait_s=0.05)
        with pool.place(city.targets[0]):
            for target in city.targets:
                with pytest.raises(Unreachable, match="free"), pool.shell(target):
                    pass
        with pool.shell(city.targets[1]) as shell:
            assert shell.run("true").exit_status == 0
        pool.close()
