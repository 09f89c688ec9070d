"""UCI text as data and back: what `uci export` prints, in one spelling per meaning. Pure, no I/O.

Packages are sorted by name and options within a section too; the order of sections is kept, it can mean something.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

Value = str | tuple[str, ...]
"""An option's text, or a list's items."""

_PART: Final = r"""'[^']*'|"(?:[^"\\]|\\.)*"|\\.|[^\s'"\\]"""
_TOKEN: Final = re.compile(rf"(?P<end>\n)|(?P<gap>[^\S\n]+)|(?P<note>\#[^\n]*)|(?P<word>(?:{_PART})+)", re.DOTALL)
_PIECE: Final = re.compile(_PART, re.DOTALL)
_NAME: Final = re.compile(r"[A-Za-z0-9_]+")
_PACKAGE: Final = re.compile(r"[A-Za-z0-9_-]+")


class UciError(ValueError):
    """Text that is no UCI; `line` counts from 1."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(f"line {line}: {what}")
        self.line = line
        self.what = what


@dataclass(frozen=True, slots=True)
class Section:
    """One section; an anonymous one has no name."""

    type: str
    name: str = ""
    options: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Tree:
    """Every package with its sections in order."""

    packages: Mapping[str, tuple[Section, ...]] = field(default_factory=dict)


def parse(text: str, package: str = "") -> Tree:
    """Read `uci export` output, or one file of /etc/config when `package` names it. Raises UciError."""
    packages: dict[str, list[Section]] = {package: []} if package else {}
    options: dict[str, Value] | None = None
    for line, words in _statements(text):
        options = _take(packages, options, line, words)
    return Tree({name: tuple(sections) for name, sections in packages.items()})


def _take(
    packages: dict[str, list[Section]], options: dict[str, Value] | None, line: int, words: list[str]
) -> dict[str, Value] | None:
    """One statement; returns the options of the section it leaves open."""
    match words:
        case ["package", name] if _PACKAGE.fullmatch(name):
            packages.setdefault(name, [])
            return None
        case ["config", kind, *name] if len(name) <= 1 and _NAME.fullmatch(kind.replace("-", "_")):
            if not packages:
                raise UciError(line, "`config` before any `package`")
            return _open(packages[list(packages)[-1]], kind, name[0] if name else "")
        case ["option" | "list", name, value] if _NAME.fullmatch(name.replace("-", "_")):
            if options is None:
                raise UciError(line, f"`{words[0]} {name}` outside of a section")
            before = options.get(name, ())
            listed = before if isinstance(before, tuple) else (before,)
            options[name] = value if words[0] == "option" else (*listed, value)
            return options
    raise UciError(line, f"expected package, config, option or list with its values, found `{words[0][:40]}`")


def _open(sections: list[Section], kind: str, name: str) -> dict[str, Value]:
    """A named section that stands twice is one section, as uci reads it."""
    for section in sections:
        if name and section.name == name:
            return section.options  # type: ignore[return-value] # made below
    options: dict[str, Value] = {}
    sections.append(Section(kind, name, options))
    return options


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """Words of each line with its number; a quoted word may run over several lines, a word never begins with #."""
    at, line, words = 0, 1, list[str]()
    begun = 1
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise UciError(line, "a quotation mark is not closed")
        if found["end"]:
            if words:
                yield begun, words
            words = []
        elif found["word"] and not found["note"]:
            begun = begun if words else line
            words.append(_plain(found["word"]))
        line += found[0].count("\n")
        at = found.end()
    if words:
        yield begun, words


def _plain(word: str) -> str:
    """A word without its quotes and escapes."""
    return "".join(
        piece[1:-1]
        if piece[0] == "'"
        else re.sub(r"\\(.)", r"\1", piece[1:-1], flags=re.DOTALL)
        if piece[0] == '"'
        else piece[-1]
        for piece in _PIECE.findall(word)
    )


def quoted(text: str) -> str:
    """A value as uci and a shell read it back."""
    return "'" + text.replace("'", "'\\''") + "'"


def show(tree: Tree) -> str:
    """The tree as `uci export` prints it, in its one spelling."""
    return "".join(_package_text(name, tree.packages[name]) for name in sorted(tree.packages))


def _package_text(name: str, sections: tuple[Section, ...]) -> str:
    lines = [f"package {name}", ""]
    for section in sections:
        lines.append(f"config {section.type}" + (f" {quoted(section.name)}" if section.name else ""))
        for option in sorted(section.options):
            value = section.options[option]
            if isinstance(value, str):
                lines.append(f"\toption {option} {quoted(value)}")
            else:
                lines += [f"\tlist {option} {quoted(item)}" for item in value]
        lines.append("")
    return "\n".join(lines) + "\n"


def digest(text: str) -> str:
    """The name of a configuration by its content."""
    return hashlib.sha256(text.encode()).hexdigest()


def keyed(sections: tuple[Section, ...]) -> list[tuple[str, Section]]:
    """Each section with the key uci takes for it: its name, or `@type[n]` counted among all of its type."""
    counts: dict[str, int] = {}
    found = []
    for section in sections:
        at = counts.get(section.type, 0)
        counts[section.type] = at + 1
        found.append((section.name or f"@{section.type}[{at}]", section))
    return found
