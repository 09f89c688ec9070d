"""What mesh nodes print of their neighbours, understood."""

from __future__ import annotations

import contextlib
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_drivers.lldpcli_parse import lldp
from device_drivers.mesh_parse import (
    NotUnderstood,
    Radio,
    assoclist,
    batadv,
    batadv_macs,
    guests,
    iwinfo_radio,
    mesh_paths,
    radios,
    stations,
)

IW_DEV = """phy#1
\tInterface mesh0
\t\tifindex 7
\t\twdev 0x100000002
\t\taddr 0A:00:00:00:00:01
\t\ttype mesh point
\t\tchannel 36 (5180 MHz), width: 80 MHz, center1: 5210 MHz
phy#0
\tInterface wlan0
\t\taddr 0a:00:00:00:00:02
\t\ttype AP
\t\tchannel 6 (2437 MHz), width: 20 MHz, center1: 2437 MHz
\tInterface wlan2
\t\taddr 0a:00:00:00:00:03
\t\ttype managed
\t\tchannel 2 (60480 MHz), width: 2160 MHz
"""
STATIONS = """Station 0a:00:00:00:01:01 (on mesh0)
\tinactive time:\t40 ms
\ttx bitrate:\t866.7 MBit/s VHT-MCS 9 80MHz
\tsignal:  \t-61 [-64, -63] dBm
\tsignal avg:\t-60 [-63, -62] dBm
\texpected throughput:\t210.512Mbps
\tmesh plink:\tESTAB
Station 0a:00:00:00:01:02 (on mesh0)
\tinactive time:\t90000 ms
\tsignal:  \t-91 dBm
\tmesh plink:\tLISTEN
"""
TELEPHONE = "Station 9c:00:00:00:00:99 (on wlan0)\n\tinactive time:\t10 ms\n\tsignal:  \t-50 dBm\n"


def test_radios_carry_band_channel_and_mode() -> None:
    found = radios(IW_DEV)
    assert found["mesh0"] == Radio("0a:00:00:00:00:01", "5", 36, "mesh point")
    assert (found["wlan0"].band, found["wlan2"].band) == ("2.4", "60")


def test_only_established_mesh_peers_are_neighbours() -> None:
    (one,) = stations(STATIONS, radios(IW_DEV))
    assert (one.remote_mac, one.signal_dbm, one.throughput_mbps) == ("0a:00:00:00:01:01", -60.0, 210.512)
    assert (one.local_mac, one.band, one.channel, one.age_ms) == ("0a:00:00:00:00:01", "5", 36, 40)


# As iw 5.19 prints a mesh peer, from the line on that the figures we read are behind.
REST = "\tmesh local PS mode:\tACTIVE\n\tauthorized:\tyes\n\tconnected time:\t{} seconds\n\tcurrent time:\t{} ms\n"
LONG_DUMP = "".join(
    part + REST.format(1431 + at, 1_700_000_000_000 + at)
    for at, part in enumerate(re.split("(?<=ESTAB\n|ISTEN\n)", STATIONS)[:2])
)


def test_a_dump_that_was_cut_off_is_refused_or_tells_nothing_wrong() -> None:
    """Only a cut in the very last line, or between two stations, leaves no trace."""
    whole = stations(LONG_DUMP, radios(IW_DEV))
    assert len(whole) == 1
    second = LONG_DUMP.index("Station", 1)
    for end in range(1, len(LONG_DUMP)):
        try:
            assert stations(LONG_DUMP[:end], radios(IW_DEV)) == whole, end
        except NotUnderstood:
            assert end != second
        else:
            first = LONG_DUMP.index("ESTAB") + 5 <= end <= second
            assert first or end >= LONG_DUMP.rindex(" ms"), LONG_DUMP[:end][-40:]
        with contextlib.suppress(NotUnderstood):
            assert guests(LONG_DUMP[:end]) in (1, 2)


@pytest.mark.parametrize("end", ["-5", "- dB", "\tmesh plink:\tEST", "\ttx bitrate:\t14", "Station 0a:00:0"])
def test_a_figure_without_its_unit_is_none(end: str) -> None:
    head = "Station 0a:00:00:00:01:01 (on mesh0)\n\tinactive time:\t40 ms\n"
    dump = head + (f"\tsignal:  \t{end}" if end[0] == "-" else end)
    with pytest.raises(NotUnderstood, match="iw station dump"):
        stations(dump, radios(IW_DEV))


