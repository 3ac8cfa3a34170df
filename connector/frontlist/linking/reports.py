"""A link report: what was found at one moment, kept under a name on the decisions topic until a person accepts it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from frontlist import runtime
from frontlist.contract import Json
from frontlist.errors import ConfigurationError
from frontlist.linking.matching import REFERENCE, Classified, Record, Source, classify
from frontlist.linking.reading import Gathered, Options, gather, ready
from frontlist.linking.settling import Decided, settle
from frontlist.progress import Say
from frontlist.state import settled
from frontlist_schemas.canonical import fingerprint

KIND = "report"


@dataclass(frozen=True)
class Looked:
    """One module as it is now."""

    gathered: Gathered
    classified: Classified

    @property
    def module(self) -> str:
        return self.gathered.module

    @property
    def sure(self) -> dict[str, str]:
        return {pair.source: pair.record for pair in self.classified.sure}

    @property
    def doubtful(self) -> dict[str, list[str]]:
        return {doubt.source: list(doubt.records) for doubt in self.classified.doubtful}

    def as_json(self) -> Json:
        """What acceptance compares."""
        counts = self.classified.counts
        return {"role": self.gathered.role, "sure": self.sure, "doubtful": self.doubtful, "counts": counts}


async def look(it: runtime.Installation, options: Options, say: Say) -> list[Looked]:
    """Every module of the mapping; products first, since titles are known by the records of their products."""
    await ready(it)
    product = _looked(await gather(it, it.mapping.product, options, say))
    if it.mapping.title is None:
        return [product]
    title = await gather(it, it.mapping.title, options, say)
    return [product, _looked(replace(title, records=_claimed(title, product)))]


def _looked(found: Gathered) -> Looked:
    classified = classify(
        found.sources.values(), found.records.values(), settled=found.settled, refused=found.refused, by=found.by
    )
    return Looked(found, classified)


def _claimed(titles: Gathered, products: Looked) -> dict[str, Record]:
    """The title records with what the references between them and the products' records say, from either side."""
    sources = products.gathered.sources
    pairs = (*products.classified.settled, *products.classified.sure)
    works = {pair.record: sources[pair.source].title.removeprefix("work:") for pair in pairs}
    claims: dict[str, set[str]] = defaultdict(set)
    for record, referred in products.gathered.references.items():
        for title in referred if record in works else ():
            claims[title].add(works[record])
    for title, referred in titles.references.items():
        claims[title] |= {works[record] for record in referred if record in works}
    return {
        id_: replace(record, claims={**dict.fromkeys(sorted(claims[id_]), REFERENCE), **record.claims})
        for id_, record in titles.records.items()
    }


# --- kept by name ---------------------------------------------------------------------------------------------------


async def keep(it: runtime.Installation, of: str, body: Mapping[str, Json], name: str = "") -> str:
    """Under the name given, else under one that follows from the content; answers it."""
    kept = {"of": of, **body}
    name = name or fingerprint(kept)[:8]
    await settle(it, decisions=[Decided(KIND, name, kept)])
    return name


async def kept(it: runtime.Installation, of: str, name: str) -> dict[str, Any]:
    """The report of that name; refuses one that is not there, or is of another kind."""
    async with it.db.read() as c:
        found = await settled.decisions(c, KIND)
    body = found.get(name)
    if not isinstance(body, dict) or body.get("of") != of:
        names = sorted(key for key, each in found.items() if isinstance(each, dict) and each.get("of") == of)
        raise ConfigurationError(
            f"there is no {of} report named {name!r}",
            where=it.db.name,
            cure=f"name one of {', '.join(names[-12:])}" if names else f"make one: `frontlist {of}`",
        )
    return body


def body_of(found: Sequence[Looked], options: Options) -> dict[str, Json]:
    return {
        "options": {"by": list(options.by), "isbn": list(options.isbn)},
        "modules": {each.module: each.as_json() for each in found},
    }


def outdated(name: str, of: str, said: Sequence[str]) -> ConfigurationError:
    more = f" and {len(said) - 5} more" if len(said) > 5 else ""
    return ConfigurationError(
        f"report {name} is outdated: {'; '.join(said[:5])}{more}",
        where=f"frontlist {of} accept",
        cure=f"look at a new report: `frontlist {of}`",
    )


# --- shown ----------------------------------------------------------------------------------------------------------


def shown(found: Looked) -> dict[str, Json]:
    """Everything that a person may want to know, for `--json` and the tables."""
    sources, records, classified = found.gathered.sources, found.gathered.records, found.classified
    return {
        "module": found.module,
        "role": found.gathered.role,
        "by": list(found.gathered.by),
        "counts": classified.counts,
        "sure": [
            {**_source(sources, p.source), **_record(records, p.record), "reasons": list(p.reasons)}
            for p in classified.sure
        ],
        "doubtful": [
            {
                **_source(sources, doubt.source),
                "records": [
                    {**_record(records, p.record), "reasons": list(p.reasons), "doubts": _doubts(doubt, p)}
                    for p in doubt.pairs
                ],
            }
            for doubt in classified.doubtful
        ],
        "missing": [_source(sources, source) for source in classified.missing],
        "foreign": [{**_record(records, f.record), "twin_of": list(f.twin_of)} for f in classified.foreign],
    }


def _doubts(doubt: Any, pair: Any) -> list[str]:
    several = [f"{len(doubt.pairs)} records fit it"] if len(doubt.pairs) > 1 else []
    return [*several, *pair.doubts]


def _source(sources: Mapping[str, Source], id_: str) -> dict[str, Json]:
    found = sources[id_]
    return {"source": id_, "title": found.title, "name": next(iter(found.names), ""), "isbn": ", ".join(found.isbns)}


def _record(records: Mapping[str, Record], id_: str) -> dict[str, Json]:
    found = records.get(id_, Record(id_))
    return {"record": id_, "record_name": next(iter(found.names), ""), "record_isbn": ", ".join(found.isbns)}
