"""The words for everything a rollout's rows hold as codes, for the command line and the screens."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Final

from console import texts
from console.texts import _
from local_store.field_leases import LeaseRow

SHARE: Final = re.compile(r"(\d+)/(\d+) \((\d+\.\d) %\), <= (\d+)")
BOUND: Final = re.compile(r"(\d+), (<=|>=) (\d+)")
PART_OF: Final = re.compile(r">= (\d+) % of (\d+)")
TRUSTED: Final = ", trusted"


def rollout_state(code: str) -> str:
    """The word for a rollout's state."""
    return {
        "planned": _("planned"),
        "approved": _("approved"),
        "running": _("running"),
        "paused": _("paused"),
        "complete": _("complete"),
        "complete_with_exceptions": _("complete, with exceptions"),
        "aborted": _("aborted"),
    }.get(code, code)


def wave_state(code: str, over: bool = False) -> str:
    """The word for a wave's state; one that had not passed when its rollout was over never will."""
    if over and code != "passed":
        return _("not begun") if code == "waiting" else _("broken off")
    return {
        "waiting": _("waiting"),
        "in_flight": _("under way"),
        "soak": _("watched"),
        "passed": _("passed"),
    }.get(code, code)


def wave_name(name: str) -> str:
    """A wave's name; what is behind the word is a number or a board."""
    word, _space, rest = name.partition(" ")
    known = {"canary": _("canaries"), "wave": _("wave"), "gateways": _("gateways")}
    return f"{known.get(word, word)} {rest}".strip()


def node_state(code: str) -> str:
    """The word for where one node stands."""
    return {
        "pending": _("waits"),
        "precheck": _("is looked at"),
        "staging": _("receives the image"),
        "staged": _("has the image"),
        "tested": _("is ready"),
        "commit_intent": _("is told to upgrade"),
        "dark": _("restarts"),
        "booted": _("is back"),
        "proving": _("is watched"),
        "confirmed": _("proven"),
        "skipped": _("had it already"),
        "deferred": _("put off"),
        "refused": _("refused"),
        "unchanged": _("still old"),
        "reverted": _("fell back"),
        "degraded": _("worse than before"),
        "lost": _("lost"),
        "identity_mismatch": _("is another node"),
        "field": _("with a technician"),
    }.get(code, code)


def reason(code: str) -> str:
    """The words for why a node rests, is left out or held back."""
    return {
        "unknown": _("not in the graph"),
        "unreachable": _("no path to a gateway, or no answer"),
        "only_gateway": _("the only gateway: a person has to agree"),
        "no_safe_batch": _("cannot restart without cutting others off"),
        "no_board": _("board name unknown"),
        "no_image": _("no image for its board"),
        "other_board": _("the image is for other boards"),
        "expired": _("signatures have expired"),
        "already_there": _("runs it already"),
        "too_old": _("too old to go there directly"),
        "other_compat": _("another compatibility version"),
        "too_little_memory": _("too little memory for the image"),
        "no_room": _("no room for the image"),
        "staged_differs": _("the image on the node is not the one sent"),
        "image_test": _("the node refuses the image"),
        "flash_refused": _("the upgrade was refused on the node"),
        "not_delivered": _("the command never arrived"),
        "silent": _("silent past its deadline"),
        "still_flashing": _("the upgrade never ended"),
        "old_version": _("restarted with the old version"),
        "fell_back": _("its boot loader took the old bank"),
        "identity_mismatch": _("another host key or board than before"),
        "rebooted_in_soak": _("restarted again while watched"),
        "under_baseline": _("hears less than before"),
        "path_down": _("what it hangs on is down, its clock stands still"),
        "leased": _("in the field with a technician"),
        "waits_for": _("waits for what depends on it"),
        "no_backup": _("no fresh backup of its configuration"),
        "too_many_dark": _("too many nodes are dark already"),
        "thins_others": _("others would hang on one way, which was not planned"),
        "alarm": _("critical alarm on it or beside it"),
        "withdrawn": _("withdrawn from the catalogue"),
        "tampered": _("the image file was changed"),
        "untrusted": _("the catalogue cannot be trusted"),
        "missing": _("the image is missing"),
        "refused": _("login or request refused"),
        "garbled": _("answers nobody understands"),
        "unsupported": _("cannot take firmware this way"),
        "stale": _("answers from another boot"),
    }.get(code, code)


