"""What `--json` prints, command by command; the page of commands shows it, and tests hold the commands to it.

Moments are ISO 8601 in UTC. Where a command fails, standard output stays empty and the error is on standard error.
"""

# Without postponed annotations: they would hide from `TypedDict` which keys may be missing.
from collections.abc import Mapping
from typing import Any, Literal, NotRequired, TypedDict

Severity = Literal["low", "normal", "high"]


class Plugin(TypedDict):
    name: str
    distribution: str
    version: str
    consumers: list[str]
    systems: list[str]


class Feed(TypedDict):
    feed: str
    completed: str | None
    error: str | None


class Work(TypedDict):
    consumer: str
    outcome: str | None
    titles: int
    due: int
    oldest: str | None


class Trouble(TypedDict):
    consumer: str
    outcome: str
    detail: str | None
    titles: int


class Process(TypedDict):
    process: str
    heartbeat: str | None


class HealthCheck(TypedDict):
    check: str
    state: str
    since: str | None
    why: str
    cure: str


class HeldGroup(TypedDict):
    list: int
    imprint: str | None
    effect: str
    titles: int
    cells: int
    since: str


class DeadLetters(TypedDict):
    consumer: str
    target: str
    number: int


class Status(TypedDict):
    checks: list[HealthCheck]
    held: list[HeldGroup]
    dead_letters: list[DeadLetters]
    sizes: dict[str, int]
    feeds: list[Feed]
    work: list[Work]
    troubles: list[Trouble]
    modes: dict[str, str]
    processes: list[Process]
    findings: dict[str, int]


class Finding(TypedDict):
    title: str
    kind: str
    severity: Severity
    message: str
    cure: str
    where: str
    since: str | None


class Check(TypedDict):
    area: str
    what: str
    status: Literal["ok", "warning", "failed", "unknown"]
    detail: str
    where: str
    cure: str


class Assumption(TypedDict):
    id: str
    system: str
    what: str
    status: Literal["confirmed", "refuted", "unknown"]
    detail: str


class Checked(TypedDict):
    ok: bool
    checks: list[Check]
    assumptions: list[Assumption]


class Document(TypedDict):
    document: str
    state: Literal["present", "gone", "unreadable", "unseen"]
    revision: int
    at: str | None
    age_seconds: int | None
    confirmed_at: str | None
    reason: str | None
    last_readable: str | None
    merged_into: str | None


class Link(TypedDict):
    target: str
    kind: str
    source: str
    id: str


class Field(TypedDict):
    field: str
    desired: Any
    applied: Any
    actual: Any
    actual_known: bool
    change: str
    why: str


class Desired(TypedDict):
    resource: str
    kind: Literal["ensure", "absent"]
    flow: int
    mode: str
    does: str
    waits: str | None
    proposal: str
    there: bool | None
    in_doubt: bool
    dead_letter: str | None
    create: NotRequired[bool]
    reason: NotRequired[str]
    fields: list[Field]
    pinned: list[str]


class PlannedFinding(TypedDict):
    key: str
    kind: str
    severity: Severity
    message: str
    cure: str
    where: str
    planned: bool


WaitFor = TypedDict("WaitFor", {"for": str, "why": str})


class NoLongerPlanned(TypedDict):
    resource: str
    in_doubt: bool


class WorkRow(TypedDict):
    due_at: str | None
    is_due: bool
    not_before: str | None
    reason: str
    priority: int
    attempts: int
    claimed_by: Any
    outcome: str | None
    detail: str | None
    finished_at: str | None


class Planned(TypedDict):
    consumer: str
    error: str | None
    notes: list[str]
    desired: list[Desired]
    findings: list[PlannedFinding]
    waits: list[WaitFor]
    next_at: str | None
    noted: dict[str, Any]
    no_longer_planned: list[NoLongerPlanned]
    work: WorkRow | None


class Overwritten(TypedDict):
    at: str
    consumer: str
    resource: str
    field: str
    was: Any
    becomes: Any


class Explained(TypedDict):
    title: str
    imprint: str | None
    at: str
    notes: list[str]
    documents: list[Document]
    links: list[Link]
    consumers: list[Planned]
    written: list[Overwritten]


class Initialised(TypedDict):
    configuration: str
    mapping: str
    left_out: list[str]
    notes: list[str]


class Rebuilt(TypedDict):
    records: dict[str, int]


class Republished(TypedDict):
    topics: int
    records: int
    titles: dict[str, int]


class Upgraded(TypedDict):
    database: str
    schema: str


class Topic(TypedDict):
    topic: str
    there: bool
    partitions: int | None
    id: str | None


class Made(TypedDict):
    made: list[str]


class ModeSet(TypedDict):
    flow: str
    imprint: str
    mode: Literal["off", "observe", "propose", "apply"]


class Accepted(TypedDict):
    accepted: str


#: "is" is no name that a class may have as a field.
Undone = TypedDict(
    "Undone",
    {
        "consumer": str,
        "title": str,
        "resource": str,
        "field": str,
        "verdict": str,
        "why": str,
        "is": Any,
        "becomes": Any,
    },
)
UndoRun = TypedDict("UndoRun", {"run": str, "titles": int, "cells": int, "from": str, "to": str})
HeldWrite = TypedDict(
    "HeldWrite",
    {
        "consumer": str,
        "title": str,
        "resource": str,
        "field": str,
        "imprint": str | None,
        "effect": str,
        "is": Any,
        "would_be": Any,
        "since": str,
        "number": int,
    },
)
DifferingCell = TypedDict("DifferingCell", {"field": str, "is": Any, "would": Any, "drift": bool})


