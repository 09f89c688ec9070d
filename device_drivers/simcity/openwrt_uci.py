"""A virtual node's `uci`: packages, staged deltas, and the tool's odd behaviour. No I/O but the node's own files.

Copied on purpose: `batch` says what it could not do on standard error, does the rest and exits with 0; `-t DIR`
stages beside the running configuration; a missing entry is exit status 1; `import` replaces a whole package.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Final

from device_drivers.capabilities import Ran

CONFIG: Final = "/etc/config/"
SAVED: Final = "/tmp/.uci"  # noqa: S108 - a name inside a virtual node
Files = MutableMapping[str, bytes | bytearray]


class UciError(Exception):
    """What the tool says on standard error."""


@dataclass(slots=True)
class Section:
    """One section; anonymous ones have a made-up name that files do not hold."""

    kind: str
    name: str
    anonymous: bool
    options: dict[str, str | list[str]] = field(default_factory=dict)


Package = list[Section]


def parse(text: str) -> Package:
    """A file of /etc/config or what `uci export` prints. Raises UciError."""
    found: Package = []
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise UciError("Parse error") from error
        if not words or words[0] == "package":
            continue
        if words[0] == "config" and len(words) in (2, 3):
            anonymous = len(words) == 2
            name = f"cfg{len(found) + 1:02x}{sum(words[1].encode()) & 0xFFFF:04x}" if anonymous else words[2]
            found.append(Section(words[1], name, anonymous))
        elif words[0] in ("option", "list") and len(words) == 3 and found:
            _put(found[-1], words[1], words[2], as_list=words[0] == "list")
        else:
            raise UciError("Parse error")
    return found


def _put(section: Section, key: str, value: str, *, as_list: bool) -> None:
    if not as_list:
        section.options[key] = value
        return
    before = section.options.get(key, [])
    section.options[key] = [*([before] if isinstance(before, str) else before), value]


def quoted(value: str) -> str:
    """As uci writes values: single quotes, an inner one as '\\''."""
    return "'" + value.replace("'", "'\\''") + "'"


def render(package: Package) -> str:
    """The file's text."""
    lines = [""]
    for one in package:
        lines.append(f"config {one.kind}" + ("" if one.anonymous else f" {quoted(one.name)}"))
        for key, value in one.options.items():
            if isinstance(value, str):
                lines.append(f"\toption {key} {quoted(value)}")
            else:
                lines += [f"\tlist {key} {quoted(entry)}" for entry in value]
        lines.append("")
    return "\n".join(lines) + "\n"


