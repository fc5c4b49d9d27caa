"""The `Prefer` header of RFC 7240."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ingress.api.preferences import Preference, read_preference


@pytest.mark.parametrize(
    ("headers", "expected", "applied"),
    [
        ([], Preference(), None),
        (["respond-async"], Preference(respond_async=True), "respond-async"),
        (["Respond-Async, wait=10"], Preference(respond_async=True, wait=10), "respond-async, wait=10"),
        (["wait=5", "respond-async"], Preference(respond_async=True, wait=5), "respond-async, wait=5"),
        (['wait="7"; foo=bar'], Preference(wait=7), "wait=7"),
        (["wait=1, wait=2"], Preference(wait=1), "wait=1"),
        (["wait=soon, handling=lenient"], Preference(), None),
        (["wait=99999"], Preference(wait=600), "wait=600"),
    ],
)
def test_what_is_asked_is_applied_and_said(headers: list[str], expected: Preference, applied: str | None) -> None:
    assert read_preference(headers) == expected
    assert read_preference(headers).applied == applied


@given(st.lists(st.text()))
def test_nonsense_is_passed_over(headers: list[str]) -> None:
    assert read_preference(headers).wait in (None, *range(601))
