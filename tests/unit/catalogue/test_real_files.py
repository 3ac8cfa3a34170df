"""The real ONIX files, compared with what the standard library's parser sees in them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from xml.etree import ElementTree

import pytest

from frontlist_sandbox.catalogue.loading import load
from frontlist_sandbox.consonance.model import Tenant

TODAY = date(2026, 3, 1)
MACMILLAN = "macmillan_au_21products_onix30_ref.xml"
IMMATERIEL = "immateriel_fr_multiformat_bundle_onix30_ref.xml"


def test_the_run_says_whether_the_real_files_are_here(real_directory: Path) -> None:
    if not real_directory.is_dir():
        required = os.environ.get("FRONTLIST_REQUIRE_REAL_ONIX") == "1"
        assert not required, "real files: not here, and FRONTLIST_REQUIRE_REAL_ONIX=1; set FRONTLIST_ONIX_DIR"
        warnings.warn("real files: not here; set FRONTLIST_ONIX_DIR to run the tests that need them", stacklevel=1)


def one(path: Path) -> Tenant:
    return load([path], today=TODAY)


def records(path: Path) -> Iterator[ElementTree.Element]:
    """Independent of our reader: no namespaces, reference names as they stand."""
    for element in ElementTree.parse(path).iter():
        element.tag = element.tag.rpartition("}")[2]
        if element.tag == "Product":
            for inner in element.iter():
                inner.tag = inner.tag.rpartition("}")[2]
            yield element


def test_every_real_file_gives_products_and_none_is_our_bug(real: Path) -> None:
    files = sorted(real.glob("*.xml"))
    assert len(files) >= 12
    for path in files:
        tenant = one(path)
        assert tenant.products, path.name
        assert not [r for r in tenant.rejected if "our bug" in r.reason or r.reference is None], path.name


def test_macmillan_gives_its_twenty_distinct_products(real: Path) -> None:
    tenant = one(real / MACMILLAN)
    stated = [record.findtext("RecordReference") for record in records(real / MACMILLAN)]
    assert (len(stated), len(set(stated))) == (21, 20)
    assert {p.record_reference for p in tenant.products.values()} == set(stated)
    assert [r.reference for r in tenant.rejected] == ["9781760554712"]
    assert len(tenant.works) == 20


def test_macmillan_keeps_titles_dates_prices_and_territories(real: Path) -> None:
    products = {p.record_reference: p for p in one(real / MACMILLAN).products.values()}
    for record in records(real / MACMILLAN):
        product = products[record.findtext("RecordReference")]
        element = next(e for e in record.iter("TitleElement") if e.findtext("TitleElementLevel") == "01")
        words = [element.findtext(name) for name in ("TitlePrefix", "TitleWithoutPrefix", "TitleText")]
        assert product.full_title == " ".join(" ".join(w for w in words if w).split())
        amounts = {p.findtext("PriceAmount") for p in record.iter("Price")} - {None}
        assert {str(price.amount) for price in product.prices} == amounts
        dates = {d.findtext("PublishingDateRole"): d.findtext("Date") for d in record.iter("PublishingDate")}
        assert product.publication_date is not None
        assert f"{product.publication_date:%Y%m%d}" == dates["01"]
        assert product.publishing_status == record.findtext("PublishingDetail/PublishingStatus")
        included = [s.findtext("Territory/CountriesIncluded") or "" for s in record.iter("SalesRights")]
        listed = set(product.for_sale_country_codes) | set(product.not_for_sale_country_codes)
        assert listed == set(" ".join(included).split())


def test_immateriel_is_one_title_of_four_products(real: Path) -> None:
    tenant = one(real / IMMATERIEL)
    assert len(list(records(real / IMMATERIEL))) == 4
    assert len(tenant.works) == 1
    forms = sorted(p.product_form_code or "" for p in tenant.products.values())
    assert forms == ["EA", "EC", "ED", "ED"]
    assert [p.isbn13 for p in tenant.products.values() if p.isbn13] == ["9782752908643"]


def test_short_and_reference_tags_of_the_same_record_say_the_same(real: Path) -> None:
    reference = one(real / "editeur_spec_sample_onix31_ref.xml")
    short = one(real / "editeur_spec_sample_onix31_short.xml")
    assert repr(list(short.products.values())) == repr(list(reference.products.values()))
    assert repr(list(short.works.values())) == repr(list(reference.works.values()))


def test_a_record_with_identifiers_only_does_not_replace_a_full_one(real: Path) -> None:
    tenant = one(real / "mitpress_ebook_onix30_short_row00.xml")
    (product,) = tenant.products.values()
    assert (product.isbn13, product.full_title) == ("9780262343664", "Safe Spaces, Brave Spaces")
    assert [r.line for r in tenant.rejected] == [329]


def test_dated_prices_keep_their_periods(real: Path) -> None:
    (product,) = one(real / "price_periods_onix30_productonly.xml").products.values()
    periods = [(p.effective_from, p.effective_to) for p in product.prices]
    assert periods[:2] == [(None, None), (date(2016, 7, 8), date(2016, 7, 8))]


@pytest.mark.parametrize("name", [MACMILLAN, IMMATERIEL])
def test_ids_are_the_same_at_every_start(real: Path, name: str) -> None:
    assert repr(one(real / name).works.keys()) == repr(one(real / name).works.keys())
