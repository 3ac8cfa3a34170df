"""PATCH of arrays: what is created, changed, cleared, refused, and in which order it is answered."""

import time
import uuid
from typing import Any

import pytest

from unit.sandbox_fourallportal.tenant import Tenant, cell

WRONG = [
    ("field unknown", {"no_such_field": [cell("x")]}),
    ("no array", {"title": "T"}),
    ("no cell", {"title": ["T"]}),
    ("stray member", {"title": [{"value": "T", "locale": "en_GB"}]}),
    ("text", {"title": [cell(7)]}),
    ("text too long", {"isbn": [cell("9" * 21)]}),
    ("list", {"thema": [cell("FBA")]}),
    ("list of text", {"thema": [cell([1])]}),
    ("integer", {"page_count": [cell(3.5)]}),
    ("boolean as integer", {"page_count": [cell(True)]}),
    ("integer range", {"page_count": [cell(2**31)]}),
    ("number", {"price_float": [cell("nine")]}),
    ("boolean", {"confidential": [cell(1)]}),
    ("date", {"pub_date": [cell("1 May 2026")]}),
    ("date with time", {"pub_date": [cell("2026-05-01T00:00:00Z")]}),
    ("no such day", {"pub_date": [cell("2026-02-30")]}),
    ("time without zone", {"rights_as_of": [cell("2026-05-01T10:00:00")]}),
    ("metric", {"height": [cell(198)]}),
    ("unit", {"height": [cell({"value": 1, "unit": "kg"})]}),
    ("value option", {"publishing_status": [cell("99")]}),
    ("id too long", {"cover": [cell("x" * 37)]}),
    ("dimension of another field", {"title": [cell("T", locale="en_GB")]}),
    ("unknown locale", {"description_long": [cell("T", locale="xx_XX")]}),
    ("two cells alike", {"title": [cell("T"), cell("U")]}),
    ("id", {"id": 7}),
    ("long id", {"id": "x" * 37}),
    ("module", {"module": "title"}),
]


@pytest.mark.parametrize(("what", "wrong"), WRONG, ids=[what for what, _ in WRONG])
def test_what_a_module_cannot_hold_is_400_and_nothing_is_written(tenant: Tenant, what: str, wrong: object) -> None:
    answer = tenant.patch("product", {"isbn": [cell("1")]}, wrong)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)
    assert "object 2 of 2" in answer.json()["message"]
    assert tenant.sandbox.get("/objects/product").json() == []


@pytest.mark.parametrize(
    ("field", "sent", "kept"),
    [
        ("page_count", "320", 320),
        ("consonance_product_id", 2**40, 2**40),
        ("price_float", 9, 9.0),
        ("confidential", "false", False),
        ("pub_date", "2026-05-01", "2026-05-01"),
        ("rights_as_of", "2026-05-01T12:10:01.803+02:00", "2026-05-01T10:10:01.803Z"),
        ("weight", {"value": 5, "unit": "kg"}, {"value": 5.0, "unit": "kg", "normalized": 5000.0}),
        ("price_gbp", "9.99", "9.99"),
        ("assets", ["a", "b"], ["a", "b"]),
    ],
)
def test_each_type_is_kept_in_its_one_form(tenant: Tenant, field: str, sent: object, kept: object) -> None:
    tenant.put("product", {"id": "p", field: [cell(sent)]})
    assert tenant.get("product", "p")[field] == [cell(kept)]


def test_a_chosen_id_creates_and_then_updates(tenant: Tenant) -> None:
    chosen = str(uuid.uuid4())
    assert tenant.put("product", {"id": chosen, "title": [cell("One")]}) == [chosen]
    assert tenant.put("product", {"id": chosen, "title": [cell("Two")]}) == [chosen]
    assert tenant.get("product", chosen)["title"] == [cell("Two")]
    assert len(tenant.sandbox.get("/objects/product").json()) == 1


def test_without_an_id_a_fresh_one_is_given_each_time(tenant: Tenant) -> None:
    ids = tenant.put("product", {"title": [cell("One")]}) + tenant.put("product", {"title": [cell("One")]})
    assert len({uuid.UUID(i) for i in ids}) == 2


def test_fields_that_are_not_sent_stay(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "title": [cell("T")], "isbn": [cell("1")]})
    tenant.put("product", {"id": "p", "isbn": [cell("2")]})
    assert tenant.get("product", "p")["title"] == [cell("T")]


@pytest.mark.parametrize("nothing", [None, [], [cell(None)]])
def test_null_clears_a_field(tenant: Tenant, nothing: object) -> None:
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    tenant.put("product", {"id": "p", "title": nothing})
    assert "title" not in tenant.get("product", "p")


