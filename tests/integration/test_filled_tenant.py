"""A tenant that was filled by hand for years: 300 records for 250 products, and what `link` and `adopt` make of it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from itertools import chain, count
from pathlib import Path
from typing import Any

import pytest
from stdnum import ean
from stdnum import isbn as isbns
from typer.testing import CliRunner

import tenants
from answers import answer
from frontlist import runtime
from frontlist.adopting import reading as values
from frontlist.adopting import reports as adoptions
from frontlist.cli import app
from frontlist.errors import ConfigurationError
from frontlist.linking import accepting, reports
from frontlist.linking.accepting import Accepted
from frontlist.linking.reading import Options
from frontlist.linking.reports import Looked
from frontlist.state import work
from frontlist_sandbox.catalogue import stages
from frontlist_sandbox.consonance.model import MarketingText, Named, Product, Tenant, Work

WHOLE = True

WORKS = 125
#: What changed today is reported by every poll of the day.
LONG_AGO = date(2020, 1, 1)
FORMS = (("PhysicalBookProduct", "BB", Named(1, "Hardback")), ("PhysicalBookProduct", "BC", Named(2, "Paperback")))
#: Products by their place in the catalogue, and what a person made of them in 4ALLPORTAL.
PLAIN, SHARED, RENAMED, WRONG = range(197), (197, 198), 199, range(200, 210)
TWINS, NAMELESS, DELETED, MISSING = range(210, 220), range(220, 225), 225, range(226, 250)
FOREIGN = 65
SUBTITLE_OF_OLD = 5
#: The shipped pace would make minutes of 250 products.
QUICK: dict[str, Any] = {name: {"calls_per_second": 1000.0} for name in ("consonance", "fourallportal")}
SPELLINGS = (str, isbns.format, isbns.to_isbn10, lambda text: f"ISBN {text}")
WORDS = ("Salt", "Harbour", "Winter", "Orchard", "Lantern", "Meadow", "Thunder", "Copper", "Voyage", "Garden", "Mirror")


def isbn(number: int) -> str:
    body = f"97800{number:07d}"
    return body + ean.calc_check_digit(body)


def title(work: int) -> str:
    return f"The {WORDS[work % 11]} {WORDS[work // 11 % 11]} of Year {1800 + work}"


def catalogue() -> Tenant:
    """125 released works of two formats, each with a marketing text that retailers read."""
    tenant = Tenant()
    stages.add_to(tenant)
    blue = tenant.imprints.setdefault(1, Named(1, "Blue Heron"))
    for n in range(WORKS):
        work = Work(tenant.next_id("work", 60_000), title(n), imprint=blue, changed_on=LONG_AGO)
        work.project_stage = tenant.project_stages[stages.RELEASED]
        tenant.works[work.id] = work
        for place, (kind, form, named) in enumerate(FORMS, 2 * n):
            product = Product(tenant.next_id("product", 90_000), work.id, kind, work.title, isbn(place))
            product.onix21_product_form_code, product.in_house_format = form, named
            product.publishing_status, product.changed_on = "04", LONG_AGO
            tenant.products[product.id] = product
        text = f"*{work.title}*: “a <em>classic</em>” — n° {n}\r\n\r\nSecond line  \r\n"
        ids = [product.id for product in tenant.products_of(work.id)]
        made = MarketingText(
            tenant.next_id("text"), work.id, text, "A note.", None, "MAIN_DESCRIPTION", "eng", ["00"], ids
        )
        work.marketing_texts.append(made)
    products = list(tenant.products.values())
    products[SHARED[1]].isbn13 = products[SHARED[0]].isbn13
    return tenant


def records(tenant: Tenant) -> list[dict[str, Any]]:
    """300 records as people type them."""
    ids, products = (f"hand-made-{n:03d}" for n in count()), list(tenant.products.values())

    def record(place: int, stated: str | None, **more: Any) -> dict[str, Any]:
        product = products[place]
        assert product.in_house_format is not None
        fields = {
            "id": next(ids),
            "title": product.full_title.upper(),
            "imprint": "Blue Heron",
            "in_house_format": product.in_house_format.name,
            "description_short": [{"dimensions": {"locale": "en_GB"}, "value": "Somebody's draft."}],
            "copy_state": [{"dimensions": {"locale": "en_GB"}, "value": "draft"}],
        }
        return {**fields, **({"isbn": stated} if stated else {}), **more}

    made = [record(n, SPELLINGS[n % 4](isbn(n))) for n in [*PLAIN, SHARED[0]]]
    made[SUBTITLE_OF_OLD]["subtitle"] = "A subtitle that Consonance does not have"
    made.append(record(RENAMED, isbn(RENAMED), title="Quarterly Sales Sheet"))
    made += [record(n, isbn(n)[:12] + str((int(isbn(n)[12]) + 1) % 10)) for n in WRONG]
    made += [record(n, spelling(isbn(n))) for n in TWINS for spelling in (str, isbns.to_isbn10)]
    made += [record(n, None) for n in NAMELESS]
    made.append(record(DELETED, isbn(DELETED), deleted=True))
    made += [record(n, isbn(5000 + n), title=f"Bookmark No {n}", in_house_format="Merchandise") for n in range(FOREIGN)]
    return made


class Filled:
    """Both sandboxes with what was in them before us."""

    def __init__(self, pair: tenants.Pair) -> None:
        self.pair = pair
        self.products = [str(id_) for id_ in pair.tenant.products]
        made = records(pair.tenant)
        pair.dam.send("POST", "/sandbox/objects/product", made)
        # The title module was begun by hand, too: three titles, known by the records of their products.
        for n in range(3):
            ours = [made[2 * n]["id"], made[2 * n + 1]["id"]]
            held = {"id": f"hand-made-title-{n}", "title": f"{title(n)}!", "products": ours}
            pair.dam.send("POST", "/sandbox/objects/title", held)
        self.total, self.deleted = len(made), next(each["id"] for each in made if each.get("deleted"))
        self.before = self.ids()
        self.texts = self.written()

    def ids(self, module: str = "product") -> set[str]:
        return {each["id"] for each in self.pair.records(module)}

    def record(self, id_: str) -> dict[str, Any]:
        return next(each for each in self.pair.records() if each["id"] == id_)

    def written(self) -> bytes:
        """Consonance's marketing texts, to the byte."""
        works = self.pair.tenant.works.values()
        found = {work.id: [asdict(text) for text in work.marketing_texts] for work in works}
        return json.dumps(found, sort_keys=True, default=str).encode()

    def answers(self, found: Looked) -> list[str]:
        """The first candidate for everything doubtful, but a record of its own for the second of a shared ISBN."""
        alone = self.products[SHARED[1]]
        return [f"{s}={'new' if s == alone else candidates[0]}" for s, candidates in found.doubtful.items()]


