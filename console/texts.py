"""Words for people: gettext catalogues, numbers, durations, sizes in the language of the reader."""

from __future__ import annotations

import gettext
import os
import re
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final

LANGUAGES: Final = ("de", "en")
DOMAINS: Final = ("cli", "tui")
# Control characters (C0, DEL, C1: CSI is one of them), directional overrides (CVE-2021-42574), lone surrogates.
STEERING: Final = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_current: list[gettext.NullTranslations] = [gettext.NullTranslations()]
_code: list[str] = ["en"]


def visible(text: str) -> str:
    """The text with everything that could steer a terminal written out as an escape."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)


def pick(wanted: str | None) -> str:
    """`de` or `en`: what was asked for, else the locale's language, else English."""
    if wanted in LANGUAGES:
        return str(wanted)
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        value = os.environ.get(name)
        if value:
            return "de" if value.lower().startswith("de") else "en"
    return "en"


def set_language(wanted: str | None) -> str:
    """Speak this language from now on; returns which it became."""
    code = pick(wanted)
    catalogue = gettext.NullTranslations()
    if code != "en":
        for domain in DOMAINS:
            path = files("console").joinpath("locale", code, "LC_MESSAGES", f"{domain}.mo")
            with path.open("rb") as file:
                found = gettext.GNUTranslations(file)
            found.add_fallback(catalogue)
            catalogue = found
    _current[0] = catalogue
    _code[0] = code
    return code


def language() -> str:
    """The language in use."""
    return _code[0]


def _(text: str) -> str:
    """The text in the reader's language."""
    return _current[0].gettext(text) if text else ""


def N_(text: str) -> str:  # noqa: N802 - the usual name of the mark
    """Marks a text that is translated later, where it is shown."""
    return text


def ngettext(one: str, many: str, count: int) -> str:
    """The form that fits the number; `{n}` is for the caller to fill."""
    return _current[0].ngettext(one, many, count)


def number(value: float | None, digits: int = 0) -> str:
    """1,234.5 or 1.234,5; a dash for nothing."""
    if value is None:
        return "–"
    text = f"{value:,.{digits}f}"
    if _code[0] == "de":
        text = text.replace(",", "\0").replace(".", ",").replace("\0", ".")
    return text


def exact(value: float) -> str:
    """A measurement with every digit it was stored with, without thousands."""
    text = str(value) if isinstance(value, int) else repr(value).removesuffix(".0")
    return text.replace(".", ",") if _code[0] == "de" else text


def percent(value: float | None, digits: int = 0) -> str:
    """A share; German puts a space before the sign (DIN 5008)."""
    if value is None:
        return "–"
    return number(value, digits) + (" %" if _code[0] == "de" else "%")


def bits(value: float | None) -> str:
    """A rate in bit/s with a unit of three digits at most."""
    if value is None:
        return "–"
    for limit, unit in ((1e3, "bit/s"), (1e6, "kbit/s"), (1e9, "Mbit/s")):
        if value < limit:
            scaled = value / (limit / 1e3)
            return f"{number(scaled, 0 if scaled >= 100 or unit == 'bit/s' else 1)} {unit}"
    return f"{number(value / 1e9, 1)} Gbit/s"


def size(value: float) -> str:
    """Bytes with a decimal unit."""
    for limit, unit in ((1e3, "B"), (1e6, "kB"), (1e9, "MB")):
        if value < limit:
            return f"{number(value / (limit / 1e3))} {unit}"
    return f"{number(value / 1e9, 1)} GB"


