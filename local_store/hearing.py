"""Which LoRaWAN gateways hear a sensor, and how often: kept behind the window of counters in `sensor_state.dedup`."""

from __future__ import annotations

from operator import itemgetter

import msgspec

from local_store.sqlite import Connection

WINDOW = 16
"""An uplink counts as one of so many; a gateway that is gone does not count any more after as many without it."""
USUAL = 400
LEAST = 20
MOST = 8


class Heard(msgspec.Struct, frozen=True, array_like=True):
    """How many uplinks this rests on, up to WINDOW, and by gateway (EUI) how many of a thousand it received."""

    uplinks: int = 0
    shares: tuple[tuple[str, int], ...] = ()


class _Kept(msgspec.Struct, frozen=True, array_like=True):
    """As ingest writes it; the windows are its own."""

    now: object = None
    before: object = None
    heard: Heard = Heard()


NOBODY = Heard()
_share = itemgetter(1)
_decode = msgspec.msgpack.Decoder(_Kept).decode


def remember(before: Heard, gateways: tuple[str, ...]) -> Heard:
    """What is known after one more uplink: a moving share for each of the gateways, which are named once each."""
    count = min(before.uplinks + 1, WINDOW)
    found: list[tuple[str, int]] = []
    fresh = len(gateways)
    for eui, was in before.shares:
        heard = eui in gateways
        fresh -= heard
        share = was + ((1000 if heard else 0) - was) // count
        if share >= LEAST:
            found.append((eui, share))
    if fresh:
        known = {eui for eui, _ in before.shares}
        found += [(eui, 1000 // count) for eui in gateways if eui not in known]
    # By share, equal ones by name: two sorts, because ingest does this for every uplink and a key in Python costs more.
    found.sort()
    found.sort(key=_share, reverse=True)
    return Heard(count, tuple(found[:MOST]))


def shares(dedup: bytes) -> tuple[tuple[str, int], ...]:
    """(EUI, received of a thousand uplinks) of one sensor's row, the best first."""
    return _decode(dedup).heard.shares if dedup else ()


def heard_by(dedup: bytes) -> tuple[str, ...]:
    """The gateways that usually hear a sensor: at least two of five uplinks, or the best where none does.

    What a gateway at the other end of the city catches now and then does not keep a sensor connected.
    """
    found = shares(dedup)
    return tuple(eui for eui, share in found if share >= USUAL) or tuple(eui for eui, _ in found[:1])


def of_sensors(cx: Connection) -> dict[str, tuple[str, ...]]:
    """EUIs of the gateways that usually hear each sensor, by sensor id."""
    rows = cx.execute("SELECT sensor_id, dedup FROM sensor_state WHERE length(dedup) > 0")
    return {str(sensor_id): found for sensor_id, dedup in rows if (found := heard_by(dedup))}
