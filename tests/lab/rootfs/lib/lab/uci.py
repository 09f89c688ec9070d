"""The lab's `uci`: the command line of OpenWrt's configuration tool, its odd answers included. Never restarts anything.

Written from what the real one was seen to do: `batch` ends with 0 whatever its lines did; changes staged by others in
the default save directory are shown and committed beside those of `-t DIR`; a value set to what it is stages nothing.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from getopt import GetoptError, getopt
from pathlib import Path

from uci_model import (
    INVALID,
    NAME,
    NOT_FOUND,
    Change,
    Package,
    Section,
    UciError,
    parse,
    quote,
    read_changes,
    statements,
)

CONFIG, SAVED = Path("/etc/config"), Path("/tmp/.uci")
USAGE = 255
SIGNS = {
    "set": "=",
    "delete": "-",
    "del": "-",
    "add_list": "|",
    "del_list": "~",
    "rename": "@",
    "ren": "@",
    "reorder": "^",
}


@dataclass(slots=True)
class Uci:
    """Where files and staged changes lie."""

    config: Path = CONFIG
    saved: Path = SAVED
    quiet: bool = False
    merge: bool = False
    extended: bool = True

    def say(self, text: str) -> None:
        """Complain, unless -q."""
        if not self.quiet:
            print(f"uci: {text}", file=sys.stderr)

    def staged(self, name: str) -> list[Change]:
        """Changes of the default directory first, then those of -t."""
        others = [] if self.saved == SAVED else read_changes(SAVED / name, name)
        return others + read_changes(self.saved / name, name)

    def load(self, name: str) -> Package:
        """One package as it would be after a commit."""
        path = self.config / name
        if not name or not path.is_file():
            raise UciError(NOT_FOUND)
        package = parse(name, path.read_text())
        for change in self.staged(name):
            try:
                package.apply(change)
            except UciError:
                continue
        return package

    def stage(self, name: str, change: Change) -> None:
        """Write one change down."""
        self.saved.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (self.saved / name).open("a") as file:
            file.write(change.line(name) + "\n")

    def commit(self, name: str) -> None:
        """Put everything staged into the file; of the staged changes only our own directory's are forgotten."""
        package = self.load(name)
        self.write(package)
        if (self.saved / name).exists():
            (self.saved / name).write_text("")

    def write(self, package: Package) -> None:
        """Replace the file in one step."""
        draft = self.config / f".{package.name}.uci"
        draft.write_text(package.text())
        draft.replace(self.config / package.name)

    def packages(self) -> list[str]:
        """Names of all configuration files."""
        return sorted(path.name for path in self.config.iterdir() if not path.name.startswith("."))


def split(tuple_: str) -> tuple[str, str, str, str | None]:
    """`package.section.option=value` in its four parts."""
    path, equals, value = tuple_.partition("=")
    package, _, rest = path.partition(".")
    section, _, option = rest.partition(".")
    if not package or "." in option:
        raise UciError(INVALID)
    return package, section, option, value if equals else None


def change(uci: Uci, verb: str, tuple_: str) -> int:
    """set, delete, add_list, del_list, rename, reorder."""
    name, section, option, value = split(tuple_)
    sign = SIGNS[verb]
    if not section or (value is None and sign != "-") or (option and not NAME.fullmatch(option)):
        raise UciError(INVALID)
    package = uci.load(name)
    new = sign == "=" and not option and all(one.name != section for one in package.sections)
    if new and not NAME.fullmatch(section):
        raise UciError(INVALID)
    try:
        found = Section("", section) if new else package.section(section)
    except UciError as error:
        raise UciError(INVALID if sign == "=" else NOT_FOUND) from error
    if sign == "=" and (found.options.get(option, "") if option else found.kind) == value:
        return 0
    staged = Change("-" if sign == "=" and not value else sign, found.name, option, value or "")
    package.apply(staged)
    uci.stage(name, staged)
    return 0


def add(uci: Uci, name: str, kind: str) -> int:
    """A new anonymous section; prints its made-up name."""
    package = uci.load(name)
    made_up = package.fresh_name(kind)
    uci.stage(name, Change("+", made_up, "", kind))
    print(made_up)
    return 0


def get(uci: Uci, tuple_: str) -> int:
    """One value, or a section's type."""
    name, section, option, _ = split(tuple_)
    package = uci.load(name)
    if section:
        found = package.section(section)
        if option and option not in found.options:
            raise UciError(NOT_FOUND)
        value = found.options[option] if option else found.kind
        print(value if isinstance(value, str) else " ".join(quote(v) if set(v) & set(" \t\n") else v for v in value))
    return 0


