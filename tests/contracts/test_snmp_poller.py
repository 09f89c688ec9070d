"""What the poller makes of agents and networks that behave badly."""

from __future__ import annotations

import itertools
import random
import socket

import pytest

from device_drivers.errors import DriverError, Garbled, Unreachable
from device_drivers.snmp_codec import parse_message
from tests.contracts.snmp_agent import COMMUNITY, PLAN, USER, V2, bench
from tests.property.snmp_mutations import damage, reshape

ROWS = {(row,): (b"p%d" % row, row * 1000) for row in (1, 2, 3)}


def request_id(raw: bytes) -> int:
    return parse_message(raw).pdu.request_id


def test_a_good_agent_needs_two_exchanges() -> None:
    with bench() as it:
        first, second = it.poll(), it.poll()
    assert (first.error, first.scalars, first.rows, first.exchanges) == (None, (500_000, b"scripted"), ROWS, 2)
    assert second.rows == ROWS


def test_lost_packets_are_asked_again_later_and_later() -> None:
    with bench() as it:
        heard: list[float] = []

        def deaf_twice(_: bytes, proper: bytes) -> list[bytes]:
            heard.append(it.now)
            return [proper] if len(heard) > 2 else []

        it.agent.reply = deaf_twice
        got = it.poll()
    assert got.error is None
    assert got.exchanges == 4
    waits = [later - earlier for earlier, later in itertools.pairwise(heard)][:2]
    assert 1.7 < waits[0] < 2.4
    assert 2.6 < waits[1] < 3.5
    assert "try 3" in " ".join(it.calls)


def test_silence_ends_as_unreachable_and_says_how_often_it_asked() -> None:
    with bench() as it:
        it.agent.reply = lambda *_: []
        got = it.poll()
    assert isinstance(got.error, Unreachable)
    assert "asked 3 times" in got.error.evidence
    assert len(it.agent.requests) == 3


def test_late_and_repeated_answers_are_ignored() -> None:
    with bench() as it:
        said: list[bytes] = []

        def everything_again(_: bytes, proper: bytes) -> list[bytes]:
            said.append(proper)
            return [*said, proper]

        it.agent.reply = everything_again
        polls = [it.poll() for _ in range(3)]
    assert [poll.error for poll in polls] == [None] * 3
    assert [poll.rows for poll in polls] == [ROWS] * 3
    assert [poll.exchanges for poll in polls] == [2] * 3


def test_an_answer_under_another_id_is_no_answer() -> None:
    with bench() as it:
        it.agent.reply = lambda raw, _: [
            it.agent.proper(raw.replace(request_id(raw).to_bytes(4, "big"), b"\x11\x22\x33\x44"))
        ]
        assert isinstance(it.poll().error, Unreachable)


def test_an_answer_from_another_sender_is_no_answer() -> None:
    with bench() as it, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
        stranger.bind(("127.0.0.1", 0))

        def through_another(_: bytes, proper: bytes) -> list[bytes]:
            stranger.sendto(proper, it.agent.peers[-1])
            return []

        it.agent.reply = through_another
        assert isinstance(it.poll().error, Unreachable)


def test_request_ids_do_not_tell_the_next_one() -> None:
    with bench() as it:
        for _ in range(20):
            it.poll()
        ids = [request_id(raw) for raw in it.agent.requests]
    assert len(set(ids)) == len(ids)
    assert min(abs(later - earlier) for earlier, later in itertools.pairwise(ids)) > 1000
    assert all(1 << 24 <= one < 1 << 31 for one in ids)


def test_a_table_without_end_is_cut_at_the_cap() -> None:
    with bench() as it:
        it.agent.rows = 10**6
        got = it.poll()
        again = it.poll()
    assert got.error is None
    assert len(got.rows) == len(again.rows) == PLAN.max_rows
    assert len(it.agent.requests) < 12


def test_a_table_that_grows_and_shrinks_is_read_right_each_time() -> None:
    with bench() as it:
        for rows in (3, 3, 4, 4, 1, 0, 0, 12, 12, 3):
            it.agent.rows = rows
            assert list(it.poll().rows) == [(row,) for row in range(1, rows + 1)]


def test_an_agent_that_goes_round_in_circles_is_garbled() -> None:
    with bench() as it:
        it.agent.rows = 100
        first: list[bytes] = []

        def circle(raw: bytes, proper: bytes) -> list[bytes]:
            asked = parse_message(raw).pdu
            if asked.index and not first:
                first.append(proper)
            old = first[0] if asked.index else proper
            return [old.replace(request_id(old).to_bytes(4, "big"), asked.request_id.to_bytes(4, "big"), 1)]

        it.agent.reply = circle
        got = it.poll()
    assert isinstance(got.error, Garbled)
    assert "not increasing" in got.error.evidence


