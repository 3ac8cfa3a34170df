"""Flow 6: released and quiet texts of 4ALLPORTAL as marketing texts of Consonance."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from frontlist.clock import chosen_id, moment
from frontlist.contract import Brake, Context, Document, Dossier, Ensure, FieldKey, Json, Resource, Wait, Writes
from frontlist.mapping import Cell, CopyRule, FieldMapping
from frontlist.mapping.model import CHANNEL_KIND, WORK_KINDS
from frontlist_metadata import body, publicity
from frontlist_metadata.body import Body
from frontlist_metadata.checks import Findings

TARGET = "consonance"
FLOW = 6
#: What too many titles may not lose in a day.
BRAKES = {FieldKey("markdown"): Brake.TEXT, FieldKey("product_ids"): Brake.LINK}
#: The input type whose fields say what a work can take, and the enum of the texts' variants.
WORK_INPUT = "UpdateWorkInput"
VARIANTS = "MarketingTextVariant"
#: What a plan may say of a text.
TEXT_FIELDS = frozenset(
    {"work_id", "variant", "audiences", "product_ids", "markdown", "language", "from_date", "until_date"}
)


@dataclass
class Planned:
    """What flow 6 says; `notes` are complete, not a difference."""

    desired: list[Ensure] = field(default_factory=list)
    notes: dict[str, Json] = field(default_factory=dict)
    moments: list[datetime] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)


@dataclass(frozen=True)
class Place:
    """Where a text belongs; `product` None = all products of the title."""

    kind: str
    locale: str
    product: int | None

    @property
    def order(self) -> tuple[bool, str, str, int]:
        return self.product is None, self.kind, self.locale, self.product or 0

    def name(self, work_id: int) -> str:
        """What the id of the text is derived from."""
        product = f"/{self.product}" if self.product is not None else ""
        return f"{work_id}/{self.kind}/{self.locale}{product}"


@dataclass(frozen=True)
class Candidate:
    """A released text cell; `value` None = it is empty. `due`: when it has been quiet for long enough."""

    rule: CopyRule
    record: Body
    value: Json
    due: datetime

    @property
    def where(self) -> str:
        return f"{self.record.get('module')}/{self.record.get('id')} {self.rule.cell.key}"


def writes(mapping: FieldMapping) -> Writes:
    """Marketing texts, and the fields of a work that the mapping names."""
    of_work = frozenset(rule.work_field for rule in mapping.copy if rule.work_field is not None)
    texts = {(TARGET, "text"): TEXT_FIELDS} if any(rule.variant for rule in mapping.copy) else {}
    return {**texts, **({(TARGET, "work"): of_work} if of_work else {})}


def plan(work_id: int, dossier: Dossier, context: Context, mapping: FieldMapping, findings: Findings) -> Planned:
    """The texts of a title; what is not released, not quiet or in doubt is not named, and so left alone."""
    notes = {key: context.notes[key] for key in ("texts", "sent", "own", "left") if key in context.notes}
    portal, formats = dossier.get("fourallportal", "metadata"), dossier.get("consonance", "formats")
    if portal.state == "unreadable":
        findings.add(
            f"unreadable/{portal.key}",
            "unreadable",
            f"{portal.key} cannot be read, no text is sent: {portal.reason or 'no reason is given'}",
            "correct the record in 4ALLPORTAL; it is read again with the next change",
            severity="high",
        )
    if portal.state not in ("present", "gone") or formats.state in ("gone", "unreadable"):
        return Planned(notes=notes)
    if formats.state == "unseen":
        if not portal.present:
            return Planned(notes=notes)
        return Planned(notes=notes, waits=[Wait(str(formats.key), "the products of the texts are not known yet")])
    products = sorted(body.by_id(formats.body, "products"))
    return _Texts(work_id, products, portal, context, mapping, findings, notes).plan()


class _Texts:
    """The texts of one title."""

    def __init__(
        self,
        work_id: int,
        products: list[int],
        portal: Document,
        context: Context,
        mapping: FieldMapping,
        findings: Findings,
        notes: dict[str, Json],
    ) -> None:
        self.work_id, self.products, self.portal = work_id, products, portal
        self.context, self.mapping, self.findings = context, mapping, findings
        noted, sent, own, left = (notes.get(each) for each in ("texts", "sent", "own", "left"))
        self.noted: Mapping[str, Json] = noted if isinstance(noted, Mapping) else {}
        self.sent = {str(each) for each in sent} if isinstance(sent, list | tuple) else set()
        #: Id of a text of its own -> its product; those whose product the title has no longer.
        self.own: dict[str, Json] = dict(own) if isinstance(own, Mapping) else {}
        self.left = {str(each) for each in left} if isinstance(left, list | tuple) else set()
        self.texts: dict[str, Json] = {}
        self.absent: set[str] = set()
        self.of_work: dict[str, list[Candidate]] = defaultdict(list)
        self.planned = Planned(notes=notes)

    def plan(self) -> Planned:
        self._of_products_that_left()
        if self.portal.present:
            # Products first: a title's text goes to those that have none of their own.
            for place, candidates in sorted(self._places().items(), key=lambda each: each[0].order):
                self._place(place, candidates)
            self._work_fields()
        noted = self.texts if self.portal.present else dict(self.noted)
        lists = (("sent", sorted(self.sent)), ("left", sorted(self.left)))
        for key, found in (("texts", noted), ("own", self.own), *lists):
            self.planned.notes.pop(key, None)
            if found:
                self.planned.notes[key] = found
        return self.planned

    def _of_products_that_left(self) -> None:
        """A text of a product that the title has no longer goes; the work that has it now says its own."""
        for id_, product in sorted(self.own.items()):
            if product not in self.products:
                self.left.add(id_)
                self._removed(Resource(TARGET, "text", id_))
            elif id_ in self.left:
                # It is back, and its text is not.
                self.left.discard(id_)
                self.sent.discard(id_)
                del self.own[id_]

    def _places(self) -> dict[Place, list[Candidate]]:
        places: dict[Place, list[Candidate]] = defaultdict(list)
        for candidate in self._candidates():
            rule, product = candidate.rule, body.number(candidate.record, "product")
            if rule.kind == CHANNEL_KIND:
                self._channel(candidate)
            elif rule.link == "record" and product not in self.products:
                self._unknown_product(candidate)
            else:
                own = product if rule.link == "record" else None
                places[Place(rule.kind, rule.locale or "*", own)].append(candidate)
        return places

    def _candidates(self) -> Iterator[Candidate]:
        """Every released text; the time since when each text stands is noted, released or not."""
        records = sorted(
            publicity.records(self.portal), key=lambda each: (str(each.get("module")), str(each.get("id")))
        )
        for record in records:
            cells = _cells(record)
            for rule in self.mapping.copy:
                if record.get("module") == self.mapping.modules[rule.role].module:
                    value = _text(cells.get(rule.cell))
                    due = self._since(f"{record.get('id')}/{rule.cell.key}", value) + self.mapping.quiet
                    if _released(rule, cells):
                        yield Candidate(rule, record, value, due)

    def _since(self, key: str, value: Json) -> datetime:
        """When this very text was first seen: the document's revision then."""
        noted = self.noted.get(key)
        now_hash = hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]
        if isinstance(noted, Mapping) and noted.get("hash") == now_hash and isinstance(noted.get("since"), int):
            since = int(noted["since"])
        else:
            since = self.portal.revision
        if value is not None or noted is not None:
            self.texts[key] = {"hash": now_hash, "since": since}
        return moment(min(max(since, 0), _LAST))

    def _place(self, place: Place, candidates: list[Candidate]) -> None:
        waiting = [each.due for each in candidates if each.due > self.context.now]
        if waiting:
            self.planned.moments.append(min(waiting))
            return
        filled = [each for each in candidates if each.value is not None]
        if len({json.dumps(each.value, sort_keys=True) for each in filled}) > 1:
            self._twins(place, filled)
        elif place.kind in WORK_KINDS:
            self._work_field((filled or candidates)[0])
        else:
            self._marketing_text(place, filled[0] if filled else None)

    def _marketing_text(self, place: Place, candidate: Candidate | None) -> None:
        resource = Resource(TARGET, "text", self._id(place))
        products = [place.product] if place.product is not None else self._others(place)
        if candidate is None or not products:
            self._removed(resource)
            return
        markdown = self._markdown(candidate)
        if markdown is None or not self._variant(candidate):
            return
        if not markdown:
            self._removed(resource)
            return
        self.sent.add(resource.id)
        if place.product is not None:
            self.own[resource.id] = place.product
        fields = _fields(self.work_id, candidate, products, markdown)
        self.planned.desired.append(Ensure(resource, fields, FLOW, create=self._may_create(), brake=BRAKES))

    def _others(self, place: Place) -> list[int]:
        """Products without a text of their own of this kind and locale in Consonance."""
        own = self.sent - self.absent
        return [each for each in self.products if self._id(Place(place.kind, place.locale, each)) not in own]

    def _id(self, place: Place) -> str:
        return chosen_id(self.context.tenant, "text", place.name(self.work_id))

    def _removed(self, resource: Resource) -> None:
        """Empties a text that we sent; one that we never sent is not touched."""
        if resource.id in self.sent:
            # It stays noted as sent, so that the plan says the same until it is gone.
            self.absent.add(resource.id)
            fields: dict[FieldKey, Json] = {FieldKey("work_id"): self.work_id, FieldKey("markdown"): None}
            self.planned.desired.append(Ensure(resource, fields, FLOW, create=False, brake=BRAKES))

    def _markdown(self, candidate: Candidate) -> str | None:
        """None where the text must not be sent."""
        from frontlist_metadata.wording import worded  # its HTML libraries are loaded by the first text

        rule = candidate.rule
        value = candidate.value if isinstance(candidate.value, str) else "\n\n".join(map(str, candidate.value or ()))
        try:
            found = worded(value, rule.format)
        except ValueError as error:
            self._broken(candidate, str(error))
            return None
        if found.unsafe or found.dropped:
            self._stripped(candidate, found.unsafe, found.dropped)
        if rule.max_length is not None and found.length > rule.max_length:
            self._too_long(candidate, found.length)
            return None
        return found.markdown

    def _variant(self, candidate: Candidate) -> bool:
        capabilities = self.context.capabilities.get(TARGET)
        known = capabilities.values.get(VARIANTS) if capabilities else None
        if known is None or candidate.rule.variant in known:
            return True
        self.findings.add(
            f"capability/{candidate.rule.variant}",
            "capability",
            f"Consonance has no variant {candidate.rule.variant}: {candidate.rule.kind} is not sent",
            f"use one of {', '.join(sorted(known))} in the mapping (line {candidate.rule.line})",
        )
        return False

    def _may_create(self) -> bool:
        capabilities = self.context.capabilities.get(TARGET)
        reason = capabilities.creatable.get("text") if capabilities else None
        if reason is not None:
            self.findings.add(
                "creation/text",
                "creation",
                f"no marketing text can be made in Consonance: {reason}",
                "see `frontlist check`; until then texts are entered by hand",
            )
        return reason is None

    def _work_field(self, candidate: Candidate) -> None:
        """Keywords and the like: where the tenant's schema has a field for them."""
        kind, name = candidate.rule.kind, candidate.rule.work_field
        if name is not None and self._takes(name):
            self.of_work[name].append(candidate)
        elif candidate.value is not None:
            self._no_field(kind, name)

    def _work_fields(self) -> None:
        """In one Ensure: a resource that is named twice would be brought about twice, and never settle."""
        fields: dict[FieldKey, Json] = {}
        for name, candidates in sorted(self.of_work.items()):
            filled = [each for each in candidates if each.value is not None]
            values = [self._items(each) for each in filled]
            noted = f"work/{name}"
            if any(value != values[0] for value in values):
                self._twins(Place(filled[0].rule.kind, filled[0].rule.locale or "*", None), filled)
            elif None not in values and (any(values) or noted in self.sent):
                # None empties what we sent; it stays noted, so that the plan says the same again.
                fields[FieldKey(name)] = values[0] if any(values) else None
                self.sent.add(noted)
        if fields:
            resource = Resource(TARGET, "work", str(self.work_id))
            brake = dict.fromkeys(fields, Brake.TEXT)
            self.planned.desired.append(Ensure(resource, fields, FLOW, create=False, brake=brake))

    def _items(self, candidate: Candidate) -> list[str] | None:
        """Item by item as plain text; None where there are words and none of them may be sent."""
        from frontlist_metadata.wording import unmarked

        rule = candidate.rule
        texts: list[str] = []
        unsafe, dropped = set[str](), set[str]()
        long, broken = list[int](), dict[int, str]()
        for number, item in enumerate(_listed(candidate.value), 1):
            try:
                found = unmarked(item, rule.format)
            except ValueError as error:
                broken[number] = str(error)
                continue
            unsafe.update(found.unsafe)
            dropped.update(found.dropped)
            if rule.max_length is not None and found.length > rule.max_length:
                long.append(number)
            elif found.text:
                texts.append(found.text)
        if unsafe or dropped:
            self._stripped(candidate, tuple(sorted(unsafe)), tuple(sorted(dropped)))
        self._left_out(candidate, long, broken)
        return texts if texts or not (long or broken) else None

    def _takes(self, name: str) -> bool:
        capabilities = self.context.capabilities.get(TARGET)
        return capabilities is not None and name in capabilities.fields.get(WORK_INPUT, frozenset())

    def _no_field(self, kind: str, name: str | None) -> None:
        lacks = f"no field {name}" if name else "no known field for them"
        self.findings.add(
            f"capability/{kind}",
            "capability",
            f"{kind} are not sent: {WORK_INPUT} of Consonance has {lacks}",
            "ask Consonance for one and name it as `work_field` in the mapping",
            severity="low",
        )

    def _channel(self, candidate: Candidate) -> None:
        if candidate.value is not None:
            channel = candidate.rule.channel or "*"
            self.findings.add(
                f"channel/{channel}",
                "channel",
                f"texts for the channel {channel} stay here: Consonance has no channels, every retailer would get them",
                "leave them in 4ALLPORTAL, or take `channel_copy` out of the mapping",
                candidate.where,
                "low",
            )

    def _unknown_product(self, candidate: Candidate) -> None:
        product = candidate.record.get("product")
        what = "names no product" if product is None else f"is for product {product}, which the title does not have"
        if candidate.value is not None:
            self.findings.add(
                f"product/{candidate.record.get('id')}",
                "unknown product",
                f"a released text is not sent: its record {what}",
                "link the record to its product: `frontlist link`",
                candidate.where,
            )

    def _twins(self, place: Place, candidates: list[Candidate]) -> None:
        for each in candidates:
            self.findings.add(
                f"twins/{place.kind}/{place.locale}/{place.product or 'all'}",
                "twins",
                f"records differ in the released {place.kind} ({place.locale}); none of them is sent",
                "release one text, or make them the same",
                each.where,
                "high",
            )

    def _stripped(self, candidate: Candidate, unsafe: tuple[str, ...], dropped: tuple[str, ...]) -> None:
        kind = "unsafe HTML" if unsafe else "HTML"
        self.findings.add(
            f"html/{candidate.record.get('id')}/{candidate.rule.cell.key}",
            "html",
            f"{kind} is taken out before the text is sent: {', '.join((*unsafe, *dropped)[:10])}",
            "take it out in 4ALLPORTAL",
            candidate.where,
            "high" if unsafe else "low",
        )

    def _broken(self, candidate: Candidate, why: str) -> None:
        self.findings.add(
            f"html/{candidate.record.get('id')}/{candidate.rule.cell.key}",
            "html",
            f"the text is not sent: {why}",
            "paste it as plain text and format it again in 4ALLPORTAL",
            candidate.where,
            "high",
        )

    def _too_long(self, candidate: Candidate, length: int) -> None:
        self.findings.add(
            f"length/{candidate.record.get('id')}/{candidate.rule.cell.key}",
            "length",
            f"the text has {length} characters, {candidate.rule.max_length} are allowed; it is not sent and not cut",
            "shorten it in 4ALLPORTAL, or change `max_length` in the mapping",
            candidate.where,
        )

    def _left_out(self, candidate: Candidate, long: list[int], broken: dict[int, str]) -> None:
        rule = candidate.rule
        place = f"{candidate.record.get('id')}/{rule.cell.key}"
        if long:
            self.findings.add(
                f"length/{place}",
                "length",
                f"{rule.kind}: {_numbered(long)} over {rule.max_length} characters, not sent and not cut",
                "shorten it in 4ALLPORTAL, or change `max_length` in the mapping",
                candidate.where,
            )
        if broken:
            self.findings.add(
                f"html/{place}/left out",
                "html",
                f"{rule.kind}: {_numbered(list(broken))} not sent: {'; '.join(sorted(set(broken.values())))}",
                "write it in 4ALLPORTAL as plain text, without angle brackets",
                candidate.where,
                "high",
            )


