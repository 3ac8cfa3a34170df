"""Assumptions about what 4ALLPORTAL answers, each settled by looking at answers; a write is never needed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from frontlist.checking.evidence import Answer, Evidence
from frontlist.checking.verdict import Standing

Verdict = tuple[Standing, str]
NO_RECORDS: Verdict = ("unknown", "there is no record to look at yet")
NOTHING: Verdict = ("unknown", "it was not answered")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
_TYPED: Mapping[str, tuple[type, ...]] = {
    "CEInteger": (int,),
    "CELong": (int,),
    "CEBoolean": (bool,),
    "CEDouble": (int, float),
}


def _all(seen: Iterable[bool], right: str, wrong: str) -> Verdict:
    """Confirmed where every one that was seen is right."""
    found = list(seen)
    if not found:
        return NO_RECORDS
    return ("confirmed", f"{right} ({len(found)} seen)") if all(found) else ("refuted", wrong)


def _value_typing(seen: Evidence) -> Verdict:
    values = [(f.type, v) for f, _, v in seen.values() if f.type in _TYPED and v is not None]
    return _all((isinstance(v, _TYPED[t]) for t, v in values), "numbers and booleans are typed", "they are texts")


def _value_forms(seen: Evidence) -> Verdict:
    days = [bool(_DAY.fullmatch(str(v))) for f, _, v in seen.values() if f.type == "CEDate" and v is not None]
    times = [bool(_MOMENT.fullmatch(str(v))) for f, _, v in seen.values() if f.type == "CETimestamp" and v is not None]
    times += [bool(_MOMENT.fullmatch(str(row["mod_time"]))) for row in seen.rows() if "mod_time" in row]
    return _all(days + times, "dates and times look so", "dates or times have another form")


def _metric(seen: Evidence) -> Verdict:
    found = [v for f, _, v in seen.values() if f.type == "CEMetric" and v is not None]
    keys = {"value", "unit", "normalized"}
    return _all((isinstance(v, Mapping) and keys <= v.keys() for v in found), "keys as assumed", "other keys")


def _dimensions_form(seen: Evidence) -> Verdict:
    cells = [cell for f, cell, _ in seen.values() if cell is not None and not f.dimensions]
    wrong = "they carry null, or nothing; either is read"
    return _all((cell.get("dimensions") == {} for cell in cells), "cells carry {}", wrong)


def _empty_fields(seen: Evidence) -> Verdict:
    rows = seen.rows()
    shown = {key for row in rows for key, value in row.items() if value is None or value == []} - {"mod_time_img"}
    if shown:
        return "refuted", f"they are answered empty, e.g. {min(shown)}"
    least = min((len(module.fields) for module in seen.modules.values()), default=0)
    short = any(len(row) < least for row in rows)
    return ("confirmed", "records come without some of their fields") if short else NO_RECORDS


def _mod_time_img(seen: Evidence) -> Verdict:
    rows = seen.rows()
    return _all(("mod_time_img" in row for row in rows), "every record has mod_time_img", "records lack mod_time_img")


def _fields_parameter(seen: Evidence) -> Verdict:
    status = seen.stray_field.status
    if not status:
        return NOTHING
    return ("confirmed" if status == 400 else "refuted"), f"an unknown field is answered with {status}"


def _module_json(seen: Evidence) -> Verdict:
    if not any(answer.status == 200 for answer in seen.described.values()):
        return NOTHING
    bodies = [answer.body for answer in seen.described.values() if isinstance(answer.body, Mapping)]
    bare = any(_body(answer).get("fields") for answer in seen.bare.values())
    enums = [f for body in bodies for f in body.get("fields") or () if f.get("type") == "CEEnum"]
    if bare:
        return "refuted", "fields are answered without groups=fields too"
    wrong = "a CEEnum names no valueOptionKey: its values cannot be compared"
    return _all((bool(f.get("valueOptionKey")) for f in enums), "fields and options are named so", wrong)


def _body(answer: Answer) -> Mapping[str, Any]:
    return answer.body if isinstance(answer.body, Mapping) else {}


def _error_body(seen: Evidence) -> Verdict:
    if not seen.missing_object.status:
        return NOTHING
    body, status = _body(seen.missing_object), seen.missing_object.status
    right = status == 404 and body.get("status") == 404 and "message" in body
    return ("confirmed" if right else "refuted"), f"a missing object is answered with {status}, keys {sorted(body)}"


def _connector_json(seen: Evidence) -> Verdict:
    if not seen.connectors.status:
        return NOTHING
    rows, one = seen.connectors.objects, _body(seen.connector)
    right = all({"connector_name", "module_name"} <= row.keys() for row in rows) and bool(rows)
    right = right and (not one or {"fields", "hash", "module_name"} <= one.keys())
    return ("confirmed" if right else "refuted"), f"{len(rows)} connectors, one has the keys {sorted(one)}"


def _wrong_hash(seen: Evidence) -> Verdict:
    if not seen.wrong_hash.status:
        return NOTHING
    status = seen.wrong_hash.status
    return ("confirmed" if status == 409 else "refuted"), f"a wrong hash is answered with {status}"


def _options(seen: Evidence) -> Verdict:
    body = _body(seen.options)
    groups = [body[key].get("groups") for key in seen.option_keys if isinstance(body.get(key), Mapping)]
    if not seen.options.status or not groups:
        return "unknown", "no value options were told"
    right = all(isinstance(each, list) and len(each) == 1 and "items" in each[0] for each in groups)
    return ("confirmed" if right else "refuted"), f"{len(groups)} enumerations looked at"


#: Assumption -> how the answers settle it.
BEHAVIOURS: Mapping[str, Callable[[Evidence], Verdict]] = {
    "fourallportal.connector-json": _connector_json,
    "fourallportal.dimensions-form": _dimensions_form,
    "fourallportal.empty-fields": _empty_fields,
    "fourallportal.error-body": _error_body,
    "fourallportal.fields-parameter": _fields_parameter,
    "fourallportal.metric": _metric,
    "fourallportal.mod-time-img-empty": _mod_time_img,
    "fourallportal.module-json": _module_json,
    "fourallportal.value-forms": _value_forms,
    "fourallportal.value-option-groups": _options,
    "fourallportal.value-typing": _value_typing,
    "fourallportal.wrong-hash": _wrong_hash,
}
