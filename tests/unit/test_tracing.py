"""The context of a change as it travels, and that nothing is made where nothing is traced."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

from frontlist.errors import ConfigurationError
from frontlist.tracing import (
    INVALID_SPAN,
    UNPUBLISHED,
    Exporting,
    Journeys,
    TelemetrySettings,
    Traces,
    context_of,
    header,
)

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def spans() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traces(spans: InMemorySpanExporter) -> Traces:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return Traces(provider.get_tracer("test"))


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "",
        "garbage",
        PARENT[:-2] + "00",  # not sampled
        PARENT.replace("00-", "01-", 1),
        PARENT.upper(),
        "00-" + "0" * 32 + PARENT[35:],
        PARENT + "-more",
    ],
)
def test_what_is_no_sampled_context_is_none(wrong: str | None, traces: Traces) -> None:
    assert context_of(wrong) is None
    assert traces.child("work", [wrong]) is INVALID_SPAN


def test_a_span_goes_below_the_first_traced_parent_and_names_the_others(
    traces: Traces, spans: InMemorySpanExporter
) -> None:
    other = traces.root("change", 1)
    traces.child("work", [None, INVALID_SPAN, PARENT, other]).end()
    [work] = spans.get_finished_spans()
    assert work.parent is not None
    assert f"{work.parent.trace_id:032x}" in PARENT
    assert [link.context for link in work.links] == [other.get_span_context()]


def test_a_header_comes_back_as_the_context_of_its_span(traces: Traces) -> None:
    span = traces.root("change", 1)
    found = context_of(header(span))
    assert found is not None
    assert (found.trace_id, found.span_id) == (span.get_span_context().trace_id, span.get_span_context().span_id)


def test_a_call_is_traced_only_below_a_span(traces: Traces, spans: InMemorySpanExporter) -> None:
    assert traces.call("consonance", "GET", "/x") is INVALID_SPAN
    with traces.within("ensure", [PARENT]):
        traces.call("consonance", "GET", "/x").end()
    call, ensure = spans.get_finished_spans()
    assert call.parent is not None
    assert call.parent.span_id == ensure.get_span_context().span_id


@pytest.mark.parametrize("traces", [Traces(), Traces(TracerProvider(sampler=ALWAYS_OFF).get_tracer("test"))])
def test_where_nothing_is_traced_nothing_is_made(traces: Traces) -> None:
    assert traces.root("change", 1) is INVALID_SPAN
    journeys = Journeys(traces, "consonance")
    journeys.begin(["work:1"], "works", 1)
    assert journeys.publish(["work:1"]) == {}


def test_titles_that_are_never_published_are_forgotten(traces: Traces, spans: InMemorySpanExporter) -> None:
    journeys = Journeys(traces, "consonance")
    journeys.begin([f"work:{n}" for n in range(UNPUBLISHED + 5)], "works", 1)
    assert len(spans.get_finished_spans()) == 5
    assert list(journeys.publish(["work:4", "work:5"])) == ["work:5"]


def test_an_endpoint_makes_a_provider_of_its_own_and_none_makes_nothing() -> None:
    assert not Exporting(TelemetrySettings(), "acme").traces.on
    exporting = Exporting(TelemetrySettings(endpoint="http://127.0.0.1:9/v1/traces", sampled=1.0), "acme")
    try:
        assert exporting.traces.root("change", 1).is_recording()
    finally:
        exporting.close()


def test_an_endpoint_without_the_sdk_refuses_with_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ConfigurationError) as error:
        Exporting(TelemetrySettings(endpoint="http://127.0.0.1:9/v1/traces"), "acme")
    assert "frontlist[telemetry]" in error.value.cure
