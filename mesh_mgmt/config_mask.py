"""Secrets of a configuration out of sight: which options hold one, masked texts and differences. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from mesh_mgmt.uci_change import Key, flat
from mesh_mgmt.uci_text import Section, Tree, UciError, Value, keyed, parse, show

MASK: Final = "***"
CHANGED: Final = "*** (changed)"
_SECRET: Final = re.compile(
    r"(?:(?:^|_)(?:key\d?|pass|community|pin(?:_?code)?|puk|token|priv_?pass|auth_?pass|api_?key|credentials?|r[01]kh)"
    r"|pass(?:word|phrase|wd)|pwd|secret|psk|(?:private|preshared|auth|secret|wep|wpa)_?key)$",
    re.IGNORECASE,
)
_NO_SECRET: Final = frozenset({"key_type", "public_key", "keytype"})
_IN_TEXT: Final = re.compile(
    r"(?P<name>[\w.-]*(?:password|passphrase|secret|pre-shared-key|private-key|community|psk|\bkey)[\w.-]*)"
    r"(?P<eq>[ \t]*[=:][ \t]*|[ \t]+)(?P<value>(?:\\\r?\n\s*)?(?:\"(?:[^\"\\]|\\.)*\"|[^\s\"]+))",
    re.IGNORECASE | re.DOTALL,
)
_ROUTEROS: Final = re.compile(r"^(?P<menu>/[a-z0-9 /-]+? (?:add|set)\b)(?P<rest>.*)$", re.MULTILINE)
_COMMUNITY: Final = re.compile(r"(?P<name>(?<=\s)name)(?P<eq>=)(?P<value>\"(?:[^\"\\]|\\.)*\"|[^\s\"]+)")
"""In RouterOS the name of an SNMP community is the community."""


def is_secret(key: Key) -> bool:
    """Whether the value of an option is shown to nobody."""
    name = key.option
    if not name or name in _NO_SECRET:
        return False
    return bool(_SECRET.search(name))


def shown(key: Key, value: Value | None, other: Value | None = None) -> str:
    """A value as people may see it; a secret only tells whether it differs from `other`."""
    if value is None:
        return "–"
    if is_secret(key):
        return MASK if other is None or other == value else CHANGED
    return value if isinstance(value, str) else ", ".join(value)


def masked_tree(tree: Tree, against: Tree | None = None) -> Tree:
    """The tree with every secret masked; one that differs from `against` says so."""
    before = flat(against) if against is not None else {}
    packages = {}
    for package, sections in tree.packages.items():
        packages[package] = tuple(_masked(package, name, section, before) for name, section in keyed(sections))
    return Tree(packages)


def _masked(package: str, name: str, section: Section, before: dict[Key, Value]) -> Section:
    options: dict[str, Value] = {}
    for option, value in section.options.items():
        key = Key(package, name, option)
        options[option] = shown(key, value, before.get(key)) if is_secret(key) else value
    return replace(section, options=options)


def masked_text(text: str, form: str = "uci") -> str:
    """A stored configuration as it may be shown or exported; text of other makers is masked word by word."""
    if form == "uci":
        try:
            return show(masked_tree(parse(text)))
        except UciError:
            return masked_words(text)
    return masked_words(text)


def masked_words(text: str) -> str:
    """Any text with what follows a word for a secret masked."""
    parts, at = [], 0
    for line in _ROUTEROS.finditer(text):
        rest = _COMMUNITY.sub(_hidden, line["rest"]) if line["menu"].startswith("/snmp community ") else line["rest"]
        # A menu such as `/ppp secret add` names no secret: the word behind it is a command.
        parts += [_IN_TEXT.sub(_hidden, text[at : line.start()]), line["menu"], _IN_TEXT.sub(_hidden, rest)]
        at = line.end()
    return "".join([*parts, _IN_TEXT.sub(_hidden, text[at:])])


def _hidden(found: re.Match[str]) -> str:
    return f"{found['name']}{found['eq']}{MASK}"


def difference(before: str, after: str, form: str = "uci", names: tuple[str, str] = ("before", "after")) -> list[str]:
    """The unified difference of two configurations, secrets masked; a changed secret shows as one."""
    if form == "uci":
        try:
            one, two = parse(before), parse(after)
        except UciError:
            pass
        else:
            return _unified(show(masked_tree(one)), show(masked_tree(two, one)), names)
    lines = _unified(masked_words(before), masked_words(after), names)
    if not lines and before != after:
        return [f"--- {names[0]}", f"+++ {names[1]}", f"+{CHANGED}"]
    return lines


def _unified(before: str, after: str, names: Sequence[str]) -> list[str]:
    one, two = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(one, two, names[0], names[1], lineterm=""))