def _german(tenant: Tenant, cells: str) -> Any:
    tenant.toggle(cells=cells)
    tenant.put("product", {"id": "p", "description_long": [cell("Hello", locale="en_GB"), cell("Hi", locale="de_DE")]})
    tenant.put("product", {"id": "p", "description_long": [cell("Hallo", locale="de_DE")]})
    return tenant.get("product", "p")["description_long"]


def test_replacing_tenants_drop_the_cells_that_are_not_sent(tenant: Tenant) -> None:
    assert _german(tenant, "replace") == [cell("Hallo", locale="de_DE")]


def test_merging_tenants_keep_the_cells_that_are_not_sent(tenant: Tenant) -> None:
    assert _german(tenant, "merge") == [cell("Hello", locale="en_GB"), cell("Hallo", locale="de_DE")]
    tenant.put("product", {"id": "p", "description_long": [cell(None, locale="en_GB")]})
    assert tenant.get("product", "p")["description_long"] == [cell("Hallo", locale="de_DE")]


def _half_wrong(tenant: Tenant, arrays: str) -> tuple[int, list[str]]:
    tenant.toggle(arrays=arrays)
    good, bad = {"title": [cell("T")]}, {"title": [cell(1)]}
    status = tenant.patch("product", {"id": "a", **good}, {"id": "b", **bad}, {"id": "c", **good}).status_code
    return status, [one["id"] for one in tenant.sandbox.get("/objects/product").json()]


@pytest.mark.parametrize(
    ("arrays", "status", "there"), [("atomic", 400, []), ("partial", 400, ["a", "c"]), ("silent", 200, ["a", "c"])]
)
def test_a_half_wrong_array_ends_as_the_toggle_says(tenant: Tenant, arrays: str, status: int, there: list[str]) -> None:
    assert _half_wrong(tenant, arrays) == (status, there)


def test_a_vague_tenant_names_neither_object_nor_field(tenant: Tenant) -> None:
    tenant.toggle(error_detail="vague")
    answer = tenant.patch("product", {"title": [cell(1)]})
    assert answer.status_code == 400
    assert "title" not in answer.text


@pytest.mark.parametrize(("order", "expected"), [("input", ["b", "a"]), ("sorted", ["a", "b"])])
def test_ids_are_answered_in_the_order_of_the_toggle(tenant: Tenant, order: str, expected: list[str]) -> None:
    tenant.toggle(answer_order=order)
    assert tenant.put("product", {"id": "b"}, {"id": "a"}) == expected


def test_a_call_takes_100_objects_and_no_more(tenant: Tenant) -> None:
    assert len(tenant.put("product", *({} for _ in range(100)))) == 100
    assert tenant.patch("product", *({} for _ in range(101))).status_code == 400
    assert tenant.put("product") == []


@pytest.mark.parametrize("body", [b"{", b'{"id": "p"}', b"\xff\xfe"])
def test_a_body_that_is_no_array_is_400(tenant: Tenant, body: bytes) -> None:
    answer = tenant.api.patch("/modules/product/objects", content=body)
    assert (answer.status_code, answer.json()["status"]) == (400, 400)


def test_an_unknown_module_cannot_be_written(tenant: Tenant) -> None:
    assert tenant.patch("nothing", {}).status_code == 404


def test_a_write_moves_mod_time_even_when_it_changes_nothing(tenant: Tenant) -> None:
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    first = tenant.get("product", "p")["mod_time"]
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    assert tenant.get("product", "p")["mod_time"] > first


def test_an_unchanged_write_may_be_ignored(tenant: Tenant) -> None:
    tenant.toggle(unchanged_write="ignored")
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    before = tenant.get("product", "p"), tenant.events()
    tenant.put("product", {"id": "p", "title": [cell("T")]})
    assert (tenant.get("product", "p"), tenant.events()) == before


def test_references_may_be_checked(tenant: Tenant) -> None:
    assert tenant.patch("product", {"title_ref": [cell("t")]}).status_code == 200
    tenant.toggle(references="checked")
    assert tenant.patch("product", {"title_ref": [cell("t")]}).status_code == 400
    tenant.put("title", {"id": "t"})
    tenant.put("product", {"title_ref": [cell("t")]}, {"id": "q", "sibling_products": [cell(["r"])]}, {"id": "r"})


def test_a_hundred_full_products_are_written_fast(tenant: Tenant) -> None:
    copy = [cell("<p>" + "word " * 300 + "</p>", locale=locale) for locale in ("en_GB", "de_DE")]
    texts = {name: [cell("x" * 20)] for name in ("title", "subtitle", "isbn", "format", "publisher", "price_gbp")}
    lists = {name: [cell(["a", "b", "c"])] for name in ("contributors", "thema", "bisac", "languages", "series")}
    objects = [{"id": f"p{n}", **texts, **lists, "description_long": copy} for n in range(100)]
    took = []
    for _ in range(5):
        begun = time.perf_counter()
        tenant.put("product", *objects)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.25  # about 15 ms on an idle machine; only a slip of an order of magnitude should fail
