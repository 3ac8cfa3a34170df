"""What a rebuild takes from the journal: whose a resource is, which fields were ours, and what can be undone."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from aiokafka import ConsumerRecord

from frontlist import recovering
from frontlist.clock import DAY
from frontlist.contract import FieldKey, Resource, TitleKey
from frontlist.keeping import KeepSettings
from frontlist.restoring import ERASED, Restoring
from frontlist.state import applied, dossier, erased, findings, installation, recovered, settled
from frontlist.state.applied import Applied
from frontlist.state.database import Database
from frontlist.state.images import CREATED, before_table

RECORD = Resource("fourallportal", "product", "a/b")
TITLE = TitleKey("work:1")
NOW = 17 * 10**14


def line(claim: int, effect: str = "changed", /, **more: Any) -> dict[str, Any]:
    """A line of the title; `fields`: field -> (was, is), None for a `was` that nobody knows."""
    fields = more.pop("fields", {"title": ("old", f"of {claim}")})
    return {
        "at": NOW + claim,
        "title": TITLE,
        "consumer": "metadata",
        "flow": 1,
        "resource": str(RECORD),
        "effect": effect,
        "reason": "consonance.metadata",
        "run": "",
        "claim": claim,
        "vector": {"activation": 1, "consonance.metadata": claim},
        "fields": {key: {"was": was, "is": is_, "read": was is not None} for key, (was, is_) in fields.items()},
        **more,
    }


def record(value: Any, offset: int = 0) -> ConsumerRecord[bytes, bytes]:
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    return ConsumerRecord("p.journal.v1", 0, offset, 0, 0, b"work:1", body, None, 0, 0, ())


async def told(db: Database, *values: Any, days: float = 10**6, backup: bool = False) -> None:
    """Read from the beginning, as in a rebuild, or into what a backup knows."""
    async with db.begin() as c:
        await (recovered.doubt_all(c) if backup else recovered.clear(c))
    restoring = await Restoring.begin(db, KeepSettings(before_images=days))
    await restoring.take([record(value, i) for i, value in enumerate(values)])


async def intended(db: Database, claim: int, fields: dict[str, Any], *, creates: bool = False) -> None:
    """By the title, with the revision 3; not remembered."""
    wish = {FieldKey(key): value for key, value in fields.items()}
    was = {} if creates else dict.fromkeys(wish, "old")
    one = applied.Intent(RECORD, "metadata", TITLE, claim, {"activation": 1}, wish, was, creates=creates, revision=3)
    async with db.begin() as c:
        await applied.intend(db, c, [one], await applied.locked(c, [RECORD]))


async def held(db: Database) -> Applied:
    async with db.read() as c:
        return (await applied.of_resources(c, "metadata", [RECORD]))[RECORD]


async def images(db: Database) -> list[tuple[str, str | None, str | None]]:
    async with db.read() as c:
        rows = (await c.execute(sa.select(before_table).order_by(before_table.c.number))).all()
    return [(row.field, row.was, row.becomes) for row in rows]


async def unreadable(db: Database) -> list[str]:
    async with db.read() as c:
        return [row.message for row in await findings.open_ones(c) if row.kind == "unreadable"]


async def test_fields_gather_from_the_creation_on_and_all_of_it_is_in_doubt(db: Database) -> None:
    await told(
        db,
        line(3, fields={"before": ("x", "y")}),
        line(5, "created", fields={"title": (None, "A"), "price": (None, None)}),
        line(7, fields={"title": ("A", "B")}),
    )
    found = await held(db)
    assert found.fields == found.intent_fields == {"title": "B", "price": None}
    assert (found.title, found.present, found.applied_claim, found.title_revision) == (TITLE, True, 7, 0)
    assert found.in_doubt(0)


async def test_what_was_removed_does_not_stand_there(db: Database) -> None:
    await told(db, line(5, "created"), line(6, "removed", fields={"title": ("of 5", None)}))
    assert (await held(db)).fields is None
    assert not (await held(db)).present


async def test_lines_that_come_twice_or_late_change_nothing(db: Database) -> None:
    twice = [line(5, fields={"title": ("a", "b")}), line(6, fields={"title": ("b", "c")})]
    await told(db, *twice, *twice, line(4, fields={"title": ("c", "stale")}))
    assert ((await held(db)).fields, (await held(db)).intent_claim) == ({"title": "c"}, 6)
    assert await images(db) == [("title", '"a"', '"b"'), ("title", '"b"', '"c"')]


async def test_only_what_was_read_is_a_before_image(db: Database) -> None:
    """A null says that nothing stood there only where that was looked up; old lines do not say whether it was."""
    old = line(6, fields={"title": ("b", "c"), "other": (None, "d")})
    for field in old["fields"].values():
        del field["read"]
    empty = line(7)
    empty["fields"] = {"title": {"was": None, "is": "e", "read": True}}
    await told(
        db, line(4, "created", fields={"title": (None, "a")}), line(5, fields={"title": (None, "b")}), old, empty
    )
    assert sorted(await images(db)) == [(CREATED, "null", "null"), ("title", '"b"', '"c"'), ("title", "null", '"e"')]


async def test_images_are_restored_for_as_long_as_they_would_have_been_kept(db: Database) -> None:
    async with db.read() as c:
        now = await db.now(c)
    await told(db, line(5, at=now - 91 * round(DAY)), line(6, at=now - 89 * round(DAY), run="replay/x"), days=90)
    assert (await held(db)).intent_claim == 6
    async with db.read() as c:
        [image] = (await c.execute(sa.select(before_table))).all()
    assert (image.claim, image.at, image.run, image.title) == (6, now - 89 * DAY, "replay/x", TITLE)


async def forgotten(db: Database, body: Any) -> None:
    async with db.begin() as c:
        await installation.register(db, c, {"metadata": (frozenset(), "1")})
        await settled.save_decisions(db, c, [settled.Decision(erased.KIND, "contact:1", body, 1)])


@pytest.mark.parametrize(
    ("body", "hit"),
    [
        ({"at": NOW + 5, "titles": [TITLE]}, True),
        ({"at": NOW + 4, "titles": [TITLE]}, False),
        ({"at": NOW + 5, "titles": ["work:2"]}, False),
        ({"at": NOW + 5}, True),
        (True, True),
    ],
    ids=["its title, before", "its title, after", "another title", "no title named", "nonsense"],
)
async def test_of_a_title_from_which_a_person_was_erased_no_earlier_words_return(
    db: Database, body: Any, hit: bool
) -> None:
    await forgotten(db, body)
    words = {"author": ("She", "She and he"), "names": (None, ["She"]), "price": ("1", 2), "gone": ("x", None)}
    await told(db, line(5, fields=words))
    fields = (await held(db)).fields or {}
    assert fields["price"] == 2
    assert fields["gone"] is None
    assert (fields["author"], fields["names"]) == ((ERASED, []) if hit else ("She and he", ["She"]))
    assert bool(await images(db)) is not hit


async def test_until_it_was_written_anew_nothing_overwritten_is_kept_of_such_a_title(db: Database) -> None:
    await forgotten(db, {"at": NOW, "titles": [TITLE]})
    await Restoring.begin(db, KeepSettings())
    async with db.read() as c:
        assert await erased.of(c, "metadata", [TITLE]) == {TITLE: NOW}


def test_a_person_who_is_forgotten_once_more_keeps_the_titles_of_before() -> None:
    first = erased.body(5, [TITLE], None)
    assert erased.body(7, [TitleKey("work:2")], first) == {"at": 7, "titles": [TITLE, "work:2"]}
    assert erased.body(7, [TITLE], {"at": 3}) == {"at": 7, "titles": None}


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"secret{",
        b"[1]",
        b"null",
        {"at": "secret"},
        line(5, fields={"title": ("\ud800", "half a pair")}),
        line(5, title="secret\x00"),
        line(5, consumer=""),
        line(5, resource="secret/product"),
        line(2**63),
        line(-1),
        line(5, at=2**63),
        line(5, effect="secret"),
        line(5, vector={"activation": "secret"}),
    ],
    ids=range(14),
)
async def test_a_line_that_cannot_be_read_is_a_finding_without_its_words_and_stops_nothing(
    db: Database, value: Any
) -> None:
    await told(db, line(4), value, line(6))
    assert (await held(db)).intent_claim == 6
    [said] = await unreadable(db)
    assert "p.journal.v1[0]@1 cannot be read" in said
    assert "secret" not in said


async def test_a_text_with_u_0000_is_kept(db: Database) -> None:
    await told(db, line(5, fields={"title": ("a\x00b", "c\x00d")}))
    assert (await held(db)).fields == {"title": "c\x00d"}
    assert await unreadable(db) == []


async def test_a_rebuild_that_begins_again_restores_the_same(db: Database) -> None:
    lines = [line(5, "created", fields={"title": (None, "A")}), line(6)]
    await told(db, *lines, line(9, title="work:9"))
    await told(db, *lines)
    assert ((await held(db)).intent_claim, (await held(db)).title) == (6, TITLE)
    assert len(await images(db)) == 2


async def test_claims_of_a_machine_whose_clock_was_ahead_refuse_no_new_ones(db: Database) -> None:
    await told(db, line(2**62))
    async with db.begin() as c:
        now = await db.now(c)
        await db.raise_numbers(c)
        await recovered.none_newer(c, now)
        [claim] = await db.draw(c)
    assert (await held(db)).applied_claim < claim
    async with db.begin() as c:
        there = await applied.locked(c, [RECORD])
        new = applied.Intent(RECORD, "metadata", TITLE, claim, {"activation": 1}, {FieldKey("title"): "new"}, {})
        assert await applied.intend(db, c, [new], there) == ({RECORD}, set())


async def test_many_lines_are_told_in_parts(db: Database) -> None:
    """As the topic is read: what was told before stands in the database."""
    restoring = await Restoring.begin(db, KeepSettings(before_images=10**6))
    for start in range(1, 1001, 250):
        await restoring.take([record(line(n, fields={f"f{n % 7}": ("a", n)})) for n in range(start, start + 250)])
    assert (await held(db)).fields == {f"f{n % 7}": n for n in range(994, 1001)}
    assert len(await images(db)) == 1000


async def test_what_a_backup_knows_stays_and_what_was_written_since_is_added(db: Database) -> None:
    known = [line(5, "created", fields={"title": (None, "A"), "price": (None, 1)}), line(6)]
    since = [line(7, fields={"title": ("of 6", "B")}, run="undo/x"), line(8, fields={"title": ("B", "C")})]
    await told(db, *known)
    before = await images(db)
    await told(db, *known, *since, backup=True)
    found = await held(db)
    assert (found.fields, found.intent_claim, found.present) == ({"title": "C", "price": 1}, 8, True)
    assert found.in_doubt(0)
    assert await images(db) == [*before, ("title", '"of 6"', '"B"'), ("title", '"B"', '"C"')]
    await told(db, *known, *since, backup=True)
    assert len(await images(db)) == len(before) + 2, "whoever died while he read back begins again"


async def test_what_was_written_since_is_no_longer_refused_parked_or_missing_as_the_backup_has_it(db: Database) -> None:
    await told(db, line(5, "created"))
    async with db.begin() as c:
        stuck = {"removed": True, "dead": "{}", "refused": '{"title": {}}', "progress": '{"of": "x"}'}
        await c.execute(sa.update(applied.applied_table).values(**stuck, look_again_at=1))
    await told(db, line(5, "created"), backup=True)
    assert (await held(db)).removed, "that is the backup's own"
    await told(db, line(6), backup=True)
    found = await held(db)
    assert (found.removed, found.dead, found.refused, found.progress) == (False, None, {}, {})


async def test_a_write_that_a_backup_knows_as_intended_alone_was_done(db: Database) -> None:
    """Else a record that a person deletes after it would be made again."""
    await intended(db, 5, {"title": "A"}, creates=True)
    before = await images(db)
    await told(db, line(5, "created", fields={"title": (None, "A")}), backup=True)
    found = await held(db)
    assert (found.present, found.fields, found.title_revision) == (True, {"title": "A"}, 3)
    assert found.in_doubt(0)
    assert await images(db) == before == [(CREATED, "null", "null")]


async def test_an_intent_of_a_backup_of_which_nothing_is_told_stays_in_doubt(db: Database) -> None:
    await told(db, line(4, "created"))
    await intended(db, 5, {"title": "B"})
    await told(db, line(4, "created"), backup=True)
    found = await held(db)
    assert (found.intent_claim, found.fields) == (5, {"title": "of 4"})
    assert found.in_doubt(0)


async def test_a_claim_of_a_backup_that_is_lowered_stays_in_doubt(db: Database) -> None:
    await intended(db, 2**62, {"title": "A"})
    async with db.begin() as c:
        await recovered.doubt_all(c)
        await recovered.none_newer(c, await db.now(c))
    assert (await held(db)).in_doubt(0)


async def test_who_goes_on_after_one_that_died_while_it_read_back_begins_where_that_one_did(db: Database) -> None:
    """By then intake has stored what came since the backup."""

    async def stands(behind: str) -> int:
        async with db.begin() as c:
            await installation.state(db, c, {installation.BEHIND: behind})
            return await recovering.backed_up_at(c)

    async with db.begin() as c:
        assert await recovering.backed_up_at(c) == 0
        began = await db.now(c)
        await dossier.save_offsets(db, c, {("t", 0): 9}, {})
        stored = await recovering.backed_up_at(c)
        assert began <= stored <= await db.now(c)
    assert await stands(installation.NOTICED) == stored
    assert await stands(str(NOW)) == NOW


async def test_nothing_that_a_backup_kept_of_an_erased_person_is_kept_on(db: Database) -> None:
    lines = [line(5), line(6, title="work:2", resource=str(Resource("fourallportal", "product", "b"))), line(9)]
    await told(db, *lines)
    await forgotten(db, {"at": NOW + 6, "titles": [TITLE]})
    await told(db, *lines, backup=True)
    assert [becomes for _, _, becomes in await images(db)] == ['"of 6"', '"of 9"']
