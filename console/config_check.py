"""What is wrong with a configuration: the exact key, what was expected there, the nearest key that exists."""

from __future__ import annotations

import difflib
import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal, Union, get_args, get_origin

import msgspec

from console import toml_lines
from console.secrets import SecretRef
from console.texts import _
from device_drivers.api import Subscription

if TYPE_CHECKING:
    from console.config import BrokerSection, Config, SnmpProfile, SshProfile

_PLACE: Final = re.compile(r" - at (`key` in )?`\$([^`]*)`$")
_STEP: Final = re.compile(r"\.([^.\[\]]+)|\[(\d+|\.\.\.)\]")
_ANY: Final = "..."
_FILES: Final = frozenset({"directory", "file", "ca_file", "cert_file", "key_file", "known_hosts"})


@dataclass(frozen=True, slots=True)
class Complaint:
    """One thing wrong: at which key, and the sentence."""

    path: toml_lines.Path
    text: str


def line_of(text: str, path: toml_lines.Path) -> int:
    """The line of a key, else of the nearest table around it."""
    known = toml_lines.lines(text)
    return next((known[path[:length]] for length in range(len(path), 0, -1) if path[:length] in known), 1)


def refused(raw: Any, kind: Any) -> Complaint:
    """Why these values are no such thing; they must have been refused by msgspec."""
    path, plain, inner = _locate(raw, kind)
    return Complaint(*_sentence(path, plain, inner))


def _locate(raw: Any, kind: Any) -> tuple[toml_lines.Path, str, Any]:
    """Path, msgspec's words, and the type expected at the path; tables of free keys are searched entry by entry."""
    message = _objection(raw, kind) or ""
    found = _PLACE.search(message)
    plain = _PLACE.sub("", message)
    steps = [name or (at if at == _ANY else int(at)) for name, at in _STEP.findall(found[2])] if found else []
    outer = steps[: steps.index(_ANY)] if _ANY in steps else steps
    table, inner = raw, kind
    for step in outer:
        table, inner = table[step], _type_at(inner, step)
    if _ANY in steps:
        entries = _type_at(inner, _ANY)
        for key, entry in table.items():
            if _objection(entry, entries) is not None:
                path, plain, inner = _locate(entry, entries)
                return (*outer, key, *path), plain, inner
    if found and found[1]:
        names = _choices(get_args(_plain_type(inner))[0])
        wrong = next(key for key in table if key not in names)
        return (*outer, wrong), plain, get_args(_plain_type(inner))[0]
    return tuple(outer), plain, inner


def _objection(raw: Any, kind: Any) -> str | None:
    try:
        msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        return str(error)
    return None


def _plain_type(kind: Any) -> Any:
    """Without annotation and alternatives: of several the one that has keys."""
    if get_origin(kind) is Annotated:
        return _plain_type(get_args(kind)[0])
    if get_origin(kind) in (Union, types.UnionType):
        parts = [_plain_type(one) for one in get_args(kind) if one is not type(None)]
        return next((one for one in parts if _is_struct(one)), parts[0])
    return kind


def _type_at(kind: Any, step: str | int) -> Any:
    """The type one step further in."""
    plain = _plain_type(kind)
    if _is_struct(plain):
        return {field.name: field.type for field in msgspec.structs.fields(plain)}.get(str(step))
    return get_args(plain)[-1]


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)


def _choices(kind: Any) -> list[str]:
    return [str(one) for one in get_args(_plain_type(kind))] if get_origin(_plain_type(kind)) is Literal else []


def _sentence(path: toml_lines.Path, plain: str, kind: Any) -> tuple[toml_lines.Path, str]:
    """msgspec's words in the reader's language, with what would be right."""
    place = ".".join(map(str, path))
    if unknown := re.fullmatch(r"Object contains unknown field `(.*)`", plain, re.DOTALL):
        return (*path, unknown[1]), _unknown(path, unknown[1], kind)
    if missing := re.fullmatch(r"Object missing required field `(.*)`", plain):
        return path, _("[{place}] needs `{key}`").format(place=place, key=missing[1])
    if _plain_type(kind) is SecretRef and plain.startswith("Expected"):
        return path, _never_here(path)
    if plain.startswith("Invalid enum value"):
        names = ", ".join(_choices(kind))
        if path and path[0] == "thresholds" and len(path) == 2:
            return path, _("unknown key `{key}` in [{place}]; keys: {known}").format(
                key=path[-1], place="thresholds", known=names
            )
        return path, _("{place}: expected one of {known}").format(place=place, known=names)
    if mismatch := re.fullmatch(r"Expected `(.*?)`(?: (.*?))?(?:, got `(.*)`)?", plain):
        expected, limit, got = mismatch.groups()
        text = _("{place}: expected {expected}").format(place=place, expected=_kinds(expected))
        text += f" {_limit(limit)}" if limit else ""
        return path, text + (_(", found {got}").format(got=_kinds(got)) if got else "")
    return path, f"{place}: {plain}"


def _unknown(path: toml_lines.Path, key: str, kind: Any) -> str:
    plain = _plain_type(kind)
    known = [field.name for field in msgspec.structs.fields(plain)] if _is_struct(plain) else []
    near = difflib.get_close_matches(key, known, 1)
    place = _(" in [{place}]").format(place=".".join(map(str, path))) if path else ""
    if near:
        return _("unknown key `{key}`{place}; did you mean `{near}`?").format(key=key, place=place, near=near[0])
    return _("unknown key `{key}`{place}; keys: {known}").format(key=key, place=place, known=", ".join(sorted(known)))


