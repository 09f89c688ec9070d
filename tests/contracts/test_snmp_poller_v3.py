"""SNMPv3 between the poller and an agent: discovery, clocks, keys, forgeries."""

from __future__ import annotations

from dataclasses import replace

import pytest

from device_drivers.api import EngineFacts, Poll, SnmpCredentials
from device_drivers.errors import Garbled, Refused, Stale, Unreachable
from device_drivers.snmp_ber import COUNTER32
from device_drivers.snmp_codec import GET, REPORT, RESPONSE, V2C, bind, community_message, pdu, value_tlv
from device_drivers.snmp_keys import NO_KEYS, local_keys
from device_drivers.snmp_v3 import (
    AUTH,
    DECRYPTION_ERROR,
    NOT_IN_TIME_WINDOW,
    PRIV,
    REPORTABLE,
    UNKNOWN_ENGINE,
    USM_STATS,
    WRONG_DIGEST,
    Authority,
    parse,
    seal,
)
from tests.contracts.snmp_agent import COMMUNITY, ENGINE, PLAN, USER, bench

PAIRS = [
    (auth, priv)
    for auth in ("md5", "sha1", "sha224", "sha256", "sha384", "sha512")
    for priv in (None, "des", "aes128", "aes192", "aes256", "aes192-cisco", "aes256-cisco")
]


def report(raw: bytes, which: int, engine: bytes = ENGINE, boots: int = 1, time_s: int = 1) -> bytes:
    """A report nobody signed, as anybody can send who sees or guesses the message id."""
    counter = bind((*USM_STATS, which, 0), value_tlv(COUNTER32, 1))
    return seal(pdu(REPORT, 0, 0, 0, [counter]), parse(raw).msg_id, 0, (engine, boots, time_s), b"", NO_KEYS, b"")


def well(poll: Poll) -> bool:
    return poll.error is None and len(poll.rows) == 3


@pytest.mark.parametrize(("auth", "priv"), PAIRS)
def test_every_pair_of_algorithms_works(auth: str, priv: str | None) -> None:
    rights = replace(USER, auth=auth, priv=priv)
    with bench() as it:
        it.agent.authority = Authority(ENGINE, 7, {b"reader": rights})
        got = it.poll(rights)
    assert well(got)
    assert got.exchanges == 3
    assert got.engine is not None
    assert (got.engine.engine_id, got.engine.boots, got.engine.time_s) == (ENGINE, 7, 5000)


def test_no_authentication_works_too() -> None:
    rights = SnmpCredentials("3", user="reader")
    with bench() as it:
        it.agent.authority = Authority(ENGINE, 7, {b"reader": rights})
        assert well(it.poll(rights))


def test_a_known_engine_is_not_discovered_again() -> None:
    with bench(engines={"ge-bue-0001": EngineFacts(ENGINE, 7, 4000, 0)}) as it:
        # learned at 0 on a clock that shows 1000 s: the engine's time is 5000 s now
        got = it.poll(USER)
    assert well(got)
    assert got.exchanges == 2


@pytest.mark.parametrize(
    ("boots", "time_s"), [(8, 3), (7, 100), (7, 90_000), (1, 0)], ids=["reboot", "back", "forward", "boots forgotten"]
)
def test_a_clock_that_jumps_costs_one_exchange_and_no_poll(boots: int, time_s: int) -> None:
    with bench() as it:
        it.poll(USER)
        it.agent.authority.boots, it.agent.time_s = boots, time_s
        got = it.poll(USER)
        after = it.poll(USER)
    assert well(got)
    assert got.exchanges == 3
    assert got.engine is not None
    assert (got.engine.boots, got.engine.time_s) == (boots, time_s)
    assert after.exchanges == 2


def test_a_reboot_in_the_middle_of_a_poll_is_followed() -> None:
    with bench() as it:

        def reboot_before_the_table(raw: bytes, proper: bytes) -> list[bytes]:
            if len(it.agent.requests) == 3:
                it.agent.authority.boots, it.agent.time_s = 8, 0
                return [it.agent.proper(raw)]
            return [proper]

        it.agent.reply = reboot_before_the_table
        assert well(it.poll(USER))


def test_a_replaced_agent_is_discovered() -> None:
    with bench() as it:
        it.poll(USER)
        it.agent.authority = Authority(b"\x80\x00\x1f\x88\x04the-new-one", 1, {b"reader": USER})
        got = it.poll(USER)
    assert well(got)
    assert got.engine is not None
    assert got.engine.engine_id == b"\x80\x00\x1f\x88\x04the-new-one"


