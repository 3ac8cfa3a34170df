"""Traces by OpenTelemetry: a sampled change can be followed from its feed to the write.

A change that capture reads begins a trace of its own. Its context goes along as `ce_traceparent` with the document and
stays in the dossier, so that intake, work and the calls, in whatever process, are spans of the same trace.
Nothing is sent to a vendor. Without `telemetry.endpoint` nothing is traced, and no span is made.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN as INVALID_SPAN
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, TraceFlags, Tracer
from opentelemetry.trace import Span as Span
from opentelemetry.trace.status import Status, StatusCode
from pydantic import BaseModel, ConfigDict, Field

from frontlist.errors import ConfigurationError

#: W3C Trace Context, version 00.
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
#: A title that was read and never published (its documents say the same) is forgotten after so many others.
UNPUBLISHED = 1_000
#: A document that is older makes no work part of its trace: a timer that fires months later is no part of the change.
FRESH_US = 3_600_000_000


class TelemetrySettings(BaseModel):
    """Where traces go. Headers and certificates: the SDK's own OTEL_EXPORTER_OTLP_* variables."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str | None = Field(
        None,
        pattern=r"^https?://\S+$",
        description="OTLP over HTTP, e.g. http://collector:4318/v1/traces; none: no traces. Needs the extra telemetry",
    )
    sampled: float = Field(0.01, gt=0, le=1, description="share of changes that are traced")


def header(span: Span) -> str | None:
    """The `traceparent` of a span that is recorded."""
    context = span.get_span_context()
    if not context.is_valid or not context.trace_flags.sampled:
        return None
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def context_of(traceparent: str | None) -> SpanContext | None:
    """The sampled context that a header names; None for anything else."""
    found = _TRACEPARENT.fullmatch(traceparent or "")
    if found is None or not int(found[3], 16) & TraceFlags.SAMPLED:
        return None
    context = SpanContext(
        int(found[1], 16), int(found[2], 16), is_remote=True, trace_flags=TraceFlags(int(found[3], 16))
    )
    return context if context.is_valid else None


class Traces:
    """Spans of sampled changes; `tracer` None: nothing is traced. A span that is not recorded is INVALID_SPAN."""

    def __init__(self, tracer: Tracer | None = None) -> None:
        self._tracer = tracer
        self.on = tracer is not None

    def root(self, name: str, began_us: int, attributes: Mapping[str, str] | None = None) -> Span:
        """The first span of a change, if the sampler takes it."""
        if self._tracer is None:
            return INVALID_SPAN
        empty = trace.set_span_in_context(INVALID_SPAN)
        return _recorded(self._tracer.start_span(name, empty, attributes=attributes, start_time=began_us * 1000))

    def child(
        self,
        name: str,
        parents: Sequence[str | Span | None],
        attributes: Mapping[str, str] | None = None,
        began_us: int | None = None,
    ) -> Span:
        """A span below the first of `parents` (headers or spans) that is sampled, linked to the others."""
        if self._tracer is None:
            return INVALID_SPAN
        contexts = [each for each in map(_context, parents) if each is not None]
        if not contexts:
            return INVALID_SPAN
        within = trace.set_span_in_context(NonRecordingSpan(contexts[0]))
        links = [Link(each) for each in contexts[1:]]
        start = None if began_us is None else began_us * 1000
        return _recorded(self._tracer.start_span(name, within, attributes=attributes, links=links, start_time=start))

    @contextmanager
    def within(
        self, name: str, parents: Sequence[str | Span | None], attributes: Mapping[str, str] | None = None
    ) -> Iterator[Span]:
        """`child` for a block; it is the current span there, so that calls made inside are below it."""
        span = self.child(name, parents, attributes)
        if not span.is_recording():
            yield span
            return
        with trace.use_span(span, end_on_exit=True):
            yield span

    def call(self, system: str, method: str, path: str) -> Span:
        """A call below the current span; INVALID_SPAN where that is not traced."""
        if self._tracer is None:
            return INVALID_SPAN
        attributes = {"frontlist.system": system, "http.request.method": method, "url.path": path}
        return self.child(method, [trace.get_current_span()], attributes)


NO_TRACES = Traces()


class Journeys:
    """Spans of titles that one capturer has read and not published yet; they do not outlive the process."""

    def __init__(self, traces: Traces, system: str) -> None:
        self.traces, self.system = traces, system
        self._open: OrderedDict[str, Span] = OrderedDict()

    def begin(self, titles: Iterable[str], feed: str, began_us: int) -> None:
        """What these titles are made of has changed, by a page whose read began then."""
        if not self.traces.on:
            return
        for title in titles:
            if title in self._open:
                continue
            attributes = {"frontlist.system": self.system, "frontlist.feed": feed, "frontlist.title": title}
            span = self.traces.root("change", began_us, attributes)
            if span.is_recording():
                self._open[title] = span
        while len(self._open) > UNPUBLISHED:
            self._open.popitem(last=False)[1].end()

    def publish(self, titles: Iterable[str]) -> dict[str, Span]:
        """A span of publishing for each of these that is traced."""
        return {
            title: self.traces.child("publish", [self._open[title]], {"frontlist.title": title})
            for title in dict.fromkeys(titles)
            if title in self._open
        }

    def end(self, titles: Iterable[str], publishing: Mapping[str, Span] | None = None) -> None:
        """Published, or there was nothing to be published."""
        for title in titles:
            for span in (publishing or {}).get(title), self._open.pop(title, None):
                if span is not None:
                    span.end()


def failed(span: Span, why: str) -> None:
    """What a span stands for went wrong."""
    span.set_status(Status(StatusCode.ERROR, why))


def _context(each: str | Span | None) -> SpanContext | None:
    if each is None or isinstance(each, str):
        return context_of(each)
    found = each.get_span_context()
    return found if found.is_valid and found.trace_flags.sampled else None


def _recorded(span: Span) -> Span:
    return span if span.is_recording() else INVALID_SPAN


#: So long the collector has for the last spans (seconds).
CLOSE = 3.0


class Exporting:
    """The SDK's provider for one run, of its own; nothing is set globally."""

    def __init__(self, settings: TelemetrySettings, tenant: str) -> None:
        self.traces = NO_TRACES
        self._provider = None
        if settings.endpoint is None:
            return
        try:
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
        except ImportError as error:
            raise ConfigurationError(
                f"traces need a package that is not installed: {error.name}",
                where="telemetry.endpoint",
                cure="pip install 'frontlist[telemetry]', or take telemetry.endpoint out",
            ) from error
        provider = TracerProvider(
            sampler=ParentBased(TraceIdRatioBased(settings.sampled)),
            resource=Resource.create({"service.name": "frontlist", "service.namespace": tenant}),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=settings.endpoint)))
        self._provider, self.traces = provider, Traces(provider.get_tracer("frontlist"))

    def close(self) -> None:
        """Sends what is left; a collector that does not answer in time is left behind."""
        if self._provider is not None:
            # The SDK alone would try for half a minute, longer than the process has.
            closing = Thread(target=self._provider.shutdown, daemon=True)
            closing.start()
            closing.join(CLOSE)
