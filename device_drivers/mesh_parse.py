"""What mesh nodes say of their neighbours, from text and JSON to NeighbourSeen. Pure, no I/O.

`batctl *_json` (BATMAN_IV and BATMAN_V), `iw dev`, `iw station dump`, `iw mpath dump`, rpcd iwinfo and lldpcli. What
cannot be understood raises NotUnderstood, which a driver turns into Garbled: half a list of neighbours would be taken
for links that broke.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from device_drivers.capabilities import Band, NeighbourSeen

TQ_BEST: Final = 255
"""batman-adv's transmission quality at its best (BATMAN_IV)."""
_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}")
_STATION = re.compile(r"^Station (\S+) \(on (\S+)\)", re.MULTILINE)
_DEVICE = re.compile(r"^\s*Interface (\S+)", re.MULTILINE)
_CHANNEL = re.compile(r"^\s*channel (\d{1,5}) \((\d{1,6}) MHz\)", re.MULTILINE)
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_AGE = re.compile(r"(?:(\d{1,5}) days?, )?(\d{1,5}):(\d\d):(\d\d)")
_COUNT = re.compile(r"[0-9]{1,12}")
_RADIO_NAMES = ("wlan", "wl", "phy", "ath", "ra", "mesh", "radio")
_NO_MESH_MODES = frozenset({"AP", "Master", "AP/VLAN", "Master (VLAN)"})


class NotUnderstood(ValueError):
    """Text that is not what its command prints; the message says which and where."""


@dataclass(frozen=True, slots=True)
class Radio:
    """One interface as `iw dev` or iwinfo shows it. `mode` is its type ("mesh point", "AP", "managed", ...)."""

    mac: str
    band: Band
    channel: int | None = None
    mode: str = ""


@dataclass(frozen=True, slots=True)
class MeshPath:
    """One 802.11s path: the next hop towards a station, and its metric (airtime, less is better)."""

    destination: str
    next_hop: str
    ifname: str
    metric: int
    hops: int | None = None


def mac_of(value: object) -> str:
    """A MAC in lower case with colons; "" for what is none."""
    text = str(value).strip().lower().replace("-", ":")
    return text if _MAC.fullmatch(text) else ""


def band_of_mhz(mhz: int) -> Band:
    """The band a frequency lies in."""
    if mhz < 1_000:
        return "lora"
    if mhz < 3_000:
        return "2.4"
    if mhz < 5_930:
        return "5"
    return "6" if mhz < 10_000 else "60"


def band_of_name(ifname: str) -> Band:
    """A guess where no frequency is told: radios mostly mesh at 5 GHz, everything else is a wire."""
    return "5" if ifname.lower().startswith(_RADIO_NAMES) else "wired"


def radios(iw_dev: str) -> dict[str, Radio]:
    """Interfaces of `iw dev`, by name."""
    found: dict[str, Radio] = {}
    for start, block in _blocks(_DEVICE, iw_dev):
        channel = _CHANNEL.search(block)
        band = band_of_mhz(int(channel[2])) if channel else band_of_name(start[1])
        number = int(channel[1]) if channel else None
        found[start[1]] = Radio(mac_of(_line(block, "addr")), band, number, _line(block, "type"))
    return found


def batadv_macs(hardifs_json: str) -> dict[str, str]:
    """Interface -> MAC from `batctl meshif bat0 hardifs_json`."""
    rows = _rows(hardifs_json, "batctl hardifs_json")
    return {
        str(row["hard_ifname"]): mac_of(row.get("hard_address", ""))
        for row in rows
        if mac_of(row.get("hard_address", "")) and row.get("hard_ifname")
    }


def batadv(
    neighbors_json: str,
    originators_json: str = "",
    radios_by_name: Mapping[str, Radio] | None = None,
    macs: Mapping[str, str] | None = None,
) -> list[NeighbourSeen]:
    """Direct neighbours of `batctl meshif bat0 neighbors_json`.

    BATMAN_V gives each a throughput. BATMAN_IV gives a TQ per originator only: the best one reached through a
    neighbour is the quality of the link to it, for every further hop makes it worse.
    """
    best_tq = _best_tq(originators_json) if originators_json.strip() else {}
    found: list[NeighbourSeen] = []
    for row in _rows(neighbors_json, "batctl neighbors_json"):
        ifname, remote = str(row.get("hard_ifname", "")), mac_of(row.get("neigh_address", ""))
        if not remote or not ifname:
            raise NotUnderstood(f"batctl neighbors_json: a row without neigh_address or hard_ifname: {row}")
        radio = (radios_by_name or {}).get(ifname)
        tq = best_tq.get((ifname, remote))
        found.append(
            NeighbourSeen(
                "batadv",
                ifname,
                (macs or {}).get(ifname) or (radio.mac if radio else ""),
                remote,
                radio.band if radio else band_of_name(ifname),
                quality_pct=None if tq is None else round(100.0 * tq / TQ_BEST, 1),
                throughput_mbps=_mbps(row.get("throughput")),
                channel=radio.channel if radio else None,
                age_ms=int(_number(row.get("last_seen_msecs")) or 0),
            )
        )
    return found