def duration(seconds: float | None) -> str:
    """A span in its largest unit: 12 s, 4 min, 3 h, 2 d."""
    if seconds is None:
        return "–"
    seconds = max(0.0, seconds)
    for limit, unit, name in ((100, 1, "s"), (6000, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // 86_400)} d"


def age(at_ms: int | None, now_ms: int) -> str:
    """How long ago, as a span."""
    return "–" if at_ms is None else duration((now_ms - at_ms) / 1000)


def clock(at_ms: int | None) -> str:
    """The time of day as 14:02:05."""
    if at_ms is None:
        return "–"
    when = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone()
    return f"{when:%H:%M:%S}"


def clock_or_day(at_ms: int, now_ms: int) -> str:
    """The time of day as 14:02, or the day as 11-25 or 25.11. where it is not today."""
    when, now = (datetime.fromtimestamp(one / 1000, UTC).astimezone() for one in (at_ms, now_ms))
    if when.date() == now.date():
        return f"{when:%H:%M}"
    return f"{when:%d.%m.}" if _code[0] == "de" else f"{when:%m-%d}"


def weekday(at_ms: int) -> str:
    """The day of the week in two or three letters."""
    days = (_("Mon"), _("Tue"), _("Wed"), _("Thu"), _("Fri"), _("Sat"), _("Sun"))
    return days[datetime.fromtimestamp(at_ms / 1000, UTC).astimezone().weekday()]


def moment(at_ms: int | None) -> str:
    """Day and time to the second, sortable."""
    if at_ms is None:
        return "–"
    return f"{datetime.fromtimestamp(at_ms / 1000, UTC).astimezone():%Y-%m-%d %H:%M:%S}"


def state(code: str) -> str:
    """The word for a state."""
    return {
        "ok": _("ok"),
        "warning": _("warning"),
        "down": _("down"),
        "unreachable": _("unreachable"),
        "flapping": _("flapping"),
        "up": _("up"),
        "unknown": _("unknown"),
        "critical": _("critical"),
    }.get(code, code)


def sensor_kind(code: str) -> str:
    """The word for a kind of sensor."""
    return {
        "bin": _("bin"),
        "climate": _("climate"),
        "passenger": _("passengers"),
        "movement": _("movement"),
        "other": _("other"),
    }.get(code, code)


def node_role(code: str) -> str:
    """The word for what a node does."""
    return {
        "gateway": _("gateway"),
        "uplink": _("uplink"),
        "mesh": _("mesh"),
        "hotspot": _("hotspot"),
        "lorawan_gateway": _("LoRaWAN"),
        "other": _("other"),
    }.get(code, code)


def band(code: str) -> str:
    """The band of a link: those of radios in GHz."""
    if not code[:1].isdigit():
        return {"wired": _("wired"), "lora": "LoRa"}.get(code, code)
    return f"{code.replace('.', ',') if _code[0] == 'de' else code} GHz"


UNITS: Final = {
    "ug_m3": "µg/m³", "m_s": "m/s", "pct": "%", "ms": "ms", "bps": "bit/s", "hpa": "hPa", "dbm": "dBm", "db": "dB",
    "mm": "mm", "lux": "lx", "ppm": "ppm", "deg": "°", "s": "s", "c": "°C", "v": "V",
}  # fmt: skip


def quantity(name: str) -> tuple[str, str]:
    """The word for what is measured, and its unit, which ends its name."""
    ending = next((one for one in UNITS if name.endswith(f"_{one}") and name != one), "")
    stem, unit = name.removesuffix(f"_{ending}"), UNITS.get(ending, "")
    words = {
        "rtt": _("response time"),
        "load": _("load"),
        "mem": _("memory"),
        "fill": _("fill"),
        "battery": _("battery"),
        "temperature": _("temperature"),
        "air_temp": _("air temperature"),
        "humidity": _("humidity"),
        "pressure": _("pressure"),
        "distance": _("distance"),
        "tilt": _("tilt"),
        "wind": _("wind"),
        "rain": _("rain"),
        "margin": _("radio margin"),
        "rssi": "RSSI",
        "snr": "SNR",
        "co2": "CO₂",
        "no2": "NO₂",
        "pm1": "PM1",
        "o3": "O₃",
        "pm10": "PM10",
        "pm2_5": "PM2,5" if _code[0] == "de" else "PM2.5",
    }
    return words.get(stem, stem.replace("_", " ")), unit


def cause(code: str) -> str:
    """The words for the cause of a state."""
    if code.startswith("behind:"):
        return _("behind {node}").format(node=code.removeprefix("behind:").replace("+", ", "))
    return {
        "silent": _("no answer"),
        "refused": _("access refused"),
        "garbled": _("broken answers"),
        "unsupported": _("not supported"),
        "stale": _("stale answers"),
        "loss": _("packet loss"),
        "rtt": _("slow answers"),
        "load": _("processor busy"),
        "memory": _("memory short"),
        "rebooted": _("restarted"),
        "flapping": _("keeps changing"),
        "interface_down": _("an interface is down"),
        "unreachable": _("out of reach"),
    }.get(code, code)


def outbox_state(state: str) -> str:
    """The word for what became of it."""
    return {
        "queued": _("waiting"),
        "done": _("done"),
        "refused": _("refused"),
        "withdrawn": _("taken back"),
        "recorded": _("recorded"),
        "sent": _("sent"),
    }.get(state, state)


def asked(kind: str) -> str:
    """What was asked for or changed, in words where there are some."""
    return {
        "alert.acknowledge": _("acknowledge alert"),
        "node.poll": _("poll node"),
        "node.retire": _("retire node"),
        "quarantine.retry": _("retry message"),
        "quarantine.dismiss": _("let message go"),
        "damaged.dismiss": _("let damaged row go"),
        "node.declared": _("import node"),
        "node.changed": _("change node"),
        "sensor.declared": _("import sensor"),
        "sensor.changed": _("change sensor"),
        "config.push": _("push configuration"),
        "config.revert": _("go back to a version"),
        "provision.start": _("set up a new node"),
        "provision.answer": _("answer a new node"),
        "provision.resume": _("go on with a new node"),
        "provision.abort": _("give up a new node"),
        "rollout.plan": _("plan rollout"),
        "rollout.start": _("start rollout"),
        "rollout.approve": _("approve rollout"),
        "rollout.pause": _("halt rollout"),
        "rollout.resume": _("go on with rollout"),
        "rollout.abort": _("abort rollout"),
    }.get(kind, kind)
