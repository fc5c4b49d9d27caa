"""The table of metrics keeps its own rules, and every line of it can be measured."""

import re
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from shared.telemetry import Instruments, metrics
from shared.telemetry.metrics import (
    COMMITS,
    FLUSH_SECONDS,
    METRICS,
    OPEN_STREAMS,
    UNCOMMITTED,
    Count,
    Level,
    Metric,
    Spread,
)


def test_no_two_metrics_share_a_name() -> None:
    assert len({metric.name for metric in METRICS}) == len(METRICS) > 40


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_name_says_the_project_the_unit_and_the_kind(metric: Metric) -> None:
    assert re.fullmatch(r"sluice_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == isinstance(metric, Count)
    if metric.unit not in ("things", "ratio"):
        assert metric.name.removesuffix("_total").endswith(f"_{metric.unit}")
    assert metric.meaning.endswith(".")


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_nobody_outside_can_choose_the_value_of_a_label(metric: Metric) -> None:
    assert not {"tenant", "caller", "key", "user", "feature", "tag", "job"} & set(metric.labels)


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_every_metric_can_be_measured(metric: Metric) -> None:
    instruments = Instruments("tests")
    labels = dict.fromkeys(metric.labels, "x")
    match metric:
        case Count():
            counter = instruments.counter(metric)
            (counter.labels(**labels) if labels else counter).inc()
        case Level():
            gauge = instruments.gauge(metric)
            (gauge.labels(**labels) if labels else gauge).set(1)
        case Spread():
            histogram = instruments.histogram(metric)
            (histogram.labels(**labels) if labels else histogram).observe(1)

    assert f"\n{metric.name}" in generate_latest(instruments.registry).decode()


def test_asking_twice_gives_the_same_instrument() -> None:
    instruments = Instruments("tests")

    instruments.counter(COMMITS).labels(lane="batch", outcome="done").inc()
    instruments.counter(COMMITS).labels(lane="batch", outcome="done").inc()

    assert instruments.registry.get_sample_value("sluice_commits_total", {"lane": "batch", "outcome": "done"}) == 2
    assert instruments.gauge(OPEN_STREAMS) is instruments.gauge(OPEN_STREAMS)
    assert instruments.histogram(FLUSH_SECONDS) is instruments.histogram(FLUSH_SECONDS)


def test_two_services_in_one_process_do_not_share_figures() -> None:
    one, two = Instruments("one"), Instruments("two")

    one.gauge(OPEN_STREAMS).set(5)

    assert two.registry.get_sample_value("sluice_open_streams") is None


def test_no_series_tells_when_a_counter_was_created() -> None:
    instruments = Instruments("tests")
    instruments.counter(COMMITS).labels(lane="batch", outcome="done").inc()

    assert b"_created" not in generate_latest(instruments.registry)


def test_a_series_whose_subject_is_gone_is_gone() -> None:
    instruments = Instruments("tests")
    spans = {("jobs", "0"): 3.0, ("jobs", "1"): 5.0}
    instruments.readings(UNCOMMITTED, lambda: list(spans.items()))
    del spans["jobs", "0"]

    exposed = generate_latest(instruments.registry).decode()

    assert 'sluice_uncommitted_offsets{partition="1",topic="jobs"} 5.0' in exposed
    assert 'partition="0"' not in exposed


def test_every_metric_is_measured_by_a_service() -> None:
    rooms = (*Path("services").rglob("*.py"), *Path("shared/config").glob("*.py"))
    sources = [path.read_text() for path in rooms]
    constants = {name for name, value in vars(metrics).items() if isinstance(value, Metric)} - {"BUILD_INFO"}

    assert {name for name in constants if not any(re.search(rf"\b{name}\b", source) for source in sources)} == set()
