"""The bundled catalogue: thirteen old books in `bundled.yaml`, in every state that a list of books has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from importlib import resources
from typing import Any

from ruamel.yaml import YAML

from frontlist_sandbox.catalogue import forms, stages
from frontlist_sandbox.consonance.model import (
    Contact,
    Contract,
    Contribution,
    DeliveryDate,
    Extent,
    LicensedRight,
    MarketingText,
    Measurements,
    Named,
    Price,
    Product,
    ProductionRun,
    Series,
    SeriesMembership,
    Subject,
    SupportingResource,
    Tenant,
    Work,
)

_IN_HOUSE = {"BB": 1, "BC": 2, "ED": 3, "AJ": 4}
_CREDIT = re.compile(r"(?P<who>\w+) (?P<role>\w{3})(?: (?P<from>\w{3})>(?P<to>\w{3}))?(?: on (?P<product>\d+))?")
_PRICE = re.compile(
    r"(?P<currency>[A-Z]{3}) (?P<amount>\S+) (?P<type>\d\d)/(?P<qualifier>\d\d)"
    r"(?: from (?P<start>\S+))?(?: until (?P<end>\S+))?"
)
_SIZE = re.compile(r"(\d+)x(\d+)x(\d+) (\d+)g")

_Entry = Mapping[str, Any]  # a mapping of the YAML file, which we write ourselves


def bundled(today: date) -> Tenant:
    """A new tenant that holds the bundled catalogue, its relative dates counted from `today`."""
    text = resources.files("frontlist_sandbox.catalogue").joinpath("bundled.yaml").read_text("utf-8")
    tenant = Tenant()
    stages.add_to(tenant)
    _Filling(tenant, YAML(typ="safe").load(text), today).run()
    return tenant


class _Filling:
    def __init__(self, tenant: Tenant, data: _Entry, today: date) -> None:
        self._tenant = tenant
        self._data = data
        self._today = today
        self._lists = {
            kind: {key: Named(key, name) for key, name in data[kind].items()}
            for kind in ("imprints", "seasons", "marketing_tiers", "work_types", "formats", "editions")
        }
        self._people: dict[str, int] = {}

    def run(self) -> None:
        tenant = self._tenant
        tenant.imprints = {tenant.take_id("imprint", key): named for key, named in self._lists["imprints"].items()}
        for key, entry in self._data["series"].items():
            tenant.series[tenant.take_id("series", key)] = Series(key, **entry)
        for key, entry in self._data["people"].items():
            self._people[key] = self._contact(entry)
        for entry in self._data["works"]:
            self._work(entry)

    def _contact(self, entry: _Entry) -> int:
        contact = Contact(
            self._tenant.next_id("contact"),
            person_name=entry.get("name"),
            person_name_inverted=entry.get("inverted"),
            key_names=entry.get("key"),
            isni=entry.get("isni"),
            organisation_name=entry.get("organisation"),
            gender=entry.get("gender"),
        )
        self._tenant.contacts[contact.id] = contact
        return contact.id

    def _work(self, entry: _Entry) -> None:
        edition = entry.get("edition", {})
        work = Work(
            self._tenant.take_id("work", entry["id"]),
            entry["title"],
            subtitle=entry.get("subtitle"),
            title_in_original_language=entry.get("original"),
            imprint=self._lists["imprints"][entry["imprint"]],
            project_stage=self._tenant.project_stages[entry["stage"]],
            season=self._lists["seasons"].get(entry.get("season")),
            marketing_tier=self._lists["marketing_tiers"].get(entry.get("tier")),
            work_type=self._lists["work_types"].get(entry.get("type")),
            publishers_url=f"https://books.frontlist.example/works/{entry['id']}",
            in_house_work_reference=f"FL-{entry['id']}",
            authorship_description=entry["authorship"],
            edition_number=edition.get("number"),
            edition_statement=edition.get("statement"),
            onix_edition_type_codes=list(edition.get("codes", [])),
            audience_codes=list(entry.get("audience", [])),
            languages=list(entry["languages"]),
            keywords=list(entry.get("keywords", [])),
            subjects=[_subject(stated) for stated in entry["subjects"]],
            changed_on=self._today,
        )
        self._tenant.works[work.id] = work
        for stated in entry["products"]:
            self._product(work, entry, stated)
        self._belongings(work, entry)

    def _belongings(self, work: Work, entry: _Entry) -> None:
        product_ids = [product["id"] for product in entry["products"]]
        work.series = [self._membership(stated) for stated in entry.get("series", [])]
        work.contributions = [
            self._contribution(work.id, stated, position, product_ids)
            for position, stated in enumerate(entry["contributors"], start=1)
        ]
        work.marketing_texts = [self._text(work.id, stated, product_ids) for stated in entry.get("texts", [])]
        work.production_runs = [
            ProductionRun(
                self._tenant.next_id("production_run"), run["name"], self._day(run["delivered"]), list(run["products"])
            )
            for run in entry.get("runs", [])
        ]
        for stated in entry.get("contracts", []):
            self._contract(work.id, stated)

    def _membership(self, stated: str) -> SeriesMembership:
        series, _, part = stated.partition(" part ")
        return SeriesMembership(self._tenant.next_id("series_membership"), int(series), part or None)

    def _contribution(self, work_id: int, stated: str, position: int, product_ids: list[int]) -> Contribution:
        credit = _groups(_CREDIT, stated)
        return Contribution(
            self._tenant.next_id("contribution"),
            self._people[credit["who"]],
            work_id,
            credit["role"],
            position,
            product_ids=[int(credit["product"])] if credit["product"] else list(product_ids),
            languages_from=[credit["from"]] if credit["from"] else [],
            languages_to=[credit["to"]] if credit["to"] else [],
        )

    def _text(self, work_id: int, entry: _Entry, product_ids: list[int]) -> MarketingText:
        return MarketingText(
            self._tenant.next_id("marketing_text"),
            work_id,
            entry["text"].strip(),
            variant=entry["as"],
            onix_language_code=entry.get("language", "eng"),
            onix_content_audience_codes=list(entry.get("audiences", ["00"])),
            product_ids=list(product_ids),
            approval_status="APPROVED",
        )

    def _contract(self, work_id: int, entry: _Entry) -> None:
        tenant, due, slipped = self._tenant, self._day(entry.get("due")), self._day(entry.get("slipped"))
        contract = Contract(
            tenant.take_id("contract", entry["id"]),
            work_id,
            entry["name"],
            signed_date=self._day(entry["signed"]),
            term=entry["term"],
            terminated_date=self._day(entry.get("terminated")),
            ms_delivery_date=due,
            revised_ms_delivery_date=slipped,
            licensed_rights=[LicensedRight(tenant.next_id("licensed_right"), r, 50.0) for r in entry["rights"]],
            flat_fee_value=entry.get("fee"),
        )
        if due:
            contract.delivery_dates = [DeliveryDate(tenant.next_id("delivery_date"), due, slipped, "Manuscript")]
        tenant.contracts[contract.id] = contract

    def _product(self, work: Work, entry: _Entry, stated: _Entry) -> None:
        form, prefix, isbn = stated["form"], entry.get("prefix"), stated["isbn"]
        product = Product(
            self._tenant.take_id("product", stated["id"]),
            work.id,
            forms.typename(form, stated.get("details", [])),
            work.title,
            isbn,
            title_prefix=prefix,
            title_without_prefix=work.title.removeprefix(f"{prefix} ") if prefix else work.title,
            subtitle=work.subtitle,
            authorship_description=work.authorship_description,
            onix21_product_form_code=forms.onix21(form),
            product_form_code=form,
            product_form_details=list(stated.get("details", [])),
            publication_date=self._day(stated["date"]),
            planned_publication_date=self._day(stated.get("planned")),
            announcement_date=self._day(stated.get("announced")),
            embargo_date=self._day(stated.get("embargo")),
            out_of_print_date=self._day(stated.get("out_of_print")),
            publishing_status=stated["status"],
            product_availability=stated["availability"],
            prices=[self._price(price) for price in stated["prices"]],
            in_house_format=self._lists["formats"][_IN_HOUSE[form]],
            in_house_edition=self._lists["editions"][_IN_HOUSE[form]],
            allow_onix_exports=stated.get("exports", True),
            actual_edition_statement=work.edition_statement,
            record_reference=f"example.frontlist.{stated['id']}",
            changed_on=self._today,
        )
        self._tenant.products[product.id] = product
        _rights(product, stated["rights"])
        _sizes(product, stated)
        _relations(product, entry)
        if isbn:
            work.supporting_resources.append(self._cover(work, product))

    def _price(self, stated: str) -> Price:
        price = _groups(_PRICE, stated)
        return Price(
            self._tenant.next_id("price"),
            Decimal(price["amount"]),
            price["currency"],
            price["type"],
            price["qualifier"],
            self._day(price["start"]),
            self._day(price["end"]),
        )

    def _cover(self, work: Work, product: Product) -> SupportingResource:
        return SupportingResource(
            self._tenant.next_id("supporting_resource"),
            work.id,
            f"{product.isbn13}_fc.jpg",
            variant="FRONT_COVER",
            status="APPROVED",
            caption=f"Cover of {work.title}",
            required_credit="Cover: Gaslamp Studio",
            image_remote_url=f"https://covers.frontlist.example/{product.isbn13}_fc.jpg",
            product_ids=[product.id],
            created_at=datetime.combine(self._today, time(), UTC),
        )

    def _day(self, stated: str | None) -> date | None:
        """`today`, `today+30`, `today-400` or nothing."""
        return None if stated is None else self._today + timedelta(days=int(stated.removeprefix("today") or 0))


def _groups(pattern: re.Pattern[str], stated: str) -> dict[str, Any]:
    match = pattern.fullmatch(stated)
    if match is None:
        raise ValueError(f"bundled.yaml: {stated!r} is not written as {pattern.pattern}")
    return match.groupdict()


def _subject(stated: str) -> Subject:
    scheme, code, *main = stated.split()
    return Subject(scheme, code, main=bool(main))


def _rights(product: Product, stated: str | _Entry) -> None:
    if isinstance(stated, str):
        product.is_for_sale_worldwide = stated == "world"
        product.sales_rights_description = "For sale worldwide" if stated == "world" else None
        return
    product.for_sale_country_codes = list(stated.get("for", []))
    product.not_for_sale_country_codes = list(stated["not"])
    product.sales_rights_description = "Restricted territories"


def _sizes(product: Product, stated: _Entry) -> None:
    if pages := stated.get("pages"):
        product.page_counts = {"page_count": pages, "main_content_page_count": pages}
    if minutes := stated.get("minutes"):
        product.extents = [Extent("09", Decimal(minutes), "05")]
    if size := _SIZE.fullmatch(stated.get("size", "")):
        product.measurements = Measurements(*(float(part) for part in size.groups()))


def _relations(product: Product, entry: _Entry) -> None:
    others = (other["isbn"] for other in entry["products"] if other["id"] != product.id)
    product.related = [("06", isbn) for isbn in others if isbn]
