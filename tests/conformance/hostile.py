"""Consumers that each break one rule; what they have in common breaks none."""

from __future__ import annotations

import itertools
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from frontlist import (
    EVERY_FIELD,
    Absent,
    Context,
    DocumentKey,
    Dossier,
    Ensure,
    FieldKey,
    Finding,
    Plan,
    Resource,
    Wait,
    Writes,
    chosen_id,
)

METADATA = DocumentKey("consonance", "metadata")
TITLE = FieldKey("title")
FINDING = Finding("imprint/none", "imprint", "the title has no imprint", "enter one in Consonance")
Twist = Callable[[Plan, Dossier, Context], Any]


class Behaved:
    """Keeps a record of each title whose metadata can be read."""

    name = "behaved"
    wants = frozenset({METADATA})
    flows = frozenset({100})

    def writes(self, mapping: Any) -> Writes:
        return {("fourallportal", "shelf"): frozenset({EVERY_FIELD})}

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        metadata = dossier.get("consonance", "metadata")
        if not metadata.present or metadata.body is None:
            return Plan()
        record = Resource("fourallportal", "shelf", chosen_id(context.tenant, "shelf", dossier.title))
        fields = {
            TITLE: metadata.body.get("title"),
            FieldKey("imprint"): (metadata.body.get("imprint") or {}).get("name"),
        }
        return Plan((Ensure(record, fields, 100),), (FINDING,), notes={"seen": True})


class Twisted(Behaved):
    """Behaved, but for what `twist` does to a plan that says something."""

    def __init__(self, twist: Twist) -> None:
        self.twist = twist

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        plan = super().plan(dossier, context)
        return self.twist(plan, dossier, context) if plan.desired else plan


def fields(plan: Plan, **more: Any) -> Plan:
    ensure = plan.desired[0]
    assert isinstance(ensure, Ensure)
    return replace(
        plan,
        desired=(replace(ensure, fields={**ensure.fields, **{FieldKey(name): value for name, value in more.items()}}),),
    )


def of(plan: Plan, **changes: Any) -> Plan:
    """With other parts of its one resource."""
    ensure = plan.desired[0]
    return replace(plan, desired=(replace(ensure, resource=replace(ensure.resource, **changes)),))


def beside(plan: Plan, *more: Any) -> Plan:
    return replace(plan, desired=(*plan.desired, *more))


def record(plan: Plan) -> Resource:
    return plan.desired[0].resource


def found(plan: Plan, **changes: Any) -> Plan:
    return replace(plan, findings=(replace(FINDING, **changes),))


def after(act: Callable[[], object]) -> Twist:
    """The plan as it is, after doing something."""

    def twist(plan: Plan, dossier: Dossier, context: Context) -> Plan:
        act()
        return plan

    return twist


def swallowing(act: Callable[[], object]) -> Twist:
    """Tries something and hides that it failed."""

    def attempt() -> None:
        try:
            act()
        except Exception:
            return

    return after(attempt)


def by_isbn(plan: Plan, dossier: Dossier, context: Context) -> Plan:
    return of(plan, id=str(plan.desired[0].fields[TITLE]))  # type: ignore[union-attr]  # it is an Ensure


def writes_into_the_body(plan: Plan, dossier: Dossier, context: Context) -> Plan:
    dossier.documents[METADATA].body["touched"] = True  # type: ignore[index]  # what the types forbid
    return plan


def writes_into_the_notes(plan: Plan, dossier: Dossier, context: Context) -> Plan:
    context.notes["touched"] = True  # type: ignore[index]  # what the types forbid
    return plan


def writes_into_the_mapping(plan: Plan, dossier: Dossier, context: Context) -> Plan:
    context.mapping.append("touched")
    return plan


def reads_what_it_does_not_want(plan: Plan, dossier: Dossier, context: Context) -> Plan:
    return fields(plan, formats=dossier.get("consonance", "formats").state)


def groups_what_it_does_not_plan(plan: Plan, dossier: Dossier, context: Context) -> Plan:
    return replace(plan, desired=(Ensure(record(plan), {}, 100, groups=(frozenset({FieldKey("currency")}),)),))


class Declaring(Twisted):
    """Says of its writing what it is told to say."""

    def __init__(self, said: Any, twist: Twist = lambda plan, dossier, context: plan) -> None:
        super().__init__(twist)
        self.said = said

    def writes(self, mapping: Any) -> Writes:
        return self.said  # type: ignore[no-any-return]  # what the types forbid


class Counting(Behaved):
    """Every plan is another one."""

    def __init__(self) -> None:
        self.calls = itertools.count()

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        plan = super().plan(dossier, context)
        return fields(plan, call=next(self.calls)) if plan.desired else plan


class Remembering(Behaved):
    """Says of a title which one it saw before that."""

    def __init__(self) -> None:
        self.last = self.before = ""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        mark = repr(dossier)
        if mark != self.last:
            self.last, self.before = mark, self.last
        plan = super().plan(dossier, context)
        return fields(plan, before=self.before[:60]) if plan.desired else plan


