"""What a node's configuration should hold: layered templates with variables, rendered to single options. Pure.

Layers go from the general to the particular: global, district, role, model, node; a later one overrides. A template
names only what it cares about: every other option of a node stays as it is.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from local_store.records import Node
from mesh_mgmt import netjson_config
from mesh_mgmt.uci_change import Key
from mesh_mgmt.uci_text import Value

LAYERS: Final = ("global", "district", "role", "model", "node")
TYPE: Final = "_type"
_PLACEHOLDER: Final = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")
_TOP: Final = ("variables", "values", "uci", "remove", "netjson")
_DECLARATION: Final = ("required", "default", "secret", "description")
_REFERENCE: Final = ("file", "env", "keyring")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*")


class Unresolved(ValueError):
    """A reference whose secret cannot be had; raised by whoever resolves it."""


Resolve = Callable[[Mapping[str, str], str], str]
"""From a reference like {keyring = "mesh-key"} and the words for what it is to the secret itself."""


class DesiredError(ValueError):
    """A template that cannot be used: the file, the line, and what is wrong there."""

    def __init__(self, source: str, line: int, what: str) -> None:
        super().__init__(f"{source}, line {line}: {what}")


@dataclass(frozen=True, slots=True)
class Source:
    """One template as it lies in the directory: `name` is its path there (`role/gateway.toml`)."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Template:
    """One template understood: whom it is for, and what it says."""

    source: Source
    layer: str
    match: str
    content: Mapping[str, Any]

    def error(self, what: str, needle: str = "") -> DesiredError:
        """An error at the line that sets `needle`, else the first one that holds it."""
        lines = list(enumerate(self.source.text.splitlines(), 1))
        sets = [at for at, text in lines if re.match(rf"\s*\"?{re.escape(needle)}\"?\s*[=:]", text)]
        holds = [at for at, text in lines if needle in text]
        return DesiredError(self.source.name, (sets + holds + [1])[0] if needle else 1, what)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What templates want of one node: options by key (None: gone), and the templates it came from."""

    options: Mapping[Key, Value | None] = field(default_factory=dict)
    sources: tuple[str, ...] = ()


def slug(text: str) -> str:
    """A district, role, model or node as it is written in a file's name."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def templates(sources: Iterable[Source]) -> list[Template]:
    """Understand every template; the general ones first. Raises DesiredError."""
    found = [_template(source) for source in sources]
    return sorted(found, key=lambda one: (LAYERS.index(one.layer), one.source.name))


def _template(source: Source) -> Template:
    folder, _, file = source.name.rpartition("/")
    stem = file.rsplit(".", 1)[0]
    if folder not in ("", *LAYERS[1:]):
        raise DesiredError(source.name, 1, f"the folder is none of {', '.join(LAYERS[1:])}")
    template = Template(source, folder or "global", slug(stem) if folder else "", _parsed(source))
    unknown = next((key for key in template.content if key not in _TOP), None)
    if unknown is not None:
        raise template.error(f"unknown key `{unknown}`; keys: {', '.join(_TOP)}", unknown)
    for name, declared in _table(template, "variables").items():
        wrong = next((key for key in declared if key not in _DECLARATION), None) if isinstance(declared, dict) else name
        if wrong is not None or not _NAME.fullmatch(name):
            raise template.error(f"variable `{name}`: expected a table of {', '.join(_DECLARATION)}", name)
    return template


def _parsed(source: Source) -> Mapping[str, Any]:
    try:
        if not source.name.endswith(".json"):
            return tomllib.loads(source.text)
        found = json.loads(source.text)
    except json.JSONDecodeError as error:
        raise DesiredError(source.name, error.lineno, f"not JSON: {error.msg}") from error
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        raise DesiredError(source.name, int(at[1]) if at else 1, f"not TOML: {error}") from error
    if not isinstance(found, dict):
        raise DesiredError(source.name, 1, "expected a JSON object")
    if found.get("type") == "DeviceConfiguration":
        return {"netjson": found}
    return found


def _table(template: Template, key: str) -> Mapping[str, Any]:
    table = template.content.get(key, {})
    if not isinstance(table, dict):
        raise template.error(f"`{key}` must be a table", key)
    return table


def of_node(found: Sequence[Template], node: Node) -> list[Template]:
    """The templates that concern a node, in their order."""
    own = {"global": "", "district": node.district, "role": node.role, "model": node.model, "node": node.node_id}
    return [one for one in found if one.match == slug(own[one.layer])]


def render(found: Sequence[Template], node: Node, resolve: Resolve) -> Wanted:
    """Everything the templates want of this node. Raises DesiredError; what `resolve` raises goes through."""
    mine = of_node(found, node)
    variables = _variables(mine, node, resolve)
    options: dict[Key, Value | None] = {}
    for template in mine:
        for path in _removals(template):
            _remove(options, path)
        for key, raw in _raw_options(template):
            options[key] = _value(template, key, raw, variables)
    return Wanted(_types_first(options), tuple(one.source.name for one in mine))


