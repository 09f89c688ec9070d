"""The filter language of lists: `district:buer fw<2.4 !ok "text"`. Pure: text to a WHERE clause with parameters.

Words stand beside each other and all must hold. `field:value` matches a part of a text, `field=value` the whole,
`<` `<=` `>` `>=` compare numbers (versions compare as text), `!` before a word turns it round, a bare word is looked
for in every text field, and `ok`, `warning`, `down` alone mean the state.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

STATES: Final = {
    **{state: state for state in ("ok", "warning", "down", "unreachable", "unknown")},
    "warn": "warning",
    "warnung": "warning",
    "aus": "down",
    "unerreichbar": "unreachable",
    "unbekannt": "unknown",
}
_TOKEN = re.compile(r'\s*(!?)(?:"([^"]*)"|([A-Za-zÄÖÜäöüß_]+)(:|<=|>=|<|>|=)(?:"([^"]*)"|(\S+))|(\S+))')


class FilterError(ValueError):
    """The filter cannot be understood; `position` counts from 0, `word` is what stands there."""

    def __init__(self, reason: Literal["unknown_field", "not_a_number", "unclosed"], position: int, word: str) -> None:
        super().__init__(f"{reason} at {position}: {word}")
        self.reason = reason
        self.position = position
        self.word = word


@dataclass(frozen=True, slots=True)
class Field:
    """One thing to filter by: its SQL expression, and whether it is compared as a number."""

    sql: str
    number: bool = False


@dataclass(frozen=True, slots=True)
class Where:
    """A condition for `WHERE`, with its parameters in order."""

    sql: str
    parameters: tuple[object, ...]


def compile_filter(text: str, fields: Mapping[str, Field], state: Field | None = None) -> Where:
    """Compile a filter over these fields (names and aliases in lower case). Raises FilterError."""
    clauses: list[str] = []
    parameters: list[object] = []
    at = 0
    while at < len(text) and text[at:].strip():
        found = _TOKEN.match(text, at)
        assert found is not None
        turned, quoted, name, operator, value_quoted, value_plain, bare = found.groups()
        if bare is not None and bare.startswith('"'):
            raise FilterError("unclosed", found.start(7), bare)
        if name is not None:
            value = value_quoted if value_quoted is not None else value_plain
            sql, new = _compare(fields, name, operator, value, found.start(3))
        else:
            word = quoted if quoted is not None else bare
            sql, new = _word(fields, state, word, exact=quoted is not None)
        clauses.append(f"NOT ifnull({sql}, 0)" if turned else sql)
        parameters += new
        at = found.end()
    return Where(" AND ".join(f"({clause})" for clause in clauses) or "1", tuple(parameters))


def _compare(
    fields: Mapping[str, Field], name: str, operator: str, value: str, position: int
) -> tuple[str, list[object]]:
    field = fields.get(name.lower())
    if field is None:
        raise FilterError("unknown_field", position, name)
    if not field.number:
        if operator == ":":
            return f"{field.sql} LIKE ? ESCAPE '\\'", [_like(STATES.get(value.lower(), value))]
        return f"lower({field.sql}) {operator} lower(?)", [value]
    try:
        number = float(value.replace(",", "."))
    except ValueError:
        raise FilterError("not_a_number", position + len(name) + len(operator), value) from None
    return f"{field.sql} {'=' if operator == ':' else operator} ?", [number]


def _word(fields: Mapping[str, Field], state: Field | None, word: str, *, exact: bool) -> tuple[str, list[object]]:
    if state is not None and not exact and word.lower() in STATES:
        return f"{state.sql} = ?", [STATES[word.lower()]]
    texts = list(dict.fromkeys(field.sql for field in fields.values() if not field.number))
    return " OR ".join(f"{sql} LIKE ? ESCAPE '\\'" for sql in texts), [_like(word)] * len(texts)


def _like(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