#: The last microsecond that a time can hold.
_LAST = 253402300799_000000 - 10 * 366 * 86400_000000


def _fields(work_id: int, candidate: Candidate, products: list[int], markdown: str) -> dict[FieldKey, Json]:
    """Language and dates only where the mapping has them: the tenant's schema need not offer them."""
    rule, cells = candidate.rule, _cells(candidate.record)
    fields: dict[str, Json] = {
        "work_id": work_id,
        "variant": rule.variant,
        "audiences": sorted(rule.audiences),
        "product_ids": products,
        "markdown": markdown,
    }
    if rule.language is not None:
        fields["language"] = rule.language
    for name, cell in (("from_date", rule.from_cell), ("until_date", rule.until_cell)):
        if cell is not None:
            fields[name] = _date(cells, cell)
    return {FieldKey(name): value for name, value in fields.items()}


def _date(cells: Mapping[Cell, Json], cell: Cell) -> str | None:
    value = cells.get(cell)
    found = body.to_day(value[:10]) if isinstance(value, str) else None
    return found.isoformat() if found else None


def _cells(record: Body) -> dict[Cell, Json]:
    """The record's cells; one whose dimensions are no mapping of texts is none that the mapping names."""
    found: dict[Cell, Json] = {}
    for each in body.items(record, "cells"):
        name, dimensions = each.get("field"), each.get("dimensions") or {}
        if isinstance(name, str) and isinstance(dimensions, Mapping):
            pairs = sorted((str(key), str(value)) for key, value in dimensions.items())
            found[Cell(name, tuple(pairs))] = each.get("value")
    return found


def _text(value: Json) -> Json:
    """A text or a list of texts; None where there is nothing to read."""
    if isinstance(value, str):
        return value if value.strip() else None
    if isinstance(value, list | tuple):
        return [each for each in value if isinstance(each, str) and each.strip()] or None
    return None


def _listed(value: Json) -> list[str]:
    return [str(each) for each in value] if isinstance(value, list | tuple) else [str(value)]


def _numbered(items: list[int]) -> str:
    shown = ", ".join(map(str, items[:10])) + (" ..." if len(items) > 10 else "")
    return f"item {shown}" if len(items) == 1 else f"items {shown}"


def _released(rule: CopyRule, cells: Mapping[Cell, Json]) -> bool:
    if rule.state is None:
        return True
    state = cells.get(rule.state)
    shown = str(state).lower() if isinstance(state, bool) else state
    return isinstance(shown, str) and shown in rule.released