def stations(dump: str, radios_by_name: Mapping[str, Radio] | None = None) -> list[NeighbourSeen]:
    """Mesh peers of `iw dev X station dump`.

    Peers are stations with an established mesh link, or any station where the interface is no access point: the
    guests of an access point are people's telephones and none of our business.
    """
    found: list[NeighbourSeen] = []
    if dump.strip() and not _STATION.search(dump):
        raise NotUnderstood(f"iw station dump: no station in {dump.strip()[:60]!r}")
    for start, block in _blocks(_STATION, dump):
        ifname = start[2]
        radio = (radios_by_name or {}).get(ifname)
        remote, plink = mac_of(start[1]), _line(block, "mesh plink:")
        if not remote:
            raise NotUnderstood(f"iw station dump: {start[1]!r} is no address")
        if not _is_peer(plink, radio):
            continue
        found.append(
            NeighbourSeen(
                "80211s",
                ifname,
                radio.mac if radio else "",
                remote,
                radio.band if radio else band_of_name(ifname),
                signal_dbm=_first(_line(block, "signal avg:")) or _first(_line(block, "signal:")),
                throughput_mbps=_first(_line(block, "expected throughput:")) or _first(_line(block, "tx bitrate:")),
                channel=radio.channel if radio else None,
                age_ms=int(_first(_line(block, "inactive time:")) or 0),
            )
        )
    return found


def _is_peer(plink: str, radio: Radio | None) -> bool:
    """A station with an established mesh link, or without any on an interface that is no access point."""
    return plink == "ESTAB" or (not plink and radio is not None and radio.mode not in _NO_MESH_MODES)


def guests(dump: str) -> int:
    """How many stations an access point's `iw dev X station dump` lists: their number, nothing else of them."""
    return sum(1 for _ in _STATION.finditer(dump))


def is_access_point(radio: Radio) -> bool:
    """Whether guests may associate with this interface."""
    return radio.mode in _NO_MESH_MODES


def mesh_paths(dump: str) -> list[MeshPath]:
    """Paths of `iw dev X mpath dump`; newer kernels add a column of hops."""
    found: list[MeshPath] = []
    for line in dump.splitlines():
        words = line.split()
        if len(words) >= 5 and mac_of(words[0]) and mac_of(words[1]) and _COUNT.fullmatch(words[4]):
            hops = int(words[10]) if len(words) > 10 and _COUNT.fullmatch(words[10]) else None
            found.append(MeshPath(mac_of(words[0]), mac_of(words[1]), words[2], int(words[4]), hops))
    return found


def iwinfo_radio(info_json: str) -> Radio:
    """One interface of `ubus call iwinfo info`."""
    info = _object(info_json, "iwinfo info")
    mhz, channel = _number(info.get("frequency")), _number(info.get("channel"))
    band = band_of_mhz(int(mhz)) if mhz else "2.4" if channel and channel <= 14 else "5"
    return Radio(mac_of(info.get("bssid", "")), band, int(channel) if channel else None, str(info.get("mode", "")))


def assoclist(list_json: str, ifname: str, radio: Radio | None = None) -> list[NeighbourSeen]:
    """Mesh peers of `ubus call iwinfo assoclist`; whom it counts is as with `stations`."""
    found: list[NeighbourSeen] = []
    for row in _list(_object(list_json, "iwinfo assoclist").get("results", []), "iwinfo assoclist"):
        remote = mac_of(row.get("mac", ""))
        if not remote:
            raise NotUnderstood(f"iwinfo assoclist: a row without mac: {row}")
        plink = str(row.get("mesh plink", "")).strip()
        if not _is_peer(plink, radio):
            continue
        sent = row.get("tx")
        signal = _number(row.get("signal_avg")) or _number(row.get("signal"))
        found.append(
            NeighbourSeen(
                "iwinfo",
                ifname,
                radio.mac if radio else "",
                remote,
                radio.band if radio else band_of_name(ifname),
                signal_dbm=signal or None,
                throughput_mbps=_mbps(row.get("thr")) or _mbps(sent.get("rate") if isinstance(sent, dict) else None),
                channel=radio.channel if radio else None,
                age_ms=int(_number(row.get("inactive")) or 0),
            )
        )
    return found


