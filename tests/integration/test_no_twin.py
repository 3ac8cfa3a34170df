"""A record that a person makes by hand, for a product that comes later, holds that product back and no other."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from stdnum import ean
from stdnum import isbn as isbns

import tenants
from frontlist import runtime
from frontlist.contract import TitleKey
from frontlist.explaining import explain
from frontlist.linking import accepting, reports
from frontlist.linking.reading import Options
from frontlist.previewing import Preview
from frontlist.settings import Settings
from frontlist.state import findings, settled, work
from frontlist_sandbox.catalogue import stages
from frontlist_sandbox.consonance.model import Named, Product, Tenant, Work

BY_HAND = "made-by-hand"
LOCALE = {"locale": "en_GB"}


def catalogue() -> Tenant:
    """A released title and one that waits for its release, of three formats each."""
    tenant = Tenant()
    stages.add_to(tenant)
    blue = tenant.imprints.setdefault(1, Named(1, "Blue Heron"))
    for n, name in enumerate(("Salt Harbour", "Winter Orchard")):
        work = Work(tenant.next_id("work", 60_000), name, imprint=blue)
        work.project_stage = tenant.project_stages[stages.RELEASED if n == 0 else stages.IN_PRODUCTION]
        tenant.works[work.id] = work
        for place in range(3):
            body = f"97800{10 * n + place:07d}"
            stated = body + ean.calc_check_digit(body)
            product = Product(tenant.next_id("product", 90_000), work.id, "PhysicalBookProduct", name, stated)
            product.onix21_product_form_code, product.publishing_status = "BB", "02"
            tenant.products[product.id] = product
    return tenant


@pytest.fixture
def pair() -> Iterator[tenants.Pair]:
    with tenants.pair(catalogue()) as both:
        yield both


@pytest.fixture
def installation(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, pair: tenants.Pair
) -> Settings:
    return tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, pair)


def say(_: str) -> None:
    """Progress is for people."""


def make(pair: tenants.Pair, id_: str, **fields: Any) -> None:
    pair.dam.send("POST", "/sandbox/objects/product", {"id": id_, **fields})


async def opened_by_a_person(it: runtime.Installation, pair: tenants.Pair) -> None:
    """A record of something else was there before us, and the link report was accepted: the module is open."""
    make(pair, "bookmark", title="Bookmark No 1")
    await tenants.until(lambda: mirrored(it, "bookmark"), what="the bookmark in the mirror")
    await accept(it)


async def accept(it: runtime.Installation, *answers: str) -> accepting.Accepted:
    found = await reports.look(it, Options(), say)
    name = await reports.keep(it, "link", reports.body_of(found, Options()))
    return await accepting.accept(it, name, list(answers), say)


async def mirrored(it: runtime.Installation, id_: str) -> bool:
    async with it.db.read() as c:
        query = f"SELECT count(*) FROM raw WHERE id = '{id_}' AND body IS NOT NULL"
        return bool((await c.exec_driver_sql(query)).scalar_one())


def late(pair: tenants.Pair) -> tuple[int, list[Product]]:
    """The title that waits for its release."""
    work = list(pair.tenant.works)[1]
    return work, pair.tenant.products_of(work)


def release(pair: tenants.Pair, work: int) -> None:
    pair.consonance.send("PATCH", f"/sandbox/works/{work}", {"project_stage": stages.RELEASED})


def stands_for(pair: tenants.Pair, product: int) -> list[str]:
    found = [each for each in pair.records() if tenants.value(each, "consonance_product_id") == product]
    return [each["id"] for each in found]


async def twins(it: runtime.Installation) -> list[Any]:
    async with it.db.read() as c:
        return [row for row in await findings.open_ones(c) if row.kind == "twin"]


async def held_back(it: runtime.Installation, pair: tenants.Pair, spelt: Callable[[str], str]) -> tuple[int, list[int]]:
    """Answers the held product and the others of its title, which have arrived."""
    await tenants.settled(it)
    await opened_by_a_person(it, pair)
    work, products = late(pair)
    held, others = products[0], [each.id for each in products[1:]]
    make(pair, BY_HAND, title="Typed by somebody", isbn=spelt(held.isbn13))
    await tenants.until(lambda: mirrored(it, BY_HAND), what="the record in the mirror")
    release(pair, work)
    await tenants.until(lambda: all(stands_for(pair, each) for each in others), what="the other products")
    await tenants.settled(it)
    assert stands_for(pair, held.id) == []
    [found] = await twins(it)
    assert f"product/{BY_HAND}" in found.message
    assert "frontlist link" in found.cure
    async with it.db.read() as c:
        query = f"SELECT outcome FROM work WHERE title = 'work:{work}' AND consumer = 'metadata'"
        assert (await c.exec_driver_sql(query)).scalar_one() == "deferred"
    return held.id, others


SPELLINGS = (str, isbns.format, isbns.to_isbn10)


@pytest.mark.parametrize("spelt", SPELLINGS, ids=["isbn13", "hyphens", "isbn10"])
async def test_it_goes_on_by_itself_once_the_record_is_linked(
    installation: Settings, pair: tenants.Pair, spelt: Callable[[str], str]
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        held, _ = await held_back(it, pair, spelt)
        async with runtime.opened(installation) as desk:
            done = await accept(desk, *[f"{held}={BY_HAND}"] * (await doubtful(desk, held)))
        assert done.links >= 1
        await tenants.until(lambda: stands_for(pair, held) == [BY_HAND], what="our markers on the linked record")
        await tenants.settled(it)
        assert stands_for(pair, held) == [BY_HAND]
        assert await twins(it) == []


async def doubtful(it: runtime.Installation, product: int) -> int:
    """1 where the record has another title altogether, so that a person has to say so."""
    [products, _] = await reports.look(it, Options(), say)
    return int(str(product) in products.doubtful)


async def test_it_goes_on_by_itself_once_the_record_is_deleted(installation: Settings, pair: tenants.Pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        held, _ = await held_back(it, pair, str)
        make(pair, BY_HAND, deleted=True)
        await tenants.until(lambda: len(stands_for(pair, held)) == 1, what="the record of our own")
        await tenants.settled(it)
        assert await twins(it) == []


async def test_it_goes_on_by_itself_once_the_record_says_another_isbn(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        held, _ = await held_back(it, pair, str)
        make(pair, BY_HAND, isbn="9780306406157")
        await tenants.until(lambda: len(stands_for(pair, held)) == 1, what="the record of our own")
        assert BY_HAND in {each["id"] for each in pair.records()}


async def test_it_goes_on_once_a_person_says_that_the_record_is_another_one(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        held, _ = await held_back(it, pair, str)
        async with runtime.opened(installation) as desk:
            await accept(desk, f"{held}=new")
        await tenants.until(lambda: len(stands_for(pair, held)) == 1, what="the record of our own")
        assert stands_for(pair, held) != [BY_HAND]


async def test_what_a_report_left_doubtful_waits_and_everything_else_goes_on(
    installation: Settings, pair: tenants.Pair
) -> None:
    """Two records of one product: which one it is, nobody has said."""
    first = next(iter(pair.tenant.products.values()))
    for name in ("twin-a", "twin-b"):
        make(pair, name, title=first.full_title, isbn=first.isbn13)
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        assert {each["id"] for each in pair.records()} == {"twin-a", "twin-b"}
        async with runtime.opened(installation) as desk:
            done = await accept(desk)
        assert done.undecided == {"product": (str(first.id),)}
        assert "product" in done.open
        await tenants.until(lambda: len(pair.records()) == 4, what="the other records")
        await tenants.settled(it)
        assert stands_for(pair, first.id) == []
        assert [row.where_.split("/")[1] for row in await twins(it)] == ["product"]
        async with runtime.opened(installation) as desk:
            await accept(desk, f"{first.id}=twin-b")
        await tenants.until(lambda: stands_for(pair, first.id) == ["twin-b"], what="the link")
        await tenants.settled(it)
        assert await twins(it) == []
        async with it.db.read() as c:
            assert await settled.decisions(c, "doubtful") == {}


async def test_explain_and_previews_say_which_product_is_held_and_why(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        held, _ = await held_back(it, pair, str)
        async with runtime.opened(installation) as desk:
            title = TitleKey(f"work:{late(pair)[0]}")
            told = json.loads(json.dumps(await explain(desk, title), default=str))
            [metadata] = [each for each in told["consumers"] if each["consumer"] == "metadata"]
            waits = {each["resource"]: each["waits"] for each in metadata["desired"] if each["does"] == "waits"}
            [(resource, why)] = waits.items()
            assert f"product/{BY_HAND}" in str(why)
            assert [f["planned"] for f in metadata["findings"] if f["key"] == f"twin/{resource}"] == [True]
            preview = Preview(desk, work.Priority.BACKFILL)
            looked = {str(each.resource): each async for each in preview.looked("metadata", [title])}
            assert {name: each.waits for name, each in looked.items() if each.waits} == waits
            assert [name for name, each in looked.items() if not each.as_json()["would_write"]] == [resource]
        assert stands_for(pair, held) == []
