"""The German interface speaks German: every word on every screen stands in our catalogue, or is a name."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from textual.app import App
from textual.screen import Screen
from textual.widgets import Input

from console.tui import registry
from console.tui.screens import Place
from tests.tui.driver import Ui, running
from tests.tui.whole import ONE, SERVICES, TARGETS, whole

QUESTIONS = {"nodes": ":/yeta", "alerts": "a", "rollout": "fa", "provision": "a"}
NAMES = """
Leitstand Gelsenkirchen Buer Horst Schalke Bulmke Hüllen Mast OpenWrt simcity desk city Markt Mbit kbit Deutsch English
JSON GEvernetzt GEsäubert GEgrünt GEbewegt GEsichert GEinnoviert GEbeteiligt RSSI MQTT LoRaWAN Telnet wireless radio
channel wlan snmp bulk online disk full fahre hin acme anna bert tina later hits cache OTAA
"""
"""Names, units and what stands in the store as somebody wrote it."""
COMMAND = re.compile(r"leitstand [a-z]+(?: [a-z]+)?(?: -[-a-z ]*)?|\{.*|SHA256:\S+|\b[0-9a-f]{4,}\b")
WORD = re.compile(r"(?<![\w…])[A-Za-zÄÖÜäöüß]{4,}(?![\w…])")


@cache
def german() -> frozenset[str]:
    """Every word of our German texts."""
    found: set[str] = set()
    for path in Path("console/locale/de/LC_MESSAGES").glob("*.po"):
        with path.open("rb") as file:
            for message in read_po(file, locale="de"):
                strings = message.string if isinstance(message.string, tuple) else (message.string,)
                found |= {word.lower() for text in strings for word in re.findall(r"[A-Za-zÄÖÜäöüß]+", text or "")}
    return frozenset(found | set(NAMES.lower().split()))


def foreign(shown: str) -> set[str]:
    """Words on a screen that are none of ours; what was cut off, commands and keys to compare are not looked at."""
    return {word for word in WORD.findall(COMMAND.sub("", shown)) if word.lower() not in german()}


def seen(ui: Ui) -> str:
    """What is on top."""
    return "\n".join(strip.text.rstrip() for strip in ui.strips())


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole(tmp_path_factory.mktemp("whole"))


def test_every_screen_is_visited() -> None:
    assert set(TARGETS) == set(registry.WAYS), "a new screen is looked at too"


async def test_no_screen_and_no_help_has_a_word_that_is_not_german(city: Path) -> None:
    wrong: dict[str, set[str]] = {}
    async with running(city, (110, 50), "de") as ui:
        for name, word in TARGETS.items():
            ui.app.open_target(ONE.get(name, name))
            wrong[name] = foreign(await ui.until(word))
            await ui.press("?")
            await ui.until("Tasten hier")
            wrong[f"help of {name}"] = foreign(seen(ui))
            await ui.press("Esc")
        for service in SERVICES:
            ui.app.open_target(f"service:{service}")
            wrong[f"service {service}"] = foreign(await ui.until("Zähler"))
    assert {name: words for name, words in wrong.items() if words} == {}


async def test_no_question_has_a_word_that_is_not_german(city: Path) -> None:
    wrong: dict[str, set[str]] = {}
    async with running(city, (110, 40), "de") as ui:
        await ui.press("!")
        for name, keys in QUESTIONS.items():
            ui.app.open_target(ONE.get(name, name))
            await ui.until(TARGETS[name])
            for key in keys:
                await ui.press(key)
                await ui.comes(lambda: not isinstance(ui.app.screen, Place), f"{key} asks on {name}")
                wrong[f"{key} on {name}"] = foreign(seen(ui))
                await ui.press("Esc")
    assert {name: words for name, words in wrong.items() if words} == {}


async def test_textuals_own_keys_bring_up_no_english(city: Path) -> None:
    bound = [key for owner in (App, Screen) for key in keys_of(owner)]
    async with running(city, (120, 40), "de") as ui:
        await ui.until("GEvernetzt")
        for key in [*bound, App.COMMAND_PALETTE_BINDING]:
            if key != "ctrl+q":
                await ui.press_named(key)
                assert foreign(ui.text()) == set(), key
                assert isinstance(ui.app.screen, Place), f"{key} opened something of Textual's"
        await ui.press_named("ctrl+c")
        await ui.until("Ctrl+Q beendet sofort")
        await ui.press(":")
        await ui.until("Befehl")
        await ui.press("xqz")
        assert foreign(await ui.until("nichts passt")) == set()
        for key in keys_of(Input):
            await ui.press_named(key)
            assert foreign(seen(ui)) == set(), key
        await ui.press_named("ctrl+c")
        await ui.comes(lambda: isinstance(ui.app.screen, Place), "Ctrl+C closes a question")


def keys_of(owner: type) -> list[str]:
    """Every key it binds."""
    return [key for binding in owner.BINDINGS for key in (getattr(binding, "key", None) or binding[0]).split(",")]  # type: ignore[attr-defined]


def test_a_leftover_would_be_found() -> None:
    assert foreign(" Press ctrl+q to quit the app  received 12  ● läuft  Warnung") == {
        "Press",
        "quit",
        "received",
    }
