"""Which record is which product."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from frontlist.linking.matching import MARKER, REFERENCE, Classified, Foreign, Record, Source, classify

ISBN, OTHER, WRONG = "9780306406157", "9780140328721", "9780306406158"
BY = ("title", "imprint", "form")


def source(id: str = "1", isbn: str | None = ISBN, name: str = "The Tale", form: str = "BC") -> Source:
    fields = {"title": name, "imprint": "Blue", "form": form}
    return Source(id, f"work:{id}", (isbn,) if isbn else (), (name,), fields)


def record(id: str = "a", isbn: str | None = ISBN, name: str = "The tale", form: str = "BC", **claims: str) -> Record:
    fields = {"title": name, "imprint": "BLUE", "form": form}
    return Record(id, (isbn,) if isbn else (), (name,), fields, {k.lstrip("p"): v for k, v in claims.items()})


def match(sources: list[Source], records: list[Record], **rest: Any) -> Classified:
    return classify(sources, records, **{"by": BY, **rest})


def pairs(found: Classified) -> list[tuple[str, str]]:
    return [(pair.source, pair.record) for pair in found.sure]


def doubts(found: Classified) -> dict[str, tuple[str, ...]]:
    return {doubt.source: doubt.records for doubt in found.doubtful}


def why(found: Classified) -> str:
    return "; ".join(text for doubt in found.doubtful for pair in doubt.pairs for text in pair.doubts)


def test_one_product_and_one_record_of_the_same_isbn_are_sure() -> None:
    assert pairs(match([source()], [record(isbn="0-306-40615-2")])) == [("1", "a")]


def test_twins_are_doubtful_and_neither_is_linked() -> None:
    found = match([source()], [record("a"), record("b", isbn="0306406152")])
    assert doubts(found) == {"1": ("a", "b")}
    assert not found.sure
    assert not found.foreign


def test_one_isbn_on_two_products_is_doubtful_for_both() -> None:
    found = match([source("1"), source("2")], [record()])
    assert doubts(found) == {"1": ("a",), "2": ("a",)}
    assert "the record also fits 2" in why(found)


def test_a_wrong_check_digit_is_doubtful_on_either_side() -> None:
    assert doubts(match([source()], [record(isbn=WRONG)])) == {"1": ("a",)}
    assert "wrong check digit" in why(match([source(isbn=WRONG)], [record()]))


def test_without_an_isbn_all_fields_must_agree_and_it_is_doubtful_still() -> None:
    assert doubts(match([source(isbn=None)], [record(isbn=None)])) == {"1": ("a",)}
    assert match([source(isbn=None)], [record(isbn=None, form="BB")]).missing == ("1",)


def test_an_empty_field_agrees_with_nothing() -> None:
    found = match([source(isbn=None, form="")], [record(isbn=None, form="")])
    assert (found.missing, found.foreign) == (("1",), (Foreign("a"),))


def test_two_right_isbns_that_differ_are_two_products_whatever_they_are_called() -> None:
    found = match([source()], [record(isbn=OTHER)])
    assert (found.missing, found.foreign) == (("1",), (Foreign("a"),))


def test_the_right_isbn_under_another_title_is_doubtful() -> None:
    found = match([source(name="A History of Salt")], [record(name="Quantum Cookery")])
    assert doubts(found) == {"1": ("a",)}
    assert "another title" in why(found)


def test_a_title_with_other_case_accents_and_subtitle_is_the_same_title() -> None:
    found = match([source(name="Les Misérables")], [record(name="LES MISERABLES: a novel")])
    assert pairs(found) == [("1", "a")]


def test_a_record_that_carries_our_marker_is_sure_without_an_isbn() -> None:
    assert pairs(match([source()], [record(isbn=None, form="BB", p1=MARKER)])) == [("1", "a")]


def test_our_marker_on_a_record_with_another_isbn_is_doubtful() -> None:
    assert "another product" in why(match([source()], [record(isbn=OTHER, p1=MARKER)]))


def test_titles_are_sure_by_the_references_of_their_records() -> None:
    found = match([source(isbn=None)], [record(isbn=None, form="", p1=REFERENCE)])
    assert pairs(found) == [("1", "a")]


def test_what_is_settled_is_left_alone_and_its_twin_is_named() -> None:
    found = match([source()], [record("a"), record("b")], settled={"1": "a"})
    assert [(pair.source, pair.record) for pair in found.settled] == [("1", "a")]
    assert found.foreign == (Foreign("b", ("1",)),)


def test_a_product_whose_linked_record_is_gone_is_not_linked_to_another() -> None:
    found = match([source()], [record("b")], settled={"1": "gone"})
    assert (found.sure, found.missing, found.foreign) == ((), (), (Foreign("b", ("1",)),))


def test_a_pair_that_a_person_ruled_out_counts_no_more() -> None:
    found = match([source("1"), source("2")], [record()], refused={("2", "a")})
    assert (pairs(found), found.missing) == ([("1", "a")], ("2",))


isbns = st.sampled_from([ISBN, OTHER, WRONG, "0306406152", "0-14-032872-6", None])
names = st.sampled_from(["The Tale", "A History of Salt", "Quantum Cookery", ""])
forms = st.sampled_from(["BB", "BC", ""])
ids = st.integers(1, 8).map(str)
some_sources = st.lists(st.builds(source, ids, isbns, names, forms), max_size=7, unique_by=lambda each: each.id)
some_records = st.lists(
    st.builds(
        lambda id_, isbn, name, form, claim: record(
            f"r{id_}", isbn, name, form, **({f"p{claim}": MARKER} if claim else {})
        ),
        ids,
        isbns,
        names,
        forms,
        st.none() | ids,
    ),
    max_size=7,
    unique_by=lambda each: each.id,
)
some_links = st.dictionaries(ids, ids.map(lambda n: f"r{n}"), max_size=3).filter(
    lambda links: len(set(links.values())) == len(links)
)


@given(some_sources, some_records, some_links)
def test_no_record_and_no_product_is_linked_twice(
    sources: list[Source], records: list[Record], links: dict[str, str]
) -> None:
    found = match(sources, records, settled=links)
    left = [pair.source for pair in found.sure]
    right = [pair.record for pair in found.sure]
    assert len(set(left)) == len(left)
    assert len(set(right)) == len(right)
    assert not set(left) & set(links)
    assert not set(right) & set(links.values())
    assert not set(right) & {one for doubt in found.doubtful for one in doubt.records}


@given(some_sources, some_records, some_links)
def test_every_product_and_every_record_is_in_exactly_one_list(
    sources: list[Source], records: list[Record], links: dict[str, str]
) -> None:
    found = match(sources, records, settled=links)
    products = [p.source for p in (*found.settled, *found.sure)] + [d.source for d in found.doubtful]
    assert sorted([*products, *found.missing]) == sorted(each.id for each in sources)
    doubtful = {one for doubt in found.doubtful for one in doubt.records}
    linked = [p.record for p in found.sure] + list(set(links.values()))
    listed = [*linked, *doubtful, *(each.record for each in found.foreign)]
    assert len(set(listed)) == len(listed)
    assert {each.id for each in records} <= set(listed)


@given(some_sources, some_records, some_links, st.randoms(use_true_random=False))
def test_the_order_of_the_input_changes_nothing(
    sources: list[Source], records: list[Record], links: dict[str, str], chance: Any
) -> None:
    first = match(sources, records, settled=links)
    chance.shuffle(sources)
    chance.shuffle(records)
    assert match(sources, records, settled=links) == first


@given(some_sources, some_records)
def test_what_was_linked_as_sure_is_settled_and_leaves_the_rest_as_it_was(
    sources: list[Source], records: list[Record]
) -> None:
    before = match(sources, records)
    after = match(sources, records, settled={pair.source: pair.record for pair in before.sure})
    assert not after.sure
    assert (after.doubtful, after.missing) == (before.doubtful, before.missing)
