"""Drafts into the tenant: works, products, and what they share, each with its id."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from datetime import UTC, date, datetime, time

from frontlist_sandbox.catalogue import numbering, stages
from frontlist_sandbox.catalogue.drafts import Copy, Credit, Draft, Image, Membership, WorkFacts
from frontlist_sandbox.consonance.model import (
    Contact,
    Contribution,
    MarketingText,
    Named,
    Noted,
    Product,
    Series,
    SeriesMembership,
    SupportingResource,
    Tenant,
    Work,
)

_SAME_WORK = frozenset({"06", "13", "27"})
_CONTACTS_FROM = 5_000_000  # above what senders use as ids of their own


def fill(tenant: Tenant, groups: Sequence[list[Draft]], today: date) -> None:
    """Add each group as a work, or to the work that the tenant already has of it."""
    stages.add_to(tenant)
    _Filling(tenant, today).run(groups)


class _Filling:
    def __init__(self, tenant: Tenant, today: date) -> None:
        self._tenant = tenant
        self._today = today
        self._contacts = {_contact_key(contact): contact.id for contact in tenant.contacts.values()}
        self._series = {series.name.casefold(): series.id for series in tenant.series.values()}
        self._imprints = {imprint.name.casefold(): imprint for imprint in tenant.imprints.values()}
        self._known = _Known(tenant)

    def run(self, groups: Sequence[list[Draft]]) -> None:
        tenant = self._tenant
        existing = [self._known.work_of(group) for group in groups]
        new = [group for group, found in zip(groups, existing, strict=True) if found is None]
        wanted = {_work_key(g): i for g in new if (i := next((d.internal_work_id for d in g if d.internal_work_id), 0))}
        works = numbering.numbers(tenant, "work", map(_work_key, new), wanted, tenant.works)
        drafts = [draft for group in groups for draft in group]
        products = numbering.numbers(tenant, "product", (d.key for d in drafts), {}, tenant.products)
        for group, found in zip(groups, existing, strict=True):
            work = self._work(group, works[_work_key(group)]) if found is None else tenant.works[found]
            self._facts(work, group)
            for draft in group:
                self._product(work, draft, products[draft.key])

    def _work(self, group: list[Draft], work_id: int) -> Work:
        reference = next((value for draft in group for _, value in draft.work_keys), None)
        work = Work(work_id, group[0].product.full_title, in_house_work_reference=reference, changed_on=self._today)
        work.project_stage = self._tenant.project_stages[stages.of(group)]
        self._tenant.works[work_id] = work
        return work

    def _facts(self, work: Work, group: list[Draft]) -> None:
        for draft in group:
            for name in (f.name for f in fields(WorkFacts) if f.name != "imprint"):
                if not getattr(work, name):
                    setattr(work, name, getattr(draft.facts, name))
            if work.imprint is None and draft.facts.imprint:
                work.imprint = self._imprint(draft.facts.imprint)
            if not work.series:
                work.series = [self._membership(membership) for membership in draft.memberships]

    def _product(self, work: Work, draft: Draft, product_id: int) -> None:
        product = draft.product
        product.id, product.work_id = product_id, work.id
        for price in product.prices:
            price.id = self._tenant.next_id("price")
        self._tenant.products[product_id] = product
        for credit in draft.credits:
            self._contribute(work, credit, product)
        for copy in draft.copies:
            self._text(work, copy, product)
        for image in draft.images:
            self._resource(work, image, product)
        source = draft.source
        self._tenant.noted += [Noted(source.file, source.line, product.record_reference, n) for n in product.notes]

    def _contribute(self, work: Work, credit: Credit, product: Product) -> None:
        contact_id = self._contact(credit)
        for role in credit.roles:
            same = (c for c in work.contributions if (c.contact_id, c.role) == (contact_id, role))
            contribution = next(same, None)
            if contribution is None:
                contribution = Contribution(
                    self._tenant.next_id("contribution"),
                    contact_id,
                    work.id,
                    role,
                    credit.sequence,
                    languages_from=credit.languages_from,
                    languages_to=credit.languages_to,
                )
                work.contributions.append(contribution)
            _link(contribution.product_ids, product.id)

    def _contact(self, credit: Credit) -> int:
        found = self._contacts.get(credit.key)
        if found is not None:
            return found
        tenant, own = self._tenant, credit.internal_id or ""
        if own.isascii() and own.isdigit() and 0 < int(own[:10]) < _CONTACTS_FROM and int(own) not in tenant.contacts:
            contact_id = tenant.take_id("contact", int(own))
        else:
            contact_id = tenant.next_id("contact", _CONTACTS_FROM)
        tenant.contacts[contact_id] = Contact(
            contact_id,
            person_name=credit.person_name,
            person_name_inverted=credit.person_name_inverted,
            key_names=credit.key_names,
            isni=credit.isni,
            organisation_name=credit.organisation_name,
            gender=credit.gender,
        )
        self._contacts[credit.key] = contact_id
        return contact_id

    def _membership(self, membership: Membership) -> SeriesMembership:
        tenant, key = self._tenant, membership.name.casefold()
        if key not in self._series:
            series_id = self._series[key] = tenant.next_id("series")
            tenant.series[series_id] = Series(series_id, membership.name, membership.subtitle, membership.issn)
        return SeriesMembership(
            tenant.next_id("series_membership"), self._series[key], membership.part_number, membership.year_of_annual
        )

    def _imprint(self, name: str) -> Named:
        found = self._imprints.get(name.casefold())
        if found is None:
            found = self._imprints[name.casefold()] = Named(self._tenant.next_id("imprint"), name)
            self._tenant.imprints[found.id] = found
        return found

    def _text(self, work: Work, copy: Copy, product: Product) -> None:
        text = next((t for t in work.marketing_texts if _same(t, copy)), None)
        if text is None:
            text = MarketingText(
                self._tenant.next_id("marketing_text"),
                work.id,
                copy.markdown,
                variant=copy.variant,
                onix_language_code=copy.language,
                onix_content_audience_codes=copy.audiences,
                from_date=copy.from_date,
                until_date=copy.until_date,
                approval_status="APPROVED",
            )
            work.marketing_texts.append(text)
        _link(text.product_ids, product.id)

    def _resource(self, work: Work, image: Image, product: Product) -> None:
        resource = next((r for r in work.supporting_resources if r.image_remote_url == image.url), None)
        if resource is None:
            resource = SupportingResource(
                self._tenant.next_id("supporting_resource"),
                work.id,
                image.filename,
                variant=image.variant,
                status="APPROVED",
                caption=image.caption,
                image_remote_url=image.url,
                onix_content_audience_code=image.audience,
                sha256=image.sha256,
                file_size=image.size,
                created_at=datetime.combine(image.updated or self._today, time(), UTC),
            )
            work.supporting_resources.append(resource)
        _link(resource.product_ids, product.id)


class _Known:
    """The tenant's works by what a record may call them."""

    def __init__(self, tenant: Tenant) -> None:
        self._by_number = {p.isbn13 or p.gtin13: p.work_id for p in tenant.products.values()}
        self._by_relation: dict[str, int] = {}
        self._by_work_key: dict[tuple[str, str], int] = {}
        for product in tenant.products.values():
            for code, number in product.related:
                if code in _SAME_WORK:
                    self._by_relation.setdefault(number, product.work_id)
            for code, kind, value in product.related_works:
                if code == "01":
                    self._by_work_key.setdefault((kind, value), product.work_id)

    def work_of(self, group: list[Draft]) -> int | None:
        found = [self._by_work_key.get(key) for draft in group for key in draft.work_keys]
        found += [self._by_number.get(number) for draft in group for number in draft.same_work]
        found += [self._by_relation.get(number) for draft in group for number in draft.numbers]
        return min((work_id for work_id in found if work_id is not None), default=None)


def _work_key(group: list[Draft]) -> str:
    keys = sorted(key for draft in group for key in draft.work_keys)
    return "/".join(keys[0]) if keys else min(draft.key for draft in group)


def _contact_key(contact: Contact) -> tuple[str, str]:
    if contact.isni:
        return "isni", contact.isni
    return "name", (contact.person_name or contact.organisation_name or "").casefold()


def _same(text: MarketingText, copy: Copy) -> bool:
    return (
        text.external_text_markdown == copy.markdown
        and (text.variant, text.onix_language_code) == (copy.variant, copy.language)
        and text.onix_content_audience_codes == copy.audiences
        and (text.from_date, text.until_date) == (copy.from_date, copy.until_date)
    )


def _link(product_ids: list[int], product_id: int) -> None:
    if product_id not in product_ids:
        product_ids.append(product_id)
