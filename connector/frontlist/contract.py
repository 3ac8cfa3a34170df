"""What consumers, systems and targets agree on; a plugin author needs no more than this page.

The way of a change: capture publishes `Document`s, intake keeps the latest of each in a `Dossier`, a consumer's `plan`
turns it into desired states (`Ensure`, `Absent`), and the target brings them about. Why: `docs/decisions/0003`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal, NewType, Protocol

TitleKey = NewType("TitleKey", str)  # "work:61417" or "object:product/<id>"
Revision = NewType("Revision", int)  # microseconds since 1970
FieldKey = NewType("FieldKey", str)  # "title" or "title[channel=web,locale=en_GB]"
Json = Any  # str, int, bool, None, lists and string-keyed mappings of these; never a float

ASPECTS = ("metadata", "assets", "rights", "milestones", "formats")
State = Literal["present", "gone", "unreadable", "unseen"]


@dataclass(frozen=True, order=True)
class DocumentKey:
    """Which document of a title: e.g. ("consonance", "metadata")."""

    system: str
    aspect: str

    def __str__(self) -> str:
        return f"{self.system}.{self.aspect}"


@dataclass(frozen=True)
class Document:
    """One aspect of one title as one system states it, at a revision.

    `body` is the document where the state is present; where it is unreadable it is the last readable one (of
    `last_readable`), or None. `confirmed_at`: when its feed last confirmed this very revision. `siblings`: aspect ->
    revision of the system's other documents when this one was made.
    """

    key: DocumentKey
    title: TitleKey
    state: State
    revision: Revision
    body: Mapping[str, Json] | None = None
    reason: str | None = None
    last_readable: Revision | None = None
    merged_into: TitleKey | None = None
    confirmed_at: datetime | None = None
    siblings: Mapping[str, Revision] = field(default_factory=dict)

    @property
    def present(self) -> bool:
        return self.state == "present"


@dataclass(frozen=True)
class Dossier:
    """The latest documents of a title."""

    title: TitleKey
    documents: Mapping[DocumentKey, Document]

    def get(self, system: str, aspect: str) -> Document:
        """That document; one that was never seen has the state `unseen` and revision 0."""
        key = DocumentKey(system, aspect)
        return self.documents.get(key) or Document(key, self.title, "unseen", Revision(0))


@dataclass(frozen=True, order=True)
class Resource:
    """Something in a target that can be made so: ("fourallportal", "product", "<object id>")."""

    target: str
    kind: str
    id: str

    def __str__(self) -> str:
        return f"{self.target}/{self.kind}/{self.id}"


class Brake(StrEnum):
    """What a field means to a reader, so that too many harmful changes in a day wait for a person.

    `OFFERED`: true = offered; becoming anything else is a switch-off. `HIDDEN`: true = hidden; becoming true is one.
    `LINK`: an id or a list of them; losing one is an unlink. `TEXT`: becoming empty is a removal. `PRICE`: a decimal;
    a change by more than the configured share, or to zero or nothing. A field that states an explicit restriction of
    rights has no brake.
    """

    OFFERED = "offered"
    HIDDEN = "hidden"
    LINK = "link"
    TEXT = "text"
    PRICE = "price"


@dataclass(frozen=True)
class Ensure:
    """`resource` shall hold these fields; those not named are left alone.

    None means empty: a field is emptied where this consumer filled it, for whichever title, or where a person adopted
    the empty value; what others filled is left alone.
    `groups`: fields that only make sense together (amount and currency); refused together.
    `create`: False where the record must exist already; then a missing one is a finding.
    `brake`: what the fields mean for which a mass of changes must wait for a person; the others are never braked.
    `narrows`: fields that take something away from readers now (no longer for sale): one that is refused alerts.
    `releases`: the title lets go of the resource, and this is its last word on it: said to nobody where another title
    has claimed it, and written where none has; then any other title may claim it.
    """

    resource: Resource
    fields: Mapping[FieldKey, Json]
    flow: int
    groups: tuple[frozenset[FieldKey], ...] = ()
    create: bool = True
    brake: Mapping[FieldKey, Brake] = field(default_factory=dict)
    narrows: frozenset[FieldKey] = frozenset()
    releases: bool = False


@dataclass(frozen=True)
class Absent:
    """`resource` shall not be there (only for kinds that this consumer may remove); it lets go of it, as `releases`.

    `brake`: False where it goes because of an explicit restriction of rights, which never waits for a person.
    """

    resource: Resource
    flow: int
    reason: str
    brake: bool = True


Desired = Ensure | Absent


@dataclass(frozen=True)
class Finding:
    """Something a person must settle; opens when first planned, closes when no plan says it any more.

    `key` tells findings of one title and consumer apart, e.g. "price/GBP". `where` names field, product or record.
    """

    key: str
    kind: str
    message: str
    cure: str
    where: str = ""
    severity: Literal["low", "normal", "high"] = "normal"


@dataclass(frozen=True)
class Wait:
    """What a deferred title waits for: a document ("consonance.formats") or a resource."""

    what: str
    reason: str


@dataclass(frozen=True)
class Plan:
    """What a consumer says of a title now. `next_at`: the next moment at which its answer changes (aware, UTC)."""

    desired: tuple[Desired, ...] = ()
    findings: tuple[Finding, ...] = ()
    notes: Mapping[str, Json] | None = None
    next_at: datetime | None = None
    waits: tuple[Wait, ...] = ()


class Mode(StrEnum):
    """What a flow may do for an imprint; ordered by how much."""

    OFF = "off"
    OBSERVE = "observe"
    PROPOSE = "propose"
    APPLY = "apply"


@dataclass(frozen=True)
class Capabilities:
    """What a target's tenant can do, as last introspected.

    `fields`: kind -> the field names it has (GraphQL: type -> names). `creatable`: kind -> None, or why nothing may be
    created there now (unlinked objects, no marker). `values`: value option key, and
    "<module>.<field>" -> what is allowed.
    """

    fields: Mapping[str, frozenset[str]] = field(default_factory=dict)
    creatable: Mapping[str, str | None] = field(default_factory=dict)
    values: Mapping[str, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """Everything a plan may look at beside the dossier.

    `links`: ("fourallportal", "product", "<consonance product id>") -> object id, for records that existed before us.
    `decisions`: what people settled for this title, by key. `notes`: what this consumer's last plan noted.
    `mapping`: the active mapping as its consumer parsed it. `capabilities`: of systems, by name; one that does not
    answer is missing, and right after a start another one than those that the consumer writes.
    """

    now: datetime
    tenant: str
    mapping: Any
    links: Mapping[Resource, str] = field(default_factory=dict)
    decisions: Mapping[str, Json] = field(default_factory=dict)
    capabilities: Mapping[str, Capabilities] = field(default_factory=dict)
    notes: Mapping[str, Json] = field(default_factory=dict)


Writes = Mapping[tuple[str, str], frozenset[str]]
EVERY_FIELD = "*"


class Consumer(Protocol):
    """What a plugin brings. Called by the worker; `plan` is pure and may raise."""

    name: str
    wants: frozenset[DocumentKey]
    flows: frozenset[int]

    def writes(self, mapping: Any) -> Writes:
        """All that its plans may name under this mapping, asked once at the start.

        (target, kind) -> names of fields without their dimensions ("title", not "title[locale=en_GB]"); EVERY_FIELD is
        all of the kind's. A kind that it only removes has no names. Two consumers with one field refuse to start.
        """
        ...

    def plan(self, dossier: Dossier, context: Context) -> Plan: ...


@dataclass(frozen=True)
class Step:
    """One call that a target still has to make for a resource; `payload` is the target's own."""

    resource: Resource
    name: str
    payload: Json