def test_two_polls_of_a_new_node_at_once_both_succeed() -> None:
    with bench() as it:
        it.poller.submit(it.target(USER), PLAN, 0)
        it.poller.submit(it.target(USER), PLAN, 1)
        polls = it.finish()
    assert [well(poll) for poll in polls] == [True, True]


def test_an_engine_that_changes_with_every_answer_is_stale() -> None:
    with bench() as it:

        def another(_: bytes, __: bytes) -> list[bytes]:
            it.agent.authority.boots += 1
            return [it.agent.proper(it.agent.requests[-1])]

        it.agent.reply = another
        assert isinstance(it.poll(USER).error, Stale)
    assert len(it.agent.requests) < 10


@pytest.mark.parametrize(
    ("wrong", "evidence"),
    [
        ({"auth_password": "something-else"}, "authentication password"),
        ({"auth": "sha1"}, "authentication password or protocol"),
        ({"user": "stranger"}, "unknown user"),
        ({"priv": None}, "security level"),
        ({"priv_password": "something-else"}, "privacy password"),
        ({"auth_password": "short"}, "8 characters"),
        ({"auth": None}, "needs authentication"),
    ],
)
def test_wrong_rights_are_refused_without_retries(wrong: dict[str, str | None], evidence: str) -> None:
    with bench() as it:
        got = it.poll(replace(USER, **wrong))
    assert isinstance(got.error, Refused)
    assert evidence in got.error.evidence
    assert "something-else" not in str(got.error)
    assert got.exchanges <= 2


def test_an_agent_that_drops_what_it_cannot_decrypt_gets_a_hint() -> None:
    with bench() as it:
        it.agent.reply = lambda raw, proper: [] if it.agent.authority.stats[DECRYPTION_ERROR] else [proper]
        got = it.poll(replace(USER, priv_password="something-else"))
    assert isinstance(got.error, Unreachable)
    assert "privacy password" in got.error.evidence


@pytest.mark.parametrize("flags", [0, AUTH, AUTH | PRIV], ids=["plain", "auth", "priv"])
def test_forged_answers_are_dropped_and_the_true_one_still_counts(flags: int) -> None:
    with bench() as it:
        it.poll(USER)
        forger = replace(USER, auth_password="guessed-by-me", priv_password="guessed-by-me")
        keys = local_keys(forger, ENGINE) if flags else NO_KEYS

        def forged_first(raw: bytes, proper: bytes) -> list[bytes]:
            lie = pdu(RESPONSE, parse(raw).msg_id, 0, 0, [])
            return [seal(lie, parse(raw).msg_id, flags, (ENGINE, 7, 5000), b"reader", keys, b"12345678"), proper]

        it.agent.reply = forged_first
        assert well(it.poll(USER))


@pytest.mark.parametrize("which", [UNKNOWN_ENGINE, NOT_IN_TIME_WINDOW])
def test_unsigned_reports_do_not_move_the_engines_clock(which: int) -> None:
    with bench() as it:
        it.poll(USER)
        it.agent.reply = lambda raw, proper: [report(raw, which), proper]
        got = it.poll(USER)
    assert well(got)
    assert got.exchanges == 2
    assert got.engine is not None
    assert got.engine.boots == 7


def test_a_report_of_unknown_kind_is_garbled() -> None:
    with bench() as it:
        it.agent.reply = lambda raw, _: [report(raw, 99)]
        assert isinstance(it.poll(USER).error, Garbled)


@pytest.mark.parametrize("engine", [b"", b"abcd", bytes(33)])
def test_an_engine_id_of_impossible_length_is_garbled(engine: bytes) -> None:
    with bench() as it:
        it.agent.reply = lambda raw, _: [report(raw, UNKNOWN_ENGINE, engine)]
        assert isinstance(it.poll(USER).error, Garbled)


@pytest.mark.parametrize(("boots", "time_s"), [(7, 5000 - 151), (6, 5000)], ids=["old", "of an earlier boot"])
def test_an_answer_from_long_ago_is_not_taken(boots: int, time_s: int) -> None:
    with bench() as it:
        it.poll(USER)
        keys = local_keys(USER, ENGINE)

        def old_first(raw: bytes, proper: bytes) -> list[bytes]:
            number = parse(raw).msg_id
            old = pdu(RESPONSE, number, 0, 0, [])
            return [seal(old, number, AUTH | PRIV, (ENGINE, boots, time_s), b"reader", keys, b"12345678"), proper]

        it.agent.reply = old_first
        assert well(it.poll(USER))


def test_an_authentic_answer_to_another_request_is_not_taken() -> None:
    with bench() as it:
        it.poll(USER)
        keys = local_keys(USER, ENGINE)

        def other_first(raw: bytes, proper: bytes) -> list[bytes]:
            number = parse(raw).msg_id
            other = pdu(RESPONSE, number ^ 1, 0, 0, [])
            return [seal(other, number, AUTH | PRIV, (ENGINE, 7, 5000), b"reader", keys, b"12345678"), proper]

        it.agent.reply = other_first
        assert well(it.poll(USER))


