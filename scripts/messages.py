"""Compile the German catalogues; `--check` says what is untranslated, unused or not compiled."""

from __future__ import annotations

import ast
import io
import sys
from collections.abc import Iterator
from pathlib import Path

import click
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "console" / "locale" / "de" / "LC_MESSAGES"
SOURCES = {
    "cli": sorted([*ROOT.glob("console/*.py"), *ROOT.glob("console/cli/*.py")]),
    "tui": sorted(ROOT.glob("console/tui/*.py")),
    "click": sorted(Path(click.__file__).parent.glob("*.py")),
}
OURS = ("cli", "tui")
"""Domains in which everything must be translated; of click's sentences only those that can be met here."""
EXAMPLE = " Example: "


def texts_of(node: ast.AST) -> Iterator[str]:
    """What a piece of source hands to gettext: _(), ngettext(), an option's help, a command's docstring."""
    if isinstance(node, ast.Call):
        name = getattr(node.func, "id", "")
        count = {"_": 1, "N_": 1, "ngettext": 2}.get(name, 0)
        given = node.args[:count]
        if getattr(node.func, "attr", "") in ("option", "version_option"):
            given = [keyword.value for keyword in node.keywords if keyword.arg == "help"]
        yield from (one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str))
    if isinstance(node, ast.FunctionDef):
        decorators = [one.func for one in node.decorator_list if isinstance(one, ast.Call)]
        if any(getattr(one, "attr", "") in ("command", "group") for one in decorators):
            yield (ast.get_docstring(node) or "").partition(EXAMPLE)[0]


def used(domain: str) -> dict[str, str]:
    """Every text of a domain's sources, with where it stands."""
    found: dict[str, str] = {}
    for path in SOURCES[domain]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for text in texts_of(node):
                found.setdefault(text, f"{path.parent.name}/{path.name}:{getattr(node, 'lineno', 0)}")
    return found


def translated(domain: str) -> dict[str, str]:
    """Every translated text of a catalogue."""
    with (LOCALE / f"{domain}.po").open("rb") as file:
        catalogue = read_po(file, locale="de")
    pairs: dict[str, str] = {}
    for message in catalogue:
        ids = message.id if isinstance(message.id, tuple) else (message.id,)
        strings = message.string if isinstance(message.string, tuple) else (message.string,) * len(ids)
        if not message.fuzzy:
            pairs.update({one: str(text) for one, text in zip(ids, strings, strict=False) if one and text})
    return pairs


def compiled(domain: str) -> bytes:
    """The catalogue as gettext reads it."""
    with (LOCALE / f"{domain}.po").open("rb") as file:
        catalogue = read_po(file, locale="de")
    out = io.BytesIO()
    write_mo(out, catalogue)
    return out.getvalue()


def problems() -> list[str]:
    """What is missing, stale or no longer used."""
    everything = {domain: translated(domain) for domain in SOURCES}
    known = {text for domain in OURS for text in everything[domain]}
    wanted = {domain: used(domain) for domain in SOURCES}
    ours = {text: where for domain in OURS for text, where in wanted[domain].items()}
    found = [f"{where}: no German for {text!r}" for text, where in ours.items() if text not in known]
    found += [
        f"{domain}.po: nobody uses {text!r}"
        for domain, pairs in everything.items()
        for text in pairs
        if text not in (ours if domain in OURS else wanted[domain])
    ]
    for domain in SOURCES:
        path = LOCALE / f"{domain}.mo"
        if not path.exists() or path.read_bytes() != compiled(domain):
            found.append(f"{domain}.mo is not what {domain}.po says: run `make messages`")
    return found


def main() -> None:
    """Compile, or check."""
    if "--check" not in sys.argv:
        for domain in SOURCES:
            (LOCALE / f"{domain}.mo").write_bytes(compiled(domain))
    found = problems()
    for line in found:
        print(line)
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
