"""Names are looked up beside the caller, once, and a resolver that fails later does not forget."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from device_drivers.host_names import AGAIN_S, RETRY_S, HostNames, first_address, is_numeric


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    pause = threading.Event()
    while not true():
        assert time.monotonic() < deadline
        pause.wait(0.005)


def test_a_slow_resolver_holds_nobody_up_and_is_asked_once() -> None:
    asked: list[str] = []
    go = threading.Event()

    def slow(name: str) -> str | None:
        asked.append(name)
        go.wait(10)
        return "10.0.0.1"

    names = HostNames(slow)
    assert [names.numeric("mast-1.example"), names.numeric("mast-1.example")] == [None, None]
    assert not names.failed("mast-1.example")
    go.set()
    until(lambda: names.numeric("mast-1.example") == "10.0.0.1")
    names.close()
    assert asked == ["mast-1.example"]


def test_an_answer_outlives_a_resolver_that_fails_and_changes_with_one_that_does_not() -> None:
    answers = iter(["10.0.0.1", None, "10.0.0.2"])
    asked: list[str] = []
    now = [0.0]

    def look_up(name: str) -> str | None:
        asked.append(name)
        return next(answers)

    names = HostNames(look_up, lambda: now[0])
    names.numeric("a")
    until(lambda: names.numeric("a") == "10.0.0.1")
    now[0] = AGAIN_S
    names.numeric("a")
    until(lambda: len(asked) == 2)
    assert (names.numeric("a"), names.failed("a")) == ("10.0.0.1", False)
    until(lambda: (now.__setitem__(0, now[0] + RETRY_S), names.numeric("a"))[1] == "10.0.0.2")
    names.close()


def test_a_name_without_an_address_is_said_to_have_none() -> None:
    names = HostNames(lambda _: None)
    names.numeric("b")
    until(lambda: names.failed("b"))
    assert names.numeric("b") is None
    names.close()


def test_the_system_knows_localhost_and_no_invalid_name() -> None:
    assert first_address("localhost") == "127.0.0.1"
    assert first_address("no-such-host.invalid") is None
    assert first_address("x" * 300) is None
    assert [is_numeric(host) for host in ("10.0.0.1", "fe80::1", "localhost")] == [True, True, False]
