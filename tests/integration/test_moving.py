"""A product that moves to another work, and works that become one: the record follows, live, and writes stop."""

from __future__ import annotations

from typing import Any

import pytest

import tenants
from frontlist import TitleKey, runtime, undoing
from frontlist.explaining import explain
from frontlist.linking import accepting, reports
from frontlist.linking.reading import Options
from frontlist.previewing import Preview
from frontlist.settings import Settings
from frontlist.state import findings
from frontlist.state.work import Priority
from frontlist_sandbox.consonance.model import Product

WHOLE = True

PRIDE, SOULS = 61001, 61003
OLD = TitleKey(f"work:{PRIDE}")
SHOP = {"channel": "web_shop"}
SAID = {"consonance": {"full_sweep_interval": 1.0, "contract_sweep_interval": 1.0}}


def move(pair: tenants.Pair, product: int, to: int) -> None:
    pair.consonance.send("PATCH", f"/sandbox/products/{product}", {"work_id": to})


def record(pair: tenants.Pair, product: int) -> dict[str, Any]:
    [found] = [each for each in pair.records() if tenants.value(each, "consonance_product_id") == product]
    return found


def stands(pair: tenants.Pair, product: int) -> tuple[Any, Any, Any]:
    """Whose record it is, whether it is withdrawn, whether the shop may have it."""
    found = record(pair, product)
    cells = (tenants.value(found, name) for name in ("consonance_work_id", "withdrawn"))
    return (*cells, tenants.value(found, "distributable", **SHOP))  # type: ignore[return-value]  # two and one


def last_of(pair: tenants.Pair, work: int) -> Product:
    return pair.tenant.products_of(work)[-1]


async def rests(it: runtime.Installation, pair: tenants.Pair) -> None:
    """Nothing is due, and further passes over both systems write nothing."""
    await tenants.settled(it)
    pair.dam.forget_calls()
    for _ in range(3):
        await tenants.settled(it)
    assert pair.dam.writes() == 0


async def claimed_twice(it: runtime.Installation) -> list[str]:
    async with it.db.read() as c:
        return [row.title for row in await findings.open_ones(c) if row.kind == "claimed-twice"]


