"""What makers print, as facts: whole answers, half answers, units."""

from __future__ import annotations

import pytest

from device_drivers.errors import Garbled
from device_drivers.registry import driver_for
from device_drivers.vendors import airos, edgeos, routeros_parse

VERSION = """Version:      v2.0.9-hotfix.7
Build ID:     5622762
Build on:     06/14/23 08:22
Copyright:    2012-2020 Ubiquiti Networks, Inc.
HW model:     EdgeRouter X 5-Port
HW S/N:       7483C2A1B2C3
Uptime:       12:01:44 up 41 days, 10:02,  1 user,  load average: 0.00, 0.01, 0.05
"""


def test_edgeos_tells_model_version_and_serial() -> None:
    board = edgeos.board_facts("n", VERSION)
    assert (board.model, board.version, board.serial) == ("EdgeRouter X 5-Port", "v2.0.9-hotfix.7", "7483C2A1B2C3")
    boot = edgeos.boot_facts(
        "n", "3eb9f284-68b2-4ba7-92d3-c414a39b370e\n100.5 90\nMemTotal: 9 kB\nMemAvailable:  7 kB\n"
    )
    assert (boot.uptime_s, boot.mem_available_bytes) == (100, 7168)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1w2d3h4m5s", 788_645), ("5s", 5), ("3d5s", 259_205), ("", None), ("soon", None), ("5x", None)],
)
def test_spans_of_routeros(text: str, seconds: int | None) -> None:
    assert routeros_parse.span_s(text) == seconds


@pytest.mark.parametrize(("text", "size"), [("512.0MiB", 536_870_912), ("1.5GiB", 1_610_612_736), ("7", 7), ("?", 0)])
def test_sizes_of_routeros(text: str, size: int) -> None:
    assert routeros_parse.size_bytes(text) == size


def test_an_export_without_our_mark_is_not_whole() -> None:
    whole = routeros_parse.config_read(b"/ip address add\r\n# leitstand: end of export\r\n")
    cut = routeros_parse.config_read(b"/ip address add\r\n/ip rou")
    assert (whole.text, whole.complete) == ("/ip address add\n", True)
    assert (cut.text, cut.complete) == ("/ip address add\n/ip rou", False)


def test_a_router_without_routerboard_still_tells_what_it_is() -> None:
    board = routeros_parse.board_facts("n", "version: 7.14.2 (stable)\r\nboard-name: CHR\r\n", "routerboard: no", "")
    assert (board.board_name, board.version, board.serial) == ("CHR", "7.14.2", "")


@pytest.mark.parametrize("text", ["", "bad command name", "\x00"])
def test_what_is_none_of_it_is_garbled(text: str) -> None:
    for parse in (
        lambda: routeros_parse.board_facts("n", text, "", ""),
        lambda: routeros_parse.boot_facts("n", text),
        lambda: edgeos.board_facts("n", text),
        lambda: edgeos.boot_facts("n", text),
        lambda: airos.board_facts("n", text),
    ):
        with pytest.raises(Garbled):
            parse()


def test_ubiquitis_routers_and_radios_have_different_drivers() -> None:
    assert driver_for("n", "Ubiquiti", "EdgeRouter X") is edgeos.opened
    assert driver_for("n", "ubiquiti", "LiteAP AC") is airos.opened