def pause(code: str) -> str:
    """The words for why a rollout halts."""
    return {
        "operator": _("a person paused it"),
        "budget": _("more failures than allowed"),
        "blind": _("no gateway answers: our own uplink is gone"),
        "window": _("would not end inside the window"),
        "topology": _("the next batch would cut others off"),
        "image": _("the image is no longer trusted"),
        "alarms": _("more critical alarms than before"),
        "lease": _("the lease has ended: no flash begins any more"),
        "clock": _("this laptop's clock stands before what it wrote already: set it right"),
        "canaries": _("no canary of a board was proven"),
    }.get(code, code)


def pause_detail(text: str) -> str:
    """The numbers behind a halt, one beside the other."""
    told: Mapping[str, object] = json.loads(text or "{}")
    return "; ".join(f"{_what(name)}: {_shown(name, value)}" for name, value in told.items())


def _what(code: str) -> str:
    word, _space, rest = code.partition(" ")
    known = {
        "failures_wave": _("failures in this wave"),
        "failures_model": _("failures of this model"),
        "failures_behind": _("failures behind"),
        "alarms": _("critical alarms around the wave"),
        "canaries": _("proven canaries of"),
        "window": _("window"),
        "image": _("image"),
        "uplink": _("uplink"),
        "gateways": _("gateways"),
        "silent": _("silent nodes"),
        "cut_off": _("cut off"),
        "count": _("in all"),
        "by": _("by"),
        "until_ms": _("until"),
        "newest_ms": _("last written"),
    }
    return f"{known.get(word, word)} {rest}".strip()


def leased(row: LeaseRow) -> str:
    """With whom nodes are, and until when."""
    return _("{lease} with {holder} until {until}").format(
        lease=row.lease_id, holder=row.holder, until=texts.moment(row.until_ms)
    )


def _shown(name: str, value: object) -> str:
    if name.endswith("_ms") and isinstance(value, int):
        return texts.moment(value)
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return texts.exact(value) if isinstance(value, int | float) else _check(str(value))


def _check(text: str) -> str:
    """What a gate saw and wanted; see `mesh_mgmt/gates.py`."""
    share = SHARE.fullmatch(text)
    if share:
        failed, of, pct, most = share.groups()
        words = _("{failed} of {all} ({pct}), allowed are {most}")
        return words.format(failed=failed, all=of, pct=texts.percent(float(pct), 1), most=most)
    bound = BOUND.fullmatch(text)
    if bound:
        seen, sign, limit = bound.groups()
        most, least = _("{seen}, allowed are {limit}"), _("{seen}, wanted are {limit}")
        return (most if sign == "<=" else least).format(seen=seen, limit=limit)
    return reason(text.removesuffix(TRUSTED))


def backup_age(seconds: int) -> str:
    """How fresh backups have to be."""
    return _("not older than {age}").format(age=texts.duration(seconds)) if seconds else _("waived")


def needs(code: str) -> str:
    """Why a second person has to agree."""
    return {"gateways": _("gateways restart"), "size": _("many nodes")}.get(code, code)


def proof_check(what: str, seen: str, wanted: str) -> str:
    """What was looked at on a node after its restart, what was seen, and what was wanted."""
    word, _space, band = what.partition(" ")
    known = {"neighbours": _("neighbours"), "signal": _("signal"), "boot": _("boot")}
    name = f"{known.get(word, word)} {texts.band(band) if band else ''}".strip()
    share = PART_OF.fullmatch(wanted)
    if share:
        wanted = _("at least {pct} of {n}").format(pct=texts.percent(float(share[1])), n=share[2])
    return _("{what}: {seen}, wanted is {wanted}").format(what=name, seen=seen, wanted=wanted)
