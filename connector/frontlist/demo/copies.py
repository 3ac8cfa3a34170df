"""Flow 6: enriched copy, from 4ALLPORTAL into Consonance's marketing texts."""

from __future__ import annotations

import time

from frontlist.demo.checks import Seen
from frontlist.demo.installation import QUIET
from frontlist.demo.scene import CALM, Scene
from frontlist.demo.tenants import Record, in_english

NORTHUP = 61011
HTML = "<p>A free man is sold, and <b>writes it down</b>: twelve years, in his own words.</p>"
MARKDOWN = "A free man is sold, and **writes it down**: twelve years, in his own words."
TYPED = ("<p>Twelve", "<p>Twelve years a slave, and", "<p>Twelve years a slave, and free again: the whole account.</p>")
FINAL = "Twelve years a slave, and free again: the whole account."
KEY = f"work:{NORTHUP}"


def play(scene: Scene) -> None:
    by_hand = scene.consonance.texts(NORTHUP)
    draft(scene)
    release(scene, by_hand)
    echo(scene)
    half_typed(scene, by_hand)
    unsafe(scene)


def ours(scene: Scene, before: list[Record], work_id: int = NORTHUP) -> list[Record]:
    """The texts that were not there before."""
    known = {text["id"] for text in before}
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


def release(scene: Scene, by_hand: list[Record]) -> None:
    book = scene.book
    book.step(6, "Marketing releases it", "Consonance, a marketing text")
    scene.portal.edit("title", scene.record_of_title(NORTHUP), copy_state=in_english("released"))
    book.comes("one text arrives, as markdown", lambda: _one(scene, by_hand, MARKDOWN))
    scene.rest()
    book.holds("it is there once", *_plain(_one(scene, by_hand, MARKDOWN)))
    [text] = ours(scene, by_hand)[:1] or [{}]
    said = (text.get("variant"), text.get("onix_language_code"), sorted(text.get("product_ids", [])))
    wanted = ("MAIN_DESCRIPTION", "eng", sorted(p.id for p in scene.tenant.products_of(NORTHUP)))
    book.holds("as main description, in English, for both formats", said == wanted, str(said))
    book.holds("the texts that people wrote there are untouched", _kept(scene, by_hand), "they changed")


def echo(scene: Scene) -> None:
    """What came back to us as a change of Consonance sets nothing off."""
    book, record = scene.book, scene.record_of_title(NORTHUP)
    book.step(6, "Consonance shows the new text", "nowhere: it is ours")
    scene.quiet_pass()
    book.holds("marketing's own text is as they typed it", record["fields"]["description_long"][0]["value"] == HTML)


def half_typed(scene: Scene, by_hand: list[Record]) -> None:
    book = scene.book
    book.step(6, "Marketing types a new version, saving as they go", "Consonance, in place of the old one")
    record, seen = scene.record_of_title(NORTHUP), set[str]()
    for text in TYPED:
        scene.portal.edit("title", record, description_long=in_english(text))
        for _ in range(6):  # shorter than the quiet time altogether
            seen |= {each["external_text_markdown"] for each in ours(scene, by_hand)}
            time.sleep(QUIET / 12)

    def look() -> Seen:
        found = _one(scene, by_hand, FINAL)
        seen.update(each["external_text_markdown"] for each in ours(scene, by_hand))
        return found

    book.comes("the whole one takes the old one's place", look)
    book.holds("nothing half typed was ever there", seen == {MARKDOWN, FINAL}, f"{sorted(seen)}")
    book.holds("the texts that people wrote there are untouched", _kept(scene, by_hand), "they changed")


def unsafe(scene: Scene) -> None:
    """Markup that could do harm is taken out, and somebody hears of it."""
    book, before = scene.book, scene.consonance.texts(61003)
    html = "<p>Fourteen essays.</p><script>alert(1)</script>"
    book.step(6, "A released text carries a script", "Consonance, without it")
    scene.portal.edit(
        "title", scene.record_of_title(61003), description_short=in_english(html), copy_state=in_english("released")
    )
    book.comes("the text arrives clean", lambda: _one(scene, before, "Fourteen essays.", 61003))
    book.comes("a finding names what was taken out", lambda: _finding(scene, "work:61003", "script"))


def _one(scene: Scene, before: list[Record], markdown: str, work_id: int = NORTHUP) -> Seen:
    found = [text["external_text_markdown"] for text in ours(scene, before, work_id)]
    return Seen(found == [markdown], f"{len(found)} texts {found}")


def _kept(scene: Scene, by_hand: list[Record]) -> bool:
    now = {text["id"]: text for text in scene.consonance.texts(NORTHUP)}
    return all(now.get(text["id"]) == text for text in by_hand)


def _finding(scene: Scene, title: str, word: str) -> Seen:
    found = scene.looking.findings(title)
    return Seen(any(word in each for each in found), "; ".join(found))


def _plain(seen: Seen) -> tuple[bool, str]:
    return seen.ok, seen.text