@pytest.mark.parametrize(("old", "new"), [(PRIDE, SOULS), (SOULS, PRIDE)])
async def test_a_product_that_moves_ends_at_the_other_work_and_writes_stop(
    installation: Settings, pair: tenants.Pair, old: int, new: int
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        product = last_of(pair, old)
        before = stands(pair, product.id)
        assert before[0] == old
        move(pair, product.id, new)
        await tenants.until(lambda: stands(pair, product.id) == (new, *before[1:]), what="the record at the other work")
        await rests(it, pair)
        assert stands(pair, product.id) == (new, *before[1:])
        assert await claimed_twice(it) == []


@pytest.mark.parametrize(("old", "new"), [(PRIDE, SOULS), (SOULS, PRIDE)])
async def test_what_the_old_work_alone_has_filled_is_emptied(
    installation: Settings, pair: tenants.Pair, old: int, new: int
) -> None:
    for work, words in ((old, "only the old one has it"), (new, None)):
        pair.consonance.send("PATCH", f"/sandbox/works/{work}", {"subtitle": words})
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        product = last_of(pair, old)
        assert tenants.value(record(pair, product.id), "subtitle") == "only the old one has it"
        move(pair, product.id, new)
        await tenants.until(lambda: stands(pair, product.id)[0] == new, what="the record at the other work")
        await rests(it, pair)
        assert tenants.value(record(pair, product.id), "subtitle") is None


async def test_a_product_that_moves_there_and_back_ends_where_it_began(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        product = last_of(pair, PRIDE)
        before = stands(pair, product.id)
        for work in (SOULS, PRIDE):
            move(pair, product.id, work)
            at = (work, *before[1:])
            await tenants.until(lambda at=at: stands(pair, product.id) == at, what=f"the record at {work}")  # type: ignore[misc]
        await rests(it, pair)
        assert stands(pair, product.id) == before


async def test_previews_explain_and_undo_say_that_the_other_work_has_the_record(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        product = last_of(pair, PRIDE)
        before = stands(pair, product.id)
        move(pair, product.id, SOULS)
        await tenants.until(
            lambda: stands(pair, product.id) == (SOULS, *before[1:]), what="the record at the other work"
        )
        await rests(it, pair)
        resource, why = f"fourallportal/product/{record(pair, product.id)['id']}", f"work:{SOULS} has it now"
        previewed = [each async for each in Preview(it, Priority.METADATA).looked("metadata", [OLD])]
        [seen] = [each for each in previewed if str(each.resource) == resource]
        assert (seen.writes, seen.waits) == (False, f"{why}, and {OLD} lets go of it")
        [told] = (await explain(it, OLD))["consumers"]
        [said] = [each for each in told["desired"] if each["resource"] == resource]
        assert (said["does"], said["waits"]) == ("waits", f"{why}, and {OLD} lets go of it")
        undone = await undoing.plan(it, undoing.Selection(title=OLD))
        [cell] = [each for each in undone.cells if str(each.resource) == resource]
        assert (cell.verdict, cell.why) == ("no longer planned", why)


async def test_a_text_of_its_own_moves_with_the_product(installation: Settings, pair: tenants.Pair) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        product = last_of(pair, PRIDE)
        give_copy(pair, product.id)
        await tenants.until(lambda: (own_texts(pair, PRIDE), own_texts(pair, SOULS)) == (1, 0), what="the text")
        move(pair, product.id, SOULS)
        await tenants.until(lambda: (own_texts(pair, PRIDE), own_texts(pair, SOULS)) == (0, 1), what="the text there")
        await rests(it, pair)
        assert (own_texts(pair, PRIDE), own_texts(pair, SOULS)) == (0, 1)


def give_copy(pair: tenants.Pair, product: int) -> None:
    cells = {"description_long": "<p>Its own words.</p>", "copy_state": "released"}
    fields = {name: [{"value": value, "dimensions": {"locale": "en_GB"}}] for name, value in cells.items()}
    pair.dam.send("POST", "/sandbox/objects/product", {"id": record(pair, product)["id"], **fields})


def own_texts(pair: tenants.Pair, work: int) -> int:
    texts = [each.external_text_markdown or "" for each in pair.tenant.works[work].marketing_texts]
    return sum("Its own words." in each for each in texts)


@pytest.mark.parametrize("number", [None, PRIDE], ids=["a number of its own", "the number of its former work"])
async def test_a_linked_record_follows_its_product_and_no_second_one_is_made(
    installation: Settings, pair: tenants.Pair, number: int | None
) -> None:
    product = last_of(pair, PRIDE)
    if number is not None:
        del pair.tenant.products[product.id]
        product.id = number
        pair.tenant.products[number] = product
    pair.dam.send(
        "POST", "/sandbox/objects/product", {"id": "theirs", "title": product.full_title, "isbn": product.isbn13}
    )
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        found = await reports.look(it, Options(), lambda _: None)
        name = await reports.keep(it, "link", reports.body_of(found, Options()))
        await accepting.accept(it, name, [], lambda _: None)
        await tenants.until(lambda: standing_for(pair, product.id) == ["theirs"], what="our markers on the record")
        await tenants.settled(it)
        before = stands(pair, product.id)
        move(pair, product.id, SOULS)
        await tenants.until(
            lambda: stands(pair, product.id) == (SOULS, *before[1:]), what="the record at the other work"
        )
        await rests(it, pair)
        assert standing_for(pair, product.id) == ["theirs"]
        assert stands(pair, product.id) == (SOULS, *before[1:])
        give_copy(pair, product.id)
        await tenants.until(lambda: own_texts(pair, SOULS) == 1, what="its own text at the other work")
        await rests(it, pair)
        assert (own_texts(pair, PRIDE), own_texts(pair, SOULS)) == (0, 1)


def standing_for(pair: tenants.Pair, product: int) -> list[str]:
    found = [each for each in pair.records() if tenants.value(each, "consonance_product_id") == product]
    return [each["id"] for each in found]


async def test_works_that_become_one_leave_their_products_live_and_their_title_record_withdrawn(
    installation: Settings, pair: tenants.Pair
) -> None:
    async with tenants.prepared(installation), tenants.running(installation) as it:
        await tenants.settled(it)
        products = [each.id for each in pair.tenant.products_of(SOULS)]
        before = {each: stands(pair, each)[1:] for each in products}
        for each in products:
            move(pair, each, PRIDE)
        pair.consonance.send("DELETE", f"/sandbox/works/{SOULS}")

        def withdrawn() -> bool:
            titles = {tenants.value(each, "consonance_work_id"): each for each in pair.records("title")}
            return tenants.value(titles[SOULS], "withdrawn") is True

        await tenants.until(withdrawn, what="the title record of the work that is gone")
        await rests(it, pair)
        assert {each: stands(pair, each) for each in products} == {each: (PRIDE, *before[each]) for each in products}
        assert await claimed_twice(it) == []