@dataclass(frozen=True)
class Done:
    """The step was carried out; `result` (e.g. an id the server chose) is kept under the step's name."""

    result: Json = None


@dataclass(frozen=True)
class Refused:
    """The target will not have these fields (empty = it named none)."""

    fields: tuple[FieldKey, ...]
    reason: str


StepOutcome = Done | Refused


@dataclass(frozen=True)
class Actual:
    """What is in the target now: field key -> value, in the same keys and normal form as `Ensure.fields`.

    `extra` is the target's own, e.g. whole cells to be written back, or server ids.
    """

    fields: Mapping[FieldKey, Json]
    extra: Json = None


class Target(Protocol):
    """How desired states are brought about in one system.

    The engine calls `read` for the resources whose state is unknown or about to change, then `steps`, stores the
    intent, runs the first step of each resource through `write` (up to `batch` at a time), keeps its result in
    `progress` under the step's name, and calls `steps` again until it is empty. `progress` belongs to one desired
    state and is empty for another.

    `once`: the names of steps whose result is an id that the server chooses. One of these that went out without an
    answer is not repeated before a second look (15 minutes later) has found nothing.

    A target may also say `readable = False` (a webhook): `read` is never called then, what was applied counts as what
    is there, and what is in doubt is written again; so it must take the same write twice. And `divisible = True`: the
    fields of a resource may be written one after the other, so that a refusal that names none is narrowed down.

    `emptied` (not required): kind -> the field that, empty, takes a resource of ours away, so that a person can have
    its creation undone.
    """

    name: str
    batch: int
    once: frozenset[str]

    async def capabilities(self) -> Capabilities:
        """What the tenant can do now, introspected anew. Raises a DeliveryError."""
        ...

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        """What is there now; None = no such resource. Raises a DeliveryError for the whole call."""
        ...

    def same(self, resource: Resource, key: FieldKey, desired: Json, actual: Json) -> bool:
        """Whether the two mean the same after this system's own rewriting (markdown read back as HTML, "1" for 1)."""
        ...

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Json]) -> Sequence[Step]:
        """What is still to be done, pure; empty = done."""
        ...

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        """One outcome a step, in order, or a DeliveryError for all. `deadline`: on the event loop's clock."""
        ...