class InOrderOfArrival(Behaved):
    """Takes the order of the documents for a fact."""

    wants = frozenset({METADATA, DocumentKey("consonance", "formats")})

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        plan = super().plan(dossier, context)
        first = next((str(key) for key in dossier.documents if key in self.wants), "")
        return fields(plan, first=first) if plan.desired else plan


class Asynchronous(Behaved):
    async def plan(self, dossier: Dossier, context: Context) -> Plan:  # type: ignore[override]  # what the types forbid
        return Plan()


class Unknown(Behaved):
    """Plans for a title of which nothing is known."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        title = (dossier.get("consonance", "metadata").body or {}).get("title")
        shelf = Resource("fourallportal", "shelf", chosen_id(context.tenant, "shelf", dossier.title))
        return Plan((Ensure(shelf, {FieldKey("known"): title is not None}, 100),))


class Emptying(Behaved):
    """Empties what it cannot read."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        metadata = dossier.get("consonance", "metadata")
        if metadata.state in ("unseen", "gone"):
            return Plan()
        title = (metadata.body or {}).get("title") if metadata.present else None
        shelf = Resource("fourallportal", "shelf", chosen_id(context.tenant, "shelf", dossier.title))
        return Plan((Ensure(shelf, {TITLE: title}, 100),))


class Removing(Behaved):
    """Removes what it cannot read, or lets go of it."""

    def __init__(self, *, releases: bool = False) -> None:
        self.releases = releases

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        plan = super().plan(dossier, context)
        if plan.desired or dossier.get("consonance", "metadata").state != "unreadable":
            return plan
        shelf = Resource("fourallportal", "shelf", chosen_id(context.tenant, "shelf", dossier.title))
        if self.releases:
            return Plan((Ensure(shelf, {FieldKey("hidden"): True}, 100, create=False, releases=True),))
        return Plan((Absent(shelf, 100, "it cannot be read"),))


class Strict(Behaved):
    """Takes it that every title has an imprint."""

    def plan(self, dossier: Dossier, context: Context) -> Plan:
        plan = super().plan(dossier, context)
        return fields(plan, imprint=dossier.documents[METADATA].body["imprint"]["name"]) if plan.desired else plan  # type: ignore[index]  # the point


def declaring(**attributes: Any) -> Any:
    return type("Declaring", (Behaved,), attributes)()


SHELF = ("fourallportal", "shelf")
NAMED = frozenset({"title", "imprint"})
TUESDAY = datetime(2026, 11, 24, 0, 0, tzinfo=UTC)

