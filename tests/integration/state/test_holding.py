"""Which records are held back, from the mirror, the dossiers and what people decided; on both databases."""

from __future__ import annotations

from typing import Any

from frontlist.clock import chosen_id
from frontlist.contract import Document, DocumentKey, Dossier, Resource, Revision, TitleKey
from frontlist.linking import holding
from frontlist.source import Raw, RawKey
from frontlist.state import captured, installation, mirror, settled, work
from frontlist.state.database import Database

TARGET, ISBN, KEY = "fourallportal", "9780306406157", "978030640615"
FORMATS = DocumentKey("consonance", "formats")


def dossier(work_id: int, *products: tuple[int, str | None]) -> Dossier:
    title = TitleKey(f"work:{work_id}")
    body = {"products": [{"id": id_, "isbn13": stated} for id_, stated in products]}
    return Dossier(title, {FORMATS: Document(FORMATS, title, "present", Revision(1), body)})


def record(module: str, source: int) -> Resource:
    return Resource(TARGET, module, chosen_id("acme", module, source))


async def mirrored(
    db: Database, id_: str, title: str, *isbns: str, kind: str = "product", system: str = TARGET
) -> None:
    raw = Raw(RawKey(kind, id_), {})
    async with db.begin() as c:
        began = await captured.read_time(db, c, system)
        await mirror.store_raws(db, c, system, {raw.key: (raw, TitleKey(title))}, began, 1)
        await mirror.save_isbns(db, c, system, {raw.key: frozenset(isbns)})


async def decide(db: Database, kind: str, key: str, body: Any) -> None:
    async with db.begin() as c:
        [number] = await db.draw(c)
        await settled.save_decisions(db, c, [settled.Decision(kind, key, body, number)])


async def held(db: Database, *dossiers: Dossier) -> dict[Resource, tuple[str, ...]]:
    async with db.read() as c:
        named = {each.title: each for each in dossiers}
        return await holding.held_back(c, "acme", ["product", "title"], named)


async def test_an_unlinked_record_holds_the_product_with_its_isbn_and_no_other(db: Database) -> None:
    await mirrored(db, "a", "object:product/a", KEY)
    assert await held(db, dossier(1, (10, ISBN), (11, None))) == {record("product", 10): ("a",)}


async def test_a_product_whose_number_is_that_of_a_work_is_held_too(db: Database) -> None:
    await mirrored(db, "a", "object:product/a", KEY)
    for dossiers in ((dossier(10, (10, ISBN)),), (dossier(1, (10, ISBN)), dossier(10, (12, None)))):
        assert record("product", 10) in await held(db, *dossiers)


async def test_a_record_that_a_person_ruled_out_holds_nothing(db: Database) -> None:
    await mirrored(db, "a", "object:product/a", KEY)
    await decide(db, "unlinked", f"{TARGET}/product/10", {"records": ["a"], "report": "r"})
    assert await held(db, dossier(1, (10, ISBN))) == {}


async def test_a_product_with_a_record_of_ours_is_not_held(db: Database) -> None:
    await mirrored(db, "a", "object:product/a", KEY)
    await mirrored(db, record("product", 10).id, "work:1", KEY)
    assert await held(db, dossier(1, (10, ISBN))) == {}


async def test_what_was_left_doubtful_is_held_while_one_of_the_records_is_unlinked(db: Database) -> None:
    await decide(db, "doubtful", f"{TARGET}/title/1", {"records": ["a", "b"], "title": "work:1"})
    await mirrored(db, "a", "object:title/a", kind="title")
    await mirrored(db, "b", "work:2", kind="title")
    assert await held(db, dossier(1)) == {record("title", 1): ("a",)}
    await mirrored(db, "a", "work:2", kind="title")
    assert await held(db, dossier(1)) == {}


async def test_whoever_may_have_waited_for_a_record_is_due(db: Database) -> None:
    await mirrored(db, "1", "work:1", KEY, kind="work", system="consonance")
    await decide(db, "doubtful", f"{TARGET}/product/20", {"records": ["b"], "title": "work:2"})

    async def due(records: list[str], numbers: set[str]) -> set[str]:
        async with db.begin() as c:
            await installation.register(db, c, {"metadata": (frozenset({FORMATS}), "1")})
            await holding.wake(db, c, TARGET, [RawKey("product", id_) for id_ in records], numbers)
            found = await work.claim(db, c, "p", await db.now(c) + 1, 9, ["metadata"])
            await c.execute(work.work_table.delete())
        return {each.title for each in found}

    assert await due(["a"], {KEY}) == {"work:1"}
    assert await due(["b"], set()) == {"work:2"}
    assert await due(["a"], {"978000000001"}) == set()
    assert await due([], set()) == set()