def _variables(mine: Sequence[Template], node: Node, resolve: Resolve) -> dict[str, Any]:
    """The value of every declared variable; one that is required and has none is refused."""
    declared: dict[str, tuple[Template, Mapping[str, Any]]] = {}
    for template in mine:
        declared.update({name: (template, is_) for name, is_ in _table(template, "variables").items()})
    values: dict[str, Any] = {name: is_["default"] for name, (_, is_) in declared.items() if "default" in is_}
    for template in mine:
        for name, value in _table(template, "values").items():
            if name not in declared:
                known = ", ".join(sorted(declared)) or "none"
                raise template.error(f"nobody declares the variable `{name}`; declared: {known}", name)
            values[name] = _given(template, name, value, bool(declared[name][1].get("secret")), resolve)
    for name, (template, is_) in declared.items():
        if name not in values and is_.get("required"):
            raise template.error(f"the variable `{name}` has no value for node {node.node_id}", name)
    return {**_facts(node), **{name: values.get(name, "") for name in declared}}


def _given(template: Template, name: str, value: object, secret: bool, resolve: Resolve) -> object:
    if isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in _REFERENCE:
            raise template.error(f"`{name}`: a reference is one of {', '.join(_REFERENCE)}", name)
        try:
            return resolve({key: str(text) for key, text in value.items()}, f"{template.source.name} {name}")
        except Unresolved as error:
            raise template.error(str(error), name) from error
    if secret:
        raise template.error(f"`{name}` is secret: give it as a reference ({', '.join(_REFERENCE)})", name)
    return value


def _facts(node: Node) -> dict[str, Any]:
    names = ("name", "district", "site", "role", "model", "board_name", "serial", "address", "uplink", "stage")
    return {"node.id": node.node_id, **{f"node.{name}": getattr(node, name) for name in names}}


def _removals(template: Template) -> list[Key]:
    found = template.content.get("remove", [])
    if not isinstance(found, list):
        raise template.error("`remove` must be a list of options", "remove")
    keys = []
    for text in found:
        parts = str(text).split(".")
        if not 2 <= len(parts) <= 3 or not all(parts):
            raise template.error(f"`{text}`: expected package.section or package.section.option", str(text))
        keys.append(Key(*parts))
    return keys


def _remove(options: dict[Key, Value | None], path: Key) -> None:
    if not path.option:
        for key in [key for key in options if key[:2] == path[:2]]:
            del options[key]
    options[path] = None


def _raw_options(template: Template) -> list[tuple[Key, object]]:
    """Every option a template sets, NetJSON's before its own."""
    found: list[tuple[Key, object]] = []
    if "netjson" in template.content:
        try:
            made = netjson_config.to_uci(_table(template, "netjson"))
        except netjson_config.NetJsonError as error:
            raise template.error(str(error), error.key) from error
        found += _keyed(template, made)
    return found + _keyed(template, _table(template, "uci"))


def _keyed(template: Template, packages: Mapping[str, Any]) -> list[tuple[Key, object]]:
    found: list[tuple[Key, object]] = []
    for package, sections in packages.items():
        for section, options in sections.items() if isinstance(sections, dict) else ():
            if not isinstance(options, dict):
                raise template.error(f"[uci.{package}] `{section}`: expected a section, a table of options", section)
            for option, value in options.items():
                found.append((Key(package, section, "" if option == TYPE else option), value))
    return found


def _value(template: Template, key: Key, raw: object, variables: Mapping[str, Any]) -> Value:
    match raw:
        case bool():
            return "1" if raw else "0"
        case int() | float():
            return str(raw)
        case list():
            return tuple(str(_value(template, key, one, variables)) for one in raw)
        case str():
            filled = _filled(template, raw, variables)
            if any("\n" in one or "\0" in one for one in ([filled] if isinstance(filled, str) else filled)):
                said = f"{key}: a value with a line break or a NUL cannot be set through uci"
                raise template.error(said, key.option or key.section)
            return filled
    raise template.error(f"{key}: expected a text, a number, true, false or a list", key.option or key.section)


def _filled(template: Template, text: str, variables: Mapping[str, Any]) -> Value:
    """The text with its variables; one that is a list may only stand alone."""
    whole = _PLACEHOLDER.fullmatch(text)
    if whole and isinstance(variables.get(whole[1]), list):
        return tuple(str(one) for one in variables[whole[1]])

    def fill(found: re.Match[str]) -> str:
        value = variables.get(found[1])
        if value is None:
            known = ", ".join(sorted(variables))
            raise template.error(f"unknown variable `{found[1]}`; known: {known}", found[0])
        if isinstance(value, list):
            raise template.error(f"the variable `{found[1]}` is a list and must stand alone", found[0])
        return {True: "1", False: "0"}[value] if isinstance(value, bool) else str(value)

    return _PLACEHOLDER.sub(fill, text)


def _types_first(options: Mapping[Key, Value | None]) -> dict[Key, Value | None]:
    """Removals, then each section's type before its options."""
    gone = {key: value for key, value in options.items() if value is None}
    kept = sorted(
        ((key, value) for key, value in options.items() if value is not None), key=lambda one: bool(one[0].option)
    )
    return {**gone, **dict(kept)}
