"""Topic filters: which match, which are refused and why."""

from __future__ import annotations

import pytest

from device_drivers.api import Subscription
from device_drivers.mqtt_topics import Kinds, objection


def kind(topic: str, *filters: str) -> str:
    return Kinds([Subscription(text, text) for text in filters]).of(topic.encode())[1]


@pytest.mark.parametrize(
    ("topic", "expected"),
    [
        ("application/a/device/b/event/up", "application/+/device/+/event/+"),
        ("application/a/device/b/event", ""),
        ("city/weather", "city/#"),
        ("city", "city/#"),
        ("city/weather/ws-17/air", "city/#"),
        ("City/weather", ""),
        ("$SYS/broker/uptime", ""),
        ("/finance", "+/finance"),
    ],
)
def test_the_kind_is_that_of_the_filter_that_matches(topic: str, expected: str) -> None:
    assert kind(topic, "application/+/device/+/event/+", "city/#", "+/finance") == expected


def test_the_first_of_several_matching_filters_wins_and_dollar_topics_are_no_match_for_wildcards() -> None:
    assert kind("city/bins/4", "city/bins/+", "city/#") == "city/bins/+"
    assert kind("$SYS/broker", "#", "+/broker") == ""


@pytest.mark.parametrize(
    ("topic", "qos", "words"),
    [
        ("$share/group/city/#", 1, "shared subscription"),
        ("city/#", 2, "QoS 2"),
        ("", 1, "no topic filter"),
        ("city/\0", 1, "NUL"),
        ("x" * 65_536, 1, "65535 bytes"),
        ("city/#/bins", 1, "last level"),
        ("city/bins#", 1, "last level"),
        ("city/b+/x", 1, "whole level"),
    ],
)
def test_filters_that_cannot_work_are_refused_in_a_sentence(topic: str, qos: int, words: str) -> None:
    sentence = objection(Subscription(topic, "chirpstack", qos))
    assert sentence is not None
    assert words in sentence


@pytest.mark.parametrize("topic", ["#", "+", "a/+/b", "a/#", "/", "$SYS/#", "a//b"])
def test_filters_that_work(topic: str) -> None:
    assert objection(Subscription(topic, "chirpstack")) is None
