"""The directory of templates and rule packs, read as a whole. Only this module reads its files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from local_store import configs
from local_store.configs import FindingRow
from local_store.db import Store
from local_store.records import Node
from local_store.sqlite import Connection
from mesh_mgmt.compliance import Exempt, Rule, check, parse_pack, refuse_doubles
from mesh_mgmt.desired import DesiredError, Resolve, Source, Template, Wanted, render, templates
from mesh_mgmt.drift import Drift, judge
from mesh_mgmt.uci_change import flat
from mesh_mgmt.uci_text import Tree, parse

RULES: Final = "rules"
LARGEST: Final = 1 << 20
SUFFIXES: Final = (".toml", ".json")


@dataclass(frozen=True, slots=True)
class Policy:
    """What configurations should hold, and the rules they have to keep."""

    templates: tuple[Template, ...] = ()
    rules: tuple[Rule, ...] = ()

    def wanted(self, node: Node, resolve: Resolve) -> Wanted:
        """What the templates want of a node. Raises DesiredError."""
        return render(self.templates, node, resolve)


@dataclass(frozen=True, slots=True)
class Judgement:
    """How one configuration stands: None where no template speaks of the node."""

    drift: Drift | None
    findings: tuple[FindingRow, ...]


def load(directory: Path | None) -> Policy:
    """Read templates (`*.toml`, `*.json`, one folder deep) and rule packs (`rules/*.toml`).

    Raises DesiredError or RuleError with file and line; without a directory there is nothing to want.
    """
    if directory is None:
        return Policy()
    sources, rules = [], list[Rule]()
    for path in sorted(directory.rglob("*")):
        if path.suffix not in SUFFIXES or not path.is_file():
            continue
        name = path.relative_to(directory).as_posix()
        text = _text(path, name)
        if name.startswith(f"{RULES}/"):
            rules += parse_pack(name, text)
        else:
            sources.append(Source(name, text))
    refuse_doubles(rules)
    return Policy(tuple(templates(sources)), tuple(rules))


def _text(path: Path, name: str) -> str:
    try:
        if path.stat().st_size > LARGEST:
            raise DesiredError(name, 1, f"larger than {LARGEST >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise DesiredError(name, 1, "not UTF-8 text") from error
    except OSError as error:
        raise DesiredError(name, 1, f"cannot be read: {error.strerror}") from error


def stamp(directory: Path | None) -> tuple[tuple[str, int, int], ...]:
    """Changes whenever a file of the directory does; comparing it is cheaper than reading them."""
    if directory is None:
        return ()
    found = [(path, path.stat()) for path in sorted(directory.rglob("*")) if path.suffix in SUFFIXES]
    return tuple((str(path), state.st_mtime_ns, state.st_size) for path, state in found)


def judgement(cx: Connection, policy: Policy, node: Node, tree: Tree, wanted: Wanted, now_ms: int) -> Judgement:
    """How a running configuration stands against templates, our last push, and the rules."""
    running = flat(tree)
    drift = None
    if wanted.options:
        applied = configs.last_applied(cx, node.node_id)
        base = None if applied is None else flat(parse(configs.body(cx, applied.sha256)))
        drift = judge(wanted.options, base, running)
    exempt = [Exempt(one.node_id, one.rule_id, one.until_ms, one.reason) for one in configs.exceptions(cx, now_ms)]
    found = check(policy.rules, node, running, exempt, now_ms)
    rows = tuple(FindingRow(node_id=node.node_id, since_ms=now_ms, **asdict(one)) for one in found)
    return Judgement(drift, rows)


def judge_node(store: Store, policy: Policy, node: Node, resolve: Resolve, now_ms: int) -> Judgement | None:
    """Judge a node's newest version and keep the result, masked; None when there is no version to judge.

    Raises DesiredError when the templates cannot be rendered for it; the last judgement stays then.
    """
    last = store.read(lambda cx: configs.last_backup(cx, node.node_id))
    if last is None or last.form != "uci":
        return None
    wanted = policy.wanted(node, resolve)

    def write(cx: Connection) -> Judgement:
        found = judgement(cx, policy, node, parse(configs.body(cx, last.sha256)), wanted, now_ms)
        verdict = "" if found.drift is None else found.drift.verdict
        configs.judge(cx, node.node_id, verdict, masked_drift(found.drift), found.findings, now_ms)
        return found

    return store.ops.write(write)


def masked_drift(drift: Drift | None) -> str:
    """Every option that is not as intended as JSON that anybody may read."""
    options: list[Mapping[str, object]] = [] if drift is None else [one.masked() for one in drift.options]
    return json.dumps(options, ensure_ascii=False)
