"""Flow 1: approved metadata, from Consonance into 4ALLPORTAL's records."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from frontlist.demo.checks import Seen
from frontlist.demo.scene import Scene
from frontlist.demo.tenants import cell

if TYPE_CHECKING:
    from frontlist_sandbox.consonance.model import Product, Work

RELEASED = 4
#: Publishing statuses (ONIX List 64) of the default mapping that say published.
PUBLISHED = frozenset({"04", "05", "06", "07", "08", "10", "11", "12", "13", "15", "16", "17", "18"})
#: The bundled works that the story is about.
BUNDLED = range(61001, 61014)
PRIDE, HARDBACK = 61001, 94001
MIDDLEMARCH, PAPERBACK = 61009, 94082
YELLOW, YELLOW_PRODUCTS = 61008, {94071, 94072}
LAST_MAN, LAST_MAN_HARDBACK = 61010, 94091
#: Products whose arrival takes as long as everything else together.
MANY = 60


def is_released(scene: Scene, work: Work) -> bool:
    """By the project stage, or by a publishing status of one of its products."""
    stage = work.project_stage.id if work.project_stage else None
    return stage == RELEASED or any(p.publishing_status in PUBLISHED for p in scene.tenant.products_of(work.id))


def first_sync(scene: Scene) -> None:
    book, works = scene.book, scene.tenant.works.values()
    open_works = {work.id for work in works if is_released(scene, work)}
    products = {p.id: p for id_ in open_works for p in scene.tenant.products_of(id_)}
    book.step(1, "The connector starts: first sync", "4ALLPORTAL, a record for each product and title")
    times = 2 + len(products) / MANY
    book.comes(
        f"{len(products)} products of {len(open_works)} released works: one record each",
        lambda: scene.one_record_each(set(products)),
        times=times,
    )
    book.comes(f"{len(open_works)} titles: one record each", lambda: _titles(scene, open_works), times=times)
    book.comes("each record has its product's title", lambda: _all(scene, products, _title))
    mine = {id_: product for id_, product in products.items() if product.work_id in BUNDLED}
    book.comes("ISBN, imprint and date of publication are right", lambda: _all(scene, mine, _facts))
    book.comes("the GBP price is the one valid today, else empty", lambda: _all(scene, mine, _pounds))
    unreleased = [work.id for work in works if work.id not in open_works]
    for id_ in unreleased[:4]:
        book.holds(f"nothing of {scene.tenant.works[id_].title} (not released)", scene.nothing_of(id_))
    book.holds("nothing was written into Consonance", scene.consonance.writes() == 0)
    scene.rest()
    book.step(1, "Nobody edits anything", "nowhere")
    scene.quiet_pass()


def made_public(scene: Scene) -> None:
    book = scene.book
    mine = [r for r in scene.portal.records("product") if cell(r, "consonance_work_id") in BUNDLED]
    book.step(1, "The press team enters from when titles are public", "4ALLPORTAL, the same records")
    silent = sum(cell(record, "confidential") is True for record in mine)
    book.holds(f"until then all {len(mine)} records say confidential", silent == len(mine), f"{silent} do")
    yesterday = (datetime.now(UTC).date() - timedelta(days=1)).isoformat()
    for record in mine:
        scene.portal.edit("product", record, tenant_public_from=yesterday)
    ids = [cell(record, "consonance_product_id") for record in mine]
    book.comes(f"{len(ids)} records are no longer confidential", lambda: _none_confidential(scene, ids))


def title_changed(scene: Scene) -> None:
    book, new = scene.book, "Middlemarch, complete in one volume"
    book.step(1, "An editor changes the title of Middlemarch", "4ALLPORTAL, the paperback and the title")
    count = scene.events.count
    scene.consonance.edit_work(MIDDLEMARCH, title=new)
    scene.consonance.edit_product(PAPERBACK, full_title=new, title_without_prefix=new)
    book.comes("an event is on Kafka", lambda: Seen(bool(scene.events.since(count, "consonance", _key(MIDDLEMARCH)))))
    book.comes("the paperback's record has the new title", lambda: scene.says(PAPERBACK, "title", new))
    book.comes("the title's record has it too", lambda: scene.title_says(MIDDLEMARCH, "title", new))
    book.holds("the e-book keeps its own", scene.says(94083, "title", "Middlemarch"))


def price_changed(scene: Scene) -> None:
    book = scene.book
    price = next(p for p in scene.tenant.products[HARDBACK].prices if p.currency_code == "GBP")
    book.step(1, "The hardback of Pride and Prejudice now costs GBP 20.50", "4ALLPORTAL, its record")
    scene.consonance.edit_price(HARDBACK, price.id, "20.50")
    book.comes("the record says 20.50", lambda: scene.says(HARDBACK, "price_gbp", "20.50"))
    book.holds("its price in USD is untouched", scene.says(HARDBACK, "price_usd", "27.00"))


def released(scene: Scene) -> None:
    book = scene.book
    book.step(1, "The Yellow Wall-Paper moves to the stage Released", "4ALLPORTAL, records of its own")
    book.holds("before: nothing of it", scene.nothing_of(YELLOW))
    scene.consonance.edit_work(YELLOW, project_stage=RELEASED)
    book.comes("both formats have a record", lambda: scene.one_record_each(YELLOW_PRODUCTS, {YELLOW}))
    book.comes("the e-book, still without ISBN, has an empty one", lambda: scene.says(94072, "isbn", None))
    book.comes("the title has one record", lambda: _titles(scene, {YELLOW}, {YELLOW}))


def confidential(scene: Scene) -> None:
    book, day = scene.book, (datetime.now(UTC).date() + timedelta(days=60)).isoformat()
    book.step(1, "The Last Man is released, to be announced in 60 days", "4ALLPORTAL, as confidential")
    scene.consonance.edit_work(LAST_MAN, project_stage=RELEASED)
    book.comes("its record comes and says confidential", lambda: scene.says(LAST_MAN_HARDBACK, "confidential", True))
    for record in scene.portal.of_product(LAST_MAN_HARDBACK):
        scene.portal.edit("product", record, tenant_public_from=day)
    book.comes("it names the day", lambda: scene.says(LAST_MAN_HARDBACK, "public_from", day))
    book.holds("and is still confidential", scene.says(LAST_MAN_HARDBACK, "confidential", True))


def _titles(scene: Scene, wanted: set[int], among: set[int] | None = None) -> Seen:
    ids = [cell(each, "consonance_work_id") for each in scene.portal.records("title")]
    found = sorted(id_ for id_ in ids if among is None or id_ in among)
    return Seen(found == sorted(wanted), f"{len(found)} records for {len(wanted)} titles")


def _all(scene: Scene, products: dict[int, Product], wanted: object) -> Seen:
    assert callable(wanted)
    differing = []
    for record in scene.portal.records("product"):
        product = products.get(cell(record, "consonance_product_id") or 0)
        for field, value in wanted(scene, product).items() if product else ():
            if cell(record, field) != value:
                differing.append(f"{product.id if product else ''} {field}: {cell(record, field)!r}, not {value!r}")
    return Seen(not differing, "; ".join(differing[:3]) + (f" and {len(differing) - 3} more" if differing[3:] else ""))


def _title(scene: Scene, product: Product) -> dict[str, object]:
    return {"title": product.full_title}


def _facts(scene: Scene, product: Product) -> dict[str, object]:
    imprint = scene.tenant.works[product.work_id].imprint
    return {
        "isbn": product.isbn13,
        "imprint": imprint.name if imprint else None,
        "pub_date": product.publication_date.isoformat() if product.publication_date else None,
    }


def _pounds(scene: Scene, product: Product) -> dict[str, object]:
    """The one price with tax for consumers that is valid today; of none or several the cell stays empty."""
    today = datetime.now(UTC).date()
    found = [
        price
        for price in product.prices
        if (price.currency_code, price.type_code, price.qualifier_code) == ("GBP", "02", "05")
        and (price.effective_from or date.min) <= today <= (price.effective_to or date.max)
    ]
    return {"price_gbp": f"{found[0].amount:.2f}" if len(found) == 1 else None}


def _none_confidential(scene: Scene, ids: list[int]) -> Seen:
    said = {cell(r, "consonance_product_id"): cell(r, "confidential") for r in scene.portal.records("product")}
    still = [id_ for id_ in ids if said.get(id_) is not False]
    return Seen(not still, f"{len(still)} still are, {still[:3]}")


def _key(work_id: int) -> str:
    return f"work:{work_id}"


STEPS = (first_sync, made_public, title_changed, price_changed, released, confidential)
