"""Prometheus metrics of one run, in a registry of its own; docs/metrics.md lists them.

What happens is counted where it happens. What stands in the database is counted by one look (`frontlist.state.census`)
that is at most some seconds old. No label ever holds a title, and each has a bounded number of values.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Literal

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector

Kind = Literal["counter", "histogram", "gauge"]
#: Values of one label that plug-ins choose; what is beyond them is counted as OTHER.
MOST_VALUES = 100
OTHER = "other"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True)
class Measure:
    """A metric as the docs list it. `name` with the suffix that Prometheus shows."""

    name: str
    kind: Kind
    what: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


#: What the labels' values are, and therefore how many.
LABELS = {
    "answer": "`2xx`, `3xx`, `4xx`, `5xx`, and apart `401`, `429`; `none`: no answer came",
    "aspect": "`metadata`, `assets`, `rights`, `milestones`, `formats`",
    "became": "`set back`, `left` (`reconcile.leave`)",
    "check": "a check of `/readyz`",
    "consumer": "a consumer that is registered",
    "feed": "a feed of a system",
    "field": f"`<kind>/<field>`, e.g. `product/author_line`; beyond {MOST_VALUES} fields: `{OTHER}`",
    "kind": f"a kind of finding; beyond {MOST_VALUES} kinds: `{OTHER}`",
    "outcome": "an outcome of a title; `never`: it was not worked yet",
    "part": "`intake`, `work`, `outbox`, `capture/<system>`",
    "priority": "`rights`, `milestones`, `formats`, `metadata`, `assets`, `backfill`, `sweep`",
    "python": "the version of Python",
    "result": "`ok`, `failed`",
    "severity": "of a finding: `low`, `normal`, `high`",
    "system": "a system that is captured or called",
    "table": "a table of ours; `all` on SQLite, which tells only the file's size",
    "target": "a system that is written",
    "topic": "one of our topics",
    "version": "the version of Frontlist",
}

MEASURES = (
    # capture
    Measure(
        "frontlist_feed_pages_total", "counter", "pages of feeds that were asked for", ("system", "feed", "result")
    ),
    Measure("frontlist_objects_read_total", "counter", "raw objects that feeds delivered", ("system", "feed")),
    Measure("frontlist_documents_published_total", "counter", "documents published", ("system", "aspect")),
    Measure("frontlist_capture_lease", "gauge", "1 where this process captures the system, 0 standing by", ("system",)),
    Measure("frontlist_feed_age_seconds", "gauge", "since a feed last answered", ("system", "feed")),
    Measure("frontlist_feed_pass_age_seconds", "gauge", "since a feed was last read to its end", ("system", "feed")),
    # intake
    Measure("frontlist_records_stored_total", "counter", "records that intake stored", ("topic",)),
    Measure("frontlist_assigned_partitions", "gauge", "partitions that this process reads"),
    Measure("frontlist_lag_records", "gauge", "published and not stored yet, of this process's partitions", ("topic",)),
    Measure(
        "frontlist_changes_coalesced_total",
        "counter",
        "changes for which the plan of another one of the same title did",
        ("consumer",),
    ),
    # work
    Measure("frontlist_claims_total", "counter", "titles claimed", ("consumer", "priority")),
    Measure("frontlist_plans_total", "counter", "titles planned", ("consumer", "result")),
    Measure("frontlist_outcomes_total", "counter", "titles finished", ("consumer", "outcome")),
    Measure(
        "frontlist_change_seconds",
        "histogram",
        "from observing a live change at its source to the outcome of its title",
        ("consumer",),
        (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0, 7200.0),
    ),
    Measure("frontlist_work_due", "gauge", "titles that are due now", ("consumer", "priority")),
    Measure(
        "frontlist_work_oldest_due_seconds", "gauge", "for how long the oldest has been due", ("consumer", "priority")
    ),
    Measure("frontlist_titles", "gauge", "titles by their last outcome", ("consumer", "outcome")),
    Measure("frontlist_held", "gauge", "titles with something that waits for a person (brakes)", ("consumer",)),
    Measure("frontlist_dead_letters", "gauge", "open dead letters", ("consumer", "target")),
    Measure("frontlist_findings_open", "gauge", "what a person must settle", ("kind", "severity")),
    # targets
    Measure("frontlist_writes_total", "counter", "resources written", ("consumer", "target")),
    Measure(
        "frontlist_drifted_cells_total",
        "counter",
        "cells of ours that somebody changed, when they were read",
        ("target", "field", "became"),
    ),
    Measure(
        "frontlist_stale_writes_total",
        "counter",
        "writes that got through although a newer one stood; each is put right at once",
        ("target",),
    ),
    Measure("frontlist_retries_total", "counter", "calls that failed and will be made again", ("target",)),
    Measure("frontlist_breaker_state", "gauge", "0 closed, 1 half open (a probe is out), 2 open", ("target",)),
    Measure("frontlist_api_calls_total", "counter", "HTTP calls by class of answer", ("system", "answer")),
    Measure(
        "frontlist_api_call_seconds",
        "histogram",
        "how long an HTTP call takes, without waiting for its turn",
        ("system",),
        (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0),
    ),
    # outbox
    Measure("frontlist_outbox_sent_total", "counter", "records sent from the outbox", ("topic",)),
    Measure("frontlist_outbox_records", "gauge", "records that wait in the outbox"),
    Measure("frontlist_outbox_oldest_seconds", "gauge", "for how long the oldest has waited"),
    # the process
    Measure("frontlist_check_state", "gauge", "0 ok, 1 warning, 2 not ready, 3 not live", ("check",)),
    Measure("frontlist_part_turn_age_seconds", "gauge", "since a part last went round its loop", ("part",)),
    Measure(
        "frontlist_event_loop_lag_seconds",
        "histogram",
        "by how much a tick of the event loop is late",
        (),
        (0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
    ),
    Measure("frontlist_database_up", "gauge", "1 where the database answered last time"),
    Measure("frontlist_census_age_seconds", "gauge", "how old the figures are that come from the database"),
    Measure("frontlist_table_bytes", "gauge", "size of a table with its indexes", ("table",)),
    Measure("frontlist_build_info", "gauge", "always 1", ("version", "python")),
    # prometheus_client's own
    Measure("process_cpu_seconds_total", "counter", "CPU time"),
    Measure("process_max_fds", "gauge", "files that may be open"),
    Measure("process_open_fds", "gauge", "open files"),
    Measure("process_resident_memory_bytes", "gauge", "memory in use"),
    Measure("process_start_time_seconds", "gauge", "when the process began, seconds since 1970"),
    Measure("process_virtual_memory_bytes", "gauge", "virtual memory"),
)
BY_NAME = {each.name: each for each in MEASURES}


class Metrics:
    """The registry of one run. `counter` and `histogram` count; `gauges` says what is shown beside, at each scrape."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._counters = {
            each.name: Counter(each.name, each.what, each.labels, registry=self._registry) for each in _ours("counter")
        }
        self._histograms = {
            each.name: Histogram(each.name, each.what, each.labels, buckets=each.buckets, registry=self._registry)
            for each in _ours("histogram")
        }
        ProcessCollector(registry=self._registry)

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        counter = self._counters[name]
        (counter.labels(*labels) if labels else counter).inc(by)

    def observe(self, name: str, *labels: str, seconds: float) -> None:
        histogram = self._histograms[name]
        (histogram.labels(*labels) if labels else histogram).observe(seconds)

    def text(self, gauges: Mapping[str, Mapping[tuple[str, ...], float]]) -> bytes:
        """Prometheus' text format. `gauges`: name -> label values -> value."""
        return generate_latest(_Scrape(self._registry, gauges))