#: (what it does, the rule that it breaks, the consumer); who is not repeatable breaks rules that compare plans too.
HOSTILE: list[tuple[str, str, Any]] = [
    ("has no name", "declares", declaring(name="")),
    ("has flows in a list", "declares", declaring(flows=[100])),
    ("says nothing of its writing", "declares", Declaring(None)),
    ("declares fields in a list", "declares", Declaring({SHELF: ["title"]})),
    ("declares a cell", "declares", Declaring({SHELF: frozenset({"title[locale=en_GB]"})})),
    ("declares a kind without its target", "declares", Declaring({"shelf": NAMED})),
    ("writes a field that it does not declare", "writes", Declaring({SHELF: frozenset({"title"})})),
    (
        "writes a cell of a field that it does not declare",
        "writes",
        Declaring({SHELF: NAMED}, lambda plan, dossier, context: fields(plan, **{"blurb[locale=en_GB]": "A blurb"})),
    ),
    ("writes a kind that it does not declare", "writes", Declaring({("consonance", "shelf"): NAMED})),
    (
        "removes what it does not declare",
        "writes",
        Declaring(
            {SHELF: NAMED},
            lambda plan, dossier, context: beside(
                plan, Absent(Resource("fourallportal", "attic", "1"), 100, "it is full")
            ),
        ),
    ),
    ("plans nothing", "covered", Twisted(lambda plan, dossier, context: Plan())),
    ("wants what nobody has", "covered", declaring(wants=frozenset({METADATA, DocumentKey("acme", "rights")}))),
    ("raises where a field is null", "answers", Strict()),
    ("is asynchronous", "answers", Asynchronous()),
    ("answers None", "answers", Twisted(lambda plan, dossier, context: None)),
    ("answers a list", "answers", Twisted(lambda plan, dossier, context: replace(plan, desired=[*plan.desired]))),  # type: ignore[arg-type]  # the point
    ("has a number for an id", "answers", Twisted(lambda plan, dossier, context: of(plan, id=41))),
    ("asks for its mode", "answers", Twisted(lambda plan, dossier, context: context.mode)),  # type: ignore[attr-defined]  # there is none
    ("takes the order of documents for a fact", "repeatable", InOrderOfArrival()),
    ("counts its calls", "repeatable memoryless only-wanted timers", Counting()),
    ("remembers the title before", "memoryless repeatable only-wanted", Remembering()),
    ("writes into the body", "input-untouched", Twisted(writes_into_the_body)),
    ("writes into the notes", "input-untouched", Twisted(writes_into_the_notes)),
    ("writes into the mapping", "input-untouched", Twisted(writes_into_the_mapping)),
    ("asks the clock", "no-clock", Twisted(after(time.time))),
    ("asks the calendar", "no-clock", Twisted(after(lambda: datetime.now(UTC)))),
    ("asks for today", "no-clock", Twisted(after(lambda: date.today()))),
    ("sleeps", "no-clock", Twisted(after(lambda: time.sleep(0)))),
    ("opens a socket", "no-io", Twisted(swallowing(socket.socket))),
    ("asks for an address", "no-io", Twisted(swallowing(lambda: socket.getaddrinfo("localhost", 80)))),
    ("starts a process", "no-io", Twisted(swallowing(lambda: subprocess.run([sys.executable, "-V"], check=False)))),
    ("starts a thread", "no-io", Twisted(swallowing(lambda: threading.Thread(target=int).start()))),
    ("reads a file each time", "no-io", Twisted(swallowing(lambda: open(os.devnull).close()))),
    ("lists a folder", "no-io", Twisted(swallowing(lambda: os.listdir(os.curdir)))),
    ("reads what it does not want", "only-wanted", Twisted(reads_what_it_does_not_want)),
    (
        "plans for a flow of another",
        "own-flows",
        Twisted(lambda plan, dossier, context: replace(plan, desired=(replace(plan.desired[0], flow=7),))),
    ),
    (
        "writes elsewhere",
        "known-targets",
        Declaring({("elsewhere", "shelf"): NAMED}, lambda plan, dossier, context: of(plan, target="elsewhere")),
    ),
    ("plans a float", "clean-fields", Twisted(lambda plan, dossier, context: fields(plan, price=12.99))),
    ("plans a date", "clean-fields", Twisted(lambda plan, dossier, context: fields(plan, day=date(2026, 1, 1)))),
    ("plans a tuple", "clean-fields", Twisted(lambda plan, dossier, context: fields(plan, ids=(1, 2)))),
    ("plans half a character", "clean-fields", Twisted(lambda plan, dossier, context: fields(plan, half="\ud83d"))),
    ("notes a set", "clean-notes", Twisted(lambda plan, dossier, context: replace(plan, notes={"seen": {1}}))),
    ("notes under a number", "clean-notes", Twisted(lambda plan, dossier, context: replace(plan, notes={1: "seen"}))),  # type: ignore[dict-item]  # the point
    (
        "says two things of a field",
        "one-voice",
        Twisted(lambda plan, dossier, context: beside(plan, Ensure(record(plan), {TITLE: "other"}, 100))),
    ),
    (
        "keeps and removes a record",
        "one-voice",
        Twisted(lambda plan, dossier, context: beside(plan, Absent(record(plan), 100, "why not"))),
    ),
    (
        "keeps a record and lets go of it",
        "one-voice",
        Twisted(
            lambda plan, dossier, context: beside(plan, Ensure(record(plan), {}, 100, create=False, releases=True))
        ),
    ),
    (
        "groups a field that it does not plan",
        "whole-groups",
        Twisted(groups_what_it_does_not_plan),
    ),
    ("gives no cure", "readable", Twisted(lambda plan, dossier, context: found(plan, cure=" "))),
    ("gives no message", "readable", Twisted(lambda plan, dossier, context: found(plan, message=""))),
    (
        "waits without a reason",
        "readable",
        Twisted(lambda plan, dossier, context: replace(plan, waits=(Wait("consonance.formats", ""),))),
    ),
    (
        "finds two things under one key",
        "unique-findings",
        Twisted(lambda plan, dossier, context: replace(plan, findings=(FINDING, replace(FINDING, where="here")))),
    ),
    (
        "is due in the past",
        "next-at",
        Twisted(lambda plan, dossier, context: replace(plan, next_at=context.now - timedelta(hours=1))),
    ),
    (
        "is due at a time without a zone",
        "next-at",
        Twisted(lambda plan, dossier, context: replace(plan, next_at=TUESDAY.replace(tzinfo=None))),
    ),
    (
        "changes on Tuesday and does not say so",
        "timers",
        Twisted(lambda plan, dossier, context: fields(plan, open=context.now >= TUESDAY)),
    ),
    (
        "has the time in a finding's key",
        "stable-findings",
        Twisted(lambda plan, dossier, context: found(plan, key=f"late/{context.now.isoformat()}")),
    ),
    ("names a record by its title", "stable-ids", Twisted(by_isbn)),
    ("plans for what is not known", "unknown-widens-nothing", Unknown()),
    ("empties what it cannot read", "unknown-widens-nothing", Emptying()),
    ("removes what it cannot read", "unknown-widens-nothing", Removing()),
    ("lets go of what it cannot read", "unknown-widens-nothing", Removing(releases=True)),
]