def test_the_telephone_of_a_guest_is_nobodys_neighbour() -> None:
    assert stations(TELEPHONE, radios(IW_DEV)) == []
    rows = json.dumps({"results": [{"mac": "9C:00:00:00:00:99", "signal": -50}]})
    assert assoclist(rows, "wlan0", Radio("0a:00:00:00:00:02", "2.4", 6, "Master")) == []


def test_a_bridge_client_hears_its_access_point() -> None:
    (one,) = stations(TELEPHONE.replace("wlan0", "wlan2"), radios(IW_DEV))
    assert (one.local_ifname, one.band) == ("wlan2", "60")


def test_batman_iv_takes_the_best_tq_through_a_neighbour() -> None:
    near, far = "0a:00:00:00:01:01", "0a:00:00:00:02:01"
    neighbours = json.dumps([{"hard_ifname": "mesh0", "neigh_address": near, "last_seen_msecs": 120}])
    originators = json.dumps(
        [
            {"orig_address": near, "neigh_address": near, "hard_ifname": "mesh0", "tq": 204, "best": True},
            {"orig_address": far, "neigh_address": near, "hard_ifname": "mesh0", "tq": 90},
        ]
    )
    (one,) = batadv(neighbours, originators, radios(IW_DEV))
    assert (one.quality_pct, one.throughput_mbps, one.age_ms, one.band) == (80.0, None, 120, "5")


def test_batman_before_linux_5_14_has_only_the_number_of_the_interface() -> None:
    near = "0a:00:00:00:01:01"
    neighbours = json.dumps([{"hard_ifindex": 7, "last_seen_msecs": 120, "neigh_address": near}])
    originators = json.dumps([{"hard_ifindex": 7, "orig_address": near, "neigh_address": near, "tq": 204}])
    hardifs = json.dumps([{"hard_ifindex": 7, "hard_ifname": "mesh0", "hard_address": "0a:00:00:00:00:01"}])
    (one,) = batadv(neighbours, originators, radios(IW_DEV), batadv_macs(hardifs), hardifs)
    assert (one.local_ifname, one.local_mac, one.quality_pct) == ("mesh0", "0a:00:00:00:00:01", 80.0)
    with pytest.raises(NotUnderstood, match="without neigh_address or hard_ifname"):
        batadv(neighbours)


def test_batman_v_gives_kilobits() -> None:
    text = json.dumps([{"hard_ifname": "eth1", "neigh_address": "0a:00:00:00:01:01", "throughput": 433_300}])
    (one,) = batadv(text, macs={"eth1": "0a:00:00:00:00:09"})
    assert (one.throughput_mbps, one.band, one.local_mac) == (433.3, "wired", "0a:00:00:00:00:09")


def test_hard_interfaces_name_the_macs() -> None:
    text = '[{"hard_ifname":"mesh0","hard_address":"0A:00:00:00:00:01","active":true},{"hard_ifname":"x"}]'
    assert batadv_macs(text) == {"mesh0": "0a:00:00:00:00:01"}


def test_iwinfo_speaks_of_mesh_peers() -> None:
    radio = iwinfo_radio('{"bssid":"0A:00:00:00:00:01","channel":36,"frequency":5180,"mode":"Mesh Point"}')
    row = {"mac": "0A:00:00:00:01:01", "signal": -63, "inactive": 20, "mesh plink": "ESTAB", "tx": {"rate": 866_700}}
    (one,) = assoclist(json.dumps({"results": [row]}), "mesh0", radio)
    assert (one.signal_dbm, one.throughput_mbps, one.local_mac) == (-63.0, 866.7, "0a:00:00:00:00:01")


def test_paths_of_old_and_new_kernels() -> None:
    head = "DEST ADDR NEXT HOP IFACE SN METRIC QLEN\n"
    old = head + "0a:00:00:00:02:01 0a:00:00:00:01:01 mesh0\t12\t8193\t0\t900\t0\t0\t0x15"
    (one,) = mesh_paths(old)
    assert (one.next_hop, one.ifname, one.metric, one.hops) == ("0a:00:00:00:01:01", "mesh0", 8193, None)
    assert mesh_paths(old + "\t2\t1")[0].hops == 2


