"""What plugin authors may import; everything else may change without notice. How to test a plugin: `frontlist.testing`.

`ASPECTS` are the aspects of a title, in a fixed order. `TitleKey` is "work:61417" or "object:product/<id>", `Revision`
counts microseconds since 1970, `FieldKey` is "title" or "title[channel=web,locale=en_GB]"; `Json` is what fields, notes
and bodies hold: str, int, bool, None, lists and string-keyed mappings of these, never a float. `State` is what a
document says of itself, `Desired` an `Ensure` or `Absent`, `StepOutcome` a `Done` or `Refused`. `hookimpl` marks the
functions that register what a plugin brings, `errors` holds what a target may raise.
"""

from frontlist import errors
from frontlist.clock import chosen_id
from frontlist.contract import (
    ASPECTS,
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
)
from frontlist.plugins import hookimpl
from frontlist.systems.fourallportal.cells import field_key

__all__ = [
    "ASPECTS",
    "Absent",
    "Actual",
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
    "FieldKey",
    "Finding",
    "Json",
    "Mode",
    "Plan",
    "Refused",
    "Resource",
    "Revision",
    "State",
    "Step",
    "StepOutcome",
    "Target",
    "TitleKey",
    "Wait",
    "chosen_id",
    "errors",
    "field_key",
    "hookimpl",
]
