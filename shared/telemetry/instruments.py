"""How does a service measure? It owns one registry and takes from here the instruments that the table names."""

from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

from shared.telemetry.metrics import BUILD_INFO, Count, Level, Spread

__all__ = ["EXPOSITION_TYPE", "Instruments"]

EXPOSITION_TYPE = "text/plain; version=0.0.4; charset=utf-8"


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

    def histogram(self, metric: Spread) -> Histogram:
        if metric.name not in self._histograms:
            self._histograms[metric.name] = Histogram(
                metric.name, metric.meaning, metric.labels, registry=self.registry, buckets=metric.buckets
            )
        return self._histograms[metric.name]
