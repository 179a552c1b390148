"""Elements of the lists: what is none is never taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sender.queue.elements import LARGEST, Element

ELEMENTS = st.builds(
    Element,
    st.integers(0, 2**63 - 1),
    st.lists(st.uuids(), min_size=1, max_size=LARGEST).map(tuple),
)


@given(element=ELEMENTS)
def test_element_is_read_as_it_was_written(element: Element) -> None:
    assert Element.read(bytes(element)) == element


@given(element=ELEMENTS, cut=st.integers(min_value=0))
def test_truncated_element_names_no_other_job(element: Element, cut: int) -> None:
    raw = bytes(element)
    found = Element.read(raw[: cut % len(raw)])
    assert found is None or set(found.ids) < set(element.ids)


@given(raw=st.binary())
def test_anything_else_is_no_element(raw: bytes) -> None:
    assert Element.read(raw) is None


def test_element_with_too_many_jobs_is_none() -> None:
    ids = b",".join([b"0" * 32] * (LARGEST + 1))
    assert Element.read(b"1:" + ids) is None


def test_element_with_a_token_that_no_claim_has_is_none() -> None:
    assert Element.read(f"{2**63:x}:{'0' * 32}".encode()) is None