class UciFiles:
    """`uci` over the files of one node."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def run(self, arguments: list[str], stdin: bytes = b"") -> Ran:
        """One call of the tool with everything behind its name."""
        saved, quiet = SAVED, False
        words = list(arguments)
        while words and words[0].startswith("-"):
            flag = words.pop(0)
            if flag in ("-t", "-P", "-c", "-p") and words:
                value = words.pop(0)
                saved = value.rstrip("/") if flag in ("-t", "-P") else saved
            quiet = quiet or flag == "-q"
        if not words:
            return Ran(255, b"", b"Usage: uci [<options>] <command> [<arguments>]\n")
        if words[0] == "batch":
            return self._batch(saved, stdin.decode("utf-8", "replace"))
        try:
            out = self._do(saved, words, stdin)
        except UciError as error:
            return Ran(1, b"", b"" if quiet else f"uci: {error}\n".encode())
        return Ran(0, out.encode(), b"")

    def _batch(self, saved: str, text: str) -> Ran:
        out, complaints = [], []
        for line in text.splitlines():
            if not line.strip() or line.lstrip().startswith("#"):
                continue
            try:
                out.append(self._do(saved, shlex.split(line), b""))
            except (UciError, ValueError) as error:
                complaints.append(f"uci: {error if isinstance(error, UciError) else 'Parse error'}\n")
        return Ran(0, "".join(out).encode(), "".join(complaints).encode())

    def _do(self, saved: str, words: list[str], stdin: bytes) -> str:
        verb, rest = words[0], words[1:]
        if verb in ("set", "delete", "add_list", "del_list", "rename", "add", "reorder"):
            return self._stage(saved, verb, rest)
        if verb in ("changes", "commit", "revert"):
            return self._deltas(saved, verb, rest)
        if verb == "import":
            return self._import(rest, stdin)
        if verb in ("get", "show", "export"):
            return self._read(saved, verb, rest)
        raise UciError("Unknown command")

    def _stage(self, saved: str, verb: str, rest: list[str]) -> str:
        if verb == "add":
            if len(rest) != 2:
                raise UciError("Invalid argument")
            name = f"cfg{self._next_number(saved, rest[0]):02x}{sum(rest[1].encode()) & 0xFFFF:04x}"
            self._save(saved, rest[0], f"+{rest[0]}.{name}={quoted(rest[1])}")
            return name + "\n"
        if len(rest) != 1:
            raise UciError("Invalid argument")
        path, equals, value = rest[0].partition("=")
        if (verb != "delete") != bool(equals):
            raise UciError("Invalid argument")
        names = path.split(".")
        if not 2 <= len(names) <= 3:
            raise UciError("Invalid argument")
        package = self._effective(saved, names[0])
        names[1] = _resolved(package, names[1])
        section = next((one for one in package if one.name == names[1]), None)
        if section is None and not (verb == "set" and len(names) == 2):
            raise UciError("Entry not found")
        if verb == "delete" and len(names) == 3 and section is not None and names[2] not in section.options:
            raise UciError("Entry not found")
        sign = {"set": "", "delete": "-", "add_list": "", "del_list": "", "rename": "@", "reorder": "^"}[verb]
        middle = {"add_list": "+=", "del_list": "-="}.get(verb, "=")
        self._save(saved, names[0], sign + ".".join(names) + ("" if verb == "delete" else middle + quoted(value)))
        return ""

    def _deltas(self, saved: str, verb: str, rest: list[str]) -> str:
        asked = rest[0].split(".")[0] if rest else None
        names = [one for one in self._staged(saved) if asked in (None, one)]
        out = ""
        for name in names:
            path = f"{saved}/{name}"
            if verb == "changes":
                out += self._files[path].decode()
                continue
            if verb == "commit":
                self._files[CONFIG + name] = render(self._effective(saved, name)).encode()
            del self._files[path]
        return out

    def _import(self, rest: list[str], stdin: bytes) -> str:
        name = rest[0] if rest else ""
        bodies: dict[str, list[str]] = {}
        for line in stdin.decode("utf-8", "replace").splitlines():
            if line.startswith("package "):
                name = shlex.split(line)[1]
            bodies.setdefault(name, []).append(line)
        if not name:
            raise UciError("Invalid argument")
        packages = {one: parse("\n".join(lines)) for one, lines in bodies.items() if one}
        for one, package in packages.items():
            self._files[CONFIG + one] = render(package).encode()
        return ""

    def _read(self, saved: str, verb: str, rest: list[str]) -> str:
        if verb == "export":
            names = rest or sorted(path[len(CONFIG) :] for path in self._files if path.startswith(CONFIG))
            return "".join(f"package {name}\n{render(self._effective(saved, name))}\n" for name in names)
        if not rest:
            names = sorted(path[len(CONFIG) :] for path in self._files if path.startswith(CONFIG))
            return "".join(self._read(saved, "show", [name]) for name in names)
        parts = rest[0].split(".")
        package = self._effective(saved, parts[0])
        if len(parts) == 1 and verb == "show":
            return "".join(line for one in package for line in _shown(parts[0], one))
        name = _resolved(package, parts[1]) if len(parts) > 1 else ""
        section = next((one for one in package if one.name == name), None)
        if section is None:
            raise UciError("Entry not found")
        if len(parts) == 2:
            return section.kind + "\n" if verb == "get" else "".join(_shown(parts[0], section))
        value = section.options.get(parts[2])
        if value is None:
            raise UciError("Entry not found")
        plain = value if isinstance(value, str) else " ".join(value)
        return plain + "\n" if verb == "get" else f"{rest[0]}={quoted(plain)}\n"

    def _effective(self, saved: str, name: str) -> Package:
        """The package with what is staged in this directory."""
        package = self._loaded(name)
        for line in self._files.get(f"{saved}/{name}", b"").decode().splitlines():
            _apply(package, line)
        return package

    def _loaded(self, name: str) -> Package:
        """The package as its file has it."""
        body = self._files.get(CONFIG + name)
        if body is None:
            raise UciError("Entry not found")
        return parse(body.decode("utf-8", "replace"))

    def _next_number(self, saved: str, name: str) -> int:
        """libuci counts a package's sections up and never down, so that no anonymous name comes twice (list.c)."""
        staged = self._files.get(f"{saved}/{name}", b"").decode().splitlines()
        paths = [line.partition("=")[0] for line in staged if line[:1] not in "-@^"]
        made = sum(path.count(".") == 1 for path in paths)
        return len(self._loaded(name)) + made + 1

    def _staged(self, saved: str) -> list[str]:
        return sorted(path[len(saved) + 1 :] for path in self._files if path.startswith(saved + "/"))

    def _save(self, saved: str, name: str, line: str) -> None:
        path = f"{saved}/{name}"
        self._files[path] = bytes(self._files.get(path, b"")) + line.encode() + b"\n"


def _resolved(package: Package, name: str) -> str:
    """`@type[index]` as a name."""
    if not (name.startswith("@") and name.endswith("]") and "[" in name):
        return name
    kind, _, index = name[1:-1].partition("[")
    same = [one for one in package if one.kind == kind]
    try:
        return same[int(index)].name
    except (ValueError, IndexError) as error:
        raise UciError("Entry not found") from error


def _shown(package: str, section: Section) -> Iterator[str]:
    yield f"{package}.{section.name}={section.kind}\n"
    for key, value in section.options.items():
        entries = [value] if isinstance(value, str) else value
        yield f"{package}.{section.name}.{key}=" + " ".join(map(quoted, entries)) + "\n"


def _apply(package: Package, line: str) -> None:
    """One staged line onto the package."""
    sign, body = (line[0], line[1:]) if line[0] in "-+@^" else ("", line)
    path, _, raw = body.partition("=")
    adds, takes = path.endswith("+"), path.endswith("-")
    names = path.rstrip("+-").split(".") if adds or takes else path.split(".")
    value = shlex.split(raw)[0] if raw and shlex.split(raw) else ""
    section = next((one for one in package if one.name == names[1]), None)
    if section is None:
        if not sign or sign == "+":
            package.append(Section(value, names[1], sign == "+"))
        return
    if sign == "-":
        if len(names) == 2:
            package.remove(section)
        else:
            section.options.pop(names[2], None)
    elif sign == "^":
        package.remove(section)
        package.insert(int(value), section)
    elif sign == "@":
        _rename(section, names, value)
    elif len(names) == 2:
        section.kind = value
    elif adds:
        _put(section, names[2], value, as_list=True)
    elif takes:
        before = section.options.get(names[2], [])
        section.options[names[2]] = [one for one in ([before] if isinstance(before, str) else before) if one != value]
    else:
        section.options[names[2]] = value


def _rename(section: Section, names: list[str], value: str) -> None:
    if len(names) == 2:
        section.name, section.anonymous = value, False
    else:
        section.options = {value if key == names[2] else key: one for key, one in section.options.items()}