def test_an_agent_with_small_packets_is_asked_for_less() -> None:
    with bench() as it:
        it.agent.most_binds = 6
        got = it.poll()
    assert got.error is None
    assert got.rows == ROWS


def test_garbage_under_the_right_id_is_garbled_at_once() -> None:
    with bench() as it:
        it.agent.reply = lambda _, proper: [proper.replace(b"\x43", b"\x4f")]
        got = it.poll()
    assert isinstance(got.error, Garbled)
    assert "0x4f" in got.error.evidence
    assert got.exchanges == 1


def test_garbage_without_an_id_explains_the_silence() -> None:
    with bench() as it:
        it.agent.reply = lambda *_: [b"HTTP/1.1 400 Bad Request"]
        assert isinstance(it.poll().error, Garbled)


def test_noise_from_before_a_poll_is_no_evidence_for_it() -> None:
    with bench() as it:
        it.poll()
        it.agent.sock.sendto(b"HTTP/1.1 400 Bad Request", it.agent.peers[-1])
        it.poller.step(0)
        it.now += 1
        it.agent.reply = lambda *_: []
        assert isinstance(it.poll().error, Unreachable)


def test_the_round_trip_is_measured_where_it_is_known_which_try_was_answered() -> None:
    with bench() as it:

        def first_lost_then_slow(_: bytes, proper: bytes) -> list[bytes]:
            it.now += 0.5 if len(it.agent.requests) > 2 else 0
            return [proper] if len(it.agent.requests) > 1 else []

        it.agent.reply = first_lost_then_slow
        got = it.poll()
    assert got.rtt_ms == pytest.approx(500)


def test_no_damage_ends_the_loop() -> None:
    rng = random.Random(11)

    def badly(_: bytes, proper: bytes) -> list[bytes]:
        return [rng.choice((damage, reshape))(proper, rng) if rng.random() < 0.7 else proper]

    with bench() as it:
        it.agent.reply = badly
        for turn in range(400):
            got = it.poll(V2 if turn % 2 else USER, retries=1)
            assert got.error is None or isinstance(got.error, DriverError)
        it.agent.reply = lambda _, proper: [proper]
        assert it.poll().error is None
        assert it.poller.in_flight() == 0


def test_only_so_many_polls_are_on_the_wire() -> None:
    with bench(max_in_flight=3) as it:
        for number in range(20):
            it.poller.submit(it.target(node_id=f"n{number}"), PLAN, 0)
        assert it.poller.in_flight() == 20
        assert len(it.calls) == 3
        polls = it.finish()
    assert sorted(poll.node_id for poll in polls) == sorted(f"n{number}" for number in range(20))
    assert {poll.error for poll in polls} == {None}


def test_a_closed_port_does_not_disturb_the_others() -> None:
    with bench() as it:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as gone:
            gone.bind(("127.0.0.1", 0))
            port = gone.getsockname()[1]
        for number in range(5):
            it.poller.submit(it.target(node_id=f"dead{number}", port=port), PLAN, 0)
            it.poller.submit(it.target(node_id=f"well{number}"), PLAN, 0)
        polls = it.finish()
    assert {poll.node_id[:4]: type(poll.error) for poll in polls} == {"well": type(None), "dead": Unreachable}


@pytest.mark.parametrize(("host", "port"), [("node.example", 161), ("", 161), ("127.0.0.1", 0), ("127.0.0.1", 70_000)])
def test_what_is_no_address_is_unreachable_and_not_looked_up(host: str, port: int) -> None:
    with bench() as it:
        got = it.poll(host=host, port=port)
    assert isinstance(got.error, Unreachable)


def test_ipv6_is_spelled_in_many_ways() -> None:
    if not socket.has_ipv6:
        pytest.skip("this Python knows no IPv6")
    try:
        with bench(socket.AF_INET6) as it:
            assert it.poll(host="0:0:0:0:0:0:0:1").rows == ROWS
    except OSError as error:
        pytest.skip(f"no IPv6 on this machine: {error}")


def test_the_log_of_real_calls_shows_no_secret() -> None:
    with bench() as it:
        it.poll()
        it.poll(USER)
    text = "\n".join(it.calls)
    assert f"get 2 objects 127.0.0.1:{it.agent.port}" in text
    for secret in (COMMUNITY, USER.auth_password, USER.priv_password):
        assert secret not in text


def test_a_poller_without_memory_reads_each_answer_as_the_first() -> None:
    with bench(remember=False) as it:
        polls = [it.poll(credentials) for credentials in (V2, V2, USER, USER)]
    assert [poll.rows for poll in polls] == [ROWS] * 4
