"""A rollout's report: rows for people, CSV and HTML with the signed chain inside, and its check without any store."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from local_store import evidence, rollouts
from local_store.audit import canonical
from local_store.rollout_rows import EvidenceRow
from local_store.sqlite import Connection
from playbooks.firmware.planning import plan_hash

FORMAT: Final = "leitstand rollout report 2"
COLUMNS: Final = ("node", "result", "reason", "version_before", "version_after", "boot_id_before", "boot_id_after",
                  "board", "image", "operator", "at_ms", "detail")  # fmt: skip
_CHAIN: Final = re.compile(r'<script type="application/json" id="chain">(.*?)</script>', re.DOTALL)
_CSV_CHAIN: Final = "#chain,"
_SIGNED: Final = re.compile(r"(.*)<!-- signature of everything above: ([A-Za-z0-9+/=]+) -->\n?", re.DOTALL)


class NoReport(ValueError):
    """The file is no rollout report."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found. `key` is the fingerprint of the key that signed: compare it with the console's own."""

    rollout: str
    state: str
    rows: int
    key: str
    flaw: str
    at_row: int | None = None


def collect(cx: Connection, rollout_id: str, signer: Ed25519PrivateKey, now_ms: int) -> dict[str, Any]:
    """Everything a report holds, with a signed end: rows that are cut off later are missed."""
    rollout = rollouts.expect(cx, rollout_id)
    rows = evidence.of_rollout(cx, rollout_id)
    last = rows[-1].hash if rows else evidence.genesis(rollout_id, rollout.plan_hash)
    end = evidence.end_statement(rollout_id, rollout.plan_hash, len(rows), last, rollout.state)
    report = {
        "format": FORMAT,
        "rollout": rollout_id,
        "version": rollout.version,
        "state": rollout.state,
        "operator": rollout.actor,
        "approved_by": rollouts.agreed(rollouts.approvals(cx, rollout_id)),
        "on_call": rollouts.on_call(rollouts.approvals(cx, rollout_id)),
        "started_ms": rollout.started_ms,
        "finished_ms": rollout.finished_ms,
        "made_ms": now_ms,
        "plan": json.loads(rollout.plan),
        "plan_hash": rollout.plan_hash,
        "key": _raw(signer.public_key()).hex(),
        "chain": [_row_outside(row) for row in rows],
        "end_signature": base64.b64encode(signer.sign(end)).decode(),
        "unproven": {row.node_id: row.state for row in rollouts.nodes(cx, rollout_id)
                     if row.node_id not in {one.node_id for one in rows}},
    }  # fmt: skip
    return {**report, "head_signature": base64.b64encode(signer.sign(_head_statement(report))).decode()}


def _head_statement(report: Mapping[str, Any]) -> bytes:
    """What the signature of the head says: all a report holds beside its rows and its plan, which have their own."""
    head = {name: value for name, value in report.items() if name not in {"plan", "chain", "head_signature"}}
    return b"leitstand report head 1\n" + hashlib.sha256(canonical(head).encode()).digest()


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)


def _row_outside(row: EvidenceRow) -> dict[str, Any]:
    return {
        "seq": row.seq,
        "node": row.node_id,
        "at_ms": row.at_ms,
        "body": row.body,
        "prev": row.prev.hex(),
        "hash": row.hash.hex(),
        "signature": base64.b64encode(row.signature).decode(),
    }


