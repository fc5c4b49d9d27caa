"""What a job is expected to wait for is what stands before it, whoever asks, and no more."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ingress.admission import Backlog, Line, Wait, backlog_of, foresee, grown
from shared.load import LaneLoad

TENANTS = ("a", "b", "c", "d")
WEIGHTS = st.dictionaries(st.sampled_from(TENANTS), st.integers(1, 5))
WAITING = st.dictionaries(st.sampled_from(TENANTS), st.integers(0, 10_000))
LINES = st.builds(Line, per_second=st.floats(0.01, 1000), waiting=WAITING, unnamed=st.integers(0, 1000))
PROMISES = st.dictionaries(
    st.tuples(st.sampled_from(TENANTS), st.sampled_from(["plain", "limited"])), st.integers(1, 1000)
)


def lane(per_second: float = 1, **fields: object) -> Backlog:
    return Backlog(Line(per_second, **fields), job_seconds=1)  # type: ignore[arg-type]


def foreseen(backlog: Backlog, tenant: str, weights: Mapping[str, int] | None = None, model: str = "plain") -> Wait:
    return foresee(backlog, tenant, model, weights or {})


def seconds(
    backlog: Backlog, tenant: str = "a", weights: Mapping[str, int] | None = None, model: str = "plain"
) -> float:
    return foreseen(backlog, tenant, weights, model).expected.total_seconds()


def a_load(**fields: object) -> LaneLoad:
    standard = {"slots": 8, "free": 0, "job_seconds": 4.0, "waiting": {}, "unnamed": 0, "partitions": (0,)}
    return LaneLoad.model_validate(standard | fields)


def test_with_a_free_slot_and_nothing_waiting_nobody_waits() -> None:
    assert seconds(lane(free=1)) == 0


def test_when_all_slots_are_taken_the_next_one_to_come_free_is_waited_for() -> None:
    assert seconds(lane(per_second=0.5)) == 2


def test_a_tenant_alone_waits_for_all_it_has() -> None:
    assert seconds(lane(per_second=5, waiting={"a": 99})) == 100 / 5


def test_who_has_nothing_waiting_hardly_waits_for_a_flood() -> None:
    flooded = lane(per_second=5, waiting={"b": 100_000})
    assert seconds(flooded) == 2 / 5
    assert seconds(flooded, "b") == 100_001 / 5


def test_of_others_as_much_is_served_meanwhile_as_their_weight_says() -> None:
    backlog = lane(waiting={"a": 9, "b": 1000})
    assert seconds(backlog, "a", {"a": 1, "b": 3}) == 9 + 30 + 1
    assert seconds(backlog, "a", {"a": 5, "b": 1}) == 9 + 2 + 1


def test_what_nobody_has_read_yet_stands_before_everybody() -> None:
    assert seconds(lane(unnamed=50)) == 51


def test_a_model_at_its_limit_is_waited_for_whatever_slots_are_free_and_others_are_not() -> None:
    limited = replace(lane(free=64), models={"limited": Line(0.5, {"a": 9})})
    assert seconds(limited, model="limited") == 20
    assert seconds(limited, "b", model="limited") == 4
    assert seconds(limited, model="plain") == 0


@given(LINES, WEIGHTS)
def test_nobody_waits_longer_than_until_everything_has_begun(line: Line, weights: Mapping[str, int]) -> None:
    most = (sum(line.waiting.values()) + line.unnamed + 1) / line.per_second
    for tenant in TENANTS:
        wait = foreseen(Backlog(line, 1), tenant, weights)
        assert timedelta() <= wait.of_others <= wait.expected
        assert wait.expected.total_seconds() <= most * (1 + 1e-9) + 1e-5


@given(LINES, WEIGHTS)
def test_more_before_a_job_never_makes_its_wait_shorter(line: Line, weights: Mapping[str, int]) -> None:
    for tenant in TENANTS:
        more = replace(line, waiting={**line.waiting, tenant: line.waiting.get(tenant, 0) + 1})
        for waiting in TENANTS:
            assert seconds(Backlog(more, 1), waiting, weights) >= seconds(Backlog(line, 1), waiting, weights)
    assert seconds(Backlog(replace(line, per_second=line.per_second * 2), 1)) <= seconds(Backlog(line, 1))


@given(LINES, LINES, PROMISES, st.floats(0, 10))
def test_what_was_promised_since_counts_in_its_line_as_far_as_that_cannot_have_got_shorter(
    slots: Line, limited: Line, promised: Mapping[tuple[str, str], int], since: float
) -> None:
    before = Backlog(slots, 1, {"limited": limited})
    later = grown(before, promised, since)
    for old, new, model in ((slots, later.slots, "plain"), (limited, later.models["limited"], "limited")):
        jobs = sum(count for (_, asked), count in promised.items() if asked == model)
        added = sum(new.waiting.values()) - sum(old.waiting.values())
        assert abs(added - max(0.0, jobs - since * old.per_second)) < 1e-6 * (1 + jobs)
        assert all(new.waiting.get(tenant, 0) >= count for tenant, count in old.waiting.items())


def test_several_workers_count_together_by_their_slots() -> None:
    held_back = {"limited": {"waiting": {"a": 2}, "unnamed": 1, "per_second": 0.5}}
    loads = [
        a_load(waiting={"a": 3, "b": 1}, held_back=held_back),
        a_load(slots=24, free=2, job_seconds=8.0, waiting={"a": 4}, unnamed=5, held_back=held_back),
    ]
    assert backlog_of(loads) == Backlog(
        Line(32 / 7, {"a": 7, "b": 1}, 5, 2), job_seconds=7, models={"limited": Line(1.0, {"a": 4}, 2)}
    )


def test_workers_that_take_no_jobs_are_none() -> None:
    assert backlog_of([a_load(slots=0, waiting={"a": 3})]) is None
    assert backlog_of([]) is None