def _never_here(path: toml_lines.Path) -> str:
    """The value itself is a secret and appears in no message."""
    text = _(
        'a secret never stands in this file: write `{key} = {{ file = "PATH" }}`, `{{ env = "NAME" }}` or '
        '`{{ keyring = "NAME" }}`'
    )
    return text.format(key=path[-1])


def _kinds(names: str) -> str:
    known = {
        "int": _("a whole number"),
        "float": _("a number"),
        "str": _("a text"),
        "bool": _("true or false"),
        "array": _("a list"),
        "object": _("a table"),
    }
    return _(" or ").join(known.get(name, name) for name in names.split(" | ") if name != "null")


def _limit(words: str) -> str:
    if words.startswith(">="):
        return _("of at least {n}").format(n=words[3:])
    if words.startswith("<="):
        return _("of at most {n}").format(n=words[3:])
    return _("that is not empty") if words == "of length >= 1" else words


def unusable(raw: Any, path: toml_lines.Path = ()) -> Complaint | None:
    """The first text that can be no name and no file, wherever it stands."""
    if isinstance(raw, str):
        return _about_text(raw, path)
    entries = list(raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else ())
    names = (_about_text(key, (*path, key)) for key, _entry in entries if isinstance(key, str))
    return next(filter(None, (*names, *(unusable(entry, (*path, key)) for key, entry in entries))), None)


def _about_text(text: str, path: toml_lines.Path) -> Complaint | None:
    if "\0" in text:
        place = ".".join(map(str, path)).replace("\0", "\\0")
        return Complaint(
            path, _("{place} holds a NUL character, which no name and no file can have").format(place=place)
        )
    if path and path[-1] in _FILES and text.startswith("~"):
        try:
            Path(text).expanduser()
        except RuntimeError:
            place = ".".join(map(str, path))
            said = _("{place}: there is no home directory for {user!r}")
            return Complaint(path, said.format(place=place, user=text.partition("/")[0]))
    return None


def complaint(config: Config) -> Complaint | None:
    """The first thing that types cannot say: what belongs together, names once, kinds that exist."""
    return next(_complaints(config), None)


def _complaints(config: Config) -> Iterator[Complaint]:
    for name, profile in config.snmp.items():
        yield from _about_profile(("snmp", name), profile)
    for name, login in config.ssh.items():
        yield from _about_login(("ssh", name), login, config)
    names = [broker.name for broker in config.broker]
    for at, broker in enumerate(config.broker):
        if broker.name in names[:at]:
            text = _("the broker name {name!r} stands twice; each needs its own")
            yield Complaint(("broker", at, "name"), text.format(name=broker.name))
        yield from _about_broker(("broker", at), broker, config)
    for name, limit in config.thresholds.items():
        if limit.lower > limit.upper:
            text = _("`lower` lies above `upper` in [{place}]")
            yield Complaint(("thresholds", name, "lower"), text.format(place=f"thresholds.{name}"))


def _about_profile(path: toml_lines.Path, profile: SnmpProfile) -> Iterator[Complaint]:
    place = ".".join(map(str, path))
    needs = {
        "community": profile.version == "2c" and profile.community is None,
        "user": profile.version == "3" and not profile.user,
        "auth_password": profile.auth is not None and profile.auth_password is None,
        "auth": profile.priv is not None and profile.auth is None,
        "priv_password": profile.priv is not None and profile.priv_password is None,
    }
    for key, is_missing in needs.items():
        if is_missing:
            yield Complaint(path, _("[{place}] needs `{key}`").format(place=place, key=key))


def _about_login(path: toml_lines.Path, login: SshProfile, config: Config) -> Iterator[Complaint]:
    place = ".".join(map(str, path))
    if login.key_file is None and login.password is None and not login.agent:
        yield Complaint(path, _("[{place}] needs `key_file`, `password` or `agent = true`").format(place=place))
    if login.passphrase is not None and login.key_file is None:
        yield Complaint((*path, "passphrase"), _("`passphrase` needs `key_file`"))
    seen, way = {path[-1]}, login.jump
    while way is not None:
        there = config.ssh.get(way)
        if there is None or there.host is None:
            text = _("`jump` names [ssh.{name}], which needs to exist and to have a `host`")
            yield Complaint((*path, "jump"), text.format(name=way))
            return
        if way in seen:
            yield Complaint((*path, "jump"), _("the jump hosts lead back to [ssh.{name}]").format(name=way))
            return
        seen.add(way)
        way = there.jump


def _about_broker(path: toml_lines.Path, broker: BrokerSection, config: Config) -> Iterator[Complaint]:
    from device_drivers.mqtt_topics import objection

    certificates = {"ca_file": broker.ca_file, "cert_file": broker.cert_file, "key_file": broker.key_file}
    for key, value in certificates.items():
        if value is not None and not broker.tls:
            text = _("`{key}` has no effect without `tls = true`")
            yield Complaint((*path, key), text.format(key=key))
    if broker.password is not None and broker.user is None:
        yield Complaint((*path, "password"), _("`password` needs `user`"))
    for at, one in enumerate(broker.subscribe):
        here = (*path, "subscribe", at)
        wrong = objection(Subscription(one.topic, one.kind, one.qos))
        if wrong is not None:
            yield Complaint((*here, "topic"), wrong)
        if one.kind != "chirpstack" and one.kind not in config.mapping:
            text = _("kind {kind!r} of {topic!r} needs a section [mapping.{kind}]")
            yield Complaint((*here, "kind"), text.format(kind=one.kind, topic=one.topic))
