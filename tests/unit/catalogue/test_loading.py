"""What becomes of a record: every value of it, under every way of writing it down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from frontlist_sandbox.catalogue.loading import load
from frontlist_sandbox.consonance.model import Measurements, Product, Subject, Tenant, Work

Loaded = Callable[..., Tenant]


def by_reference(tenant: Tenant, reference: str) -> Product:
    return next(p for p in tenant.products.values() if p.record_reference == reference)


@pytest.fixture
def tenant(loaded: Loaded) -> Tenant:
    return loaded("reference_namespace")


@pytest.fixture
def lamp(tenant: Tenant) -> Product:
    return by_reference(tenant, "lantern.1")


@pytest.fixture
def work(tenant: Tenant) -> Work:
    return tenant.works[4711]


def test_the_senders_internal_work_id_is_the_work_id(tenant: Tenant) -> None:
    assert {product.work_id for product in tenant.products.values()} == {4711}
    assert tenant.works[4711].in_house_work_reference == "com.lantern.onix.4711"


def test_identifiers_lose_their_hyphens_only_where_they_are_numbers(lamp: Product) -> None:
    assert lamp.isbn13 == "9786600010007"
    assert lamp.identifiers == [("01", "L-1"), ("15", "9786600010007")]


def test_a_title_is_kept_whole_and_in_parts(lamp: Product) -> None:
    assert (lamp.full_title, lamp.title_prefix, lamp.title_without_prefix) == ("A Lamp for Two", "A", "Lamp for Two")
    assert lamp.subtitle == "a story & a light"


def test_a_contributor_with_two_roles_is_one_contact_with_two_contributions(tenant: Tenant, work: Work) -> None:
    assert [(c.contact_id, c.role, c.sequence_number) for c in work.contributions][:2] == [
        (88, "A01", 1),
        (88, "A12", 1),
    ]
    contact = tenant.contacts[88]
    assert (contact.person_name, contact.person_name_inverted) == ("Wilma Tallow", "Tallow, Wilma")
    assert contact.isni == "000000000000001X"


def test_an_organisation_is_no_person(tenant: Tenant, work: Work) -> None:
    society = tenant.contacts[work.contributions[2].contact_id]
    assert (society.organisation_name, society.person_name) == ("Lantern Society", None)


def test_contributions_name_the_products_that_have_them(tenant: Tenant, lamp: Product, work: Work) -> None:
    assert [c.product_ids for c in work.contributions] == [[lamp.id]] * 3


def test_the_form_decides_type_and_the_onix_21_code(tenant: Tenant, lamp: Product) -> None:
    ebook = by_reference(tenant, "lantern.2")
    assert (lamp.typename, lamp.onix21_product_form_code) == ("PhysicalBookProduct", "BB")
    assert (ebook.typename, ebook.onix21_product_form_code) == ("ElectronicBookProduct", "DG")


def test_measures_prefer_metric_and_convert_the_rest(lamp: Product) -> None:
    assert lamp.measurements == Measurements(height_mm=234.0, width_mm=156.0, weight_g=500.0)
    assert lamp.page_counts == {"main_content_page_count": 212, "page_count": 212}


def test_a_collection_is_a_series_with_its_part_number(tenant: Tenant, work: Work) -> None:
    assert tenant.series[work.series[0].series_id].name == "The Wick Papers"
    assert work.series[0].part_number == "3"


def test_subjects_keep_scheme_and_main_flag_and_qualifiers_stand_apart(work: Work) -> None:
    main, other, bisac = work.subjects
    assert main == Subject("THEMA", "FBA", main=True)
    assert other == Subject("THEMA", "FS", main=False)
    assert bisac == Subject("BISAC", "FIC019000", main=True)
    assert work.subject_qualifiers == [Subject("THEMA", "3MP")]


def test_keywords_are_split_and_said_once(work: Work) -> None:
    assert work.keywords == ["lamps", "two of us"]


def test_language_audience_and_edition_are_the_works(work: Work) -> None:
    assert (work.languages, work.audience_codes) == (["eng"], ["01"])
    assert (work.edition_number, work.edition_statement) == (2, "Second edition")
    assert work.onix_edition_type_codes == ["REV"]


def test_texts_become_markdown_and_scripts_vanish(work: Work) -> None:
    short, main = work.marketing_texts
    assert (short.variant, short.external_text_markdown) == ("SHORT_DESCRIPTION", "Two people, **one** lamp.")
    assert main.external_text_markdown == "It burns & it *lasts*.\n\n- warm"
    assert (main.onix_language_code, main.onix_content_audience_codes) == ("eng", ["00", "03"])


def test_a_cover_is_a_resource_by_its_url(work: Work, lamp: Product) -> None:
    (cover,) = work.supporting_resources
    assert (cover.variant, cover.filename, cover.file_size) == ("FRONT_COVER", "lamp two.jpg", 204800)
    assert cover.image_remote_url == "https://covers.lantern.example/lamp%20two.jpg?v=3"
    assert cover.product_ids == [lamp.id]


def test_a_month_is_read_as_its_last_day_and_noted(tenant: Tenant, lamp: Product) -> None:
    assert (lamp.publication_date, lamp.embargo_date) == (date(2026, 3, 4), date(2026, 3, 5))
    assert lamp.announcement_date == date(2026, 2, 28)
    assert any("'202602'" in noted.reason for noted in tenant.noted)


def test_prices_of_all_supplies_are_kept_once_with_the_headers_defaults(tenant: Tenant, lamp: Product) -> None:
    dated, plain = lamp.prices
    assert (dated.amount, dated.currency_code, dated.type_code, dated.qualifier_code) == (
        Decimal("12.99"),
        "GBP",
        "02",
        "05",
    )
    assert (dated.effective_from, dated.effective_to) == (date(2026, 4, 1), date(2026, 4, 30))
    assert (plain.amount, plain.currency_code, plain.type_code, plain.qualifier_code) == (
        Decimal("14.50"),
        "EUR",
        "01",
        "00",
    )
    assert any("'cheap'" in noted.reason for noted in tenant.noted)


def test_the_first_stated_availability_counts(lamp: Product) -> None:
    assert lamp.product_availability == "21"


def without_ids(product: Product) -> dict[str, object]:
    return {key: value for key, value in asdict(product).items() if key != "id"}


def test_short_tags_without_a_namespace_say_the_same(tenant: Tenant, loaded: Loaded) -> None:
    short = loaded("short_tags")
    assert [without_ids(p) for p in short.products.values()] == [without_ids(p) for p in tenant.products.values()]
    assert asdict(short.works[4711]) == asdict(tenant.works[4711])


@pytest.mark.parametrize(
    ("name", "title"),
    [("bare_product", "By Itself"), ("latin1", "Élégie à l'oeil nu"), ("wrong_namespace", "Elsewhere")],
)
def test_a_file_is_read_however_it_is_wrapped(loaded: Loaded, name: str, title: str) -> None:
    tenant = loaded(name)
    assert [product.full_title for product in tenant.products.values()] == [title]
    assert tenant.rejected == []


def test_the_later_record_of_a_reference_or_an_isbn_replaces_the_earlier(loaded: Loaded) -> None:
    tenant = loaded("duplicated_reference")
    assert sorted(p.full_title for p in tenant.products.values()) == ["Another, Renamed", "Second Thoughts"]
    assert [r.reference for r in tenant.rejected] == ["lantern.twice", "lantern.other"]
    assert all("replaced by the later record" in rejected.reason for rejected in tenant.rejected)


def test_relations_in_either_direction_make_one_work_and_new_editions_do_not(loaded: Loaded) -> None:
    tenant = loaded("bundle")
    works = {p.record_reference: p.work_id for p in tenant.products.values()}
    assert works["set.print"] == works["set.epub"] == works["set.audio"]
    assert len({works["set.print"], works["set.box"], works["set.new"]}) == 3


def test_a_bundle_of_formats_is_its_title_and_a_boxed_set_is_not(loaded: Loaded) -> None:
    works = {p.record_reference: p.work_id for p in loaded("bundle").products.values()}
    assert works["set.bundle"] == works["set.epub"]
    assert works["set.box"] != works["set.print"]


def test_row_00_leaves_the_rest_unknown(loaded: Loaded) -> None:
    product = by_reference(loaded("row00"), "row.unknown")
    assert product.for_sale_country_codes == ["AU", "NZ", "FJ"]
    assert product.not_for_sale_country_codes == ["US", "CA"]
    assert not product.is_for_sale_worldwide


def test_a_row_type_that_says_no_names_everyone_else(loaded: Loaded) -> None:
    product = by_reference(loaded("row00"), "row.rest")
    assert product.for_sale_country_codes == ["GB", "IE"]
    assert len(product.not_for_sale_country_codes) == 247


def test_the_world_less_two_is_not_worldwide(loaded: Loaded) -> None:
    product = by_reference(loaded("row00"), "row.minus")
    assert len(product.for_sale_country_codes) == 247
    assert not {"US", "CA"} & set(product.for_sale_country_codes)
    assert not product.is_for_sale_worldwide


def test_no_statement_of_rights_is_no_statement(loaded: Loaded) -> None:
    product = by_reference(loaded("row00"), "row.silent")
    assert (product.for_sale_country_codes, product.not_for_sale_country_codes) == ([], [])
    assert not product.is_for_sale_worldwide


def test_a_token_that_is_no_country_stays_and_is_reported(loaded: Loaded) -> None:
    tenant = loaded("dirty_territories")
    assert by_reference(tenant, "dirty.glued").for_sale_country_codes == ["GB", "IE", "BWBZ", "UK"]
    assert {"dirty.glued"} == {n.reference for n in tenant.noted if "'BWBZ'" in n.reason}


def test_an_unreadable_exclusion_never_widens(loaded: Loaded) -> None:
    product = by_reference(loaded("dirty_territories"), "dirty.exclusion")
    assert (product.for_sale_country_codes, product.not_for_sale_country_codes) == (["WORLD"], ["UK"])
    assert not product.is_for_sale_worldwide


def test_contradicting_rights_are_kept_and_noted(loaded: Loaded) -> None:
    tenant = loaded("dirty_territories")
    product = by_reference(tenant, "dirty.both")
    assert product.is_for_sale_worldwide
    assert product.not_for_sale_country_codes == ["US"]
    assert any("contradict" in note for note in product.notes)


@pytest.mark.parametrize(
    ("reference", "reason"),
    [
        ("none.ids", "identifiers only"),
        ("none.deleted", "NotificationType 05"),
        ("none.partial", "NotificationType 04"),
        ("none.title", "no title"),
    ],
)
def test_an_unusable_record_is_rejected_with_its_line_and_reason(loaded: Loaded, reference: str, reason: str) -> None:
    (rejected,) = [r for r in loaded("unusable").rejected if r.reference == reference]
    assert reason in rejected.reason
    assert (rejected.file, rejected.line is not None) == ("unusable.xml", True)


def test_odd_numbers_are_kept_or_dropped_and_noted(loaded: Loaded) -> None:
    tenant = loaded("unusable")
    placeholder, wrong, gtin = (by_reference(tenant, f"kept.{r}") for r in ("placeholder", "wrong", "gtin"))
    assert (placeholder.isbn13, wrong.isbn13, gtin.isbn13) == (None, "9786600010009", None)
    assert gtin.gtin13 == "3019002489208"
    assert "wrong check digit" in wrong.notes[0]
    assert "no 13-digit number" in placeholder.notes[0]


def test_the_project_stage_follows_status_and_notification(loaded: Loaded) -> None:
    tenant = loaded("unusable")
    stages = {p.record_reference: tenant.works[p.work_id].project_stage for p in tenant.products.values()}
    names = {reference: stage.name for reference, stage in stages.items() if stage}
    assert names == {"kept.placeholder": "Stopped", "kept.wrong": "In production", "kept.gtin": "Released"}


def test_onix_makes_no_contracts_and_no_production_runs(tenant: Tenant) -> None:
    assert tenant.contracts == {}
    assert all(not work.production_runs for work in tenant.works.values())


def test_ids_are_the_same_at_every_start_and_whatever_else_is_loaded(loaded: Loaded) -> None:
    alone, together = loaded("bundle"), loaded("row00", "bundle", "unusable")
    ids = {p.record_reference: (p.id, p.work_id) for p in together.products.values()}
    assert all(ids[p.record_reference] == (p.id, p.work_id) for p in alone.products.values())


def test_a_second_load_into_a_tenant_joins_its_works_and_replaces_its_products(ours: Path, loaded: Loaded) -> None:
    tenant = loaded("bundle")
    before = {p.record_reference: p.work_id for p in tenant.products.values()}
    load([ours / "bundle.xml"], today=date(2026, 3, 2), tenant=tenant)
    assert {p.record_reference for p in tenant.products.values()} == set(before)
    assert all(p.changed_on == date(2026, 3, 2) for p in tenant.products.values())
    assert len([r for r in tenant.rejected if r.file == "tenant"]) == len(before)


def test_a_format_that_comes_in_a_later_file_joins_the_work_of_its_relation(
    ours: Path, tmp_path: Path, loaded: Loaded
) -> None:
    text = (ours / "bare_product.xml").read_text()
    relation = "<RelatedMaterial><RelatedProduct><ProductRelationCode>27</ProductRelationCode><ProductIdentifier>"
    relation += "<ProductIDType>15</ProductIDType><IDValue>9786600010014</IDValue></ProductIdentifier></RelatedProduct>"
    (tmp_path / "late.xml").write_text(text.replace("</Product>", f"{relation}</RelatedMaterial></Product>"))
    tenant = load([tmp_path / "late.xml"], today=date(2026, 3, 1), tenant=loaded("reference_namespace"))
    assert by_reference(tenant, "lantern.bare").work_id == 4711
