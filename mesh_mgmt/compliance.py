"""Rules every configuration has to keep, as packs of TOML: which option, what it must be, how bad if not. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from local_store.records import Node
from mesh_mgmt.config_mask import shown
from mesh_mgmt.uci_change import Key
from mesh_mgmt.uci_text import Value

Severity = Literal["critical", "warning", "info"]
Outcome = Literal["pass", "fail", "excepted"]
_KEYS: Final = (
    "id",
    "path",
    "type",
    "expect",
    "one_of",
    "regex",
    "absent",
    "at_least",
    "severity",
    "title",
    "roles",
    "models",
)
_TESTS: Final = ("expect", "one_of", "regex", "absent", "at_least")
SEVERITIES: Final = ("critical", "warning", "info")


class RuleError(ValueError):
    """A rule pack that cannot be used: file, line and what is wrong there."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `path` is `package.section.option` with * and ?; `type` narrows to sections of that type.

    Exactly one of the tests is set. Without a matching option a rule fails, except `absent`, unless no section of its
    type is there at all: a node without radios breaks no rule about radios.
    """

    rule_id: str
    path: str
    title: str
    severity: Severity = "warning"
    type: str = ""
    expect: Value | None = None
    one_of: tuple[str, ...] = ()
    regex: str = ""
    absent: bool = False
    at_least: float | None = None
    roles: tuple[str, ...] = ()
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Exempt:
    """A rule somebody lifted for a node (`*`: for all) until a moment, with the reason."""

    node_id: str
    rule_id: str
    until_ms: int
    reason: str


@dataclass(frozen=True, slots=True)
class Finding:
    """What one rule said about one node; `found` is masked."""

    rule_id: str
    outcome: Outcome
    severity: Severity
    title: str
    option: str
    found: str


def parse_pack(name: str, text: str) -> list[Rule]:
    """Read one pack of `[[rule]]`. Raises RuleError with file and line."""
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RuleError(f"{name}: not TOML: {error}") from error
    lines = [at for at, line in enumerate(text.splitlines(), 1) if line.strip().startswith("[[rule]]")]
    entries = raw.get("rule", [])
    if set(raw) - {"rule"} or not isinstance(entries, list) or len(lines) != len(entries):
        raise RuleError(f"{name}, line 1: a pack holds nothing but [[rule]] tables")
    return [_rule(f"{name}, line {line}", entry) for line, entry in zip(lines, entries, strict=True)]


def _rule(where: str, raw: Mapping[str, Any]) -> Rule:
    unknown = next((key for key in raw if key not in _KEYS), None)
    if unknown is not None:
        raise RuleError(f"{where}: unknown key `{unknown}`; keys: {', '.join(_KEYS)}")
    missing = next((key for key in ("id", "path", "title") if not isinstance(raw.get(key), str) or not raw[key]), None)
    if missing is not None:
        raise RuleError(f"{where}: the rule needs `{missing}`")
    if sum(key in raw for key in _TESTS) != 1:
        raise RuleError(f"{where}: rule {raw['id']} needs exactly one of {', '.join(_TESTS)}")
    if raw.get("severity", "warning") not in SEVERITIES:
        raise RuleError(f"{where}: rule {raw['id']}: severity is one of {', '.join(SEVERITIES)}")
    if len(raw["path"].split(".", 2)) != 3:
        raise RuleError(f"{where}: rule {raw['id']}: the path is package.section.option")
    _refuse_regex(where, raw)
    return Rule(
        raw["id"],
        raw["path"],
        raw["title"],
        raw.get("severity", "warning"),
        str(raw.get("type", "")),
        _expected(raw.get("expect")),
        tuple(str(one) for one in raw.get("one_of", ())),
        str(raw.get("regex", "")),
        bool(raw.get("absent", False)),
        raw.get("at_least"),
        tuple(raw.get("roles", ())),
        tuple(raw.get("models", ())),
    )


def _refuse_regex(where: str, raw: Mapping[str, Any]) -> None:
    try:
        re.compile(str(raw.get("regex", "")))
    except re.error as error:
        raise RuleError(f"{where}: rule {raw['id']}: `regex` is no regular expression: {error}") from error


def _expected(value: object) -> Value | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "1" if value else "0"
    return tuple(map(str, value)) if isinstance(value, list) else str(value)


def refuse_doubles(rules: Iterable[Rule]) -> None:
    """Raise RuleError when two packs use one id."""
    seen: set[str] = set()
    for rule in rules:
        if rule.rule_id in seen:
            raise RuleError(f"two rules have the id {rule.rule_id}: give each its own")
        seen.add(rule.rule_id)


def check(
    rules: Sequence[Rule], node: Node, running: Mapping[Key, Value], exempt: Sequence[Exempt], now_ms: int
) -> list[Finding]:
    """Every rule that concerns the node with its outcome."""
    lifted = {one.rule_id for one in exempt if one.node_id in ("*", node.node_id) and now_ms < one.until_ms}
    found = []
    for rule in rules:
        if (rule.roles and node.role not in rule.roles) or (rule.models and node.model not in rule.models):
            continue
        option, value, broken = _judge(rule, running)
        outcome: Outcome = "pass" if not broken else "excepted" if rule.rule_id in lifted else "fail"
        found.append(Finding(rule.rule_id, outcome, rule.severity, rule.title, option, value))
    return found


def _judge(rule: Rule, running: Mapping[Key, Value]) -> tuple[str, str, bool]:
    """The option that decides, what stands there (masked), and whether the rule is broken."""
    package, section, option = rule.path.split(".", 2)
    sections = [
        key
        for key, kind in running.items()
        if not key.option
        and fnmatchcase(key.package, package)
        and fnmatchcase(key.section, section)
        and (not rule.type or kind == rule.type)
    ]
    last = (rule.path, "–")
    for place in sections:
        names = [key for key in running if key[:2] == place[:2] and key.option and fnmatchcase(key.option, option)]
        # A pattern that matches nothing is judged as the absence of the option it names.
        for key in names or [Key(place.package, place.section, option)]:
            value = running.get(key)
            last = (str(key), shown(key, value))
            if _breaks(rule, value):
                return (*last, True)
    missing = not sections and not rule.type and not rule.absent
    return (*last, missing)


def _breaks(rule: Rule, value: Value | None) -> bool:
    if rule.absent:
        return value is not None
    if value is None:
        return True
    text = value if isinstance(value, str) else " ".join(value)
    if rule.expect is not None:
        return rule.expect not in (value, text)
    if rule.one_of:
        return text not in rule.one_of
    if rule.regex:
        return re.fullmatch(rule.regex, text) is None
    try:
        return float(text) < float(rule.at_least or 0)
    except ValueError:
        return True
