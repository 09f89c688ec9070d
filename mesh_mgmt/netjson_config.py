"""NetJSON DeviceConfiguration as UCI: general, interfaces, radios and wireless, routes, dns and ntp. Pure.

What cannot be expressed as options of UCI (`files`) is refused by name instead of being left out in silence.
Specification: https://netjson.org/rfc.html, section 5.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

Packages = dict[str, dict[str, dict[str, Any]]]
TYPE: Final = "_type"
_KNOWN: Final = ("type", "general", "interfaces", "radios", "routes", "dns_servers", "dns_search", "ntp")
_MODES: Final = {"access_point": "ap", "station": "sta", "adhoc": "adhoc", "802.11s": "mesh", "monitor": "monitor"}
_BAND: Final = {"802.11n": "HT", "802.11ac": "VHT", "802.11ax": "HE", "802.11be": "EHT"}
_CIPHERS: Final = {
    "wpa2_personal": "psk2",
    "wpa3_personal": "sae",
    "wpa2_personal_mixed": "sae-mixed",
    "wpa_personal": "psk",
    "wpa_personal_mixed": "psk-mixed",
    "wpa2_enterprise": "wpa2",
    "wpa3_enterprise": "wpa3",
    "none": "none",
}


class NetJsonError(ValueError):
    """A part of the configuration that cannot be rendered; `key` is where to look for it."""

    def __init__(self, key: str, what: str) -> None:
        super().__init__(what)
        self.key = key


def to_uci(config: Mapping[str, Any]) -> Packages:
    """The packages, sections and options that say the same. Raises NetJsonError."""
    unknown = next((key for key in config if key not in _KNOWN), None)
    if unknown is not None:
        raise NetJsonError(unknown, f"`{unknown}` has no counterpart in UCI here; known: {', '.join(_KNOWN)}")
    found: Packages = {}
    parts: tuple[tuple[str, Callable[[Packages, Any], None]], ...] = (
        ("general", _general),
        ("interfaces", _interfaces),
        ("radios", _radios),
        ("routes", _routes),
        ("dns_servers", lambda out, value: _dns(out, "dns", value)),
        ("dns_search", lambda out, value: _dns(out, "dns_search", value)),
        ("ntp", _ntp),
    )
    for key, render in parts:
        if key in config:
            render(found, config[key])
    return found


def _section(out: Packages, package: str, name: str, kind: str) -> dict[str, Any]:
    return out.setdefault(package, {}).setdefault(name, {TYPE: kind})


def _is(value: Any, kind: type, key: str) -> Any:
    if not isinstance(value, kind):
        raise NetJsonError(key, f"`{key}` must be {'an object' if kind is dict else 'a list'}")
    return value


def _need(table: Mapping[str, Any], key: str, where: str) -> Any:
    if key not in table:
        raise NetJsonError(where, f"`{where}` needs `{key}`")
    return table[key]


def _name(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_]", "_", text)


def _general(out: Packages, value: Any) -> None:
    section = _section(out, "system", "@system[0]", "system")
    del section[TYPE]  # every node has it, without a name of its own
    section.update(_is(value, dict, "general"))


def _ntp(out: Packages, value: Any) -> None:
    ntp = _is(value, dict, "ntp")
    section = _section(out, "system", "ntp", "timeserver")
    section.update({key: ntp[key] for key in ("enabled", "enable_server") if key in ntp})
    if "server" in ntp:
        section["server"] = _is(ntp["server"], list, "server")


def _dns(out: Packages, option: str, value: Any) -> None:
    """Name servers belong to an interface in UCI; the loopback carries those of the whole device."""
    _section(out, "network", "loopback", "interface")[option] = _is(value, list, option)


def _interfaces(out: Packages, value: Any) -> None:
    for one in _is(value, list, "interfaces"):
        interface = _is(one, dict, "interfaces")
        name = str(_need(interface, "name", "interfaces"))
        kind = interface.get("type", "ethernet")
        logical = _name(str(interface.get("network") or name))
        section = _section(out, "network", logical, "interface")
        if kind == "wireless":
            _wireless(out, name, logical, _is(_need(interface, "wireless", name), dict, name))
        elif kind == "bridge":
            bridge = _section(out, "network", f"dev_{_name(name)}", "device")
            bridge.update({"name": name, "type": "bridge", "ports": interface.get("bridge_members", [])})
            section["device"] = name
        elif kind in ("ethernet", "loopback", "virtual"):
            section["device"] = name
        else:
            raise NetJsonError(name, f"`{name}`: interface type `{kind}` is not supported")
        for option in ("mtu", "mac", "disabled"):
            if option in interface:
                section[{"mac": "macaddr"}.get(option, option)] = interface[option]
        _addresses(section, interface.get("addresses", []), name)


def _addresses(section: dict[str, Any], addresses: Any, name: str) -> None:
    found = _is(addresses, list, name)
    four: list[str] = []
    six: list[str] = []
    section.setdefault("proto", "none")
    for one in found:
        proto, family = one.get("proto", "static"), one.get("family", "ipv4")
        if proto == "dhcp":
            section["proto"] = "dhcpv6" if family == "ipv6" else "dhcp"
            continue
        section["proto"] = "static"
        address = f"{_need(one, 'address', name)}/{_need(one, 'mask', name)}"
        if "{{" not in address:
            try:
                ipaddress.ip_interface(address)
            except ValueError as error:
                raise NetJsonError(name, f"`{name}`: {error}") from error
        (six if family == "ipv6" else four).append(address)
        if "gateway" in one:
            section["gateway" if family == "ipv4" else "ip6gw"] = one["gateway"]
    section.update({key: value for key, value in (("ipaddr", four), ("ip6addr", six)) if value})


def _wireless(out: Packages, name: str, logical: str, wireless: Mapping[str, Any]) -> None:
    mode = str(_need(wireless, "mode", name))
    if mode not in _MODES:
        raise NetJsonError(name, f"`{name}`: wireless mode `{mode}` is none of {', '.join(_MODES)}")
    section = _section(out, "wireless", f"wifi_{_name(name)}", "wifi-iface")
    section.update({"device": _need(wireless, "radio", name), "mode": _MODES[mode], "ifname": name})
    section["network"] = wireless.get("network", [logical])
    id_option = "mesh_id" if mode == "802.11s" else "ssid"
    section[id_option] = _need(wireless, id_option, name)
    for key, option in (("hidden", "hidden"), ("isolate", "isolate"), ("wmm", "wmm"), ("bssid", "bssid")):
        if key in wireless:
            section[option] = wireless[key]
    encryption = wireless.get("encryption", {"protocol": "none"})
    protocol = str(_is(encryption, dict, name).get("protocol", "none"))
    if protocol not in _CIPHERS:
        raise NetJsonError(name, f"`{name}`: encryption `{protocol}` is none of {', '.join(_CIPHERS)}")
    section["encryption"] = _CIPHERS[protocol]
    section.update({key: encryption[key] for key in ("key", "server", "port") if key in encryption})


def _radios(out: Packages, value: Any) -> None:
    for radio in _is(value, list, "radios"):
        name = str(_need(_is(radio, dict, "radios"), "name", "radios"))
        section = _section(out, "wireless", name, "wifi-device")
        protocol = str(radio.get("protocol", ""))
        if "channel" in radio:
            section["channel"] = "auto" if radio["channel"] == 0 else radio["channel"]
        if "channel_width" in radio and protocol in _BAND:
            section["htmode"] = f"{_BAND[protocol]}{radio['channel_width']}"
        if "band" in radio or "hwmode" in radio:
            section["band"] = radio.get("band") or radio["hwmode"]
        names = (("tx_power", "txpower"), ("country", "country"), ("disabled", "disabled"))
        section.update({option: radio[key] for key, option in names if key in radio})


def _routes(out: Packages, value: Any) -> None:
    for at, route in enumerate(_is(value, list, "routes"), 1):
        destination = str(_need(_is(route, dict, "routes"), "destination", "routes"))
        six = ":" in destination
        section = _section(out, "network", f"route{at}", "route6" if six else "route")
        section.update({"interface": _name(str(_need(route, "device", "routes"))), "target": destination})
        names = (("next", "gateway"), ("cost", "metric"), ("source", "source"))
        section.update({option: route[key] for key, option in names if key in route})
