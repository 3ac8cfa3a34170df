"""Consonance as a target: marketing texts, and fields of a work (`works`).

Updating a text is not evidenced, so: create, verify, delete the old one. Every text of ours carries our marker in its
internal text; one without it is never touched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
from frontlist.errors import DeadLetter, Refuse, Retry, Stop
from frontlist.systems.consonance import capabilities, mutations, texts, works
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.marker import Marker
from frontlist.systems.consonance.texts import Text

KIND = "text"
_MARKDOWN = FieldKey("markdown")
_WORK = FieldKey("work_id")
# How messages name our fields. The wording of a real tenant is UNKNOWN; one that names none refuses the whole text.
_SPOKEN_OF = {
    "work_id": r"work ?id|^work\b",
    "variant": r"variant",
    "language": r"language",
    "audiences": r"audience",
    "product_ids": r"products?\b|product ?ids?",
    "markdown": r"external ?text",
    "from_date": r"from ?date",
    "until_date": r"until ?date",
}


class ConsonanceTarget:
    """Kind `text`: fields work_id, variant, language, audiences, product_ids, markdown, from_date, until_date.

    Resource id: "<work id>/<uuid>" or "<uuid>". To take a text away: Ensure with markdown None, or Absent where the
    id names the work. Steps of one run: create -> {"id", "print"}, verify -> {"id", "missing"}, delete -> {"ids"}.

    Kind `work`: fields as UpdateWorkInput names them, None empties one. Resource id: the work's. Never made or taken
    away here. One step: update -> {"fields"}.
    """

    name = "consonance"
    #: Gently, and one at a time: a call that fails leaves nothing else in doubt.
    batch = 1
    #: Consonance chooses the id of a text.
    once = frozenset({"create"})
    emptied: Mapping[str, FieldKey] = {KIND: _MARKDOWN}

    def __init__(self, client: Client) -> None:
        self.client = client

    async def capabilities(self) -> Capabilities:
        """Introspected anew."""
        return capabilities.of(await self.client.schema(refresh=True))

    async def read(self, desired: Sequence[Desired]) -> Mapping[Resource, Actual | None]:
        """Our texts, found by their marker in the texts of the works concerned, and works by their id."""
        of_works = [each for each in desired if each.resource.kind == works.KIND]
        of_texts = [each for each in desired if each.resource.kind != works.KIND]
        found = await texts.ours(self.client, sorted({work_of(each) for each in of_texts}))
        actual = {each.resource: _actual(each, found[work_of(each)]) for each in of_texts}
        return actual | await works.read(self.client, of_works)

    def same(self, resource: Resource, key: FieldKey, desired: Json, actual: Json) -> bool:
        return works.same(desired, actual) if resource.kind == works.KIND else texts.same(key, desired, actual)

    def steps(self, desired: Desired, actual: Actual | None, progress: Mapping[str, Json]) -> Sequence[Step]:
        """Of a text: create and verify what is not there as wanted, then delete every other one of this resource."""
        if desired.resource.kind == works.KIND:
            return works.steps(desired, actual, progress)
        here = list(actual.extra) if actual else []
        if isinstance(desired, Ensure) and _MARKDOWN not in desired.fields:
            return []  # a text whose words are refused or held is left as it is
        if not _wants_text(desired):
            return _delete(desired, [text["id"] for text in here], progress)
        assert isinstance(desired, Ensure)
        wanted = texts.print_of(desired.fields)
        right = [t["id"] for t in here if t["fingerprint"] == wanted and texts.matches(desired.fields, t["fields"])]
        if right:
            kept = right[0]
        else:
            created = progress.get("create") or {}
            kept = created.get("id") if created.get("print") == wanted else None
            if unfinished := _creating(desired, wanted, kept, created, progress.get("verify") or {}):
                return [unfinished]
        return _delete(desired, [text["id"] for text in here if text["id"] != kept], progress)

    async def write(self, steps: Sequence[Step], deadline: float) -> Sequence[StepOutcome]:
        """One by one; a text that does not read back as written is taken away again and refused."""
        act = {"create": self._create, "verify": self._verify, "delete": self._delete, works.UPDATE: self._update}
        return [await act[step.name](step, deadline) for step in steps]

    async def _create(self, step: Step, deadline: float) -> StepOutcome:
        fields = {FieldKey(k): v for k, v in step.payload["fields"].items()}
        schema = await self.client.schema()
        given, refused = texts.spelled(schema, fields)
        if refused:
            return Refused(tuple(refused), "; ".join(refused.values()))
        impossible = capabilities.creatable(schema)
        if impossible:
            return Refused((), impossible)
        mark = Marker(step.resource.id, step.payload["print"])
        variables = {"input": {**given, "internalTextMarkdown": str(mark)}}
        try:
            payload = await self.client.mutate(mutations.text(schema, "createMarketingText"), variables, deadline)
        except Refuse as error:
            return _refusal(error.what, fields)
        said = mutations.complaint(payload)
        if said:
            return _refusal(said, fields)
        id_ = _created_id(payload) or await self._found(step, mark)
        return Done({"id": id_, "print": step.payload["print"], "again": step.payload["again"]})

    async def _found(self, step: Step, mark: Marker) -> int:
        """By its marker, where the payload names no id."""
        here = await self._ours(step)
        ids = [text.id for text in here if text.marker == mark]
        if not ids:
            raise Retry("the text was created but is not listed yet", where=str(step.resource), maybe_done=True)
        return max(ids)

    async def _verify(self, step: Step, deadline: float) -> StepOutcome:
        id_, fields = step.payload["id"], {FieldKey(k): v for k, v in step.payload["fields"].items()}
        found = next((text for text in await self._ours(step) if text.id == id_), None)
        if found is None and not step.payload["lost"]:
            return Done({"id": id_, "missing": True})
        if found is None:
            return Refused((), f"text {id_} was created twice and is not listed with our marker")
        differing = tuple(k for k, v in fields.items() if k in found.fields and not texts.same(k, v, found.fields[k]))
        if not differing:
            return Done({"id": id_, "missing": False})
        await self._remove(step, id_, deadline)
        return Refused(differing, f"{', '.join(differing)} read back differently from what was written")

    async def _delete(self, step: Step, deadline: float) -> StepOutcome:
        for id_ in step.payload["ids"]:
            await self._remove(step, id_, deadline)
        return Done({"ids": step.payload["ids"]})

    async def _remove(self, step: Step, id_: int, deadline: float) -> None:
        """Only what still carries our marker for this very resource; what is gone already is as wanted."""
        if all(text.id != id_ for text in await self._ours(step)):
            return
        schema = await self.client.schema()
        said = ""
        try:
            mutation = mutations.text(schema, "deleteMarketingText")
            payload = await self.client.mutate(mutation, {"input": {"id": id_}}, deadline)
            said = mutations.complaint(payload)
        except Refuse as error:
            said = error.what
        if said and any(text.id == id_ for text in await self._ours(step)):
            raise DeadLetter(f"the old text {id_} is not deleted: {said}", where=str(step.resource), cure="delete it")

    async def _update(self, step: Step, deadline: float) -> StepOutcome:
        return await works.update(self.client, step, deadline)

    async def _ours(self, step: Step) -> list[Text]:
        work = step.payload["work_id"]
        found = await texts.ours(self.client, [work])
        return [text for text in found[work] if text.marker.resource == step.resource.id]


def work_of(desired: Desired) -> int:
    """The work that a text belongs to: stated by its fields, else by its id."""
    stated = desired.fields.get(_WORK) if isinstance(desired, Ensure) else None
    named = re.match(r"(\d+)/", desired.resource.id)
    if isinstance(stated, int):
        return stated
    if named is None:
        raise Stop(
            "it is not said which work the text belongs to",
            where=str(desired.resource),
            cure="give work_id, or a resource id like 61417/<uuid>",
        )
    return int(named[1])


def _wants_text(desired: Desired) -> bool:
    return not isinstance(desired, Absent) and desired.fields.get(_MARKDOWN) is not None


def _actual(desired: Desired, found: Sequence[Text]) -> Actual | None:
    """The text that is kept is the one shown: the first that is as wanted, else the newest."""
    mine = [text for text in found if text.marker.resource == desired.resource.id]
    if not mine:
        return None
    shown = mine[-1]
    if isinstance(desired, Ensure):
        wanted = texts.print_of(desired.fields)
        right = (t for t in mine if t.marker.fingerprint == wanted and texts.matches(desired.fields, t.fields))
        shown = next(right, shown)
    return Actual(shown.fields, [text.as_json() for text in mine])


def _creating(desired: Ensure, wanted: str, created_id: int | None, created: Json, verified: Json) -> Step | None:
    """The next of create and verify, None when what was created is verified."""
    payload: dict[str, Any] = {"work_id": work_of(desired), "fields": dict(desired.fields), "print": wanted}
    if created_id is None:
        return Step(desired.resource, "create", {**payload, "again": False})
    if verified.get("id") != created_id:
        return Step(desired.resource, "verify", {**payload, "id": created_id, "lost": False})
    if not verified.get("missing"):
        return None
    if created.get("again"):
        return Step(desired.resource, "verify", {**payload, "id": created_id, "lost": True})
    return Step(desired.resource, "create", {**payload, "again": True})


def _delete(desired: Desired, ids: Sequence[int], progress: Mapping[str, Json]) -> list[Step]:
    gone = set((progress.get("delete") or {}).get("ids", ()))
    left = [id_ for id_ in ids if id_ not in gone]
    return [Step(desired.resource, "delete", {"work_id": work_of(desired), "ids": left})] if left else []


def _created_id(payload: Mapping[str, Json]) -> int | None:
    found = next((v["id"] for v in payload.values() if isinstance(v, Mapping) and "id" in v), None)
    return found if isinstance(found, int) else None


def _refusal(said: str, fields: Mapping[FieldKey, Json]) -> Refused:
    """Names the fields that the message speaks of, in GraphQL's spelling or Rails' (External text can't be blank)."""
    named = tuple(key for key in fields if re.search(_SPOKEN_OF[key], said, re.IGNORECASE))
    return Refused(named, said)
