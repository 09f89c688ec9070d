"""The lab's `uci` answers as the real one was seen to: odd exit codes, what it shows and keeps. Needs no root."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.lab.base import STAND_INS

NETWORK = """
config interface 'lan'
	option proto 'static'
	list dns '1.1.1.1'

config route
	option target '10.0.0.0'

config route
	option target '10.1.0.0'

"""


class Uci:
    """The stand-in over a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "config").mkdir()
        (folder / "config/network").write_text(NETWORK)

    def __call__(self, *words: str, text: str = "") -> tuple[int, str]:
        place = ["-c", self.folder / "config", "-t", self.folder / "saved"]
        command = [sys.executable, "-SEsB", STAND_INS / "lib/lab/uci.py", *place, *words]
        ran = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
        self.complaint = ran.stderr
        return ran.returncode, ran.stdout

    def changes(self) -> list[str]:
        return self("changes")[1].splitlines()

    def file(self, name: str = "network") -> str:
        return (self.folder / "config" / name).read_text()


@pytest.fixture
def uci(tmp_path: Path) -> Uci:
    return Uci(tmp_path)


def test_batch_ends_well_with_bad_lines_and_applies_the_good_ones(uci: Uci) -> None:
    lines = (
        "set network.lan.ipaddr=10.0.0.1\nset network.nosuch.x=1\nbogus line\nset network.lan.mtu=x y\ncommit network\n"
    )
    assert uci("batch", text=lines) == (0, "")
    assert uci.complaint.splitlines() == ["uci: Invalid argument", "Unknown command", "Unknown command"]
    assert "option ipaddr '10.0.0.1'" in uci.file()


def test_a_quote_left_open_swallows_the_rest_of_a_batch(uci: Uci) -> None:
    assert uci("batch", text="set network.lan.a=1\nset network.lan.b='2\nset network.lan.c=3\n")[0] == 0
    assert "unterminated" in uci.complaint
    assert uci.changes() == ["network.lan.a='1'"]


def test_changes_are_staged_shown_and_forgotten(uci: Uci) -> None:
    made_up = uci("add", "network", "route")[1].strip()
    uci(
        "batch",
        text="set network.@route[-1].target=10.2.0.0\nadd_list network.lan.dns='8.8.8.8'\n"
        "del_list network.lan.dns=1.1.1.1\nset network.new=interface\ndelete network.lan.proto\n"
        "rename network.@route[0]=first\nreorder network.new=0\n",
    )
    assert [one.replace(made_up, "CFG") for one in uci.changes()][:6] == [
        "network.CFG='route'",
        "network.CFG.target='10.2.0.0'",
        "network.lan.dns+='8.8.8.8'",
        "network.lan.dns-='1.1.1.1'",
        "network.new='interface'",
        "-network.lan.proto",
    ]
    assert uci.file() == NETWORK
    assert uci("show", "network")[1].splitlines() == [
        "network.new=interface",
        "network.lan=interface",
        "network.lan.dns='8.8.8.8'",
        "network.first=route",
        "network.first.target='10.0.0.0'",
        "network.@route[1]=route",
        "network.@route[1].target='10.1.0.0'",
        "network.@route[2]=route",
        "network.@route[2].target='10.2.0.0'",
    ]
    assert uci("revert", "network.lan.dns")[0] == 0
    assert uci("get", "network.lan.dns") == (0, "1.1.1.1\n")
    uci("revert", "network")
    assert uci.changes() == []


def test_a_value_that_is_there_already_stages_nothing_and_an_empty_one_deletes(uci: Uci) -> None:
    uci("set", "network.lan.proto=static")
    uci("set", "network.lan.absent=")
    assert uci.changes() == []
    uci("set", "network.lan.proto=")
    assert uci.changes() == ["-network.lan.proto"]


def test_values_survive_quotes_spaces_and_line_ends(uci: Uci) -> None:
    value = 'it\'s "two\nlines" \\ and # no comment'
    uci("set", f"network.lan.word={value}")
    uci("commit", "network")
    assert uci("get", "network.lan.word") == (0, value + "\n")
    exported = uci("export", "network")[1]
    uci("import", "copy", text=exported)
    assert uci("export", "copy")[1].partition("\n")[2] == exported.partition("\n")[2]


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("get", "network.lan.nothing"), 1),
        (("get", "network.nobody"), 1),
        (("show", "nopackage"), 1),
        (("commit", "nopackage"), 1),
        (("delete", "network.lan.nothing"), 1),
        (("set", "network.lan"), 1),
        (("set", "network.@route[9].target=x"), 1),
        (("set", "network.la-n=interface"), 1),
        (("del_list", "network.lan.dns=9.9.9.9"), 0),
        (("get", "network.lan"), 0),
        (("revert",), 255),
        (("bogus",), 255),
    ],
)
def test_exit_codes(uci: Uci, words: tuple[str, ...], code: int) -> None:
    assert uci(*words)[0] == code


def test_import_replaces_a_package_and_merges_only_as_a_change(uci: Uci) -> None:
    assert uci("import", text="config a 'b'\n")[0] == 1
    assert uci("import", text="package wifi\nconfig a 'b'\n\toption c 'd'\n")[0] == 0
    assert uci("import", "wifi", text="config a 'b'\n\toption c 'e'\n")[0] == 0
    assert uci.file("wifi") == "\nconfig a 'b'\n\toption c 'e'\n\n"
    assert uci("-m", "import", "wifi", text="config x 'y'\n")[0] == 0
    assert uci.changes() == ["wifi.y='x'"]
    assert uci("import", "wifi", text="garbage\n")[0] == 1
    assert uci.file("wifi") == "\nconfig a 'b'\n\toption c 'e'\n\n"


def test_a_broken_file_is_not_read_half(uci: Uci) -> None:
    (uci.folder / "config/network").write_text(NETWORK + "config broken 'x'\n\toption a b c\n")
    assert uci("show", "network") == (1, "")
    assert "Parse error" in uci.complaint