@pytest.mark.parametrize(
    ("path", "told", "mbps"),
    [
        ("0a:00:00:00:01:01 0a:00:00:00:01:01 mesh0\t12\t153\t0\t900\t0\t0\t0x15\t1\t2", "", 53.9),
        ("0a:00:00:00:01:01 0a:00:00:00:01:01 mesh0\t12\t153\t0\t900\t0\t0\t0x15", "58.4Mbps", 58.4),
        ("0a:00:00:00:01:01 0a:00:00:00:09:09 mesh0\t12\t153\t0\t900\t0\t0\t0x15\t2\t2", "", 866.7),
        ("0a:00:00:00:01:01 0a:00:00:00:01:01 mesh1\t12\t153\t0\t900\t0\t0\t0x15\t1\t2", "", 866.7),
        ("0a:00:00:00:01:01 0a:00:00:00:01:01 mesh0\t0\t4294967295\t0\t0\t0\t0\t0x0\t1\t2", "", 866.7),
        ("0a:00:00:00:01:01 0a:00:00:00:01:01 mesh0\t0\t1\t0\t0\t0\t0\t0x0\t1\t2", "", 866.7),
    ],
    ids=["airtime", "the driver knows better", "over another", "another radio", "not measured", "no time at all"],
)
def test_what_a_link_carries_follows_from_the_airtime_of_its_path(path: str, told: str, mbps: float) -> None:
    expected = f"\texpected throughput:\t{told}\n" if told else ""
    dump = f"Station 0a:00:00:00:01:01 (on mesh0)\n\ttx bitrate:\t866.7 MBit/s\n{expected}\tmesh plink:\tESTAB\n"
    (one,) = stations(dump, None, f"DEST ADDR NEXT HOP IFACE SN METRIC QLEN\n{path}\n")
    assert one.throughput_mbps == mbps


@pytest.mark.parametrize("several", [False, True])
def test_lldp_in_both_of_its_shapes(several: bool) -> None:
    entry = {
        "via": "LLDP",
        "age": "1 day, 00:01:02",
        "chassis": {"ge-bue-0001": {"id": {"type": "mac", "value": "0a:00:00:00:03:01"}}},
        "port": {"id": {"type": "ifname", "value": "sfp0"}, "descr": "uplink"},
    }
    interface: object = [{"eth0": entry}, {"eth1": entry}] if several else {"eth0": entry}
    found = lldp(json.dumps({"lldp": {"interface": interface}}), {"eth0": "0a:00:00:00:00:01"})
    assert len(found) == 1 + several
    first = found[0]
    assert (first.remote_mac, first.remote_name, first.remote_ifname) == ("0a:00:00:00:03:01", "ge-bue-0001", "sfp0")
    assert (first.local_mac, first.age_ms, first.band) == ("0a:00:00:00:00:01", 86_462_000, "wired")


def test_a_wired_neighbour_without_a_name_is_known_by_its_address() -> None:
    entry = {"chassis": {"id": {"type": "ip", "value": "10.9.9.2"}}, "port": {"id": {"type": "ifname", "value": "p1"}}}
    (one,) = lldp(json.dumps({"lldp": {"interface": {"eth0": entry}}}))
    assert (one.remote_mac, one.remote_name, one.remote_ifname) == ("", "10.9.9.2", "p1")


def test_lldp_with_arrays_everywhere() -> None:
    entry = {
        "name": "eth0",
        "age": "0 day, 00:00:05",
        "chassis": [{"id": [{"type": "mac", "value": "0a:00:00:00:03:01"}], "name": [{"value": "ge-bue-0001"}]}],
        "port": [{"id": [{"type": "mac", "value": "0a:00:00:00:03:07"}], "descr": [{"value": "sfp0"}]}],
    }
    (one,) = lldp(json.dumps({"lldp": [{"interface": [entry]}]}))
    assert (one.remote_mac, one.remote_name, one.remote_ifname) == ("0a:00:00:00:03:07", "ge-bue-0001", "sfp0")


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (batadv, '[{"hard_ifname":"mesh0","neigh_addr'),
        (batadv, '{"error":"no such device"}'),
        (batadv, '[{"hard_ifname":"mesh0"}]'),
        (batadv_macs, ""),
        (stations, "command failed: No such device (-19)"),
        (lldp, "[" * 100_000),
    ],
)
def test_half_an_answer_is_no_answer(parse: object, text: str) -> None:
    with pytest.raises(NotUnderstood):
        parse(text)  # type: ignore[operator]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["lldp", "interface", "eth0", "chassis", "port", "id", "name", "x"]), inner)
    ),
    max_leaves=25,
)


@given(_JSON)
def test_strange_json_is_refused_or_understood_but_never_a_crash(value: object) -> None:
    text = json.dumps(value)
    for parse in (lldp, batadv, batadv_macs, iwinfo_radio, lambda given: assoclist(given, "x")):
        try:
            parse(text)
        except NotUnderstood:
            continue


@given(st.text(max_size=200))
def test_strange_text_too(text: str) -> None:
    radios(text)
    mesh_paths(text)
    try:
        stations(text)
    except NotUnderstood:
        return
