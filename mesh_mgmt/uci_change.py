"""From one UCI tree to another: single options, uci commands, and whether a node means the same as we do. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, NamedTuple

from mesh_mgmt.uci_text import Section, Tree, Value, keyed, quoted

_CHANGE: Final = re.compile(
    r"[+^]?(?P<gone>-?)(?P<package>[\w-]+)\.(?P<section>[^.=]+?)(?:\.(?P<option>[\w-]+))?(?:(?P<how>\+=|-=|=)(?P<value>.*))?"
)
_MADE_BY_UCI: Final = re.compile(r"cfg[0-9a-f]{6,8}")  # more than six where a package has over 255 sections


class Key(NamedTuple):
    """One option; `section` is a name or `@type[n]`, `option` is empty for the section itself (its type)."""

    package: str
    section: str
    option: str = ""

    def __str__(self) -> str:
        return ".".join(part for part in self if part)


class NotPossible(ValueError):
    """Something wanted that uci commands cannot bring about."""


def flat(tree: Tree) -> dict[Key, Value]:
    """Every section and option of a tree by its key."""
    found: dict[Key, Value] = {}
    for package, sections in tree.packages.items():
        for name, section in keyed(sections):
            found[Key(package, name)] = section.type
            found.update({Key(package, name, option): value for option, value in section.options.items()})
    return found


def overlay(running: Tree, wanted: Mapping[Key, Value | None]) -> Tree:
    """The running tree with what is wanted laid over it: None removes an option, or a section with all it has.

    Raises NotPossible for an option of a section that neither is there nor gets its type.
    """
    packages = {name: list(keyed(sections)) for name, sections in running.packages.items()}
    for key, value in wanted.items():
        sections = packages.setdefault(key.package, [])
        at = next((at for at, (name, _) in enumerate(sections) if name == key.section), None)
        if key.option:
            _set_option(sections, at, key, value)
        else:
            _set_section(sections, at, key, value)
    return Tree({name: tuple(section for _, section in sections) for name, sections in packages.items()})


def _set_section(sections: list[tuple[str, Section]], at: int | None, key: Key, value: Value | None) -> None:
    if value is None:
        if at is not None:
            del sections[at]
        return
    kind = str(value)
    name = "" if key.section.startswith("@") else key.section
    if at is None and not name:
        raise NotPossible(f"{key}: the node has no such section; give a section to be made a name of its own")
    if at is None:
        sections.append((key.section, Section(kind, name)))
    elif sections[at][1].type != kind:
        sections[at] = (key.section, Section(kind, name))


def _set_option(sections: list[tuple[str, Section]], at: int | None, key: Key, value: Value | None) -> None:
    if at is None:
        if value is None:
            return
        raise NotPossible(f"{key}: there is no section {key.package}.{key.section}, and no type is given to make it")
    name, section = sections[at]
    if means_same(section.options.get(key.option), value):
        return
    options = {one: is_ for one, is_ in section.options.items() if one != key.option}
    if value not in (None, "", ()):
        options[key.option] = value
    sections[at] = (name, replace(section, options=options))


def commands(running: Tree, target: Tree) -> list[str]:
    """The uci commands that make the target of what runs; nothing for trees that mean the same.

    Raises NotPossible for a value with a line break.
    """
    found: list[str] = []
    for package in sorted(running.packages.keys() | target.packages.keys()):
        found += _package_commands(package, running.packages.get(package, ()), target.packages.get(package, ()))
    broken = next((one for one in found if "\n" in one), None)
    if broken is not None:
        raise NotPossible(f"{broken.split('=', 1)[0]}: a value with a line break cannot be set through uci")
    return found


_Id = tuple[str, str, int]
"""A section whatever its place: its name, or its type and number among the anonymous ones of that type."""


def _identified(sections: Iterable[Section]) -> dict[_Id, Section]:
    counts: dict[str, int] = {}
    found: dict[_Id, Section] = {}
    for section in sections:
        if section.name:
            found["", section.name, 0] = section
        else:
            at = counts.get(section.type, 0)
            counts[section.type] = at + 1
            found["@", section.type, at] = section
    return found


def _package_commands(package: str, running: Sequence[Section], target: Sequence[Section]) -> list[str]:
    before, after = _identified(running), _identified(target)
    state: dict[_Id, str] = {one: section.type for one, section in before.items()}
    found: list[str] = []
    for one in [one for one in before if one not in after]:
        found.append(f"delete {package}.{_reference(state, one)}")
        del state[one]
    for one, section in after.items():
        found += _section_commands(package, state, one, before.get(one), section)
    order = list(state)
    for at, one in enumerate(after):
        if order[at] != one:
            found.append(
                f"reorder {package}.{_reference({each: state[each] for each in order}, one)}={quoted(str(at))}"
            )
            order.remove(one)
            order.insert(at, one)
    return found


def _reference(state: Mapping[_Id, str], one: _Id) -> str:
    """How uci addresses a section as things stand: `@type[n]` counts every section of the type."""
    if one[0] == "":
        return one[1]
    same_type = [other for other, kind in state.items() if kind == one[1]]
    return f"@{one[1]}[{same_type.index(one)}]"


def _section_commands(
    package: str, state: dict[_Id, str], one: _Id, before: Section | None, after: Section
) -> list[str]:
    found: list[str] = []
    if before is not None and before.type != after.type:
        found.append(f"delete {package}.{one[1]}")
        del state[one]
        before = None
    if before is None:
        state[one] = after.type
        new = f"add {package} {after.type}" if one[0] else f"set {package}.{one[1]}={quoted(after.type)}"
        found.append(new)
    where = f"{package}.{_reference(state, one)}"
    had: Mapping[str, Value] = before.options if before is not None else {}
    found += [f"delete {where}.{option}" for option in sorted(had.keys() - after.options.keys())]
    for option in sorted(after.options):
        value = after.options[option]
        if had.get(option) == value:
            continue
        if isinstance(value, str):
            found.append(f"set {where}.{option}={quoted(value)}")
            continue
        if option in had:
            found.append(f"delete {where}.{option}")
        found += [f"add_list {where}.{option}={quoted(item)}" for item in value]
    return found


def unmeant(wanted: Sequence[str], told: Sequence[str]) -> list[str]:
    """Where the node's `uci changes` differ from the commands; empty when it means exactly what was wanted.

    uci names anonymous sections itself (`cfg03a1b2`): each of ours must stand for one of its, always the same.
    """
    expected: dict[str, list[str]] = {}
    for command in wanted:
        line = _expected(command)
        expected.setdefault(line.lstrip("-").split(".", 1)[0], []).append(line)
    given: dict[str, list[str]] = {}
    for line in told:
        if line.strip():
            given.setdefault(line.lstrip("-+^").split(".", 1)[0], []).append(line.strip())
    wrong: list[str] = []
    for package in sorted(expected.keys() | given.keys()):
        wrong += _compare(expected.get(package, []), given.get(package, []))
    return wrong


def _compare(expected: Sequence[str], given: Sequence[str]) -> list[str]:
    names: dict[str, str] = {}
    wrong = []
    for at in range(max(len(expected), len(given))):
        ours = expected[at] if at < len(expected) else None
        theirs = given[at] if at < len(given) else None
        if ours is None:
            wrong.append(f"not asked for: {_without_value(str(theirs))}")
        elif theirs is None:
            wrong.append(f"not taken: {_without_value(ours)}")
        elif not _same(ours, theirs, names):
            wrong.append(f"asked for {_without_value(ours)}, the node says {_without_value(theirs)}")
    return wrong


def _expected(command: str) -> str:
    """What `uci changes` prints for a command."""
    verb, _, rest = command.partition(" ")
    if verb == "add":
        package, _, kind = rest.partition(" ")
        return f"{package}.@{kind}[new]={quoted(kind)}"
    if verb == "delete":
        return f"-{rest}"
    return rest if verb in ("set", "reorder") else rest.replace("='", "+='", 1)


def _same(ours: str, theirs: str, names: dict[str, str]) -> bool:
    one, two = _CHANGE.fullmatch(ours), _CHANGE.fullmatch(theirs)
    if one is None or two is None:
        return False
    parts = ("gone", "package", "option", "how")
    if any(one[part] != two[part] for part in parts) or _bare(one["value"]) != _bare(two["value"]):
        return False
    wanted, given = one["section"], two["section"]
    anonymous = wanted.startswith("@")
    if (anonymous and not _MADE_BY_UCI.fullmatch(given)) or (not anonymous and wanted != given):
        return False
    if not one["option"]:
        names.clear()  # sections came, went or moved: what `@type[n]` stands for is counted anew
        return True
    if not anonymous:
        return True
    return names.setdefault(wanted, given) == given and list(names.values()).count(given) == 1


def _bare(value: str | None) -> str | None:
    """Older uci prints values without quotes."""
    if value is not None and len(value) >= 2 and value[0] == value[-1] == "'":
        return value[1:-1].replace("'\\''", "'")
    return value


def _without_value(line: str) -> str:
    """A line of changes without what it sets, which may be a secret."""
    return line.split("=", 1)[0].rstrip("+-")


def means_same(one: Value | None, two: Value | None) -> bool:
    """A list of one item and a text mean the same to whoever reads them from uci; an empty value is none."""
    return _items(one) == _items(two)


def _items(value: Value | None) -> tuple[str, ...]:
    if value in (None, ""):
        return ()
    return (value,) if isinstance(value, str) else tuple(value or ())
