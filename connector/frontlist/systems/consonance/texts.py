"""Marketing texts of ours as Consonance holds them: reading them, and what `Ensure.fields` are called there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from frontlist.contract import FieldKey, Json
from frontlist.errors import Stop
from frontlist.systems.consonance import marker, wording
from frontlist.systems.consonance.client import Client
from frontlist.systems.consonance.marker import Marker
from frontlist.systems.consonance.schema import Schema, Wanted
from frontlist_schemas.canonical import fingerprint

#: Field key -> its name in CreateMarketingTextInput (all FACT).
INPUTS: Mapping[str, str] = {
    "work_id": "workId",
    "variant": "variant",
    "language": "onixLanguageCode",
    "audiences": "onixContentAudienceCodes",
    "product_ids": "productIds",
    "markdown": "externalTextMarkdown",
    "from_date": "fromDate",
    "until_date": "untilDate",
}
_LISTS = frozenset({"audiences", "product_ids"})
_: dict[str, Any] = {}
TEXT: Wanted = {
    "id": _,
    "variant": _,  # ASSUMED, as is untilDate: the schema page of MarketingText was cut
    "externalTextMarkdown": _,
    "externalText": _,
    "internalTextMarkdown": _,
    "internalText": _,
    "onixLanguageCode": _,
    "onixContentAudienceCodes": _,
    "productIds": _,
    "fromDate": _,
    "untilDate": _,
}
#: Works asked for in one request.
AT_ONCE = 20


@dataclass(frozen=True)
class Text:
    """A text with our marker."""

    id: int
    marker: Marker
    fields: Mapping[FieldKey, Json]

    def as_json(self) -> Json:
        return {"id": self.id, "fingerprint": self.marker.fingerprint, "fields": dict(self.fields)}


async def ours(client: Client, work_ids: Sequence[int]) -> dict[int, list[Text]]:
    """Our texts of each work by id; a work that Consonance does not know has none.

    Raises Stop where the list cannot be read: taken for empty, every text would be written a second time.
    """
    schema = await client.schema()
    selection, _missing = schema.select("MarketingText", TEXT)
    found: dict[int, list[Text]] = {}
    for start in range(0, len(work_ids), AT_ONCE):
        some = work_ids[start : start + AT_ONCE]
        asked = (f"w{i}: work(workSearch: {{idEq: {i}}}) {{ id marketingTexts {{ {selection} }} }}" for i in some)
        answer = await client.query(f"query Texts {{ {' '.join(asked)} }}")
        if answer.problems:
            raise Stop(f"texts cannot be read: {answer.problems[0].message}", where=f"consonance works {some}")
        for work_id in some:
            found[work_id] = _texts(answer.data.get(f"w{work_id}"), work_id)
    return found


def _texts(work: Json, work_id: int) -> list[Text]:
    if work is None:
        return []
    rows = work.get("marketingTexts")
    if not isinstance(rows, list):
        raise Stop("marketingTexts is null where a list was", where=f"consonance work {work_id}")
    texts = (_text(row, work_id) for row in rows if row)
    return sorted((text for text in texts if text), key=lambda text: text.id)


def _text(row: Mapping[str, Json], work_id: int) -> Text | None:
    marked = marker.of_text(row.get("internalTextMarkdown")) or marker.of_text(row.get("internalText"))
    if marked is None:
        return None
    names = {key: name for key, name in INPUTS.items() if name in row}
    fields = {key: normal(key, row[name]) for key, name in names.items()}
    if "markdown" not in fields and "externalText" in row:
        fields["markdown"] = row["externalText"]
    return Text(row["id"], marked, {FieldKey(k): v for k, v in {"work_id": work_id, **fields}.items()})


def normal(key: str, value: Json) -> Json:
    """One form of a value: codes without underscore, lists sorted, an empty list for none."""
    if key in _LISTS:
        items = [bare(item) for item in value or ()]
        return sorted(items, key=str)
    return bare(value) if key in ("variant", "language") else value


def same(key: str, desired: Json, actual: Json) -> bool:
    """Whether both mean the same; texts by their words, since markdown is written and HTML read."""
    if key == "markdown":
        return wording.normal(desired or "") == wording.normal(actual or "")
    return bool(normal(key, desired) == normal(key, actual))


def matches(desired: Mapping[FieldKey, Json], actual: Mapping[FieldKey, Json]) -> bool:
    """Fields that the tenant does not let us read back are taken as written."""
    return all(same(key, value, actual[key]) for key, value in desired.items() if key in actual)


def print_of(fields: Mapping[FieldKey, Json]) -> str:
    """The 16 hex digits that the marker carries: of what we want to be there."""
    return fingerprint({key: normal(key, value) for key, value in fields.items()})[:16]


def spelled(schema: Schema, fields: Mapping[FieldKey, Json]) -> tuple[dict[str, Json], dict[FieldKey, str]]:
    """The mutation's input in the tenant's own enums, and why it will not have which fields."""
    offered = schema.inputs("CreateMarketingTextInput")
    given: dict[str, Json] = {}
    refused: dict[FieldKey, str] = {}
    for key, value in fields.items():
        name = INPUTS.get(key)
        if name is None or name not in offered:
            refused[key] = f"the tenant's CreateMarketingTextInput has no {name or key}"
        elif value is not None:
            given[name], unknown = coded(schema, offered[name].name, value)
            if unknown:
                known = ", ".join(sorted(schema.values(offered[name].name)))
                refused[key] = f"{unknown} is no {offered[name].name} of the tenant; it has {known[:300]}"
    return given, refused


def coded(schema: Schema, enum: str, value: Json) -> tuple[Json, str]:
    """The value as the enum spells it, and what of it the enum lacks."""
    items = value if isinstance(value, list | tuple) else [value]
    names = [schema.spelled(enum, item) if isinstance(item, str) else item for item in items]
    unknown = next((str(item) for item, name in zip(items, names, strict=True) if name is None), "")
    return (names if isinstance(value, list | tuple) else names[0]), unknown


def bare(value: Json) -> Json:
    """A code without the underscore that GraphQL puts before a digit."""
    return value.removeprefix("_") if isinstance(value, str) else value
