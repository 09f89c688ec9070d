"""On which line of a TOML text each key stands. Reads only what tomllib has accepted, so it checks nothing. Pure."""

from __future__ import annotations

import re
import tomllib
from typing import Final, NamedTuple

Path = tuple[str | int, ...]
"""Keys of tables and places in arrays, from the outside in."""

_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r]+|\#[^\n]*)
  | (?P<end>\n)
  | (?P<quoted>\"{3}(?:\\.|[^\\])*?\"{3,5} | '{3}.*?'{3,5} | "(?:\\.|[^"\\\n])*" | '[^'\n]*')
  | (?P<mark>[\[\]{},=.])
  | (?P<bare>[^\s\[\]{},=."'\#]+)
    """,
    re.VERBOSE | re.DOTALL,
)


class Token(NamedTuple):
    """One piece of the text and the line it begins on."""

    kind: str
    text: str
    line: int


_LAST: Final = Token("last", "", 0)


def lines(text: str) -> dict[Path, int]:
    """The line of every key, table and array element; of a table the line of its header or first key."""
    return _Reader(text).read()


class _Reader:
    """Walks once through the tokens."""

    def __init__(self, text: str) -> None:
        self._tokens = list(_tokens(text))
        self._at = 0
        self._found: dict[Path, int] = {}
        self._elements: dict[Path, int] = {}

    def read(self) -> dict[Path, int]:
        table: Path = ()
        while self._peek.kind != "last":
            if self._peek.kind == "end":
                self._take()
            elif self._peek.text == "[":
                table = self._header()
            else:
                self._pair(table)
        return self._found

    @property
    def _peek(self) -> Token:
        return self._tokens[self._at] if self._at < len(self._tokens) else _LAST

    def _take(self) -> Token:
        token = self._peek
        self._at += 1
        return token

    def _header(self) -> Path:
        line = self._take().line
        repeated = self._peek.text == "["
        if repeated:
            self._take()
        path: Path = ()
        keys = self._keys()
        for place, key in enumerate(keys):
            path += (key,)
            self._found.setdefault(path, line)
            last = place == len(keys) - 1
            if repeated and last:
                self._elements[path] = self._elements.get(path, 0) + 1
            if path in self._elements:
                path += (self._elements[path] - 1,)
        self._found[path] = line
        while self._peek.text == "]":
            self._take()
        return path

    def _keys(self) -> list[str]:
        """`a."b c".d` up to what follows it."""
        keys = []
        while self._peek.kind in ("bare", "quoted") or self._peek.text == ".":
            token = self._take()
            if token.kind != "mark":
                keys.append(tomllib.loads(f"key = {token.text}")["key"] if token.kind == "quoted" else token.text)
        return keys

    def _pair(self, table: Path) -> None:
        line = self._peek.line
        path = table
        for key in self._keys():
            path += (key,)
            self._found.setdefault(path, line)
        self._take()  # the equals sign
        self._value(path)

    def _value(self, path: Path) -> None:
        opening = self._peek.text
        if opening == "{":
            self._take()
            while self._peek.text not in ("}", ""):
                if self._peek.text == "," or self._peek.kind == "end":
                    self._take()
                else:
                    self._pair(path)
            self._take()
        elif opening == "[":
            self._take()
            self._array(path)
        else:
            while self._peek.text not in (",", "]", "}") and self._peek.kind not in ("end", "last"):
                self._take()

    def _array(self, path: Path) -> None:
        place = 0
        while self._peek.text not in ("]", ""):
            if self._peek.text == "," or self._peek.kind == "end":
                self._take()
            else:
                self._found[(*path, place)] = self._peek.line
                self._value((*path, place))
                place += 1
        self._take()


def _tokens(text: str) -> list[Token]:
    found = []
    line = 1
    for match in _TOKEN.finditer(text):
        kind = str(match.lastgroup)
        if kind != "space":
            found.append(Token(kind, match[0], line))
        line += match[0].count("\n")
    return found
