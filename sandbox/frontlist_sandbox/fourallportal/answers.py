"""Objects and bodies as JSON, in the generation of the API that the toggles choose."""

from collections.abc import Iterable

from starlette.responses import JSONResponse

from frontlist_sandbox.fourallportal import cells
from frontlist_sandbox.fourallportal.clock import stamp
from frontlist_sandbox.fourallportal.errors import Refusal
from frontlist_sandbox.fourallportal.records import Record
from frontlist_sandbox.fourallportal.toggles import Toggles

UNDEFINED_ERROR = -1


def object_json(record: Record, names: Iterable[str], toggles: Toggles) -> dict[str, object]:
    """The object with these fields flattened on it; the legacy API wraps them in `properties`."""
    properties = {name: shown for name in names if (shown := _property(record, name, toggles)) is not None}
    images = [stamp(record.mod_time_img)] if record.mod_time_img else []
    properties["mod_time_img"] = [cell for one in images for cell in cells.shown({(): one}, toggles)]
    head = {"id": record.id, "type": record.type, "mod_time": stamp(record.mod_time)}
    if toggles.envelope == "legacy":
        return {**head, "module_name": record.module, "properties": properties}
    return {**head, "module": record.module, **properties}


def success(body: object, toggles: Toggles) -> JSONResponse:
    """200 with the body as it is, or in the legacy envelope."""
    return JSONResponse({"result": body, "info": {}, "code": 0} if toggles.envelope == "legacy" else body)


def failure(refusal: Refusal, toggles: Toggles) -> JSONResponse:
    """The error object of this generation; the HTTP status is the same in both."""
    code = refusal.code
    if toggles.envelope == "legacy":
        body: dict[str, object] = {"info": {}, "code": code or UNDEFINED_ERROR, "message": refusal.message}
    else:
        body = {"status": refusal.status, "message": refusal.message}
        body |= {} if code is None else {"code": code}
    return JSONResponse(body, refusal.status)


def _property(record: Record, name: str, toggles: Toggles) -> list[dict[str, object]] | None:
    present = record.values.get(name)
    return cells.shown(present, toggles) if present else cells.nothing(toggles)
