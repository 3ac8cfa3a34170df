"""Accepting a link report: links for what is sure and for the doubtful pairs that a person names, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from frontlist import runtime
from frontlist.contract import Resource, TitleKey
from frontlist.errors import ConfigurationError
from frontlist.linking import holding, reports
from frontlist.linking.reading import TARGET, Options
from frontlist.linking.reports import Looked
from frontlist.linking.settling import Decided, Linked, settle
from frontlist.progress import Say
from frontlist.state import settled
from frontlist.state.database import takes_long

#: Said in place of a record: none of the candidates is it.
NEW = "new"


@dataclass(frozen=True)
class Accepted:
    """`open`: modules in which records may be made from now on. `undecided`: module -> doubtful sources that wait."""

    links: int = 0
    ruled_out: int = 0
    open: tuple[str, ...] = ()
    undecided: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


async def accept(it: runtime.Installation, name: str, answers: Sequence[str], say: Say) -> Accepted:
    """`answers`: `94741=<record id>` or `94741=new`, with `title/` before a source of another module than products'.

    Refuses a report that no longer says what is found now. The modules open; what is left undecided is held back,
    product by product, since it would otherwise get a second record.
    """
    report = await reports.kept(it, "link", name)
    options = Options(**{key: tuple(value) for key, value in report["options"].items()})
    found = await reports.look(it, options, say)
    said = [line for each in found for line in _differences(report["modules"].get(each.module, {}), each)]
    if said or {each.module for each in found} != set(report["modules"]):
        raise reports.outdated(name, "link", said or ["the mapping names other modules now"])
    chosen = _chosen(answers, found)
    links = [link for each in found for link in _links(each, chosen)]
    ruled_out = [one for each in found for one in _ruled_out(each, chosen, name)]
    undecided = {each.module: left for each in found if (left := _undecided(each, chosen))}
    opened = tuple(each.module for each in found)
    linked = [Decided("linked", module, {"report": name}) for module in opened]
    async with it.db.read() as c:
        held = await settled.decisions(c, holding.DOUBTFUL)
    left_open = {one.key: one for each in found for one in _left_open(each, undecided.get(each.module, ()), name)}
    answered = [Decided(holding.DOUBTFUL, key, None) for key in held if key not in left_open]
    # What is held back stands before the module opens.
    await settle(it, links, [*left_open.values(), *answered, *ruled_out, *linked], all_titles=bool(opened))
    return Accepted(len(links), len(ruled_out), opened, undecided)


async def undo(it: runtime.Installation, place: str) -> Linked:
    """Takes back the link of `product/94741` (module/source); the record stays as it is."""
    module, _, source = place.rpartition("/")
    at = Resource(TARGET, module or it.mapping.product.module, source)
    async with it.db.read() as c:
        await takes_long(c)
        titles = sorted(set((await settled.titles_by_object(c, TARGET)).values()))
        links = await settled.links_of(c, titles)
    title = next((title for title, found in links.items() if at in found), None)
    if title is None:
        raise ConfigurationError(
            f"{at.kind}/{at.id} is not linked", where="frontlist link undo", cure="name it as <module>/<Consonance id>"
        )
    undone = Linked(TARGET, at.kind, at.id, None, title, _role(it, at.kind))
    await settle(it, [undone])
    return undone


def _role(it: runtime.Installation, module: str) -> str:
    return "product" if module == it.mapping.product.module else "title"


def _differences(then: Mapping[str, Mapping[str, object]], now: Looked) -> list[str]:
    """What is to be accepted and was not shown, or was shown and is no more; what this report settled is neither."""
    settled_, refused = now.gathered.settled, now.gathered.refused
    sure, doubtful = dict(then.get("sure", {})), dict(then.get("doubtful", {}))
    lost = [s for s, r in sure.items() if now.sure.get(s) != r and settled_.get(s) != r]
    fresh = [s for s in now.sure if s not in sure and s not in doubtful]
    other = [
        source
        for source, records in doubtful.items()
        if isinstance(records, list)
        and now.doubtful.get(source) != records
        and settled_.get(source) not in records
        and not all((source, record) in refused for record in records)
    ]
    other += [source for source in now.doubtful if source not in doubtful and source not in lost]
    other += [source for source in now.sure if source in doubtful and source not in other]
    return [
        *(f"{now.module}/{source} is not sure any more" for source in lost),
        *(f"{now.module}/{source} has become sure" for source in fresh),
        *(f"{now.module}/{source} has other candidates now" for source in other),
    ]


Chosen = Mapping[tuple[str, str], str]


def _chosen(answers: Sequence[str], found: Sequence[Looked]) -> Chosen:
    """(module, source) -> record or `new`; refuses what the report does not offer."""
    by_module = {each.module: each for each in found}
    chosen: dict[tuple[str, str], str] = {}
    for answer in answers:
        place, sign, record = answer.strip().partition("=")
        module, _, source = place.rpartition("/")
        looked = by_module.get(module or found[0].module)
        candidates = looked.doubtful.get(source) if looked and sign else None
        settled_ = looked.gathered.settled.get(source) if looked else None
        if looked is None or candidates is None or record not in (*candidates, NEW):
            if looked is not None and settled_ == record:
                continue  # accepted before
            raise ConfigurationError(
                f"{answer!r} answers nothing that the report asks",
                where="--doubtful",
                cure=f"write {source}=<record>, of {', '.join(candidates)}, or {source}={NEW}"
                if candidates
                else "write <Consonance id>=<record id> of one of the doubtful",
            )
        if chosen.setdefault((looked.module, source), record) != record:
            raise ConfigurationError(f"{place} is answered twice", where="--doubtful", cure="answer it once")
    _once(chosen)
    return chosen


def _once(chosen: Chosen) -> None:
    taken: dict[tuple[str, str], str] = {}
    for (module, source), record in chosen.items():
        if record != NEW and taken.setdefault((module, record), source) != source:
            raise ConfigurationError(
                f"{module}/{record} would stand for {taken[module, record]} and for {source}",
                where="--doubtful",
                cure=f"give it to one of them, and answer {NEW} or another record for the other",
            )


def _links(found: Looked, chosen: Chosen) -> list[Linked]:
    named = {source: record for (module, source), record in chosen.items() if module == found.module and record != NEW}
    pairs = {**found.sure, **named}
    sources = found.gathered.sources
    return [
        Linked(TARGET, found.module, source, record, TitleKey(sources[source].title), found.gathered.role)
        for source, record in sorted(pairs.items())
    ]


def _ruled_out(found: Looked, chosen: Chosen, name: str) -> list[Decided]:
    return [
        Decided("unlinked", f"{TARGET}/{module}/{source}", {"records": found.doubtful[source], "report": name})
        for (module, source), record in sorted(chosen.items())
        if module == found.module and record == NEW
    ]


def _left_open(found: Looked, undecided: Sequence[str], name: str) -> list[Decided]:
    sources = found.gathered.sources
    return [
        Decided(
            holding.DOUBTFUL,
            holding.key_of(found.module, source),
            {"records": found.doubtful[source], "title": sources[source].title, "report": name},
        )
        for source in undecided
    ]


def _undecided(found: Looked, chosen: Chosen) -> tuple[str, ...]:
    return tuple(source for source in found.doubtful if (found.module, source) not in chosen)
