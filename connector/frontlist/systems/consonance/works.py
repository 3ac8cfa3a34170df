"""Fields of a work as a target: keywords and the like, under the names that UpdateWorkInput gives them.

That updateWork leaves alone what its input does not name is INFERENCE (each of its fields but `id` may be left out).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from frontlist.contract import Absent, Actual, Desired, Done, Ensure, FieldKey, Json, Refused, Resource, Step
from frontlist.errors import Refuse, Stop
from frontlist.systems.consonance import mutations, texts
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.schema import Schema

KIND = "work"
INPUT = "UpdateWorkInput"
MUTATION = "updateWork"
UPDATE = "update"
#: What of the input says which work, and nothing of it.
_OF_THE_CALL = frozenset({"id", "clientMutationId"})


def writable(schema: Schema) -> frozenset[str]:
    """Names of the fields that can be written: none without the mutation, no nested input such as `products`."""
    if schema.written(MUTATION) is None:
        return frozenset()
    return frozenset(name for name in schema.inputs(INPUT) if _plain(schema, name))


async def read(client: Client, desired: Sequence[Desired]) -> dict[Resource, Actual | None]:
    """The fields wanted of each work that the schema lets us read; one that it does not is left out.

    Raises Stop where a field cannot be read now: taken for empty, its before-image would be wrong.
    """
    schema = await client.schema()
    found: dict[Resource, Actual | None] = {}
    for start in range(0, len(desired), texts.AT_ONCE):
        some = desired[start : start + texts.AT_ONCE]
        asked = (_asked(schema, f"w{n}", each) for n, each in enumerate(some))
        answer = await client.query(f"query Works {{ {' '.join(asked)} }}")
        if answer.problems:
            where = f"consonance works {[each.resource.id for each in some]}"
            raise Stop(f"works cannot be read: {answer.problems[0].message}", where=where)
        found |= {each.resource: _actual(schema, answer.data.get(f"w{n}")) for n, each in enumerate(some)}
    return found


def same(desired: Json, actual: Json) -> bool:
    """Lists in their order; null, [] and the empty text are the same, and so are a text and a list of it alone."""
    return _items(desired) == _items(actual)


def steps(desired: Desired, actual: Actual | None, progress: Mapping[str, Json]) -> list[Step]:
    """One update with only what differs; a field that cannot be read back is written whenever it is asked for."""
    if isinstance(desired, Absent):
        raise Stop("a work is never taken away", where=str(desired.resource), cure="plan Ensure with None for a field")
    have = actual.fields if actual else {}
    written = (progress.get(UPDATE) or {}).get("fields", {})
    left = {
        key: value
        for key, value in desired.fields.items()
        if not (key in have and same(value, have[key])) and not (key in written and written[key] == value)
    }
    return [Step(desired.resource, UPDATE, {"fields": left})] if left else []


async def update(client: Client, step: Step, deadline: float) -> Done | Refused:
    """Says the whole value of each field, so it may be repeated."""
    fields: Mapping[FieldKey, Json] = step.payload["fields"]
    schema = await client.schema()
    given, refused = _spelled(schema, fields)
    if refused:
        return Refused(tuple(refused), "; ".join(refused.values()))
    variables = {"input": {"id": _id(step.resource), **given}}
    try:
        said = mutations.complaint(await client.mutate(mutations.text(schema, MUTATION), variables, deadline))
    except Refuse as error:
        said = error.what
    if said:
        return Refused(tuple(key for key in fields if re.search(_spoken(key), said, re.IGNORECASE)), said)
    return Done({"fields": dict(fields)})


def _id(resource: Resource) -> int:
    if not resource.id.isascii() or not resource.id.isdigit():
        raise Stop(f"'{resource.id}' is no id of a work", where=str(resource), cure="name it by Consonance's number")
    return int(resource.id)


def _plain(schema: Schema, name: str) -> bool:
    taken = schema.types.get(schema.inputs(INPUT)[name].name)
    return name not in _OF_THE_CALL and (taken is None or taken.kind in ("SCALAR", "ENUM"))


def _asked(schema: Schema, alias: str, desired: Desired) -> str:
    """A field of another kind on the work than in the input (an id, an object) is not asked for: `select` omits it."""
    wanted = desired.fields.keys() & writable(schema) if isinstance(desired, Ensure) else set()
    selection, _missing = schema.select("Work", {name: {} for name in ("id", *sorted(wanted))})
    return f"{alias}: work(workSearch: {{idEq: {_id(desired.resource)}}}) {{ {selection} }}"


def _actual(schema: Schema, row: Json) -> Actual | None:
    if row is None:
        return None
    return Actual({FieldKey(name): _read(schema, name, value) for name, value in row.items() if name != "id"})


def _read(schema: Schema, name: str, value: Json) -> Json:
    """Codes as the contract has them, without the underscore of an enum."""
    if not schema.values(schema.inputs(INPUT)[name].name):
        return value
    return [texts.bare(item) for item in value] if isinstance(value, list) else texts.bare(value)


def _items(value: Json) -> list[Json]:
    given = value if isinstance(value, list | tuple) else [value]
    items = [item.strip() if isinstance(item, str) else item for item in given]
    return [item for item in items if item not in (None, "")]


def _spelled(schema: Schema, fields: Mapping[FieldKey, Json]) -> tuple[dict[str, Json], dict[FieldKey, str]]:
    """The input as the schema takes it, and why it will not have which fields."""
    can = writable(schema)
    given: dict[str, Json] = {}
    refused: dict[FieldKey, str] = {}
    for key, value in fields.items():
        if key not in can:
            refused[key] = f"the tenant's {INPUT} has no {key} that can be written; see `work_field` in the mapping"
            continue
        takes = schema.inputs(INPUT)[key]
        items = _items(value)
        if not takes.many and len(items) > 1:
            refused[key] = f"{key} of {INPUT} takes one value, not {len(items)}; map it to a field that takes a list"
            continue
        codes, unknown = texts.coded(schema, takes.name, items)
        if unknown:
            refused[key] = f"{key}: {unknown} is no {takes.name} of the tenant"
        given[key] = codes if takes.many else next(iter(codes), None)
    return given, refused


def _spoken(key: str) -> str:
    """A field in a message: GraphQL's spelling or Rails' (`inHouseSubjects`, "In house subjects is too long")."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", key).split()
    return r"\b" + r"[ _]?".join(map(re.escape, words)) + r"\b"
