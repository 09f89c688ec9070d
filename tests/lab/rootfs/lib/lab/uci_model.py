"""Configuration files, staged changes and how one meets the other in the lab's `uci`. Never commits by itself."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

Value = str | list[str]
WORD = re.compile(r"""(\n)|[ \t\r]+|(\#[^\n]*)|((?:'[^']*'|"(?:\\.|[^"\\])*"|\\.|[^\s'"\\])+)""", re.DOTALL)
PART = re.compile(r"""'([^']*)'|"((?:\\.|[^"\\])*)"|\\(.)|([^'"\\]+)""", re.DOTALL)
NAME = re.compile(r"[A-Za-z0-9_]+")


class UciError(Exception):
    """What `uci` would print after its own name."""


NOT_FOUND, INVALID = "Entry not found", "Invalid argument"


def statements(text: str) -> Iterator[list[str]]:
    """Lines of words with the quotes of a shell; a quote left open spoils everything up to the end of the input."""
    words: list[str] = []
    position = 0
    while position < len(text):
        found = WORD.match(text, position)
        if found is None:
            raise UciError(f"Parse error (EOF with unterminated {text[position]})")
        position = found.end()
        if found[1]:
            yield words
            words = []
        elif found[3] is not None:
            words.append(_unquote(found[3]))
    yield words


def _unquote(raw: str) -> str:
    return "".join(a or re.sub(r"\\(.)", r"\1", b) or c or d for a, b, c, d in PART.findall(raw))


def quote(value: str) -> str:
    """One value in single quotes."""
    return "'" + value.replace("'", "'\\''") + "'"


@dataclass(slots=True)
class Section:
    """One section; an anonymous one has a made-up name that `export` does not show."""

    kind: str
    name: str
    anonymous: bool = False
    options: dict[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """One staged change: `=` set, `+` new section, `-` delete, `|` into a list, `~` out of it, `@` rename, `^` move."""

    sign: str
    section: str
    option: str = ""
    value: str = ""

    def line(self, package: str) -> str:
        """As it lies in the save directory."""
        path = ".".join(part for part in (package, self.section, self.option) if part)
        mark = "" if self.sign == "=" else self.sign
        return f"{mark}{path}" + ("" if self.sign == "-" else f"={quote(self.value)}")

    def shown(self, package: str) -> str:
        """As `uci changes` prints it: a rename and a move look just like a set."""
        line = self.line(package).lstrip("+|~@^")
        return line.replace("=", {"|": "+=", "~": "-="}.get(self.sign, "="), 1)


@dataclass(slots=True)
class Package:
    """One configuration file with its staged changes applied."""

    name: str
    sections: list[Section]

    def section(self, reference: str) -> Section:
        """By name or as `@type[index]`, negative from the end."""
        found = re.fullmatch(r"@([^\[]*)\[(-?\d+)\]", reference)
        if found is None:
            same = [one for one in self.sections if one.name == reference]
        else:
            kinds = [one for one in self.sections if not found[1] or one.kind == found[1]]
            index = int(found[2])
            same = kinds[index : index + 1 or None] if -len(kinds) <= index < len(kinds) else []
        if not same:
            raise UciError(NOT_FOUND)
        return same[0]

    def fresh_name(self, kind: str) -> str:
        """A made-up name from the place and the type, the same each time the file is read."""
        return f"cfg{len(self.sections) + 1:02x}{zlib.crc32(kind.encode()) & 0xFFFF:04x}"

    def apply(self, change: Change) -> None:
        """Make one change; UciError when what it names is not there."""
        if change.sign in "=+" and not change.option:
            self._set_section(change)
            return
        section = self.section(change.section)
        if change.sign in "=|~" or (change.sign == "-" and change.option):
            _change_option(section.options, change)
        elif change.sign == "-":
            self.sections.remove(section)
        elif change.sign == "^":
            self.sections.remove(section)
            self.sections.insert(int(change.value), section)
        else:
            self._rename(section, change)

    def _set_section(self, change: Change) -> None:
        for section in self.sections:
            if section.name == change.section:
                section.kind = change.value
                return
        self.sections.append(Section(change.value, change.section, anonymous=change.sign == "+"))

    def _rename(self, section: Section, change: Change) -> None:
        if change.option:
            if change.option not in section.options:
                raise UciError(NOT_FOUND)
            renamed = {change.value if key == change.option else key: value for key, value in section.options.items()}
            section.options = renamed
        else:
            section.name, section.anonymous = change.value, False

    def text(self) -> str:
        """As it lies in /etc/config; anonymous sections lose their made-up names."""
        out = []
        for section in self.sections:
            out.append(f"\nconfig {section.kind}" + ("" if section.anonymous else f" {quote(section.name)}") + "\n")
            for key, value in section.options.items():
                values = [("option", value)] if isinstance(value, str) else [("list", one) for one in value]
                out += [f"\t{word} {key} {quote(one)}\n" for word, one in values]
        return "".join(out) + ("\n" if out else "")


def _change_option(options: dict[str, Value], change: Change) -> None:
    now = options.get(change.option)
    values = now if isinstance(now, list) else [] if now is None else [now]
    if change.sign == "-" or (change.sign == "=" and not change.value):
        if now is None:
            raise UciError(NOT_FOUND)
        del options[change.option]
    elif change.sign == "=":
        options[change.option] = change.value
    elif change.sign == "|":
        options[change.option] = [*values, change.value]
    elif now is not None:
        options[change.option] = [one for one in values if one != change.value]
        if not options[change.option]:
            del options[change.option]


def parse(name: str, text: str) -> Package:
    """Read one file; UciError where it is broken."""
    package = Package(name, [])
    for words in statements(text):
        if not words or words[0] == "package":
            continue
        if words[0] == "config" and len(words) in (2, 3):
            made_up = len(words) == 2
            package.sections.append(
                Section(words[1], package.fresh_name(words[1]) if made_up else words[2], anonymous=made_up)
            )
        elif words[0] in {"option", "list"} and len(words) == 3 and package.sections:
            sign = "=" if words[0] == "option" else "|"
            if words[2] or sign == "|":
                _change_option(package.sections[-1].options, Change(sign, "", words[1], words[2]))
        else:
            raise UciError("Parse error (invalid command)")
    return package


def read_changes(path: Path, package: str) -> list[Change]:
    """The staged changes of one package in one save directory."""
    if not path.exists():
        return []
    return [_read_change(words[0], package) for words in statements(path.read_text()) if words]


def _read_change(line: str, package: str) -> Change:
    sign = line[0] if line[0] in "+-|~@^" else "="
    target, _, value = line.lstrip("+-|~@^").partition("=")
    section, _, option = target.removeprefix(package + ".").partition(".")
    return Change(sign, section, option, value)
