"""`make bench`: run every benchmark in a process of its own, collect the claims, render docs/benchmarks.md."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
RESULTS = HERE / "results.json"
NO_BENCHMARK = {"__init__", "__main__", "claim"}
"""Beside these, a file without a `run` is a part of others."""
HEAD = """# Benchmarks

Made by `make bench`. Every ratio compares two programs measured in the same run on the same machine; read the
ratios before the absolute figures, because machines are shared and noisy. A peer that could not be installed is
named, not left out.

Measured on: {machine}.

| claim | value | target | peer in the same run | ratio to peer | holds |
| --- | --- | --- | --- | --- | --- |
"""


def measure(name: str, quick: bool) -> list[dict[str, object]]:
    """The claims of one file; a file that breaks becomes a claim that could not be measured."""
    command = [sys.executable, "-m", f"benchmarks.{name}", *(["--quick"] if quick else [])]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    claims = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode != 0:
        broken = {"claim": f"benchmarks/{name}.py ran to its end", "value": None, "unit": "", "target": "exit 0"}
        claims.append({**broken, "peer": f"exit {done.returncode}", "ratio": None, "holds": False})
    return claims


def number(value: object) -> str:
    """Three significant digits, thin enough for a table."""
    if not isinstance(value, int | float):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def render(claims: list[dict[str, object]]) -> str:
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


def merged(fresh: list[dict[str, object]], keep: bool) -> list[dict[str, object]]:
    """Fresh claims, and with `keep` those of earlier runs that were not measured again."""
    if not keep or not RESULTS.exists():
        return fresh
    names = {claim["claim"] for claim in fresh}
    earlier = json.loads(RESULTS.read_text(encoding="utf-8"))
    return [claim for claim in earlier if claim["claim"] not in names] + fresh


def main() -> None:
    """Run all or the named benchmarks."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", help="files under benchmarks/ without .py; all when none is named")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    known = sorted(
        path.stem for path in HERE.glob("*.py") if path.stem not in NO_BENCHMARK and "def run(" in path.read_text()
    )
    claims: list[dict[str, object]] = []
    for name in arguments.names or known:
        print(f"{name} ...", file=sys.stderr, flush=True)
        found = measure(name, arguments.quick)
        for claim in found:
            print(json.dumps(claim, ensure_ascii=False), flush=True)
        claims += found
    if not arguments.quick:
        claims = merged(claims, keep=bool(arguments.names))
        RESULTS.write_text(json.dumps(claims, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        (ROOT / "docs" / "benchmarks.md").write_text(render(claims), encoding="utf-8")


if __name__ == "__main__":
    main()
