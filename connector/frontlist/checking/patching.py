"""The one write of `check`: what a PATCH does to a field's other cells, on a record that a person names for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from frontlist.checking.behaviours import Verdict
from frontlist.checking.verdict import Check, failed
from frontlist.contract import Json
from frontlist.errors import ConfigurationError, DeliveryError, FrontlistError, Retry
from frontlist.mapping import FieldMapping
from frontlist.systems.fourallportal.cells import Dimensions, read_cells
from frontlist.systems.fourallportal.client import Client

AREA = "4ALLPORTAL"
WHAT = "what a PATCH does to other cells"
_TEXTS = ("CEText", "CEVarchar")
Cells = dict[Dimensions, Json]


@dataclass(frozen=True)
class Scratch:
    """A field of a record that a person set aside."""

    module: str
    id: str
    field: str

    @classmethod
    def of(cls, text: str) -> Scratch:
        """From MODULE/ID/FIELD."""
        parts = text.split("/")
        if len(parts) != 3 or not all(parts):
            raise ConfigurationError(
                f"{text!r} names no field of a record",
                where="--probe-writes",
                cure="write MODULE/ID/FIELD, e.g. product/5f0e.../description_long, of a record made for trying",
            )
        return cls(*parts)

    def __str__(self) -> str:
        return f"{self.module}/{self.id}/{self.field}"


@dataclass(frozen=True)
class Probed:
    checks: list[Check]
    verdicts: dict[str, Verdict]


async def probe(client: Client, scratch: Scratch, locales: Sequence[str], mapping: FieldMapping | None) -> Probed:
    """Two writes, then the field as it was; what could not be restored is a failed check that says what was there."""
    try:
        before = await _suitable(client, scratch, locales)
    except FrontlistError as error:
        return Probed([failed(AREA, WHAT, error)], {})
    found: str | None = None
    problems: list[Check] = []
    try:
        found = await _tried(client, scratch, locales[0], locales[1])
    except FrontlistError as error:
        problems.append(failed(AREA, WHAT, error))
    finally:
        problems += await _restored(client, scratch, before)
    if found is None:
        return Probed(problems, {})
    is_replacing = found == "replaces"
    verdict: Verdict = ("confirmed" if is_replacing else "refuted", f"a PATCH {found} the other cells of {scratch}")
    return Probed([*problems, _compared(found, scratch, mapping)], {"fourallportal.cells-write": verdict})


async def _suitable(client: Client, scratch: Scratch, locales: Sequence[str]) -> Cells:
    """What the field holds; refuses a field that cannot show it, before anything is written."""
    described = (await client.module(scratch.module)).field(scratch.field)
    if described is None or described.type not in _TEXTS or described.dimensions != ("locale",) or len(locales) < 2:
        raise ConfigurationError(
            f"{scratch.field} is no text field with the dimension locale alone, in a tenant of two locales",
            where=str(scratch),
            cure="name such a field, e.g. the description, and two locales in fourallportal.locales",
        )
    return await _held(client, scratch)


async def _held(client: Client, scratch: Scratch) -> Cells:
    shown = await client.get(scratch.module, scratch.id, [scratch.field])
    if shown is None:
        raise ConfigurationError("there is no such record", where=str(scratch), cure="name one that is made for trying")
    cells = read_cells(shown.get(scratch.field), str(scratch))
    return {cell.dimensions: cell.value for cell in cells if cell.value is not None}


async def _write(client: Client, scratch: Scratch, cells: Cells) -> None:
    sent = [{"value": value, "dimensions": dict(where) or None} for where, value in cells.items()]
    await client.upsert(scratch.module, [{"id": scratch.id, scratch.field: sent}])


async def _tried(client: Client, scratch: Scratch, one: str, other: str) -> str:
    """`merges` or `replaces`."""
    here, there = (("locale", one),), (("locale", other),)
    await _write(client, scratch, {here: "frontlist probe 1", there: "frontlist probe 2"})
    await _write(client, scratch, {here: "frontlist probe 3"})
    after = await _held(client, scratch)
    if after.get(here) != "frontlist probe 3":
        raise Retry("the probe was answered as written and is not there", where=str(scratch), cure="try once more")
    return "merges" if after.get(there) == "frontlist probe 2" else "replaces"


async def _restored(client: Client, scratch: Scratch, before: Cells) -> list[Check]:
    """Every cell that is there now and was not before is cleared."""
    try:
        now = await _held(client, scratch)
        if now != before:
            await _write(client, scratch, {**dict.fromkeys(now), **before})
        if await _held(client, scratch) == before:
            return [Check(AREA, "the scratch record", "ok", "holds what it held before", str(scratch))]
        why = "the tenant did not take it"
    except (DeliveryError, FrontlistError) as error:
        why = error.what
    was = "; ".join(f"{dict(where)}: {value!r}" for where, value in before.items()) or "nothing"
    detail = f"could not be restored ({why}); it held {was}"
    return [Check(AREA, "the scratch record", "failed", detail, str(scratch), "write that back by hand")]


def _compared(found: str, scratch: Scratch, mapping: FieldMapping | None) -> Check:
    if mapping is None or mapping.patch == found:
        return Check(AREA, WHAT, "ok", f"it {found} them", str(scratch))
    cure = f"write `patch: {found}` into the mapping"
    if mapping.patch == "unknown":
        return Check(AREA, WHAT, "warning", f"it {found} them; the mapping does not say so yet", mapping.file, cure)
    detail = f"it {found} them, the mapping says {mapping.patch}: cells of the other owner can be lost"
    return Check(AREA, WHAT, "failed", detail, mapping.file, cure)
