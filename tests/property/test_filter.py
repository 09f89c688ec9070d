"""The filter language: it never injects, never crashes, and means what it says."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_store.db import Store
from local_store.filter import FilterError, compile_filter
from local_store.views import listing
from local_store.views.nodes import NODES
from tests.tui.city import fill


@given(st.text(max_size=60))
def test_any_text_is_a_filter_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(FilterError):
        where = compile_filter(text, NODES.fields(), NODES.columns["state"])
        assert where.sql.count("?") == len(where.parameters)


def found(store: Store, text: str) -> list[str]:
    return store.read(lambda cx: listing.ids(cx, NODES, text))


def test_words_mean_what_they_say(tmp_path: object) -> None:
    store = fill(tmp_path, 60)  # type: ignore[arg-type]
    assert found(store, "aus") == ["ge-tst-0007"]
    assert found(store, "!ok !warn") == ["ge-tst-0007"]
    assert len(found(store, "bezirk:bulmke")) == 15
    assert len(found(store, "district=Buer rtt>=40")) == len([n for n in range(0, 60, 4) if 1 + n % 50 >= 40])
    assert found(store, '"mast 59"') == ["ge-tst-0059"]
    assert found(store, "100%") == []
    assert found(store, "'; DROP TABLE node; --") == []
    store.close()


@pytest.mark.parametrize(
    ("text", "reason", "position"),
    [("distrikt:x", "unknown_field", 0), ("ok rtt>viel", "not_a_number", 7), ('ok "offen', "unclosed", 3)],
)
def test_mistakes_have_a_place(text: str, reason: str, position: int) -> None:
    with pytest.raises(FilterError) as refused:
        compile_filter(text, NODES.fields(), NODES.columns["state"])
    assert (refused.value.reason, refused.value.position) == (reason, position)
