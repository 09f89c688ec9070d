"""What mesh nodes say of their neighbours, from text and JSON to NeighbourSeen. Pure, no I/O.

`batctl *_json` (BATMAN_IV and BATMAN_V), `iw dev`, `iw station dump`, `iw mpath dump` and rpcd iwinfo. What
cannot be understood raises NotUnderstood, which a driver turns into Garbled: half a list of neighbours would be taken
for links that broke.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
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
_COUNT = re.compile(r"[0-9]{1,12}")
MESH_POINT: Final = "mesh point"
FRAME_BITS: Final = 8192
UNKNOWN_AIRTIME: Final = 0xFFFF_FFFF
_RADIO_NAMES = ("wlan", "wl", "phy", "ath", "ra", "mesh", "radio")
_PLINKS = frozenset({"LISTEN", "OPN_SNT", "OPN_RCVD", "CNF_RCVD", "ESTAB", "HOLDING", "BLOCKED"})
"""States of a mesh link as `iw` spells them; it writes UNKNOWN for newer ones."""
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
    hardifs_json: str = "",
) -> list[NeighbourSeen]:
    """Direct neighbours of `batctl meshif bat0 neighbors_json`.

    Before Linux 5.14 (batman-adv 2021.2) its rows have only the number of the interface; hardifs_json has its name.

    BATMAN_V gives each a throughput. BATMAN_IV gives a TQ per originator only: the best one reached through a
    neighbour is the quality of the link to it, for every further hop makes it worse.
    """
    numbered = _numbered(hardifs_json) if hardifs_json.strip() else {}
    best_tq = _best_tq(originators_json, numbered) if originators_json.strip() else {}
    found: list[NeighbourSeen] = []
    for row in _rows(neighbors_json, "batctl neighbors_json"):
        ifname, remote = _hard_ifname(row, numbered), mac_of(row.get("neigh_address", ""))
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


def stations(dump: str, radios_by_name: Mapping[str, Radio] | None = None, mpath_dump: str = "") -> list[NeighbourSeen]:
    """Mesh peers of `iw dev X station dump`.

    Peers are stations with an established mesh link, or any station where the interface is no access point: the
    guests of an access point are people's telephones and none of our business.
    """
    found: list[NeighbourSeen] = []
    carried = _carried_mbps(mpath_dump)
    for remote, ifname, block in _stations(dump):
        radio = (radios_by_name or {}).get(ifname)
        plink = _line(block, "mesh plink:")
        if plink not in _PLINKS | {"UNKNOWN"} and (plink or (radio is not None and radio.mode == MESH_POINT)):
            raise NotUnderstood(
                f"iw station dump: cut off in the block of {remote}, without the state of its mesh link"
            )
        if not _is_peer(plink, radio):
            continue
        found.append(
            NeighbourSeen(
                "80211s",
                ifname,
                radio.mac if radio else "",
                remote,
                radio.band if radio else band_of_name(ifname),
                signal_dbm=_measured(block, "signal avg:", "dBm") or _measured(block, "signal:", "dBm"),
                throughput_mbps=_measured(block, "expected throughput:", "Mbps")
                or carried.get((ifname, remote))
                or _measured(block, "tx bitrate:", "MBit/s"),
                channel=radio.channel if radio else None,
                age_ms=int(_measured(block, "inactive time:", "ms") or 0),
            )
        )
    return found


def _stations(dump: str) -> Iterator[tuple[str, str, str]]:
    """Address, interface and block of each station; a dump with anything else, or cut in a headline, is refused."""
    heads = [line for line in dump.splitlines() if line.strip() and not line[0].isspace()]
    starts = list(_blocks(_STATION, dump))
    if len(heads) != len(starts) or (dump.strip() and not starts):
        odd = next((line for line in heads if not _STATION.match(line)), dump.strip())
        raise NotUnderstood(f"iw station dump: no station in {odd[:60]!r}")
    for start, block in starts:
        remote = mac_of(start[1])
        if not remote:
            raise NotUnderstood(f"iw station dump: {start[1]!r} is no address")
        yield remote, start[2], block
    endings = [_ending(block) for _, block in starts if _line(block, "mesh plink:")]
    if len(set(endings)) > 1:
        raise NotUnderstood(f"iw station dump: cut off, one station ends with {endings[-1]!r}, others do not")


def _ending(block: str) -> str:
    """The last line of a mesh station without its figures: the same for all, as mac80211 knows the same of each."""
    last = next((line.strip() for line in reversed(block.splitlines()) if line.strip()), "")
    head, _, value = last.partition(":")
    return head + re.sub(r"\d+", "0", value) if re.search(r"\d", value) else head


def _measured(block: str, head: str, unit: str) -> float | None:
    """The number behind `head`; one without its unit lost some of its digits where the dump was cut off."""
    text = _line(block, head)
    number = _first(text)
    if number is not None and unit not in text:
        raise NotUnderstood(f"iw station dump: cut off at {head} {text!r}, {unit} is missing")
    return number


def _is_peer(plink: str, radio: Radio | None) -> bool:
    """A station with an established mesh link, or without any on an interface that is no access point."""
    return plink == "ESTAB" or (not plink and radio is not None and radio.mode not in _NO_MESH_MODES)


def guests(dump: str) -> int:
    """How many stations an access point's `iw dev X station dump` lists: their number, nothing else of them."""
    return sum(1 for _ in _stations(dump))


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


