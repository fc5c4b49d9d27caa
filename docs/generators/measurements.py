"""The reference of the metrics, from their table, and which process measures each, from the code that names them."""

from collections.abc import Mapping
from typing import Final

from docs.generators.markdown import NOTICE, code, codes, table
from docs.generators.mentions import mentioned
from shared.telemetry import metrics
from shared.telemetry.metrics import METRICS, Count, Level, Metric, Spread

__all__ = ["page"]

_SERVICES: Final = ("ingress", "router_worker", "accounting")

_KINDS: Final = {Count: "counter", Level: "gauge", Spread: "histogram"}

_PREFACE: Final = """\
# Metrics

Every process answers `GET /metrics` in Prometheus' text format, on its probe port ([operations.md](operations.md)); the
ingress on its only one. Beside these there are the `process_*` metrics of the client library.

A label has a bounded set of values. No tenant, key or job is ever a label: for those ask the
[tables](data-dictionary.md)."""


def page() -> str:
    """Those that somebody measures."""
    # What is measured in `shared`, all three of them do.
    every = mentioned("shared", metrics.__name__)
    names = {service: every | mentioned(f"services/{service}", metrics.__name__) for service in _SERVICES}
    rows = [
        (code(metric.name), _kind(metric), codes(metric.labels), _unit(metric), ", ".join(who), metric.meaning)
        for metric in METRICS
        if (who := _measured_by(metric, names))
    ]
    measured = table(("metric", "kind", "labels", "unit", "measured by", "meaning"), rows)
    return "\n\n".join([NOTICE, _PREFACE, measured]) + "\n"


def _measured_by(metric: Metric, names: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    if metric is metrics.BUILD_INFO:
        return _SERVICES  # by `Instruments` itself
    constant = next(name for name, value in vars(metrics).items() if value is metric)
    return tuple(service for service, found in names.items() if constant in found)


def _kind(metric: Metric) -> str:
    return _KINDS[type(metric)]


def _unit(metric: Metric) -> str:
    return "" if metric.unit == "things" else metric.unit
