"""4ALLPORTAL as the engine writes it: one PATCH a module for up to 100 records.

A record takes the step `patch`; one that we create also `verify`, since an id that a person deleted may be answered as
written and yet not be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from frontlist.contract import (
    Absent,
    Actual,
    Capabilities,
    Desired,
    Done,
    Ensure,
    FieldKey,
    Json,
    Refused,
    Resource,
    Step,
    StepOutcome,
)
from frontlist.errors import DeadLetter, DeliveryError, Refuse, Stop
from frontlist.systems.fourallportal import capabilities, limits, records, values
from frontlist.systems.fourallportal.cells import field_key, parse_key
from frontlist.systems.fourallportal.client import BATCH, ApiObject, Client, Conflict
from frontlist.systems.fourallportal.modules import Module, ModuleUse
from frontlist.systems.fourallportal.patches import Patch, patch
from frontlist.systems.fourallportal.settings import SYSTEM, FourallportalSettings
from frontlist.systems.fourallportal.tenant import Known, Options, Tenant

NOT_THERE = (
    "4ALLPORTAL answered the record as written, but it is not there; a person may have deleted it. "
    "Restore it in 4ALLPORTAL, or accept that it is gone"
)
NOT_TAKEN = "4ALLPORTAL answered success, but did not take the values"


class FourallportalTarget:
    """The kinds are the modules of `uses`, the ids those of the records."""

    name = SYSTEM
    batch = BATCH
    #: Ids are ours, so every step may be repeated.
    once: frozenset[str] = frozenset()

    def __init__(self, client: Client, uses: Sequence[ModuleUse], settings: FourallportalSettings) -> None:
        self._tenant = Tenant.of(client, uses, settings)

    async def capabilities(self) -> Capabilities:
        """What the tenant's modules can hold now."""
        return await capabilities.introspect(self._tenant)

    async def modules(self) -> tuple[Mapping[str, Module], Options]:
        """The modules in use, and the value options of their fields, as they were read lately."""
        known = {name: await self._tenant.known(name) for name in self._tenant.uses}
        options = {key: allowed for each in known.values() for key, allowed in each.options.items()}
        return {name: each.module for name, each in known.items()}, options

    # -- reading ---------------------------------------------------------------------------------

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        """The fields named in `desired` with all their cells; a cell named there that holds nothing is None."""
        found: dict[Resource, Actual | None] = {}
        for kind in dict.fromkeys(one.resource.kind for one in desired):
            found |= await self._read(kind, [one for one in desired if one.resource.kind == kind])
        return found

    async def _read(self, kind: str, desired: Sequence[Desired]) -> dict[Resource, Actual | None]:
        self._use(kind)
        module = (await self._tenant.known(kind)).module
        named = {parse_key(key)[0] for one in desired if isinstance(one, Ensure) for key in one.fields}
        fields = frozenset(named & set(module.by_name))
        ids = list(dict.fromkeys(one.resource.id for one in desired))
        shown = await self._tenant.many(kind, ids, fields)
        found = {one.resource: _actual(shown.get(one.resource.id), module, fields) for one in desired}
        for one in desired:
            actual = found[one.resource]
            if actual is not None and isinstance(one, Ensure):
                named_here = {key: actual.fields.get(field_key(*parse_key(key))) for key in one.fields}
                found[one.resource] = replace(actual, fields={**actual.fields, **named_here})
        return found

    def same(self, resource: Resource, key: FieldKey, desired: Json, actual: Json) -> bool:
        """By the field's type, as the module was last read."""
        known = self._tenant.last(resource.kind)
        field = known.module.field(parse_key(key)[0]) if known else None
        return values.same(desired, actual, field.type if field else "", field.unit if field else None)

    # -- writing ---------------------------------------------------------------------------------

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Json]) -> Sequence[Step]:
        """`patch`, then `verify` for what was created. Stop for Absent: records are marked, never deleted."""
        resource = desired.resource
        if isinstance(desired, Absent):
            raise Stop(
                "records of 4ALLPORTAL are not deleted",
                where=str(resource),
                cure="plan an Ensure that marks the record as withdrawn",
            )
        if actual is None and not desired.create:
            raise DeadLetter(
                "there is no such record",
                where=str(resource),
                cure="it may have been deleted in 4ALLPORTAL: link the title to another record, or let it be",
            )
        todo = patch(desired, actual, lambda key, want, have: self.same(resource, key, want, have))
        if todo is None:
            return ()
        if (progress.get("patch") or {}).get("sent") != todo.fingerprint:
            return (Step(resource, "patch", todo.as_json()),)
        verified = (progress.get("verify") or {}).get("sent") == todo.fingerprint
        return () if verified or not todo.creates else (Step(resource, "verify", todo.as_json()),)

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        """Modules one after the other; any error after the first PATCH leaves all in doubt."""
        outcomes: dict[int, StepOutcome] = {}
        for kind, name in dict.fromkeys((step.resource.kind, step.name) for step in steps):
            chosen = [i for i, step in enumerate(steps) if (step.resource.kind, step.name) == (kind, name)]
            patches = [Patch.read(steps[i].payload) for i in chosen]
            call = _Call(self._tenant, self._use(kind), deadline)
            try:
                made = await (call.verify(patches) if name == "verify" else call.write(patches))
            except DeliveryError as error:
                error.maybe_done = error.maybe_done or call.sent or bool(outcomes)
                raise
            outcomes |= dict(zip(chosen, made, strict=True))
        return [outcomes[i] for i in range(len(steps))]

    def _use(self, kind: str) -> ModuleUse:
        use = self._tenant.uses.get(kind)
        if use is None:
            raise Stop(f"the mapping uses no module {kind!r}", where=SYSTEM, cure="name it under modules")
        return use