def _carried_mbps(mpath_dump: str) -> dict[tuple[str, str], float]:
    """What a direct path carries, by interface and far end, from its airtime. A path over others says nothing of it.

    mac80211 counts the microseconds a frame of 8192 bits takes with its repeats, and one more (IEEE 802.11-2020,
    14.9; the largest number stands for a path nobody has measured). Drivers that choose the rate in their own
    firmware tell no expected throughput, and the rate of the last frame is far above what a link carries.
    """
    direct = [one for one in mesh_paths(mpath_dump) if one.destination == one.next_hop]
    return {
        (one.ifname, one.destination): round(FRAME_BITS / (one.metric - 1), 1)
        for one in direct
        if 1 < one.metric < UNKNOWN_AIRTIME
    }


def iwinfo_radio(info_json: str) -> Radio:
    """One interface of `ubus call iwinfo info`."""
    info = json_object(info_json, "iwinfo info")
    mhz, channel = _number(info.get("frequency")), _number(info.get("channel"))
    band = band_of_mhz(int(mhz)) if mhz else "2.4" if channel and channel <= 14 else "5"
    return Radio(mac_of(info.get("bssid", "")), band, int(channel) if channel else None, str(info.get("mode", "")))


def assoclist(list_json: str, ifname: str, radio: Radio | None = None) -> list[NeighbourSeen]:
    """Mesh peers of `ubus call iwinfo assoclist`; whom it counts is as with `stations`."""
    found: list[NeighbourSeen] = []
    for row in _list(json_object(list_json, "iwinfo assoclist").get("results", []), "iwinfo assoclist"):
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


def _blocks(head: re.Pattern[str], text: str) -> Iterator[tuple[re.Match[str], str]]:
    """Each match of `head` with the text up to the next one."""
    starts = list(head.finditer(text))
    for at, start in enumerate(starts):
        yield start, text[start.end() : starts[at + 1].start() if at + 1 < len(starts) else len(text)]


def _numbered(hardifs_json: str) -> dict[int, str]:
    rows = _rows(hardifs_json, "batctl hardifs_json")
    return {at: str(row.get("hard_ifname", "")) for row in rows if isinstance(at := row.get("hard_ifindex"), int)}


def _hard_ifname(row: Mapping[str, Any], numbered: Mapping[int, str]) -> str:
    number = row.get("hard_ifindex")
    return str(row.get("hard_ifname") or (numbered.get(number, "") if isinstance(number, int) else ""))


def _best_tq(originators_json: str, numbered: Mapping[int, str]) -> dict[tuple[str, str], float]:
    best: dict[tuple[str, str], float] = {}
    for row in _rows(originators_json, "batctl originators_json"):
        tq = _number(row.get("tq"))
        if tq is not None:
            key = (_hard_ifname(row, numbered), mac_of(row.get("neigh_address", "")))
            best[key] = max(best.get(key, 0.0), min(tq, TQ_BEST))
    return best


def _rows(text: str, what: str) -> list[dict[str, Any]]:
    return _list(_json(text, what), what)


def _list(value: object, what: str) -> list[dict[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise NotUnderstood(f"{what}: a list of objects was expected")
    return value


def json_object(text: str, what: str) -> dict[str, Any]:
    """The object of a JSON text; raises NotUnderstood, naming `what` it is of."""
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
