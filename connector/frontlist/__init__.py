"""What plugin authors may import; everything else may change without notice. How to test a plugin: `frontlist.testing`.

`ASPECTS` are the aspects of a title, in a fixed order. `TitleKey` is "work:61417" or "object:product/<id>", `Revision`
counts microseconds since 1970, `FieldKey` is "title" or "title[channel=web,locale=en_GB]"; `Json` is what fields, notes
and bodies hold: str, int, bool, None, lists and string-keyed mappings of these, never a float. `State` is what a
document says of itself, `Desired` an `Ensure` or `Absent`, `StepOutcome` a `Done` or `Refused`. `Writes` is what a
consumer declares that it writes: (target, kind) -> names of fields, `EVERY_FIELD` for all. `hookimpl` marks the
functions that register what a plugin brings, `errors` holds what a target may raise. `Api` calls a system over HTTP
and raises them; `System` is what a plugin brings for a further system, `Source` and what stands beside it how one is
read.
"""

from typing import TYPE_CHECKING, Any

from frontlist import errors
from frontlist.clock import chosen_id
from frontlist.contract import (
    ASPECTS,
    EVERY_FIELD,
    Absent,
    Actual,
    Brake,
    Capabilities,
    Consumer,
    Context,
    Desired,
    Document,
    DocumentKey,
    Done,
    Dossier,
    Ensure,
    FieldKey,
    Finding,
    Json,
    Mode,
    Plan,
    Refused,
    Resource,
    Revision,
    State,
    Step,
    StepOutcome,
    Target,
    TitleKey,
    Wait,
    Writes,
)
from frontlist.plugins import hookimpl
from frontlist.source import Feed, Page, Raw, RawKey, Source, Statement
from frontlist.system import Opened, System
from frontlist.systems.fourallportal.cells import field_key

if TYPE_CHECKING:
    from frontlist.http import Api

__all__ = [
    "ASPECTS",
    "EVERY_FIELD",
    "Absent",
    "Actual",
    "Api",
    "Brake",
    "Capabilities",
    "Consumer",
    "Context",
    "Desired",
    "Document",
    "DocumentKey",
    "Done",
    "Dossier",
    "Ensure",
    "Feed",
    "FieldKey",
    "Finding",
    "Json",
    "Mode",
    "Opened",
    "Page",
    "Plan",
    "Raw",
    "RawKey",
    "Refused",
    "Resource",
    "Revision",
    "Source",
    "State",
    "Statement",
    "Step",
    "StepOutcome",
    "System",
    "Target",
    "TitleKey",
    "Wait",
    "Writes",
    "chosen_id",
    "errors",
    "field_key",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    """`Api` is loaded by the first who asks: a consumer needs no HTTP client."""
    if name == "Api":
        from frontlist.http import Api

        return Api
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
