"""Flow 1: one record a product and one a title in 4ALLPORTAL, once the title is released."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from stdnum import isbn as isbns

from frontlist.clock import chosen_id
from frontlist.contract import Brake, Context, Document, Dossier, Ensure, FieldKey, Json, Resource, Wait
from frontlist.mapping import FieldMapping, FieldRule, ModuleRule
from frontlist_metadata import body, prices, publicity, release
from frontlist_metadata.body import MISSING, Found
from frontlist_metadata.checks import Findings
from frontlist_metadata.publicity import Publicity
from frontlist_metadata.title import Product, Title, empty, of_product, of_title

TARGET = "fourallportal"
ORIGIN = "frontlist"
FLOW = 1
ASPECTS = ("metadata", "formats", "milestones")
ISBN_FIELDS = ("isbn", "isbn_dashes")


@dataclass
class Planned:
    """What flow 1 says; `notes` are complete, not a difference."""

    desired: list[Ensure] = field(default_factory=list)
    notes: dict[str, Json] = field(default_factory=dict)
    moments: list[datetime] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


def plan(work_id: int, dossier: Dossier, context: Context, mapping: FieldMapping, findings: Findings) -> Planned:
    """The records of a title; nothing before its release, and never less after it."""
    notes = {key: context.notes[key] for key in ("released_at", "products") if key in context.notes}
    documents = [dossier.get("consonance", aspect) for aspect in ASPECTS]
    gone = [each for each in documents[:2] if each.state == "gone"]
    if gone:
        return _gone(work_id, gone, context, mapping, notes, findings)
    waits = [Wait(str(each.key), "nothing is known of it yet") for each in documents if each.state == "unseen"]
    if waits:
        return Planned(notes=notes, waits=waits)
    for each in documents:
        _unreadable(each, findings)
    title = Title.of(work_id, dossier)
    noted = notes.get("released_at")
    opened = release.assess(
        title, mapping.gate, noted if isinstance(noted, str) else None, context.now.isoformat(), findings
    )
    if not opened.open:
        return Planned(notes=notes)
    notes["released_at"] = opened.at
    return _Records(title, dossier, context, mapping, findings, notes).plan()


def _unreadable(document: Document, findings: Findings) -> None:
    if document.state == "unreadable":
        findings.add(
            f"unreadable/{document.key}",
            "unreadable",
            f"{document.key} cannot be read, nothing of it is written: {document.reason or 'no reason is given'}",
            "correct the title in Consonance; it is read again with the next change",
            severity="high",
        )


def _gone(
    work_id: int,
    gone: list[Document],
    context: Context,
    mapping: FieldMapping,
    notes: dict[str, Json],
    findings: Findings,
) -> Planned:
    """Marks what was there as withdrawn; a title that was merged leaves its records to the other."""
    if "released_at" not in notes or any(each.merged_into for each in gone):
        return Planned(notes=notes)
    planned = Planned(notes=notes)
    for product_id in _noted(notes):
        planned.desired.extend(withdrawn(mapping.product, work_id, product_id, context, findings))
    if mapping.title is not None:
        planned.desired.extend(withdrawn(mapping.title, work_id, None, context, findings))
    return planned


def _noted(notes: Mapping[str, Json]) -> list[int]:
    products = notes.get("products")
    found = products if isinstance(products, list | tuple) else ()
    return sorted({each for each in found if isinstance(each, int) and not isinstance(each, bool)})


def record(module: ModuleRule, source: int, context: Context) -> tuple[Resource, bool]:
    """The record of a product or title, and whether it is one that existed before us (by link)."""
    linked = context.links.get(Resource(TARGET, module.module, str(source)))
    return Resource(TARGET, module.module, linked or chosen_id(context.tenant, module.module, source)), bool(linked)


def markers(module: ModuleRule, work_id: int, product_id: int | None, linked: bool) -> dict[FieldKey, Json]:
    """Whose record it is. A linked record keeps its own origin: we did not make it."""
    found: dict[FieldKey, Json] = {FieldKey(module.markers.work): work_id}
    if module.markers.product is not None and product_id is not None:
        found[FieldKey(module.markers.product)] = product_id
    if not linked:
        found[FieldKey(module.markers.origin)] = ORIGIN
    return found


def withdrawn(
    module: ModuleRule, work_id: int, product_id: int | None, context: Context, findings: Findings
) -> Iterator[Ensure]:
    """The record of what the title no longer has: marked unless another title has it, never deleted, nothing else."""
    said = {"withdrawn": True, "distributable": False}
    rules = [rule for rule in ours(module) if rule.canonical in said]
    found = {rule.cell.key: _converted(rule, said[rule.canonical]) for rule in rules}
    cells = {key: value for key, value in found.items() if value is not MISSING}
    resource, linked = record(module, work_id if product_id is None else product_id, context)
    if not any(rule.canonical == "withdrawn" for rule in rules):
        findings.add(
            f"withdrawn/{module.module}",
            "withdrawn",
            f"records of {module.module} are of products no longer in Consonance, and no field can say so",
            "map `withdrawn` to a boolean field of the module",
            resource.id,
        )
    fields = {**markers(module, work_id, product_id, linked), **cells}
    yield Ensure(resource, fields, FLOW, create=False, brake=brakes(module, fields), releases=True)


#: What the emptying of which is more than a text that is gone; what hides until a day is stated, and never braked.
BRAKES = {
    "withdrawn": Brake.HIDDEN,
    "distributable": Brake.OFFERED,
    "title_record": Brake.LINK,
    "product_records": Brake.LINK,
}
UNBRAKED = frozenset({"confidential", "public_from"})


def brakes(module: ModuleRule, fields: Iterable[FieldKey]) -> dict[FieldKey, Brake]:
    """What too many titles may not lose in a day."""
    found = {r.cell.key: BRAKES.get(r.canonical, Brake.TEXT) for r in ours(module) if r.canonical not in UNBRAKED}
    found |= {rule.amount.key: Brake.PRICE for rule in module.prices}
    return {key: found[key] for key in fields if key in found}


def ours(module: ModuleRule) -> Iterator[FieldRule]:
    """The cells that Consonance owns."""
    return (rule for rule in module.fields if rule.owner == "consonance")


def writes(module: ModuleRule) -> frozenset[str]:
    """The fields that a plan may name of a record."""
    markers = {module.markers.work, module.markers.product, module.markers.origin} - {None}
    amounts = {cell for price in module.prices for cell in (price.amount, price.currency_cell) if cell is not None}
    cells = {rule.cell for rule in ours(module)} | amounts
    return frozenset({str(name) for name in markers} | {cell.field for cell in cells})


class _Records:
    """The plan of one released title."""

    def __init__(
        self,
        title: Title,
        dossier: Dossier,
        context: Context,
        mapping: FieldMapping,
        findings: Findings,
        notes: dict[str, Json],
    ) -> None:
        self.title, self.context, self.mapping, self.findings, self.notes = title, context, mapping, findings, notes
        self.portal = dossier.get("fourallportal", "metadata")
        self.today: date = context.now.astimezone(mapping.zone).date()
        self.planned = Planned(notes=notes)
        self._open: dict[int, Publicity] = {}
        self.known = {(each.get("module"), each.get("id")) for each in publicity.records(self.portal)}

    def plan(self) -> Planned:
        if self.title.formats is not None:
            self._products()
        if self.mapping.title is not None:
            self._title(self.mapping.title)
        return self.planned

    def _products(self) -> None:
        module, before, now = self.mapping.product, _noted(self.notes), self.title.product_ids
        for product_id in now:
            self._product(self.title.product(product_id))
        for product_id in sorted(set(before) - set(now)):
            used = {each.resource for each in self.planned.desired}
            found = withdrawn(module, self.title.work_id, product_id, self.context, self.findings)
            # A record that was linked anew to a product of today is not withdrawn.
            self.planned.desired.extend(each for each in found if each.resource not in used)
        self.notes["products"] = sorted({*before, *now})

    def _product(self, product: Product) -> None:
        module = self.mapping.product
        open_to = self._publicity(product)
        cells = {rule.cell.key: self._product_value(rule, product, open_to) for rule in ours(module)}
        fields = self._settled(module, cells, product.label)
        groups = self._prices(product, fields)
        self._ensure(module, product.id, product.id, fields, groups)

    def _publicity(self, product: Product) -> Publicity:
        if product.id not in self._open:
            self._open[product.id] = self._assessed(product)
        return self._open[product.id]

    def _assessed(self, product: Product) -> Publicity:
        found = publicity.of(product, self.mapping, self.portal, self.today, self.findings)
        if found.confidential and found.public_from is not None:
            self.planned.moments.append(prices.midnight(found.public_from, self.mapping.zone))
        if found.confidential is None and product.id not in _noted(self.notes):
            return Publicity(True)
        return found

    def _product_value(self, rule: FieldRule, product: Product, open_to: Publicity) -> Found:
        name = rule.canonical
        if name in ISBN_FIELDS:
            return self._isbn(rule, product)
        if name == "withdrawn":
            return False
        if name == "title_record":
            return self._reference(self.mapping.title, self.title.work_id)
        if name in ("confidential", "public_from", "distributable"):
            return _open_value(name, open_to, body.truth(product.metadata, "allow_onix_exports"))
        return of_product(name, product)

    def _isbn(self, rule: FieldRule, product: Product) -> Found:
        stated = body.text(product.formats, "isbn13")
        if stated is MISSING:
            return MISSING
        if stated is None or stated.lower() == "no isbn":
            self.findings.add(
                "isbn/none",
                "isbn",
                f"no ISBN is assigned: {rule.cell.key} stays empty",
                "assign one in Consonance when it is due",
                product.label,
                "low",
            )
            return None
        compact = isbns.compact(stated)
        if len(compact) != 13 or not isbns.is_valid(compact):
            self.findings.add(
                f"isbn/wrong/{product.id}",
                "isbn",
                f"'{stated}' is no ISBN-13 with a right check digit: {rule.cell.key} is left as it is",
                "correct the ISBN in Consonance",
                product.label,
                "high",
            )
            return MISSING
        return isbns.format(compact) if rule.canonical == "isbn_dashes" else compact

    def _prices(self, product: Product, fields: dict[FieldKey, Json]) -> tuple[frozenset[FieldKey], ...]:
        """Adds the price cells; an amount and its currency belong together."""
        if "prices" not in product.metadata:
            return ()
        groups: list[frozenset[FieldKey]] = []
        stated = body.items(product.metadata, "prices")
        for rule in self.mapping.product.prices:
            choice = prices.choose(stated, rule, self.today)
            if choice.next_day is not None:
                self.planned.moments.append(prices.midnight(choice.next_day, self.mapping.zone))
            if choice.amount is None:
                prices.trouble(rule, choice, product.label, self.findings)
                continue
            fields[rule.amount.key] = choice.amount
            if rule.currency_cell is not None:
                fields[rule.currency_cell.key] = rule.currency
                groups.append(frozenset({rule.amount.key, rule.currency_cell.key}))
        return tuple(groups)

    def _title(self, module: ModuleRule) -> None:
        cells = {rule.cell.key: self._title_value(rule) for rule in ours(module)}
        fields = self._settled(module, cells, f"work {self.title.work_id}")
        self._ensure(module, self.title.work_id, None, fields, ())

    def _title_value(self, rule: FieldRule) -> Found:
        if rule.canonical == "withdrawn":
            return False
        if rule.canonical == "product_records":
            found = [self._reference(self.mapping.product, each) for each in self.title.product_ids]
            return MISSING if self.title.formats is None else [each for each in found if each is not MISSING]
        if rule.canonical in ("confidential", "public_from"):
            return self._title_open(rule.canonical)
        return of_title(rule.canonical, self.title)

    def _title_open(self, name: str) -> Found:
        """A title is public as soon as one of its products is."""
        if self.title.formats is None:
            return MISSING
        each = [self._publicity(self.title.product(product_id)) for product_id in self.title.product_ids]
        if any(open_to.confidential is None for open_to in each):
            return MISSING
        if name == "confidential":
            return bool(self.mapping.public_from) and all(open_to.confidential for open_to in each)
        days = [open_to.public_from for open_to in each if open_to.public_from is not None]
        return min(days).isoformat() if days else None

    def _settled(self, module: ModuleRule, cells: Mapping[FieldKey, Found], where: str) -> dict[FieldKey, Json]:
        """What the record should hold; what is empty in Consonance is named as empty."""
        rules = {rule.cell.key: rule for rule in ours(module)}
        fields: dict[FieldKey, Json] = {}
        for key, found in cells.items():
            if found is MISSING:
                continue
            value = MISSING if empty(found) else _converted(rules[key], found)
            stray = None if value is MISSING else self._unlisted(module, rules[key], value)
            if stray is not None:
                self._not_listed(module, rules[key], stray, where)
            elif value is MISSING and not empty(found):
                self._no_option(rules[key], found, where)
            else:
                fields[key] = None if value is MISSING else value
        return fields

    def _no_option(self, rule: FieldRule, found: Json, where: str) -> None:
        self.findings.add(
            f"option/{rule.cell.key}/{found}",
            "value option",
            f"{rule.canonical} is '{found}', which has no value option: {rule.cell.key} is left as it is",
            f"add '{found}' to `values` of {rule.canonical} (line {rule.line} of the mapping)",
            where,
        )

    def _unlisted(self, module: ModuleRule, rule: FieldRule, value: Json) -> str | None:
        """The first text of it that the field's value options lack; options that we were not told are not judged."""
        capabilities = self.context.capabilities.get(TARGET)
        allowed = capabilities.values.get(f"{module.module}.{rule.cell.field}") if capabilities else None
        items = value if isinstance(value, list) else [value]
        return (
            next((item for item in items if isinstance(item, str) and item not in allowed), None) if allowed else None
        )

    def _not_listed(self, module: ModuleRule, rule: FieldRule, stray: str, where: str) -> None:
        self.findings.add(
            f"option/{rule.cell.key}/{stray}",
            "value option",
            f"{rule.canonical}: {module.module}.{rule.cell.field} has no value option '{stray}'; it is left as it is",
            f"add the option in 4ALLPORTAL, or map it in `values` of {rule.canonical} (line {rule.line})",
            where,
        )

    def _reference(self, module: ModuleRule | None, source: int) -> Found:
        """The id of a record that is there or will be."""
        if module is None:
            return MISSING
        resource, linked = record(module, source, self.context)
        there = linked or (module.module, resource.id) in self.known
        return resource.id if there or self._blocked(module) is None else MISSING

    def _blocked(self, module: ModuleRule) -> str | None:
        capabilities = self.context.capabilities.get(TARGET)
        return capabilities.creatable.get(module.module) if capabilities else None

    def _ensure(
        self,
        module: ModuleRule,
        source: int,
        product_id: int | None,
        fields: Mapping[FieldKey, Json],
        groups: Iterable[frozenset[FieldKey]],
    ) -> None:
        resource, linked = record(module, source, self.context)
        if any(each.resource == resource for each in self.planned.desired):
            self._linked_twice(resource)
            return
        create = self._may_create(module, resource, linked, product_id)
        marked = {**markers(module, self.title.work_id, product_id, linked), **fields}
        self.planned.desired.append(Ensure(resource, marked, FLOW, tuple(groups), create, brakes(module, marked)))

    def _linked_twice(self, resource: Resource) -> None:
        self.findings.add(
            f"link/{resource.kind}/{resource.id}",
            "link",
            f"two products are linked to {resource.kind}/{resource.id}; only the first is written there",
            "give each product a record of its own: `frontlist link`",
            severity="high",
        )

    def _may_create(self, module: ModuleRule, resource: Resource, linked: bool, product_id: int | None) -> bool:
        """Not where creating is off, and not beside a record that already says to be this product."""
        if linked or (module.module, resource.id) in self.known:
            return True
        twins = sorted(
            str(each.get("id"))
            for each in publicity.records(self.portal)
            if each.get("module") == module.module and each.get("product") == product_id
        )
        where = f"{module.module}/{resource.id}"
        if twins:
            self.findings.add(
                f"twin/{module.module}/{product_id}",
                "twin",
                f"{module.module}/{', '.join(twins)} already stands for it; no second record is made",
                "link the record that shall stand for it: `frontlist link`",
                where,
                "high",
            )
        blocked = self._blocked(module)
        if blocked is not None:
            self.findings.add(
                f"creation/{module.module}",
                "creation",
                f"no record can be made in {module.module}: {blocked}",
                "link the existing records with `frontlist link`, or add the missing fields",
                where,
            )
        return not twins and blocked is None


def _open_value(name: str, open_to: Publicity, exports: Found) -> Found:
    if name == "distributable":
        if exports is False:
            return False
        return (
            MISSING
            if exports is MISSING or open_to.confidential is None
            else exports is True and not open_to.confidential
        )
    if open_to.confidential is None:
        return MISSING
    if name == "confidential":
        return open_to.confidential
    return open_to.public_from.isoformat() if open_to.public_from else None


def _converted(rule: FieldRule, found: Json) -> Found:
    """The value as the cell takes it; MISSING where `values` names no option for it."""
    if rule.values is not None:
        items = found if isinstance(found, list) else [found]
        if any(_plain(item) not in rule.values for item in items):
            return MISSING
        mapped = [rule.values[_plain(item)] for item in items]
        found = mapped if isinstance(found, list) else mapped[0]
    if rule.join is not None and isinstance(found, list):
        return rule.join.join(str(item) for item in found)
    return found


def _plain(item: Json) -> str:
    return {True: "true", False: "false"}[item] if isinstance(item, bool) else str(item)
