"""Which products wait: a record that nobody linked may stand for them, so none is made until a person has said.

Two things hold a product back: an unlinked record with its ISBN, and a link report that left it doubtful. Both end
when the record is linked, deleted or ruled out (`frontlist link`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.clock import chosen_id
from frontlist.contract import Dossier, Finding, Json, Resource, TitleKey
from frontlist.linking import isbn
from frontlist.source import RawKey
from frontlist.state import installation, mirror, settled, work
from frontlist.state.database import CHUNK, Database

TARGET = "fourallportal"
#: The kind of decision that keeps what a report left open: module and source -> its candidates.
DOUBTFUL = "doubtful"


def key_of(module: str, source: str) -> str:
    return f"{TARGET}/{module}/{source}"


async def held_back(
    c: AsyncConnection, tenant: str, modules: Iterable[str], dossiers: Mapping[TitleKey, Dossier]
) -> dict[Resource, tuple[str, ...]]:
    """The records that we would make for these titles and must not, each with those that may be it already."""
    # A product and a work may have the same number, and then the ISBN of the product counts.
    sources = dict(sorted(_sources(dossiers.values()), key=lambda each: each[1] or ""))
    wanted = {(module, source): stated for module in sorted(set(modules)) for source, stated in sources.items()}
    if not wanted:
        return {}
    keys = [key_of(*each) for each in wanted]
    numbers = {stated for stated in sources.values() if stated is not None}
    strangers = await mirror.strangers_stating(c, TARGET, numbers)
    doubtful = await _decided(c, DOUBTFUL, keys)
    named = {RawKey(key.split("/", 2)[1], id_) for key, body in doubtful.items() for id_ in body["records"]}
    open_ = await mirror.strangers(c, TARGET, sorted(named))
    ruled_out = await _decided(c, "unlinked", keys) if strangers or open_ else {}
    found: dict[Resource, tuple[str, ...]] = {}
    for (module, source), stated in wanted.items():
        key = key_of(module, source)
        records = {raw.id for raw in strangers.get(stated or "", ()) if raw.kind == module}
        records |= {id_ for id_ in doubtful.get(key, {}).get("records", ()) if RawKey(module, id_) in open_}
        records -= set(ruled_out.get(key, {}).get("records", ()))
        if records:
            found[Resource(TARGET, module, chosen_id(tenant, module, source))] = tuple(sorted(records))
    ours = await mirror.living(c, TARGET, [RawKey(each.kind, each.id) for each in found])
    return {each: records for each, records in found.items() if RawKey(each.kind, each.id) not in ours}


async def _decided(c: AsyncConnection, kind: str, keys: Sequence[str]) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for start in range(0, len(keys), CHUNK):
        found |= await settled.decisions(c, kind, keys[start : start + CHUNK])
    return found


def products_of(dossier: Dossier) -> list[str]:
    """The products that Consonance lists for the title."""
    body = dossier.get("consonance", "formats").body
    return [str(product["id"]) for product in (body or {}).get("products") or ()]


def _sources(dossiers: Iterable[Dossier]) -> Iterator[tuple[str, str | None]]:
    """(source id, ISBN key) of each product, and of each title, which has no ISBN of its own."""
    for each in dossiers:
        kind, _, work_id = each.title.partition(":")
        document = each.get("consonance", "formats")
        if kind != "work" or not document.body:
            continue
        yield work_id, None
        for product in document.body.get("products") or ():
            stated = isbn.read(str(product.get("isbn13") or ""))
            yield str(product["id"]), stated.key if stated else None


def finding(resource: Resource, records: Sequence[str]) -> Finding:
    """What a person is told."""
    said = ", ".join(f"{resource.kind}/{id_}" for id_ in records[:5])
    more = f" and {len(records) - 5} more" if len(records) > 5 else ""
    return Finding(
        key=f"twin/{resource}",
        kind="twin",
        message=f"{said}{more} may stand for it already and no title claims it; no second record is made",
        cure="link it, or say that it is another one: `frontlist link`; or delete it in 4ALLPORTAL. "
        "It then goes on by itself",
        where=str(resource),
    )


async def wake(
    db: Database, c: AsyncConnection, system: str, records: Sequence[RawKey], numbers: Collection[str]
) -> None:
    """Records that were linked or deleted, and ISBNs that no unlinked record may state any more: what waited is due."""
    if system != TARGET or not (records or numbers):
        return
    titles = await mirror.titles_stating(c, numbers)
    if records:
        ids = {(raw.kind, raw.id) for raw in records}
        doubtful = await settled.decisions(c, DOUBTFUL)
        titles |= {TitleKey(body["title"]) for key, body in doubtful.items() if _names(key, body, ids)}
    if titles:
        consumers, now = await installation.registered(c), await db.now(c)
        dues = [
            work.Due(name, title, now, work.Priority.FORMATS, "released")
            for title in sorted(titles)
            for name in consumers
        ]
        await work.mark(db, c, dues)


def _names(key: str, body: Mapping[str, Json], records: set[tuple[str, str]]) -> bool:
    module = key.split("/", 2)[1]
    return any((module, id_) in records for id_ in body["records"])
