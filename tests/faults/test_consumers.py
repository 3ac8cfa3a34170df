"""A consumer that is registered when the topics have been read long ago."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import tenants
from faults.scene import WORKS, some_works
from frontlist import runtime
from frontlist.contract import Consumer, Context, DocumentKey, Dossier, Plan, TitleKey, Writes
from frontlist.plugins import Plugins, hookimpl
from frontlist.state import settled
from frontlist_metadata import plugin as metadata


class Late:
    """Notes the title that it saw."""

    name = "late"
    wants = frozenset({DocumentKey("consonance", "metadata")})
    flows = frozenset({90})

    def writes(self, mapping: object) -> Writes:
        return {}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        document = dossier.get("consonance", "metadata")
        return Plan(notes={"title": (document.body or {}).get("title")})


@hookimpl
def frontlist_consumers() -> list[Consumer]:
    return [Late()]


async def test_a_consumer_that_is_registered_late_sees_every_title_and_what_comes_later(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str
) -> None:
    late = SimpleNamespace(frontlist_consumers=frontlist_consumers)
    with tenants.pair(some_works()) as pair:
        found = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)
        async with tenants.prepared(found):
            async with tenants.running(found, plugins=Plugins({"metadata": metadata})) as it:
                await tenants.settled(it)
            pair.dam.forget_calls()
            async with tenants.running(found, plugins=Plugins({"metadata": metadata, "late": late})) as it:
                await tenants.settled(it)
                assert await noted(it) == {work: each.title for work, each in pair.tenant.works.items()}
                assert pair.dam.writes() == 0
                pair.consonance.send("PATCH", "/sandbox/works/61002", {"title": "Later"})

                async def heard() -> bool:
                    return (await noted(it))[61002] == "Later"

                await tenants.until(heard, what="a later change reaches it")


async def noted(it: runtime.Installation) -> dict[int, Any]:
    titles = {TitleKey(f"work:{work}"): work for work in WORKS}
    async with it.db.read() as c:
        notes = (await settled.about(c, "late", list(titles)))["note"]
    return {work: notes.get(settled.note_key("late", title), {}).get("title") for title, work in titles.items()}
