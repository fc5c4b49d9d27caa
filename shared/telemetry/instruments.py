"""How does a service measure? It owns one registry and takes from here the instruments that the table names."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from shared.telemetry.metrics import BUILD_INFO, Count, Level, Spread

__all__ = ["EXPOSITION_TYPE", "Instruments", "Reading"]

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"


Reading = tuple[Sequence[str], float]
"""The values of the labels, in the table's order, and the level."""


class _Readings(Collector):
    """Levels that are read when somebody asks: series come and go with what they tell of."""

    def __init__(self, metric: Level, read: Callable[[], Iterable[Reading]]) -> None:
        self._metric = metric
        self._read = read

    def describe(self) -> Iterator[GaugeMetricFamily]:
        yield GaugeMetricFamily(self._metric.name, self._metric.meaning, labels=self._metric.labels)

    def collect(self) -> Iterator[GaugeMetricFamily]:
        family = GaugeMetricFamily(self._metric.name, self._metric.meaning, labels=self._metric.labels)
        for labels, level in self._read():
            family.add_metric(labels, level)
        yield family


class Instruments:
    """The metrics of one process. Asking twice for the same metric gives the same instrument."""

    def __init__(self, service: str) -> None:
        # The library would add a time stamp series to every counter: three times as many series, and nobody reads them.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        ProcessCollector(registry=self.registry)
        self.gauge(BUILD_INFO).labels(service=service, version=version("sluice")).set(1)

    def counter(self, metric: Count) -> Counter:
        if metric.name not in self._counters:
            self._counters[metric.name] = Counter(metric.name, metric.meaning, metric.labels, registry=self.registry)
        return self._counters[metric.name]

    def gauge(self, metric: Level) -> Gauge:
        if metric.name not in self._gauges:
            self._gauges[metric.name] = Gauge(metric.name, metric.meaning, metric.labels, registry=self.registry)
        return self._gauges[metric.name]

    def readings(self, metric: Level, read: Callable[[], Iterable[Reading]]) -> None:
        """Ask `read` at every exposition; it must not block. For a level whose series are not always the same."""
        self.registry.register(_Readings(metric, read))

    def histogram(self, metric: Spread) -> Histogram:
        if metric.name not in self._histograms:
            self._histograms[metric.name] = Histogram(
                metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets
            )
        return self._histograms[metric.name]