class _Call:
    """One `write` of one module: what it has sent, and until when it may."""

    def __init__(self, tenant: Tenant, use: ModuleUse, deadline: float) -> None:
        self._tenant, self._use, self._deadline = tenant, use, deadline
        self.sent = False

    async def write(self, patches: Sequence[Patch]) -> list[StepOutcome]:
        """What the module cannot hold is refused without a call; the rest goes as one array."""
        known = await self._tenant.known(self._use.module)
        refused = {i: fault for i, one in enumerate(patches) if (fault := _fault(one, known))}
        outcomes: dict[int, StepOutcome] = {**refused}
        fit = [i for i in range(len(patches)) if i not in refused]
        for start in range(0, len(fit), BATCH):
            part = fit[start : start + BATCH]
            made = await self._array([patches[i] for i in part], known.module)
            outcomes |= dict(zip(part, made, strict=True))
        return [outcomes[i] for i in range(len(patches))]

    async def verify(self, patches: Sequence[Patch]) -> list[StepOutcome]:
        """Whether what was created is there."""
        shown = await self._tenant.many(self._use.module, [one.id for one in patches], frozenset())
        return [_done(one) if one.id in shown else Refused((), NOT_THERE) for one in patches]

    async def _array(self, patches: Sequence[Patch], module: Module) -> list[StepOutcome]:
        """One PATCH; a refused array is halved until the culprits stand alone."""
        try:
            # From here on somebody may have written something, whatever the answer.
            self.sent = True
            answered = await self._tenant.client.upsert(
                module.name, [one.body(module) for one in patches], self._deadline
            )
        except Refuse as error:
            if len(patches) > 1:
                middle = len(patches) // 2
                return await self._array(patches[:middle], module) + await self._array(patches[middle:], module)
            return [self._refused(patches[0], error)]
        ids = set(answered)
        silent = [one for one in patches if one.id not in ids]
        settled = await self._unanswered(silent, len(patches), module) if silent else {}
        return [settled.get(one.id) or _done(one) for one in patches]

    def _refused(self, one: Patch, error: Refuse) -> Refused:
        # The tenant may know better than what we last read of it.
        self._tenant.forget(self._use.module)
        # A conflict is about the record as a whole.
        named = () if isinstance(error, Conflict) else one.named(error.what)
        return Refused(named, error.what)

    async def _unanswered(self, silent: Sequence[Patch], sent: int, module: Module) -> dict[str, StepOutcome]:
        """Ids missing from the answer: read back; what was not written is sent once more alone, to hold up nobody."""
        fields = frozenset(name for one in silent for name in one.fields if module.field(name))
        shown = await self._tenant.many(module.name, [one.id for one in silent], fields)
        found: dict[str, StepOutcome] = {}
        for one in silent:
            lost = _lost(one, _actual(shown.get(one.id), module, fields), module)
            again = lost is not None and sent > 1
            found[one.id] = (await self._array([one], module))[0] if again else lost or _done(one)
        return found


def _fault(one: Patch, known: Known) -> Refused | None:
    found = limits.faults(one.cells(), known.module, known.options)
    return Refused(tuple(found), "; ".join(found.values())) if found else None


def _done(one: Patch) -> Done:
    return Done({"sent": one.fingerprint})


def _lost(one: Patch, actual: Actual | None, module: Module) -> Refused | None:
    """What of our cells was not written, if anything."""
    if actual is None:
        return Refused((), NOT_THERE)
    lost = tuple(key for key, value in one.cells().items() if not _held(key, value, actual, module))
    return Refused(lost, NOT_TAKEN) if lost else None


def _held(key: FieldKey, value: Json, actual: Actual, module: Module) -> bool:
    name, where = parse_key(key)
    field = module.field(name)
    kind, unit = (field.type, field.unit) if field else ("", None)
    return values.same(value, actual.fields.get(field_key(name, where)), kind, unit)


def _actual(shown: ApiObject | None, module: Module, fields: Iterable[str]) -> Actual | None:
    """Every cell that holds something, in normal form; `extra` keeps them by field, to be sent back whole."""
    if shown is None:
        return None
    cells = {name: found for name in sorted(fields) if (found := records.field_cells(shown, module, name))}
    by_key = {field_key(name, cell.dimensions): cell.value for name, found in cells.items() for cell in found}
    return Actual(by_key, {"cells": {name: records.listed(found) for name, found in cells.items()}})