@pytest.fixture
def filled() -> Iterator[Filled]:
    with tenants.pair(catalogue(), page_size=50) as pair:
        yield Filled(pair)


def say(_: str) -> None:
    """Progress is for people."""


async def settled(it: runtime.Installation) -> None:
    """As `tenants.settled`; one that never comes says what is still due."""
    try:
        await tenants.settled(it, seconds=120)
    except TimeoutError:
        async with it.db.read() as c:
            left = (await c.exec_driver_sql("SELECT * FROM work WHERE due_at IS NOT NULL LIMIT 5")).all()
            feeds = (await c.exec_driver_sql("SELECT name, completed_at, error FROM feed")).all()
            counts = await work.counts(c, await it.db.now(c))
        raise AssertionError(f"never settled: {counts}, {left}, {feeds}") from None


def places(filled: Filled, *places: Any) -> list[str]:
    return sorted(filled.products[n] for each in places for n in ([each] if isinstance(each, int) else each))


async def test_a_filled_tenant_is_taken_over_without_a_twin(
    tmp_path: Path, database_url: str, kafka_bootstrap: str, topic_prefix: str, filled: Filled
) -> None:
    found = tenants.settings(tmp_path, database_url, kafka_bootstrap, topic_prefix, filled.pair, **QUICK)
    async with tenants.prepared(found), tenants.running(found) as it:
        await settled(it)
        assert filled.total == 300
        assert filled.ids() == filled.before, "nothing is made beside records that nobody has linked"
        assert filled.ids("title") == {f"hand-made-title-{n}" for n in range(3)}

        # Commands run beside it, on the same database.
        async with runtime.opened(found) as desk:
            name, products = await looked_at(desk, filled)
            done = await accepting.accept(desk, name, filled.answers(products), say)
        assert (done.undecided, set(done.open)) == ({}, {"product", "title"})
        arrived = len(filled.before) + 26
        await tenants.until(lambda: len(filled.ids()) == arrived, seconds=180, what="the missing records")
        await settled(it)
        linked_in_place(filled, products, done)

        async with runtime.opened(found) as desk:
            await nothing_left(desk)
            await clear_the_subtitle(desk, filled)
        await tenants.until(lambda: not subtitle(filled), seconds=180, what="the adopted empty subtitle")
        assert filled.written() == filled.texts
        config = tenants.configuration(tmp_path, database_url, kafka_bootstrap, topic_prefix, filled.pair, **QUICK)
        (tmp_path / "frontlist.yaml").write_text(json.dumps(config))
        await asyncio.to_thread(commands_say_the_same, tmp_path / "frontlist.yaml", filled)


