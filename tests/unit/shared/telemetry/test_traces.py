"""W3C trace context, as w3.org/TR/trace-context has it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.telemetry import TraceContext

VALID = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_the_standards_example_is_read_and_written_as_it_is() -> None:
    context = TraceContext.parse(VALID, "congo=t61rcWkgMzE")

    assert context == TraceContext(
        "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", sampled=True, state="congo=t61rcWkgMzE"
    )
    assert context.traceparent == VALID


@pytest.mark.parametrize(
    "header",
    [
        "",
        "nonsense",
        VALID.upper(),
        VALID + "-more",
        VALID.replace("00-", "ff-", 1),
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
        VALID[:-1],
    ],
)
def test_an_invalid_header_is_no_context(header: str) -> None:
    assert TraceContext.parse(header) is None


def test_a_later_version_is_read_as_far_as_it_is_known() -> None:
    context = TraceContext.parse(VALID.replace("00-", "cc-", 1) + "-what-comes-then")

    assert context is not None
    assert context.traceparent == VALID


def test_only_the_lowest_flag_is_kept() -> None:
    context = TraceContext.parse(VALID[:-2] + "fe")

    assert context is not None
    assert not context.sampled


def test_a_child_stays_in_the_trace_with_a_span_of_its_own() -> None:
    parent = TraceContext.new()
    child = parent.child()

    assert child.trace_id == parent.trace_id
    assert child.span_id != parent.span_id


def test_it_travels_in_record_headers_among_others() -> None:
    context = TraceContext.new()

    headers = [("ce_id", b"1"), *context.headers()]

    assert TraceContext.from_headers(headers) == context


def test_header_names_are_compared_without_case() -> None:
    assert TraceContext.from_headers([("Traceparent", VALID.encode())]) is not None


def test_a_state_that_is_too_long_is_dropped_and_the_trace_kept() -> None:
    context = TraceContext.parse(VALID, "a=" + "b" * 600)

    assert context is not None
    assert context.state == ""


@given(st.lists(st.tuples(st.sampled_from(["traceparent", "tracestate", "x"]), st.binary(max_size=80))))
def test_no_header_bytes_make_it_fail(headers: list[tuple[str, bytes]]) -> None:
    TraceContext.from_headers(headers)