def revert(uci: Uci, tuple_: str) -> int:
    """Forget staged changes of a package, section or option."""
    name, section, option, _ = split(tuple_)
    uci.load(name)
    path = uci.saved / name
    kept = [
        one
        for one in read_changes(path, name)
        if (section and one.section != section) or (option and one.option != option)
    ]
    if path.exists():
        path.write_text("".join(one.line(name) + "\n" for one in kept))
    return 0


def show(uci: Uci, tuple_: str) -> int:
    """One line per option; anonymous sections as @type[index] when a whole package is shown."""
    name, section, option, _ = split(tuple_)
    package = uci.load(name)
    chosen = [package.section(section)] if section else package.sections
    if option and option not in chosen[0].options:
        raise UciError(NOT_FOUND)
    seen: dict[str, int] = {}
    for one in chosen:
        index = seen[one.kind] = seen.get(one.kind, -1) + 1
        counted = one.anonymous and not section and uci.extended
        path = f"{name}." + (f"@{one.kind}[{index}]" if counted else one.name)
        if not option:
            print(f"{path}={one.kind}")
        for key, value in one.options.items():
            if option in {"", key}:
                print(f"{path}.{key}=" + " ".join(map(quote, [value] if isinstance(value, str) else value)))
    return 0


def import_(uci: Uci, names: list[str], text: str) -> int:
    """Replace whole packages by what comes in; with -m stage it instead."""
    packages: dict[str, str] = {}
    current = names[0] if names else ""
    for words in statements(text):
        if words[:1] == ["package"] and len(words) == 2:
            current = names[0] if names else words[1]
        elif words:
            if not current:
                raise UciError("Parse error (attempting to import a file without a package name)")
            packages[current] = packages.get(current, "") + " ".join(map(quote, words)) + "\n"
    for package in [parse(name, body) for name, body in packages.items()]:
        if uci.merge:
            for section in package.sections:
                uci.stage(package.name, Change("+" if section.anonymous else "=", section.name, "", section.kind))
                for key, value in section.options.items():
                    sign = "=" if isinstance(value, str) else "|"
                    for one in [value] if isinstance(value, str) else value:
                        uci.stage(package.name, Change(sign, section.name, key, one))
        else:
            uci.write(package)
    return 0


def whole(uci: Uci, verb: str, tuple_: str) -> int:
    """changes, commit, export and show of one package."""
    name = split(tuple_)[0]
    if verb == "show":
        return show(uci, tuple_)
    package = uci.load(name)
    if verb == "changes":
        for one in uci.staged(name):
            print(one.shown(name))
    elif verb == "commit":
        uci.commit(name)
    else:
        print(f"package {name}\n{package.text()}", end="")
    return 0


def run(uci: Uci, words: list[str], text: str = "") -> int:
    """One command; its complaint goes to stderr."""
    verb, rest = words[0].lower(), words[1:]
    try:
        if verb in SIGNS and len(rest) == 1:
            return change(uci, verb, rest[0])
        if verb == "add" and len(rest) == 2:
            return add(uci, *rest)
        if verb in {"get", "revert"} and len(rest) == 1:
            return get(uci, rest[0]) if verb == "get" else revert(uci, rest[0])
        if verb in {"show", "changes", "commit", "export"} and len(rest) < 2:
            return max([whole(uci, verb, name) for name in rest or uci.packages()], default=0)
        if verb == "import" and len(rest) < 2:
            return import_(uci, rest, text)
    except UciError as error:
        uci.say(str(error))
        return 1
    return USAGE


def batch(uci: Uci, text: str) -> int:
    """Line after line; a bad one is complained about and the rest still runs. Always 0."""
    try:
        for words in statements(text):
            if words[:1] == ["exit"]:
                break
            if words and run(uci, words) == USAGE and not uci.quiet:
                print("Unknown command", file=sys.stderr)
    except UciError as error:
        uci.say(str(error))
    return 0


def main(arguments: list[str]) -> int:
    """The command line."""
    uci = Uci()
    try:
        options, words = getopt(arguments, "c:f:mnNp:P:qsSt:X")
    except GetoptError as error:
        uci.say(str(error))
        return 0
    source = None
    for option, value in options:
        if option == "-c":
            uci.config = Path(value)
        elif option in {"-t", "-P"}:
            uci.saved = Path(value)
        elif option == "-f":
            source = Path(value)
        uci.quiet = uci.quiet or option == "-q"
        uci.merge = uci.merge or option == "-m"
        uci.extended = uci.extended and option != "-X"
    if not words:
        return _usage()
    text = ""
    if words[0].lower() in {"batch", "import"}:
        text = source.read_text() if source else sys.stdin.read()
    code = batch(uci, text) if words == ["batch"] else run(uci, words, text)
    return _usage() if code == USAGE else code


def _usage() -> int:
    print("Usage: uci [<options>] <command> [<arguments>]", file=sys.stderr)
    return USAGE


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
