"""UCI text survives reading and writing; the commands between two trees lead from one to the other."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from device_drivers.simcity.openwrt_uci import UciFiles
from mesh_mgmt.uci_change import Key, commands, flat, overlay, unmeant
from mesh_mgmt.uci_text import Section, Tree, UciError, parse, show

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,5}", fullmatch=True)
VALUES = st.text("ab1 '\"\\#;=.$`{}ü", min_size=1, max_size=6)
OPTION = VALUES | st.lists(VALUES, min_size=1, max_size=3).map(tuple)
PACKAGES = ("network", "wireless", "sys-tem")
TYPES = st.sampled_from(["interface", "rule"])


@st.composite
def sections(draw: st.DrawFn) -> tuple[Section, ...]:
    names = draw(st.lists(st.none() | NAMES, max_size=5, unique_by=lambda name: name or object()))
    made = [Section(draw(TYPES), name or "", draw(st.dictionaries(NAMES, OPTION, max_size=3))) for name in names]
    return tuple(made)


TREES = st.dictionaries(st.sampled_from(PACKAGES), sections(), max_size=3).map(Tree)


@given(TREES)
def test_what_is_printed_is_read_back(tree: Tree) -> None:
    text = show(tree)
    assert show(parse(text)) == text
    assert flat(parse(text)) == flat(tree)


@given(st.text())
@example("config 'a")
@example("package p\noption a b")
def test_any_text_is_read_or_refused_with_its_line(text: str) -> None:
    line = 1
    try:
        show(parse(text))
    except UciError as error:
        line = error.line
    assert 1 <= line <= text.count("\n") + 1


def on_node(tree: Tree) -> UciFiles:
    files: dict[str, bytes | bytearray] = {f"/etc/config/{name}": b"" for name in PACKAGES}
    for name, of in tree.packages.items():
        files[f"/etc/config/{name}"] = show(Tree({name: of})).encode()
    return UciFiles(files)


def with_all(tree: Tree) -> Tree:
    return Tree({**dict.fromkeys(PACKAGES, ()), **tree.packages})


@given(TREES, TREES)
@example(
    Tree({"network": (Section("rule", "", {}), Section("interface", "", {}))}),
    Tree({"network": (Section("interface", "", {}), Section("interface", "", {}))}),
)
def test_commands_lead_from_one_tree_to_the_other(one: Tree, two: Tree) -> None:
    before, after = with_all(one), with_all(two)
    wanted = commands(before, after)
    uci = on_node(before)
    ran = uci.run(["-t", "/tmp/x", "batch"], "".join(f"{line}\n" for line in wanted).encode())
    assert ran.stderr == b""
    told = uci.run(["-t", "/tmp/x", "changes"]).stdout.decode().splitlines()
    assert unmeant(wanted, told) == []
    uci.run(["-t", "/tmp/x", "commit"])
    assert show(parse(uci.run(["export"]).stdout.decode())) == show(after)
    assert commands(after, after) == []


@given(TREES, TREES, st.data())
def test_a_missing_or_foreign_change_is_noticed(one: Tree, two: Tree, data: st.DataObject) -> None:
    before, after = with_all(one), with_all(two)
    wanted = commands(before, after)
    if not wanted:
        return
    uci = on_node(before)
    uci.run(["-t", "/tmp/x", "batch"], "".join(f"{line}\n" for line in wanted).encode())
    told = uci.run(["-t", "/tmp/x", "changes"]).stdout.decode().splitlines()
    at = data.draw(st.integers(0, len(told) - 1))
    assert unmeant(wanted, told[:at] + told[at + 1 :])
    assert unmeant(wanted, [*told, "network.foreign='interface'"])


@given(TREES, st.data())
def test_an_overlay_changes_what_it_names_and_nothing_else(tree: Tree, data: st.DataObject) -> None:
    keys = [key for key in flat(tree) if key.option]
    if not keys:
        return
    chosen = data.draw(st.sets(st.sampled_from(keys), min_size=1))
    wanted = {key: data.draw(st.none() | OPTION) for key in chosen}
    after = flat(overlay(tree, wanted))
    for key, value in flat(tree).items():
        if key not in wanted:
            assert after[key] == value
    for key, value in wanted.items():
        got = after.get(key)
        assert (got if isinstance(got, tuple) or got is None else (got,)) == (
            value if isinstance(value, tuple) or value is None else (value,)
        )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('package p\nconfig a \'x\'\n\toption k "a \\" b"\n', 'a " b'),
        ("package p\nconfig a x\n\toption k it\\'s # note\n", "it's"),
        ("package p\nconfig a x # note\n\toption k 'it'\\''s'\n", "it's"),
        ("package p\nconfig a x\n\toption k 'two\nlines'\n", "two\nlines"),
    ],
)
def test_every_way_of_quoting_is_read(text: str, expected: str) -> None:
    assert flat(parse(text))[Key("p", "x", "k")] == expected
