"""Cuts the values out of an answer of known form: names, tags and lengths are compared as bytes, at once. No I/O.

Of two answers to one question mostly the values differ and hardly ever how long they are. A `Shape` is an answer's
form with holes where the values are: one call of `struct` cuts a row into what must be the same and what is read.
Values are judged as `snmp_codec.value_of` judges them; what is not exactly of this form is not read at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from struct import Struct
from typing import Final

from device_drivers.snmp_ber import EXCEPTIONS, INTEGER, NULL, OCTETS, SEQUENCE, UNSIGNED
from device_drivers.snmp_codec import Value, value_of

Names = tuple[tuple[bytes, int], ...]
"""Per object its encoded name with header, and how far behind the binding's start its value begins."""

MOST_STRETCHES: Final = 8192
_CODES: Final = {1: "b", 2: "h", 4: "i", 8: "q"}
_FULL: Final = {INTEGER: 8, **{tag: bits // 8 for tag, bits in UNSIGNED.items()}}
_ODD: Final = frozenset({3, 5, 6, 7})


@dataclass(frozen=True, slots=True)
class Stretch:
    """A few bindings in a row: everything before their values, and the call that cuts both apart, alternating."""

    unpack: Callable[[bytes, int], tuple[bytes | int, ...]]
    heads: tuple[bytes, ...]
    size: int


@dataclass(frozen=True, slots=True)
class Shape:
    """All stretches of an answer. `odd` values are numbers of a length `struct` does not know, `unsigned` picks
    those that must not be negative, `others` are judged one by one by their tag."""

    stretches: tuple[Stretch, ...]
    size: int
    odd: tuple[int, ...]
    unsigned: Callable[[Sequence[object]], tuple[int, ...]] | None
    others: tuple[tuple[int, int], ...]

    def read(self, buf: bytes, at: int) -> list[Value] | None:
        """The values of `size` bytes from `at`, or None if they are not of this form. BerError as the long way."""
        found: list[Value] = []
        for stretch in self.stretches:
            parts = stretch.unpack(buf, at)
            if parts[::2] != stretch.heads:
                return None
            found += parts[1::2]
            at += stretch.size
        for place in self.odd:
            found[place] = int.from_bytes(found[place], "big", signed=True)  # type: ignore[arg-type]
        if self.unsigned is not None and min(self.unsigned(found)) < 0:
            return None
        for place, tag in self.others:
            raw = found[place]
            assert isinstance(raw, bytes)
            found[place] = value_of(raw, tag, 0, len(raw))
        return found


def behind(buf: bytes, at: int, end: int, count: int) -> int | None:
    """Where so many bindings end; None if there are not as many, or one is too long for a `Shape`."""
    for _ in range(count):
        if at + 2 > end or buf[at + 1] > 0x7F:
            return None
        at += 2 + buf[at + 1]
    return at if at <= end else None


def shape_of(buf: bytes, at: int, end: int, names: Names, width: int, present: int) -> Shape | None:
    """The shape of an answer with exactly these names, `width` of them in a stretch; None for any other.

    The first `present` values must be values, not exceptions.
    """
    size = end - at
    heads: list[bytes] = []
    try:
        for name, skip in names:
            here = at + skip
            inner = buf[at + 1]
            if inner != skip + buf[here + 1] or inner > 0x7F or buf[at] != SEQUENCE or not buf.startswith(name, at + 2):
                return None
            heads.append(buf[at : here + 2])
            at += 2 + inner
    except IndexError:
        return None
    if at != end or any(head[-2] == NULL or head[-2] in EXCEPTIONS for head in heads[:present]):
        return None
    width = max(width, 1)
    stretches = tuple([_stretch(tuple(heads[first : first + width])) for first in range(0, len(heads), width)])
    odd = tuple([place for place, head in enumerate(heads) if head[-1] in _ODD and _is_number(head)])
    others = tuple(
        [(place, head[-2]) for place, head in enumerate(heads) if not (head[-2] == OCTETS or _is_number(head))]
    )
    numbers = bytes([head[-2] in UNSIGNED and _is_number(head) for head in heads])
    return Shape(stretches, size, odd, _picker(numbers), others)


@lru_cache(maxsize=MOST_STRETCHES)
def _stretch(heads: tuple[bytes, ...]) -> Stretch:
    """One for all nodes and polls of the same form; a head ends with the value's tag and length."""
    layout = Struct(">" + "".join([f"{len(head)}s{_code(head)}" for head in heads]))
    return Stretch(layout.unpack_from, heads, layout.size)


def _is_number(head: bytes) -> bool:
    """Whether behind this head is a number of a length its type surely has room for."""
    return 0 < head[-1] <= _FULL.get(head[-2], 0)


def _code(head: bytes) -> str:
    """How `struct` reads the value behind this head."""
    tag, size = head[-2], head[-1]
    if size not in _CODES or not _is_number(head):
        return f"{size}s"
    # At full width careless agents leave the leading zero of an unsigned number out (see `value_of`).
    return _CODES[size].upper() if tag in UNSIGNED and size == _FULL[tag] else _CODES[size]


@lru_cache(maxsize=256)
def _picker(wanted: bytes) -> Callable[[Sequence[object]], tuple[int, ...]] | None:
    """Picks the places marked, as a tuple also where there is only one."""
    places = [place for place, mark in enumerate(wanted) if mark]
    return itemgetter(*places, places[-1]) if places else None
