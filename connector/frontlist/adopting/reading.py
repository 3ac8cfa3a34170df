"""Plans of linked titles as they are and as they would be if everything empty were adopted, against what is there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from frontlist import runtime
from frontlist.adopting.comparing import Change, compare
from frontlist.contract import Consumer, Ensure, FieldKey, Json, Plan, Resource, Target, TitleKey
from frontlist.errors import ConfigurationError
from frontlist.linking.reading import TARGET, ready
from frontlist.ordering import without_first_erasures
from frontlist.planning import Active, Planner, Seen
from frontlist.progress import Say
from frontlist.state import applied, dossier, installation, settled
from frontlist.state.database import takes_long
from frontlist.systems.consonance import marker, texts

CHUNK = 100
#: The fields of a marketing text that say of which kind it is.
KIND_OF_TEXT = (FieldKey("variant"), FieldKey("language"))


async def look(it: runtime.Installation, say: Say, only: Sequence[TitleKey] = ()) -> list[Change]:
    """Of every title with a link, or of `only` these. Titles that are not released have no plan, and no changes."""
    await ready(it)
    for name, target in it.targets.items():
        it.known[name] = await target.capabilities()
    planner = it.planner(await _active(it))
    found: list[Change] = []
    for consumer in it.plugins.consumers.values():
        titles = await _titles(it, consumer, only)
        for start in range(0, len(titles), CHUNK):
            found += await _changes(it, planner, consumer, titles[start : start + CHUNK])
            say(f"{consumer.name}: {min(start + CHUNK, len(titles))} of {len(titles)} titles compared")
    return found


async def _active(it: runtime.Installation) -> Active:
    async with it.db.read() as c:
        current = await installation.active(c)
    if current is None:
        raise ConfigurationError(
            "no mapping is active yet", where=it.db.name, cure="start `frontlist run` once; it activates the mapping"
        )
    return Active(current.number, it.mapping)


async def _titles(it: runtime.Installation, consumer: Consumer, only: Sequence[TitleKey]) -> list[TitleKey]:
    async with it.db.read() as c:
        await takes_long(c)
        known = await dossier.titles(c, sorted(consumer.wants))
        linked = set((await settled.titles_by_object(c, TARGET)).values())
    return [title for title in known if title in linked and (not only or title in only)]


async def _changes(
    it: runtime.Installation, planner: Planner, consumer: Consumer, titles: Sequence[TitleKey]
) -> list[Change]:
    async with it.db.read() as c:
        now = await it.db.now(c)
        seen = await planner.look(c, consumer.name, titles)
        linked = {Resource(at.target, at.kind, id_) for links in seen.links.values() for at, id_ in links.items()}
        held = await applied.of_resources(c, consumer.name, linked)
    all_ = replace(seen, adopted={title: {"all": True} for title in titles})
    plans = {
        title: (_plan(planner, consumer, seen, title, now), _plan(planner, consumer, all_, title, now))
        for title in titles
    }
    wanted = {title: _existing(seen, held, title, *both) for title, both in plans.items()}
    found: list[Change] = []
    for name, target in it.targets.items():
        mine = {t: [pair for pair in pairs if pair[1].resource.target == name] for t, pairs in wanted.items()}
        found += await _against(target, mine)
    found += await _texts(it, {title: both[0] for title, both in plans.items()})
    return found


def _plan(planner: Planner, consumer: Consumer, seen: Seen, title: TitleKey, now: int) -> Plan:
    plan, error = planner.plan(consumer, seen.dossiers[title], seen, planner.active(), now)
    if plan is None:
        raise ConfigurationError(
            f"{consumer.name} cannot plan {title}: {error}", where="frontlist adopt", cure=f"frontlist explain {title}"
        )
    return plan


Wanted = tuple[Ensure | None, Ensure]


def _existing(
    seen: Seen, held: Mapping[Resource, applied.Applied], title: TitleKey, now: Plan, adopted: Plan
) -> list[Wanted]:
    """(as it is brought about, as planned with all adopted) of the records that stood before us."""
    linked = {Resource(at.target, at.kind, id_) for at, id_ in seen.links[title].items()}
    decided = seen.adopted.get(title)
    kept = [without_first_erasures(each, held.get(each.resource), decided) for each in now.desired]
    planned = {each.resource: each for each in kept if isinstance(each, Ensure)}
    return [
        (planned.get(each.resource), each)
        for each in adopted.desired
        if isinstance(each, Ensure) and each.resource in linked
    ]


async def _against(target: Target, wanted: Mapping[TitleKey, Sequence[Wanted]]) -> list[Change]:
    desired = [each for pairs in wanted.values() for _, each in pairs]
    if not desired:
        return []
    actual = await target.read(desired)
    found: list[Change] = []
    for title, pairs in wanted.items():
        for planned, adopted in pairs:
            there = actual.get(adopted.resource)
            if there is not None:
                fields = planned.fields if planned is not None else {}
                cleared = [key for key in adopted.fields if key not in fields]
                same = partial(target.same, adopted.resource)
                found += compare(title, adopted.resource, fields, cleared, there.fields, same)
    return found


# --- texts of Consonance that people wrote ---------------------------------------------------------------------------


async def _texts(it: runtime.Installation, plans: Mapping[TitleKey, Plan]) -> list[Change]:
    """Ours never overwrite a text that a person wrote; they would stand beside it, and retailers would get both."""
    works = {title: int(title.removeprefix("work:")) for title in plans if title.removeprefix("work:").isdigit()}
    theirs = await _foreign_texts(it, sorted(works.values()))
    found: list[Change] = []
    for title, work in works.items():
        left = list(theirs.get(work, ()))
        for each in plans[title].desired:
            if isinstance(each, Ensure) and (each.resource.target, each.resource.kind) == ("consonance", "text"):
                found.append(_text_change(title, each, theirs.get(work, ())))
                left = [text for text in left if not _same_kind(each.fields, text)]
        found += [_only_there(title, text) for text in left]
    return found


def _text_change(title: TitleKey, planned: Ensure, theirs: Sequence[Mapping[str, Json]]) -> Change:
    new = planned.fields.get(FieldKey("markdown"))
    beside = [text for text in theirs if _same_kind(planned.fields, text)]
    old = next((text.get("markdown") for text in beside), None)
    equal = any(texts.same("markdown", new, text.get("markdown")) for text in beside)
    effect: Any = "equal" if equal else "beside" if beside else "fill"
    return Change(title, planned.resource, _kind_of(planned.fields), effect, old, new)


def _only_there(title: TitleKey, text: Mapping[str, Json]) -> Change:
    """4ALLPORTAL has none: it stays, since only texts of ours are ever taken away."""
    return Change(title, Resource("consonance", "text", str(text["id"])), _kind_of(text), "equal", text.get("markdown"))


def _kind_of(fields: Mapping[Any, Json]) -> str:
    return " ".join(str(fields.get(key) or "-") for key in KIND_OF_TEXT)


def _same_kind(planned: Mapping[Any, Json], text: Mapping[str, Json]) -> bool:
    """A text without a language is one of every language."""
    return texts.same("variant", planned.get(KIND_OF_TEXT[0]), text.get("variant")) and (
        text.get("language") is None or texts.same("language", planned.get(KIND_OF_TEXT[1]), text["language"])
    )


async def _foreign_texts(it: runtime.Installation, works: Sequence[int]) -> dict[int, list[dict[str, Json]]]:
    schema = await it.consonance.schema()
    selection, _ = schema.select("MarketingText", texts.TEXT)
    found: dict[int, list[dict[str, Json]]] = {}
    for start in range(0, len(works), texts.AT_ONCE):
        some = works[start : start + texts.AT_ONCE]
        asked = (f"w{i}: work(workSearch: {{idEq: {i}}}) {{ id marketingTexts {{ {selection} }} }}" for i in some)
        answer = await it.consonance.query(f"query Texts {{ {' '.join(asked)} }}")
        for work in some:
            rows = (answer.data.get(f"w{work}") or {}).get("marketingTexts") or []
            found[work] = [_text(row) for row in rows if row and not _ours(row)]
    return found


def _ours(row: Mapping[str, Json]) -> bool:
    return any(marker.of_text(row.get(name)) for name in ("internalTextMarkdown", "internalText"))


def _text(row: Mapping[str, Json]) -> dict[str, Json]:
    found = {key: texts.normal(key, row[name]) for key, name in texts.INPUTS.items() if name in row}
    return {"id": row["id"], "markdown": row.get("externalText"), **found}
