"""Topic filters of MQTT and the payload kind declared for each. No I/O."""

from __future__ import annotations

from collections.abc import Sequence

from paho.mqtt.client import topic_matches_sub

from device_drivers.api import Subscription

LONGEST_TOPIC = 65_535  # MQTT 5.0 section 4.7.3
REMEMBERED_TOPICS = 65_536


def objection(subscription: Subscription) -> str | None:
    """One sentence on why this subscription cannot be made, or None."""
    topic = subscription.topic
    if topic.startswith("$share/"):
        return (
            f"{topic!r} is a shared subscription: the broker would split the messages among all who share it"
            " and this store would miss some; subscribe to the topic itself"
        )
    if subscription.qos not in (0, 1):
        # QoS 2 is confirmed with PUBREC on receipt, so before anything is stored.
        return f"{topic!r} asks for QoS {subscription.qos}: use 1, which is acknowledged once the message is stored"
    if not topic or "\0" in topic or len(topic.encode()) > LONGEST_TOPIC:
        return f"{topic[:80]!r} is no topic filter: it must have 1 to {LONGEST_TOPIC} bytes and no NUL"
    levels = topic.split("/")
    if any("#" in level and (level != "#" or place < len(levels) - 1) for place, level in enumerate(levels)):
        return f"{topic!r} is no topic filter: '#' stands alone as the last level"
    if any("+" in level and level != "+" for level in levels):
        return f"{topic!r} is no topic filter: '+' stands for a whole level"
    return None


class Kinds:
    """Finds the payload kind of a topic: that of the first subscription which matches, '' when none does."""

    def __init__(self, subscriptions: Sequence[Subscription]) -> None:
        self._subscriptions = tuple(subscriptions)
        self._known: dict[bytes, tuple[str, str]] = {}

    def of(self, raw: bytes) -> tuple[str, str]:
        """The topic as text and its kind; asked again and again for the same few thousand, so remembered."""
        known = self._known.get(raw)
        if known is None:
            topic = raw.decode(errors="backslashreplace")
            matching = (s.kind for s in self._subscriptions if topic_matches_sub(s.topic, topic))
            known = topic, next(matching, "")
            if len(self._known) >= REMEMBERED_TOPICS:
                self._known.clear()
            self._known[raw] = known
        return known
