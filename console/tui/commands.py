"""What can be typed behind `:`, and the keys that hold on every screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from console import texts
from console.texts import _
from console.tui import registry, roles
from console.tui.dialogs import Choice
from console.tui.list_kinds import LISTS
from console.tui.list_place import ListPlace
from local_store.errors import StoreError
from local_store.view_settings import SAVED

if TYPE_CHECKING:
    from console.tui.app import Leitstand
    from console.tui.screens import Place

SAVE = ("save", "speichern")
DELETE = ("delete", "löschen")


def choices(app: Leitstand) -> list[Choice]:
    """Every command by its words."""
    ways = [(name, way.title()) for name, way in registry.WAYS.items() if not way.of_one]
    saved = [(f"view:{name}", _("view {name}").format(name=name)) for name in app.feed.view(SAVED)]
    return [
        *ways,
        *saved,
        ("nodes:!ok", _("nodes that are not ok")),
        ("sensors:kind:bin fill>=80", _("bins that are due")),
        ("sensors:kind:climate", _("climate stations")),
        *((f"role:{role}", _("role {name}").format(name=view.title())) for role, view in roles.ROLES.items()),
        ("lang:de", "Deutsch"),
        ("lang:en", "English"),
        ("quit", _("quit")),
    ]


def typed(text: str) -> str | None:
    """A command written out, such as `nodes district:buer` or `view save NAME`; None when it is no such one."""
    head, _sep, rest = text.strip().partition(" ")
    name, of_screen = registry.split(text, " ")
    if head.lower() in ("view", "ansicht") and rest.strip():
        return f"view:{rest.strip()}"
    if head.lower() in ("role", "rolle") and roles.named(rest.strip()):
        return f"role:{roles.named(rest.strip())}"
    return f"{name}:{of_screen}" if name and of_screen else None


def carry_out(app: Leitstand, chosen: str) -> None:
    """Do what was chosen."""
    head, _sep, rest = chosen.partition(":")
    if head == "quit":
        app.exit()
    elif head in DOES:
        DOES[head](app, rest)
    else:
        app.open_target(chosen)


def _language(app: Leitstand, code: str) -> None:
    texts.set_language(code)
    app.open_target("overview")


def _role(app: Leitstand, name: str) -> None:
    role = roles.named(name)
    if role is not None:
        app.take_role(role)


def _view(app: Leitstand, text: str) -> None:
    """`NAME` opens a view, `save NAME` keeps the list on screen under it, `delete NAME` forgets it."""
    verb, _sep, name = text.partition(" ")
    if verb.lower() in SAVE and name.strip():
        _save(app, name.strip())
    elif verb.lower() in DELETE and name.strip():
        _delete(app, name.strip())
    else:
        _open_view(app, text)


def _save(app: Leitstand, name: str) -> None:
    place = app.screen
    if not isinstance(place, ListPlace):
        app.say(_("only lists can be kept as a view"))
        return
    kept = {"list": place.KIND, "filter": place.table.filter_text, **place.arrangement()}
    try:
        app.feed.keep_view(SAVED, {name: kept})
    except StoreError as error:
        app.say(str(error))
        return
    app.say(_("kept as view {name}"), name=name)


def _delete(app: Leitstand, name: str) -> None:
    try:
        gone = app.feed.forget_view(name)
    except StoreError as error:
        app.say(str(error))
        return
    app.say(_("view {name} is gone") if gone else _("there is no view {name}"), name=name)


def _open_view(app: Leitstand, name: str) -> None:
    kept = app.feed.view(SAVED).get(name)
    kind = LISTS.get(str(kept.get("list"))) if isinstance(kept, dict) else None
    if kind is None or kept is None:
        app.say(_("there is no view {name}"), name=name)
        return
    app.push_screen(kind(str(kept.get("filter", "")), kept))


DOES: dict[str, Callable[[Leitstand, str], None]] = {"lang": _language, "role": _role, "view": _view}


def everywhere() -> list[tuple[str, str]]:
    """The keys that hold on every screen, unless it gives one of them another meaning."""
    ways = [(registry.key_sign(way.key), way.title()) for way in registry.WAYS.values() if way.key]
    return [
        (":", _("command")),
        ("!", _("arm writing for ten minutes")),
        ("Esc -", _("back")),
        ("t", _("go back in time…")),
        (", . T", _("five minutes back, forth, now")),
        ("q", _("back, at the end quit")),
        ("Ctrl+Q", _("quit at once")),
        ("?", _("help")),
        *ways,
    ]


def keys_here(place: Place) -> list[tuple[str, str]]:
    """Every key of this screen: its own, then those of every screen that still mean there what they mean elsewhere."""
    own = [*place.keys(), *place.more_keys()]
    taken = {sign for signs, _word in own for sign in signs.split()}
    rest = [(" ".join(one for one in signs.split() if one not in taken), word) for signs, word in everywhere()]
    return [*own, *((signs, word) for signs, word in rest if signs)]
