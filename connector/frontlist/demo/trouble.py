"""What goes wrong on ordinary days: refusals, a wrong key, and a process that is killed in the middle of a write."""

from __future__ import annotations

from frontlist.demo import copies
from frontlist.demo.checks import Seen
from frontlist.demo.scene import Scene
from frontlist.demo.tenants import in_english
from frontlist.demo.titles import HARDBACK, PRIDE

GENJI, GENJI_BOOK = 61004, 94031
QUIJOTE, QUIJOTE_EBOOK = 61005, 94043
ODYSSEY = 61007
BASHO, BASHO_BOOK = 61012, 94111
#: How long a sandbox keeps the answer to a write that it has carried out, while the connector is killed.
HELD = 6.0


def overloaded(scene: Scene) -> None:
    book = scene.book
    book.step(1, "4ALLPORTAL answers 429 and 503 for a while", "4ALLPORTAL, a little later")
    faults = [
        scene.portal.fault(kind="status", status=429, retry_after=1, method="PATCH", count=2),
        scene.portal.fault(kind="status", status=503, method="PATCH", count=2),
    ]
    scene.consonance.edit_product(GENJI_BOOK, full_title="源氏物語 (2nd printing)")
    book.comes("it was refused", lambda: Seen(sum(map(scene.portal.fired, faults)) >= 3, "no refusal yet"))
    book.comes("the new title arrives", lambda: scene.says(GENJI_BOOK, "title", "源氏物語 (2nd printing)"))
    for fault in faults:
        scene.portal.heal(fault)


def wrong_key(scene: Scene) -> None:
    book = scene.book
    book.step(1, "Consonance's key expires, and an editor goes on", "4ALLPORTAL, once there is a key")
    before = scene.title_of(QUIJOTE_EBOOK)
    scene.consonance.toggle(key_expired=True)
    scene.consonance.edit_product(QUIJOTE_EBOOK, full_title="Don Quijote (e-book)")
    book.comes("`frontlist status` says what is wrong", lambda: _complains(scene))
    book.holds("the change waits", scene.says(QUIJOTE_EBOOK, "title", before))
    scene.consonance.toggle(key_expired=False)
    book.comes("with the key it arrives", lambda: scene.says(QUIJOTE_EBOOK, "title", "Don Quijote (e-book)"))
    book.comes("and the complaint is gone", lambda: Seen(not scene.looking.errors("consonance"), "still complaining"))


def killed_in_a_record(scene: Scene) -> None:
    """The write that makes a record is carried out; the connector dies before the answer comes."""
    book, said = scene.book, "Jane Austen, while nobody listened"
    book.step(1, "kill -9 while 奥の細道 is being written, then a new start", "4ALLPORTAL, once")
    fault = scene.portal.fault(kind="latency", after=True, seconds=HELD, method="PATCH")
    scene.consonance.edit_work(BASHO, project_stage=4)
    scene.consonance.edit_price(HARDBACK, _pounds(scene), "21.50")
    book.comes("its record is made, the answer still out", lambda: _half_done(scene))

    def meanwhile() -> None:
        scene.portal.heal(fault)
        scene.consonance.edit_work(PRIDE, authorship_description=said)

    scene.killed(meanwhile)
    book.comes("the record is there", lambda: scene.one_record_each({BASHO_BOOK}, {BASHO}))
    book.comes("the price that was cut off arrives", lambda: scene.says(HARDBACK, "price_gbp", "21.50"))
    book.comes("so does what was edited meanwhile", lambda: scene.says(HARDBACK, "author_line", said))
    scene.rest(BASHO, PRIDE)
    book.holds("no second record", scene.one_record_each({BASHO_BOOK}, {BASHO}))


def killed_in_a_text(scene: Scene) -> None:
    """Consonance makes the text; the connector dies before it learns the text's id."""
    book = scene.book
    book.step(6, "kill -9 while a text is being made, then a new start", "Consonance, once")
    fault = scene.consonance.fault(kind="latency", after=True, seconds=HELD, operation=copies.MAKE)
    scene.portal.edit(
        "title",
        scene.record_of_title(ODYSSEY),
        description_long=in_english("<p>Sing, Muse, of the man of many ways.</p>"),
        copy_state=in_english("released"),
    )
    book.comes(
        "Consonance has made it, the answer still out",
        lambda: Seen(scene.consonance.waiting() > 0 and len(copies.ours(scene, ODYSSEY)) == 1, "no text yet"),
    )
    scene.killed(lambda: scene.consonance.heal(fault))
    scene.rest(ODYSSEY)
    found = [text["external_text_markdown"] for text in copies.ours(scene, ODYSSEY)]
    book.holds("there is one text", found == ["Sing, Muse, of the man of many ways."], f"{len(found)} texts {found}")


def _half_done(scene: Scene) -> Seen:
    made, waiting = len(scene.portal.of_product(BASHO_BOOK)), scene.portal.waiting()
    return Seen(made == 1 and waiting > 0, f"{made} records, {waiting} writes unanswered")


def _complains(scene: Scene) -> Seen:
    errors = scene.looking.errors("consonance")
    return Seen(any("key" in error.lower() or "401" in error for error in errors), "; ".join(errors) or "no complaint")


def _pounds(scene: Scene) -> int:
    return next(p.id for p in scene.tenant.products[HARDBACK].prices if p.currency_code == "GBP")


STEPS = (overloaded, wrong_key, killed_in_a_record, killed_in_a_text)