def lldp(lldpcli_json: str, macs: Mapping[str, str] | None = None) -> list[NeighbourSeen]:
    """Wired far ends of `lldpcli -f json show neighbors` (the keyed form and json0)."""
    root = _object(lldpcli_json, "lldpcli").get("lldp", {})
    found: list[NeighbourSeen] = []
    for one in _each(root):
        for ifname, entry in _interfaces(one.get("interface", {})):
            name, chassis = _chassis(entry.get("chassis"))
            port = _only(entry.get("port"))
            port_id = _only(port.get("id"))
            remote = _mac_id(port_id) or _mac_id(_only(chassis.get("id")))
            far_port = _value(port_id) if _value(port_id, "type") == "ifname" else _value(_only(port.get("descr")))
            if not remote and not name:
                continue
            local = (macs or {}).get(ifname, "")
            age_ms = _age_ms(str(entry.get("age", "")))
            seen = NeighbourSeen("lldp", ifname, local, remote, "wired", name, age_ms=age_ms, remote_ifname=far_port)
            found.append(seen)
    return found


def _blocks(head: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each match of `head` with the text up to the next one."""
    starts = list(head.finditer(text))
    for at, start in enumerate(starts):
        yield start, text[start.end() : starts[at + 1].start() if at + 1 < len(starts) else len(text)]


def _interfaces(value: object) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in _each(value):
        if isinstance(one.get("name"), str):
            yield one["name"], one
        else:
            yield from ((ifname, entry) for ifname, entry in one.items() if isinstance(entry, dict))


def _chassis(value: object) -> tuple[str, dict[str, Any]]:
    """System name and the chassis itself: keyed by the name, or with a name of its own."""
    chassis = _only(value)
    if "id" in chassis:
        return _value(_only(chassis.get("name"))) or str(chassis.get("name") or ""), chassis
    for name, inner in chassis.items():
        if isinstance(inner, dict):
            return name, inner
    return "", {}


def _each(value: object) -> Iterable[dict[str, Any]]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, dict)]


def _only(value: object) -> dict[str, Any]:
    first = value[0] if isinstance(value, list) and value else value
    return first if isinstance(first, dict) else {"value": first} if isinstance(first, str) else {}


def _value(of: Mapping[str, Any], key: str = "value") -> str:
    found = of.get(key)
    return found if isinstance(found, str) else ""


def _mac_id(of: Mapping[str, Any]) -> str:
    return mac_of(_value(of)) if _value(of, "type") == "mac" else ""


def _age_ms(text: str) -> int:
    """ "1 day, 02:03:04" in milliseconds."""
    found = _AGE.search(text)
    if found is None:
        return 0
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return (((days * 24 + hours) * 60 + minutes) * 60 + seconds) * 1000


def _best_tq(originators_json: str) -> dict[tuple[str, str], float]:
    best: dict[tuple[str, str], float] = {}
    for row in _rows(originators_json, "batctl originators_json"):
        tq = _number(row.get("tq"))
        if tq is not None:
            key = (str(row.get("hard_ifname", "")), mac_of(row.get("neigh_address", "")))
            best[key] = max(best.get(key, 0.0), min(tq, TQ_BEST))
    return best


def _rows(text: str, what: str) -> list[dict[str, Any]]:
    return _list(_json(text, what), what)


def _list(value: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise NotUnderstood(f"{what}: a list of objects was expected")
    return value


def _object(text: str, what: str) -> dict[str, Any]:
    found = _json(text, what)
    if not isinstance(found, dict):
        raise NotUnderstood(f"{what}: an object was expected")
    return found


def _json(text: str, what: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood(f"{what}: no JSON ({error}): {text.strip()[:60]!r}") from error


def _number(value: object) -> float | None:
    """A finite number, also one given as text."""
    if isinstance(value, str):
        value = _first(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e12:
        return None
    return float(value)


def _mbps(kbit_s: object) -> float | None:
    number = _number(kbit_s)
    return round(number / 1000, 3) if number else None


def _line(block: str, head: str) -> str:
    """What follows `head` on the line that begins with it."""
    for line in block.splitlines():
        text = line.strip()
        if text.startswith(head):
            return text[len(head) :].strip()
    return ""


def _first(text: str) -> float | None:
    found = _NUMBER.search(text)
    return float(found[0]) if found and len(found[0]) < 16 else None
