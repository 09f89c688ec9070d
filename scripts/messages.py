"""Compile the German catalogues; `--check` says what is untranslated, unused or not compiled."""

from __future__ import annotations

import ast
import io
import sys
from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[1]
LOCALE = ROOT / "console" / "locale" / "de" / "LC_MESSAGES"
SOURCES = {"cli": ["console/*.py", "console/cli/*.py"], "tui": ["console/tui/*.py"]}


def used(domain: str) -> dict[str, str]:
    """Every literal text handed to _() or ngettext() in a domain's sources, with where it stands."""
    found: dict[str, str] = {}
    for pattern in SOURCES[domain]:
        for path in sorted(ROOT.glob(pattern)):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("_", "N_", "ngettext"):
                    for argument in node.args[: 2 if getattr(node.func, "id", "") == "ngettext" else 1]:
                        if isinstance(argument, ast.Constant) and isinstance(argument.value, str):
                            found.setdefault(argument.value, f"{path.relative_to(ROOT)}:{node.lineno}")
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
    known = {text for pairs in everything.values() for text in pairs}
    wanted = {text: where for domain in SOURCES for text, where in used(domain).items()}
    found = [f"{where}: no German for {text!r}" for text, where in wanted.items() if text not in known]
    found += [
        f"{domain}.po: nobody uses {text!r}"
        for domain, pairs in everything.items()
        for text in pairs
        if text not in wanted
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
