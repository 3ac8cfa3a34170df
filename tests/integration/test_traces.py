"""One change, followed through the real path: from the feed that read it to the call that wrote it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased

import tenants
from frontlist import process, runtime
from frontlist.kafka import read_to_end
from frontlist.runtime import Installation
from frontlist.settings import Settings
from frontlist.tracing import NO_TRACES, Traces
from frontlist_schemas.topics import topic

TITLE = "work:61001"


@asynccontextmanager
async def running(found: Settings, traces: Traces) -> AsyncIterator[Installation]:
    stopping = asyncio.Event()
    async with tenants.prepared(found), runtime.opened(found) as it:
        task = asyncio.create_task(process.run(it, stopping, traces=traces))
        try:
            yield it
        finally:
            stopping.set()
            await asyncio.wait_for(task, 30)


async def headers(found: Settings) -> list[dict[str, bytes]]:
    """Of every document that stands on the topic of Consonance's metadata."""
    name = topic(found.kafka.prefix, "consonance", "metadata")
    return [dict(record.headers) async for batch, _ in read_to_end(found.kafka, [name], {}) for record in batch]


def path_to(span: ReadableSpan, spans: list[ReadableSpan]) -> list[str]:
    """The names from the root to a span."""
    by_id = {each.context.span_id: each for each in spans if each.context}
    names = [span.name]
    while span.parent is not None:
        span = by_id[span.parent.span_id]
        names.insert(0, span.name)
    return names


async def test_one_trace_leads_from_the_feed_to_the_write(installation: Settings, pair: tenants.Pair) -> None:
    kept = InMemorySpanExporter()
    provider = TracerProvider(sampler=ParentBased(ALWAYS_ON))
    provider.add_span_processor(SimpleSpanProcessor(kept))
    async with running(installation, Traces(provider.get_tracer("frontlist"))) as it:
        await tenants.settled(it)
        kept.clear()
        pair.consonance.send("PATCH", "/sandbox/works/61001", {"authorship_description": "A new line"})

        def written() -> bool:
            return any(each.name == "PATCH" for each in kept.get_finished_spans())

        await tenants.until(written, what="a call that is traced")
        await tenants.settled(it)
    spans = list(kept.get_finished_spans())
    [root] = [each for each in spans if each.name == "change" and (each.attributes or {})["frontlist.title"] == TITLE]
    assert root.context is not None
    assert root.attributes is not None
    assert root.attributes["frontlist.feed"] == "works"
    mine = [each for each in spans if each.context and each.context.trace_id == root.context.trace_id]
    call = next(each for each in mine if each.name == "PATCH")
    assert path_to(call, mine) == ["change", "publish", "work", "ensure fourallportal", "PATCH"]
    assert call.attributes is not None
    assert call.attributes["http.response.status_code"] == 200
    assert {"intake", "plan"} <= {each.name for each in mine}
    sent = [each["ce_traceparent"].decode() for each in await headers(installation) if "ce_traceparent" in each]
    assert f"{root.context.trace_id:032x}" in {each.split("-")[1] for each in sent}


async def test_without_traces_no_document_carries_a_context(installation: Settings) -> None:
    async with running(installation, NO_TRACES) as it:
        await tenants.settled(it)
        assert not it.observed.traces.on
    found = await headers(installation)
    assert found
    assert [each for each in found if "ce_traceparent" in each] == []
