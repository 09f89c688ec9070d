"""`make bench`: run every benchmark in a process of its own, collect the claims, render docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
NO_BENCHMARK = {"__init__", "__main__", "claim"}
"""Beside these, a file without a `run` is a part of others."""
WHOLE_S = 25 * 60.0
ONE_S = 9 * 60.0
"""What hangs is stopped, and the others still have their turn."""
Row = dict[str, object]
HEAD = """# Benchmarks

Made by `make bench`. Every ratio compares two programs measured in the same run on the same machine; read the
ratios before the absolute figures, because machines are shared and noisy. A peer that could not be installed is
named, not left out.

Measured on: {machine}.

| claim | value | target | peer in the same run | ratio to peer | holds |
| --- | --- | --- | --- | --- | --- |
"""


def measure(name: str, command: list[str], within_s: float) -> tuple[list[Row], bool]:
    """The claims of one file and whether it ran to its end; one that did not says so in a row of its own."""
    child = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        said, _ = child.communicate(timeout=within_s)
        ending = f"exit {child.returncode}"
    except subprocess.TimeoutExpired:
        os.killpg(child.pid, signal.SIGKILL)
        said, _ = child.communicate()
        ending = f"stopped after {within_s:.0f} s"
    except BaseException:
        os.killpg(child.pid, signal.SIGKILL)  # with all that it started: nothing of ours outlives an interruption
        raise
    claims = [json.loads(line) for line in said.splitlines(keepends=True) if line.startswith("{") and line[-1] == "\n"]
    if child.returncode == 0:
        return claims, True
    broken = {"claim": ran_to_its_end(name), "value": None, "unit": "", "target": "exit 0", "peer": ending}
    return [*claims, {**broken, "ratio": None, "holds": False}], False


def ran_to_its_end(name: str) -> str:
    """What is claimed of every file, and only shown where it is not so."""
    return f"benchmarks/{name}.py ran to its end"


def number(value: object) -> str:
    """Three significant digits, thin enough for a table."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def render(claims: list[Row]) -> str:
    """The page docs/benchmarks.md."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    words = {True: "yes", False: "**no**", None: "not measured"}
    rows = [
        f"| {c['claim']} | {number(c['value'])} {c['unit']} | {c['target']} | {c['peer']} | {number(c['ratio'])} "
        f"| {words[c['holds']]} |"  # type: ignore[index]
        for c in claims
    ]
    head = HEAD.format(machine=machine)
    return head + "\n".join(rows) + "\n"


def merged(earlier: list[Row], fresh: list[Row], names: list[str]) -> list[Row]:
    """Earlier claims with those of these files in place of the old ones; new ones come last."""
    now = {claim["claim"]: claim for claim in fresh}
    failed = {ran_to_its_end(name) for name in names}
    kept = [now.pop(claim["claim"], claim) for claim in earlier if claim["claim"] not in failed - now.keys()]
    return kept + list(now.values())


def replace(path: Path, text: str) -> None:
    """The whole new text or still the old one."""
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def run(names: list[str], quick: bool) -> tuple[list[Row], bool]:
    """The claims of all these files, each in its turn while there is time, and whether all ran to their end."""
    claims, whole = [], True
    ends = time.monotonic() + WHOLE_S
    for name in names:
        print(f"{name} ...", file=sys.stderr, flush=True)
        command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
        found, ended = measure(name, command, max(0.0, min(ONE_S, ends - time.monotonic())))
        for claim in found:
            print(json.dumps(claim, ensure_ascii=False), flush=True)
        claims += found
        whole = whole and ended
    return claims, whole


def main() -> int:
    """Run all or the named benchmarks; 1 when one of them broke, whatever the others say."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help="files under benchmarks/ without .py; all when none is named")
    parser.add_argument("--quick", action="store_true", help="smaller sizes, for a first look; nothing is written")
    arguments = parser.parse_args()
    known = sorted(
        path.stem for path in HERE.glob("*.py") if path.stem not in NO_BENCHMARK and "\ndef run(" in path.read_text()
    )
    strange = set(arguments.names) - set(known)
    if strange:
        parser.error(f"no benchmark is called {', '.join(sorted(strange))}; there are {', '.join(known)}")
    claims, whole = run(arguments.names or known, arguments.quick)
    if not arguments.quick:
        if arguments.names and RESULTS.exists():
            claims = merged(json.loads(RESULTS.read_text(encoding="utf-8")), claims, arguments.names)
        replace(RESULTS, json.dumps(claims, indent=1, ensure_ascii=False) + "\n")
        replace(ROOT / "docs" / "benchmarks.md", render(claims))
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