async def looked_at(desk: runtime.Installation, filled: Filled) -> tuple[str, Looked]:
    """The report says what people did; one that is cut short opens nothing."""
    [products, titles] = await reports.look(desk, Options(), say)
    assert sorted(products.sure) == places(filled, PLAIN)
    assert sorted(products.doubtful) == places(filled, SHARED, RENAMED, WRONG, TWINS, NAMELESS)
    assert sorted(products.classified.missing) == places(filled, DELETED, MISSING)
    assert len(products.classified.foreign) == FOREIGN
    assert len(titles.sure) == 3
    assert filled.deleted not in {*products.sure.values(), *chain(*products.doubtful.values())}
    name = await reports.keep(desk, "link", reports.body_of([products, titles], Options()))
    with pytest.raises(ConfigurationError, match="answers nothing"):
        await accepting.accept(desk, name, [f"{filled.products[0]}={filled.deleted}"], say)
    return name, products


def linked_in_place(filled: Filled, products: Looked, done: Accepted) -> None:
    assert done.links == len(products.sure) + len(products.doubtful) - 1 + 3
    assert filled.before < filled.ids()
    assert filled.deleted not in filled.ids()
    chosen = {**products.sure, **dict(answer.split("=") for answer in filled.answers(products))}
    for source, id_ in chosen.items():
        if id_ != "new":
            record = filled.record(id_)
            assert str(tenants.value(record, "consonance_product_id")) == source
            assert tenants.value(record, "isbn") == filled.pair.tenant.products[int(source)].isbn13
            assert tenants.value(record, "description_short", locale="en_GB") == "Somebody's draft."
    carried = [tenants.value(each, "consonance_product_id") for each in filled.pair.records()]
    assert sorted(filter(None, carried)) == sorted(filled.pair.tenant.products), "one record a product"
    assert subtitle(filled), "an empty value of Consonance erases nothing by itself"
    assert filled.written() == filled.texts


async def nothing_left(desk: runtime.Installation) -> None:
    [products, titles] = await reports.look(desk, Options(), say)
    for each in (products, titles):
        counts = each.classified.counts
        assert (counts["sure"], counts["doubtful"], counts["missing"]) == (0, 0, 0)


async def clear_the_subtitle(desk: runtime.Installation, filled: Filled) -> None:
    changes = await values.look(desk, say)
    erased = [(each.title, each.key) for each in changes if each.effect == "erase"]
    work = next(iter(list(filled.pair.tenant.works)[SUBTITLE_OF_OLD // 2 :]))
    assert erased == [(f"work:{work}", "subtitle")]
    assert any(each.effect == "equal" and each.resource.target == "consonance" for each in changes)
    name = await adoptions.keep(desk, changes)
    done = await adoptions.accept(desk, name, ["subtitle"], [], say)
    assert (done.titles, done.cells) == (1, 1)


def commands_say_the_same(config: Path, filled: Filled) -> None:
    """What a person types, after the fact; taking a link back makes its record a candidate again."""

    def typed(*words: str) -> str:
        result = CliRunner().invoke(app, [*words, "--config", str(config)])
        assert result.exit_code == 0, result.exception or result.output
        return result.stdout

    def told(*words: str, of: str) -> Any:
        return answer(of, typed(*words, "--json"))

    counted = {each["module"]: each["counts"] for each in told("link", of="link")["modules"]}
    assert (counted["product"]["settled"], counted["product"]["sure"]) == (len(filled.products), 0)
    assert "foreign (no product; left alone)" in typed("link", "--name", "mine")
    assert "0 links" in typed("link", "accept", "mine")
    assert told("link", "accept", "mine", of="link accept")["links"] == 0
    assert "not linked any more" in typed("link", "undo", f"product/{filled.products[0]}")
    undone = told("link", "undo", f"product/{filled.products[1]}", of="link undo")
    assert (undone["module"], undone["source"]) == ("product", filled.products[1])
    assert "equal" in typed("adopt", "--rows", "5")
    assert told("adopt", of="adopt")["fields"]


def subtitle(filled: Filled) -> Any:
    return tenants.value(filled.record(f"hand-made-{SUBTITLE_OF_OLD:03d}"), "subtitle")


async def test_nothing_is_made_while_the_records_are_still_being_read(
    tmp_path: Path, sqlite_url: str, kafka_bootstrap: str, topic_prefix: str, filled: Filled
) -> None:
    """A feed takes its time to be rebuilt; until then a full module looks empty."""
    filled.pair.dam.send("PATCH", "/sandbox/toggles", {"rebuild_seconds": 8})
    patient = {**QUICK, "fourallportal": {**QUICK["fourallportal"], "rebuild_seconds": 12.0}}
    found = tenants.settings(tmp_path, sqlite_url, kafka_bootstrap, topic_prefix, filled.pair, **patient)
    async with tenants.prepared(found), tenants.running(found) as it:
        await settled(it)
        assert filled.ids() == filled.before