class UndoPlan(TypedDict):
    run: str | None
    cells: list[Undone]


class Letter(TypedDict):
    number: int
    title: str
    resource: str
    reason: str
    times: int
    first_at: str
    last_at: str
    redriven_at: str | None
    fields: dict[str, Any] | None


class LettersSettled(TypedDict):
    done: bool
    dead_letters: list[Letter]


class HeldSettled(TypedDict):
    list: int
    writes: int
    done: bool


class Differing(TypedDict):
    title: str
    consumer: str
    resource: str
    mode: str
    would_write: bool
    waits: str | None
    there: bool
    cells: list[DifferingCell]


class DifferingField(TypedDict):
    target: str
    kind: str
    field: str
    cells: int


class SweepPreview(TypedDict):
    """With --dry-run."""

    titles: int
    fields: list[DifferingField]
    resources: list[Differing]


class SweepRow(TypedDict):
    id: str
    kind: Literal["replay", "reconcile"]
    run: str
    state: str
    selection: dict[str, Any]
    begun: str
    ended: str | None
    titles: int
    done: int
    due: int
    changed: int
    outcomes: dict[str, int]


class SweepTold(SweepRow):
    drift: list[dict[str, Any]]


class Forgotten(TypedDict):
    who: str
    titles: list[str]
    removed: dict[str, int]


class Paused(TypedDict):
    target: str
    priority: str
    why: str | None


class Source(TypedDict):
    source: str
    title: str
    name: str
    isbn: str


class Record(TypedDict):
    record: str
    record_name: str
    record_isbn: str


class Candidate(Record):
    reasons: list[str]
    doubts: list[str]


class Sure(Source, Record):
    reasons: list[str]


class Doubtful(Source):
    records: list[Candidate]


class Foreign(Record):
    twin_of: list[str]


class Module(TypedDict):
    module: str
    role: Literal["product", "title"]
    by: list[str]
    counts: dict[str, int]
    sure: list[Sure]
    doubtful: list[Doubtful]
    missing: list[Source]
    foreign: list[Foreign]


class Links(TypedDict):
    report: str
    modules: list[Module]


class LinksAccepted(TypedDict):
    links: int
    ruled_out: int
    open: list[str]
    undecided: dict[str, list[str]]


class Unlinked(TypedDict):
    module: str
    source: str
    title: str


class Example(TypedDict):
    title: str
    resource: str
    old: Any
    new: Any


class Adopting(TypedDict):
    target: str
    kind: str
    field: str
    counts: dict[str, int]
    examples: dict[str, list[Example]]


class Adoptions(TypedDict):
    report: str
    fields: list[Adopting]


class AdoptionsAccepted(TypedDict):
    titles: int
    cells: int
    fields: list[str]


class Served(TypedDict):
    url: str
    key: str
    controls: str


class Rejected(TypedDict):
    file: str
    reference: str | None
    line: int | None
    reason: str


class Sandboxes(TypedDict):
    sandboxes: dict[str, Served]
    works: int
    products: int
    rejected: list[Rejected]
    noted: int


class Addresses(Sandboxes):
    kafka: str
    prefix: str


class DemoCheck(TypedDict):
    check: str
    ok: bool
    seconds: float
    seen: str
    done: str
    arrives: str


class DemoFlow(TypedDict):
    flow: int
    checks: list[DemoCheck]


class Played(TypedDict):
    ok: bool
    seconds: float
    flows: list[DemoFlow]
    addresses: Addresses


ANSWERS: Mapping[str, Any] = {
    "plugins": list[Plugin],
    "status": Status,
    "findings": list[Finding],
    "check": Checked,
    "explain": Explained,
    "init": Initialised,
    "rebuild": Rebuilt,
    "republish": Republished,
    "demo": Played,
    "db upgrade": Upgraded,
    "topics apply": Made,
    "topics list": list[Topic],
    "mode set": ModeSet,
    "mode list": dict[str, str],
    "mode accept": Accepted,
    "pause set": Paused,
    "pause lift": Paused,
    "pause list": dict[str, str],
    "dead-letters list": list[Letter],
    "dead-letters show": Letter,
    "dead-letters redrive": LettersSettled,
    "dead-letters discard": LettersSettled,
    "held list": list[HeldGroup],
    "held show": list[HeldWrite],
    "held confirm": HeldSettled,
    "held reject": HeldSettled,
    "undo": UndoPlan | list[UndoRun],
    "replay": SweepTold | SweepPreview,
    "replay list": list[SweepRow],
    "replay show": SweepTold,
    "replay resume": SweepTold,
    "replay stop": SweepTold,
    "reconcile": SweepTold | SweepPreview,
    "reconcile list": list[SweepRow],
    "reconcile show": SweepTold,
    "reconcile resume": SweepTold,
    "reconcile stop": SweepTold,
    "forget": Forgotten,
    "link": Links,
    "link accept": LinksAccepted,
    "link undo": Unlinked,
    "adopt": Adoptions,
    "adopt accept": AdoptionsAccepted,
    "sandbox up": Sandboxes,
}
