"""Every command the documentation shows exists, with the options it is shown with."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from console.cli.main import root

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
SHOWN = re.compile(r"`(leitstand [^`\n]+)`|^(?:\$ )?(leitstand [^\n`]+)$", re.MULTILINE)
TARGET = re.compile(r"^([a-z]+):", re.MULTILINE)


def shown() -> list[tuple[str, str]]:
    """Each page with each command line it shows."""
    found = []
    for page in PAGES:
        for inline, alone in SHOWN.findall(page.read_text(encoding="utf-8").replace("\\\n", " ")):
            found.append((page.name, (inline or alone).strip()))
    return sorted(set(found))


def words_of(command: str) -> list[str]:
    """The arguments before a pipe, a redirection, a comment or the background."""
    words = shlex.split(command, comments=True)[1:]
    end = next((at for at, word in enumerate(words) if word in {"|", ">", ">>", "&", "&&"}), len(words))
    return words[:end]


def choices(word: str) -> list[str]:
    """`list|show` stands for two commands."""
    return word.split("|")


def check(command: click.Command, words: list[str], context: click.Context) -> str | None:
    """What is wrong with these words, or None."""
    if isinstance(command, click.Group) and words and not words[0].startswith("-"):
        for name in filter(str.islower, choices(words[0])):  # COMMAND stands for any
            child = command.get_command(context, name)
            if child is None:
                return f"no command {name}"
            if (wrong := check(child, words[1:], click.Context(child, parent=context, info_name=name))) is not None:
                return wrong
        return None
    known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    for at, word in enumerate(words):
        name = word.partition("=")[0]
        if word.startswith("-") and not re.fullmatch(r"-\d+.*", word) and name not in known:
            return f"no option {name}"
        if isinstance(command, click.Group) and not word.startswith("-") and command.get_command(context, word):
            return check(command, words[at:], context)
    return None


@pytest.mark.parametrize(("page", "command"), shown())
def test_a_command_that_is_shown_exists(page: str, command: str) -> None:
    wrong = check(root, words_of(command), click.Context(root, info_name="leitstand"))
    assert wrong is None, f"{page} shows `{command}`: {wrong}"


def test_a_target_that_is_shown_exists() -> None:
    targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
    for page in [*PAGES, ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"`make ([a-z]+)", page.read_text(encoding="utf-8")):
            assert target in targets, f"{page.name} shows `make {target}`"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_a_page_that_is_linked_exists(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#:\s]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / link).exists(), f"{page.name} links to {link}"