class _Scrape:
    """What one scrape shows: the registry's own, and gauges; in the shape of a registry."""

    def __init__(self, registry: CollectorRegistry, gauges: Mapping[str, Mapping[tuple[str, ...], float]]) -> None:
        self._registry, self._gauges = registry, gauges

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            # When a series began is of no use to Prometheus' text format; the switch for it is global.
            family.samples = [sample for sample in family.samples if not sample.name.endswith("_created")]
            yield family
        for each in _ours("gauge"):
            family = GaugeMetricFamily(each.name, each.what, labels=each.labels)
            for values, value in sorted(self._gauges.get(each.name, {}).items()):
                family.add_metric(values, value)
            yield family


def _ours(kind: Kind) -> list[Measure]:
    return [each for each in MEASURES if each.kind == kind and each.name.startswith("frontlist_")]


def build() -> dict[tuple[str, ...], float]:
    return {(version("frontlist"), platform.python_version()): 1.0}


def bounded(counted: Mapping[tuple[str, str], float]) -> dict[tuple[str, ...], float]:
    """(chosen by plug-ins, ours) -> number, with at most MOST_VALUES of the former: the most frequent, and OTHER."""
    totals: dict[str, float] = {}
    for (name, _), number in counted.items():
        totals[name] = totals.get(name, 0) + number
    kept = set(sorted(totals, key=lambda name: (-totals[name], name))[:MOST_VALUES])
    out: dict[tuple[str, ...], float] = {}
    for (name, other), number in counted.items():
        key = (name if name in kept else OTHER, other)
        out[key] = out.get(key, 0) + number
    return out


def page() -> Iterator[str]:
    """docs/metrics.md."""
    yield "# Metrics"
    yield ""
    yield (
        "What `/metrics` shows ([probes and metrics](operating.md#probes-and-metrics)), stated in "
        "`connector/frontlist/metrics.py`. Figures of the database are the installation's, the same in every "
        "replica: take the maximum over replicas. All others are the process's own: sum them up."
    )
    yield ""
    yield from _table(
        ("name", "kind", "labels", "what"),
        [(f"`{m.name}`", m.kind, ", ".join(f"`{label}`" for label in m.labels), m.what) for m in MEASURES],
    )
    yield from ("", "## Labels", "", "None holds a title, an id or a text.", "")
    yield from _table(("label", "values"), [(f"`{name}`", what) for name, what in LABELS.items()])


def _table(columns: Iterable[str], rows: Iterable[Any]) -> Iterator[str]:
    columns = list(columns)
    yield f"| {' | '.join(columns)} |"
    yield f"|{'---|' * len(columns)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