def lines(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One row a node: who, what, when, with which proof."""
    found = []
    for one in report["chain"]:
        body = json.loads(one["body"])
        if "field" in body:  # what a laptop did: its own row stands inside the console's
            body = json.loads(body["field"]["body"])
        before, after = body["before"], body.get("after", {})
        told = (one["node"], body["result"], body["reason"], before["version"], after.get("version", ""),
                before["boot_id"], after.get("boot_id", ""), body["board"], body["image"], body["operator"],
                one["at_ms"], body["detail"])  # fmt: skip
        found.append(dict(zip(COLUMNS, told, strict=True)))
    return found


def as_csv(report: Mapping[str, Any]) -> str:
    """A table for spreadsheets; the last line carries the chain."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([_harmless(value) for value in line.values()] for line in lines(report))
    packed = base64.b64encode(json.dumps(report).encode()).decode()
    return f"{out.getvalue()}{_CSV_CHAIN}{packed}\n"


def _harmless(value: object) -> object:
    """A cell a spreadsheet does not take for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in {"=", "+", "-", "@"} else value


def as_html(
    report: Mapping[str, Any],
    words: Mapping[str, str],
    told: Callable[[str, object], str],
    signer: Ed25519PrivateKey,
) -> str:
    """One page to print or file, signed as it reads; `words` are headings by column, `told` says a value."""
    head = "".join(f"<th>{html.escape(words[column])}</th>" for column in COLUMNS)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{html.escape(told(name, value))}</td>" for name, value in line.items()) + "</tr>"
        for line in lines(report)
    )
    # "<" only occurs inside JSON strings, where this spelling means the same and cannot end the script.
    chain = json.dumps(report).replace("<", "\\u003c")
    page = _PAGE.format(
        title=html.escape(words["title"]), summary=html.escape(words["summary"]), head=head, body=body, chain=chain
    )
    signature = base64.b64encode(signer.sign(_page_statement(page))).decode()
    return f"{page}<!-- signature of everything above: {signature} -->\n"


def _page_statement(page: str) -> bytes:
    """What the signature of a page says: no other signature of this key begins like it."""
    return b"leitstand report page 1\n" + hashlib.sha256(page.encode()).digest()


_PAGE: Final = """<!doctype html>
<html><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px/1.4 system-ui, sans-serif; margin: 2rem; }}
table {{ border-collapse: collapse; font-size: 12px; }}
th, td {{ text-align: left; padding: 2px 8px; border-bottom: 1px solid #ccc; }}
</style></head><body><h1>{title}</h1><p>{summary}</p>
<table><thead><tr>{head}</tr></thead><tbody>
{body}
</tbody></table>
<script type="application/json" id="chain">{chain}</script>
</body></html>
"""


def read(text: str) -> dict[str, Any]:
    """The report inside an HTML, CSV or JSON file. Raises NoReport."""
    found = _CHAIN.search(text)
    lines_of = text.rstrip("\n").rpartition("\n")[2]
    try:
        if found:
            report = json.loads(found[1])
        elif lines_of.startswith(_CSV_CHAIN):
            report = json.loads(base64.b64decode(lines_of.removeprefix(_CSV_CHAIN), validate=True))
        else:
            report = json.loads(text)
    except ValueError as error:
        raise NoReport("there is no rollout report in it") from error
    told = str(report.get("format")) if isinstance(report, dict) else ""
    if not isinstance(report, dict) or told != FORMAT:
        known = told.startswith(FORMAT.rstrip("0123456789"))
        raise NoReport(
            f"it is a {told}, this Leitstand reads {FORMAT}" if known else "there is no rollout report in it"
        )
    return report


def verify(text: str) -> Verdict:
    """Check plan, chain, signatures, end, and the page or table people read. Raises NoReport."""
    report = read(text)
    try:
        return _verify(report, text)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NoReport(f"the report is damaged: {error!r}") from error


def _verify(report: Mapping[str, Any], text: str) -> Verdict:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(report["key"]))
    rows = [_row(report["rollout"], one) for one in report["chain"]]
    name, hashed, state = report["rollout"], report["plan_hash"], report["state"]
    key = fingerprint(bytes.fromhex(report["key"]))

    def verdict(flaw: str, at: int | None = None) -> Verdict:
        return Verdict(name, state, len(rows), key, flaw, at)

    if plan_hash(canonical(report["plan"])) != hashed:
        return verdict("plan_changed")
    found = evidence.check(name, hashed, rows, public)
    if found is not None:
        return verdict(found.reason, found.seq)
    last = rows[-1].hash if rows else evidence.genesis(name, hashed)
    end = evidence.end_statement(name, hashed, len(rows), last, state)
    if not evidence.signed(public, base64.b64decode(report["end_signature"]), end):
        return verdict("cut_off")
    if not evidence.signed(public, base64.b64decode(report["head_signature"]), _head_statement(report)):
        return verdict("head_changed")
    return verdict(_unlike_the_proofs(report, text, public))


def _unlike_the_proofs(report: Mapping[str, Any], text: str, public: Ed25519PublicKey) -> str:
    """The flaw when what people read is not what was written: a page is signed, a table says what the chain says."""
    if _CHAIN.search(text):
        found = _SIGNED.fullmatch(text)
        whole = found and evidence.signed(public, base64.b64decode(found[2]), _page_statement(found[1]))
        return "" if whole else "page_changed"
    is_table = text.rstrip("\n").rpartition("\n")[2].startswith(_CSV_CHAIN)
    return "table_changed" if is_table and text != as_csv(report) else ""


def fingerprint(raw: bytes) -> str:
    """What two people compare: the SHA-256 of the public key, in groups."""
    digest = hashlib.sha256(raw).hexdigest()[:32]
    return " ".join(digest[at : at + 4] for at in range(0, 32, 4))


def own_fingerprint(signer: Ed25519PrivateKey) -> str:
    """The fingerprint of this console's own key."""
    return fingerprint(_raw(signer.public_key()))


def _row(rollout_id: str, one: Mapping[str, Any]) -> EvidenceRow:
    return EvidenceRow(
        rollout_id,
        one["seq"],
        one["node"],
        one["at_ms"],
        one["body"],
        bytes.fromhex(one["prev"]),
        bytes.fromhex(one["hash"]),
        base64.b64decode(one["signature"]),
    )