def test_an_answer_in_the_clear_version_is_not_taken_for_a_protected_one() -> None:
    with bench() as it:
        it.poll(USER)

        def downgraded_first(raw: bytes, proper: bytes) -> list[bytes]:
            lie = pdu(RESPONSE, parse(raw).msg_id, 0, 0, [])
            return [community_message(V2C, COMMUNITY.encode(), lie), proper]

        it.agent.reply = downgraded_first
        assert well(it.poll(USER))


def test_a_clock_that_drifts_is_followed_without_extra_exchanges() -> None:
    with bench() as it:
        it.poll(USER)
        needed: list[int] = []
        for _ in range(30):
            it.now += 60
            it.agent.time_s += 70
            needed.append(it.poll(USER).exchanges)
        assert needed == [2, 2, *[1] * 28], "in one as soon as the answers are known"


def test_a_late_unsigned_report_does_not_replace_a_clock_that_was_signed() -> None:
    with bench() as it:
        held: list[bytes] = []

        def hold_the_second_discovery(raw: bytes, proper: bytes) -> list[bytes]:
            if parse(raw).user:
                return [proper]
            held.append(report(raw, UNKNOWN_ENGINE, boots=99))
            return [proper] if len(held) == 1 else []

        it.agent.reply = hold_the_second_discovery
        it.poller.submit(it.target(USER), PLAN, 0)
        it.poller.submit(it.target(USER), PLAN, 1)
        while not it.polls:
            it.agent.serve()
            it.poller.step(0)
        it.agent.sock.sendto(held[1], it.agent.peers[-1])
        second = it.finish()[-1]
    assert well(second)
    assert second.exchanges == 3


@pytest.mark.parametrize("rights", [SnmpCredentials("3", user="reader"), USER], ids=["no keys", "before discovery"])
def test_a_claim_of_protection_without_any_key_is_not_believed(rights: SnmpCredentials) -> None:
    with bench() as it:
        it.agent.authority = Authority(ENGINE, 7, {b"reader": rights})
        it.agent.reply = lambda _, proper: [proper.replace(b"\x04\x01\x00", b"\x04\x01\x01", 1), proper]
        assert well(it.poll(rights))


def test_an_encrypted_answer_nobody_has_a_key_for_is_garbled() -> None:
    rights = replace(USER, priv=None, priv_password="")
    with bench() as it:
        it.agent.authority = Authority(ENGINE, 7, {b"reader": rights})
        it.poll(rights)
        sealing = replace(local_keys(USER, ENGINE), auth=local_keys(rights, ENGINE).auth)

        def encrypted(raw: bytes, _: bytes) -> list[bytes]:
            number = parse(raw).msg_id
            answer = pdu(RESPONSE, number, 0, 0, [])
            return [seal(answer, number, AUTH | PRIV, (ENGINE, 7, 5000), b"reader", sealing, b"12345678")]

        it.agent.reply = encrypted
        assert isinstance(it.poll(rights).error, Garbled)


@pytest.mark.parametrize("wrong", [{"auth_password": "short"}, {"priv_password": "short"}, {"auth": None}])
def test_rights_that_make_no_key_cost_no_packet(wrong: dict[str, str | None]) -> None:
    with bench() as it:
        got = it.poll(replace(USER, **wrong))
        assert isinstance(got.error, Refused)
        assert it.agent.requests == []
    assert got.exchanges == 0


def test_the_agent_side_refuses_what_is_outside_its_window() -> None:
    authority = Authority(ENGINE, 7, {b"reader": USER})
    keys = local_keys(USER, ENGINE)
    flags = AUTH | PRIV | REPORTABLE
    for time_s, accepted in ((1000, True), (850, True), (849, False), (1151, False)):
        raw = seal(pdu(GET, 1 << 25, 0, 0, []), 9, flags, (ENGINE, 7, time_s), b"reader", keys, bytes(8))
        assert isinstance(authority.take(raw, 1000), bytes) != accepted
    assert authority.stats[NOT_IN_TIME_WINDOW] == 2
    assert authority.stats[WRONG_DIGEST] == 0


def test_no_salt_is_used_twice() -> None:
    with bench() as it:
        asked = sum([it.poll(USER).exchanges for _ in range(10)])
        salts = [parse(raw).salt for raw in it.agent.requests if parse(raw).flags & PRIV]
    assert len(salts) == len(set(salts)) == asked - 1, "all but the discovery"
