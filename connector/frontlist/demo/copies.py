"""Flow 6: enriched copy, from 4ALLPORTAL into Consonance's marketing texts."""

from __future__ import annotations

import time

from frontlist.demo.checks import Seen
from frontlist.demo.installation import QUIET
from frontlist.demo.scene import Scene
from frontlist.demo.tenants import LOCALE, Record, cell, in_english

NORTHUP, SOULS = 61011, 61003
HTML = "<p>A free man is sold, and <b>writes it down</b>: twelve years, in his own words.</p>"
MARKDOWN = "A free man is sold, and **writes it down**: twelve years, in his own words."
TYPED = ("<p>Twelve", "<p>Twelve years a slave, and", "<p>Twelve years a slave, and free again: the whole account.</p>")
FINAL = "Twelve years a slave, and free again: the whole account."
MAKE = "createMarketingText"
KEY = f"work:{NORTHUP}"


def ours(scene: Scene, work_id: int = NORTHUP) -> list[Record]:
    """The texts that were not there before."""
    known = {text["id"] for text in scene.by_hand[work_id]}
    return [text for text in scene.consonance.texts(work_id) if text["id"] not in known]


def draft(scene: Scene) -> None:
    book, count, writes = scene.book, scene.events.count, scene.consonance.writes()
    book.step(6, "Marketing drafts a description of Twelve Years a Slave", "nowhere yet")
    record = scene.record_of_title(NORTHUP)
    scene.portal.edit("title", record, description_long=in_english(HTML), copy_state=in_english("draft"))
    book.comes("an event is on Kafka", lambda: Seen(bool(scene.events.since(count, "fourallportal", KEY))))
    book.stays(
        f"nothing is written into Consonance, for longer than {QUIET:g} s",
        lambda: Seen(scene.consonance.writes() == writes, "a write"),
        QUIET + 1.5,
    )


def release(scene: Scene) -> None:
    book = scene.book
    book.step(6, "Marketing releases it", "Consonance, a marketing text")
    scene.portal.edit("title", scene.record_of_title(NORTHUP), copy_state=in_english("released"))
    book.comes("one text arrives, as markdown", lambda: _one(scene, MARKDOWN))
    scene.rest()
    book.holds("it is there once", _one(scene, MARKDOWN))
    [text] = ours(scene)[:1] or [{}]
    said = (text.get("variant"), text.get("onix_language_code"), sorted(text.get("product_ids", [])))
    wanted = ("MAIN_DESCRIPTION", "eng", sorted(p.id for p in scene.tenant.products_of(NORTHUP)))
    book.holds("as main description, in English, for both formats", said == wanted, str(said))
    book.holds("the texts that people wrote there are untouched", _kept(scene), "they changed")


def echo(scene: Scene) -> None:
    """What came back to us as a change of Consonance sets nothing off."""
    book = scene.book
    book.step(6, "Consonance shows the new text", "nowhere: it is ours")
    scene.quiet_pass()
    text = cell(scene.record_of_title(NORTHUP), "description_long", **LOCALE)
    book.holds("marketing's own text is as they typed it", text == HTML, str(text))


def half_typed(scene: Scene) -> None:
    book = scene.book
    book.step(6, "Marketing types a new version, saving as they go", "Consonance, in place of the old one")
    record, made = scene.record_of_title(NORTHUP), scene.consonance.called(MAKE)
    for text in TYPED:
        scene.portal.edit("title", record, description_long=in_english(text))
        time.sleep(QUIET / 2)  # a pause in typing, shorter than the quiet time
    book.comes("the whole one takes the old one's place", lambda: _one(scene, FINAL))
    times = scene.consonance.called(MAKE) - made
    book.holds("nothing half typed was sent: one text was made", times == 1, f"{times}")
    book.holds("the texts that people wrote there are untouched", _kept(scene), "they changed")


def unsafe(scene: Scene) -> None:
    """Markup that could do harm is taken out, and somebody hears of it."""
    book = scene.book
    html = "<p>Fourteen essays.</p><script>alert(1)</script>"
    book.step(6, "A released text carries a script", "Consonance, without it")
    scene.portal.edit(
        "title", scene.record_of_title(SOULS), description_short=in_english(html), copy_state=in_english("released")
    )
    book.comes("the text arrives clean", lambda: _one(scene, "Fourteen essays.", SOULS))
    book.comes("a finding names what was taken out", lambda: _finding(scene, f"work:{SOULS}", "script"))


def _one(scene: Scene, markdown: str, work_id: int = NORTHUP) -> Seen:
    found = [text["external_text_markdown"] for text in ours(scene, work_id)]
    return Seen(found == [markdown], f"{len(found)} texts {found}")


def _kept(scene: Scene) -> bool:
    now = {text["id"]: text for text in scene.consonance.texts(NORTHUP)}
    return all(now.get(text["id"]) == text for text in scene.by_hand[NORTHUP])


def _finding(scene: Scene, title: str, word: str) -> Seen:
    found = scene.looking.findings(title)
    return Seen(any(word in each for each in found), "; ".join(found))


STEPS = (draft, release, echo, half_typed, unsafe)
