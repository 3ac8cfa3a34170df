"""What the 4ALLPORTAL sandbox assumes; everything else in its API is documented or proven by clients."""

from frontlist_sandbox.assumptions import Assumption


def _assume(name: str, what: str, why: str, *probes: str) -> Assumption:
    return Assumption(f"fourallportal.{name}", "fourallportal", what, why, probes)


_OBJECTS = "http:GET /api/modules/{module}/objects"
_MODULE = "http:GET /api/modules/{module}?groups=fields"
_PATCH = "http:PATCH /api/modules/{module}/objects"
_EVENTS = "http:GET /api/connectors/{connector}/events/{from}"
_MOUNTS = "http:POST /api/extensions/dam/mounts/data/events/CREATE"

ASSUMPTIONS = (
    _assume(
        "field-names",
        "The modules title and product, and every field name except name, parent_path, mount, mimetype, created_by, "
        "created_time and ois_prev_type of module file, are the sandbox's own.",
        "Each tenant defines its own modules and fields; the mapping file names them.",
        _MODULE,
    ),
    _assume(
        "module-json",
        "The module's JSON carries name, label, labelSingular, info, menuEntry, create, onlyFriendlyname and "
        "objectImage; fields stand in it only with groups=fields, and a CEEnum names its options in valueOptionKey.",
        "The path and fields[].name and .type are proven; the rest comes from a struct that its client never used.",
        _MODULE,
    ),
    _assume(
        "value-typing",
        "Numbers, booleans and lists are JSON-typed (toggle values: typed or strings); either is accepted in writing.",
        "The only typed client models strings and lists of strings.",
        _OBJECTS,
    ),
    _assume(
        "value-forms",
        "CEDate is 2026-05-01; CETimestamp and mod_time are ISO UTC with milliseconds and Z; a time without a zone is "
        "refused.",
        "The vendor shows that form once, in a 4APQL statement; the format on /api is unknown.",
        _OBJECTS,
    ),
    _assume(
        "metric",
        "CEMetric is {value, unit, normalized}; normalized is in the metric's base unit and computed by the portal, "
        "what is sent for it is ignored; units come from the schema file.",
        "The keys are proven by a client, the numbers and the writing are not.",
        _MODULE,
        _OBJECTS,
    ),
    _assume(
        "types-storage",
        "CEEmail, CEPhone and the MAM and XMP types are plain values without a check of their form; CEAddressList is a "
        "list of strings; object links hold one id.",
        "The types are documented by name only, the table of the docs is cut off.",
        _MODULE,
    ),
    _assume(
        "dimensions-form",
        "A cell without dimensions carries {} (toggle dimensions: empty, null or absent).",
        "Clients accept all three forms.",
        _OBJECTS,
    ),
    _assume(
        "general-cell",
        "A field with dimensions also takes a cell without them, or with only some; a dimension or value that is not "
        "defined is refused with 400, and so are two cells for the same dimensions.",
        "That empty dimensions hold for every locale and channel is proven, what a write may contain is not.",
        _PATCH,
    ),
    _assume(
        "empty-fields",
        "A field without a value is left out of an object (toggle empty_fields: absent, array or null).",
        "No source shows one.",
        _OBJECTS,
    ),
    _assume(
        "mod-time-img-empty",
        "mod_time_img is an empty array where an object has no media; has_child is never sent.",
        "One client requires mod_time_img on every object; no source shows an object without an image.",
        _OBJECTS,
    ),
    _assume(
        "mod-time-distinct",
        "Two changes of one object never carry the same mod_time or mod_time_img; new media does not change mod_time.",
        "Both times are documented, their resolution and what moves them are not.",
    ),
    _assume(
        "list-order",
        "Objects are listed in the order in which they appeared, 25 a page by default and 1,000 at most "
        "(toggles default_limit, max_limit); a larger limit is cut in silence.",
        "Neither a sort parameter nor default and maximum of limit are documented.",
        _OBJECTS,
    ),
    _assume(
        "fields-parameter",
        "Without fields all are answered; the platform's own properties are answered always; an unknown one is 400.",
        "Clients always name the fields that they want.",
        _OBJECTS,
    ),
    _assume(
        "write-errors",
        "An unknown module is 404; an unknown field, a wrong type, a text too long and an unknown value option are 400 "
        "with a message that names object and field (toggle error_detail: named or vague).",
        "The validation error's body is unknown.",
        _PATCH,
    ),
    _assume(
        "error-body",
        'An error is {"status": ..., "message": ...} with the same HTTP status; 401, 403, 404 and 409 have their usual '
        "meanings; code 1 (parameter not set) is sent where hash or ids is missing.",
        "The two members and the code are known from a client's check, the statuses are conventional.",
        _OBJECTS,
    ),
    _assume(
        "clearing",
        "value null clears a cell; an empty array or a null in place of the array of cells clears the field "
        "(an empty array changes nothing where cells merge).",
        "Deduced from CSV import, where an empty value sets null.",
        _PATCH,
    ),
    _assume(
        "cells-write",
        "The cells sent replace all cells of the field (toggle cells: replace or merge); fields not sent stay.",
        "Whether PATCH replaces or merges is unknown: the mapping reads and writes whole fields.",
        _PATCH,
    ),
    _assume(
        "max-batch",
        "Up to 100 objects in a call (toggle max_batch), more is 400; an empty array is answered by an empty one.",
        "No limit is documented.",
        _PATCH,
    ),
    _assume(
        "arrays",
        "An array is written whole or not at all (toggle arrays: atomic; partial writes the good ones and answers 400; "
        "silent writes them and answers 200 with their ids).",
        "Partial failure is unknown.",
        _PATCH,
    ),
    _assume(
        "answer-order",
        "The ids are answered in the order of the input (toggle answer_order: input or sorted).",
        "The only client reads the last id of one.",
        _PATCH,
    ),
    _assume(
        "system-properties",
        "type, mod_time and mod_time_img may be sent and are ignored; a module that differs from the path is 400.",
        "No source shows a write that contains them.",
        _PATCH,
    ),
    _assume(
        "chosen-ids",
        "An id that the caller chooses is any string of 1 to 36 characters without a slash.",
        "Storage is CHAR(36), older ids are no UUIDs.",
        _PATCH,
    ),
    _assume(
        "nullable-fields",
        "Every field may be empty, none is unique, none has a default; created_time and created_by are set at creation "
        "where a module has them.",
        "not_null, unique and default exist in field definitions; what a tenant sets is its own.",
        _MODULE,
    ),
    _assume(
        "references",
        "Ids of other objects are stored unchecked (toggle references: loose or checked, then 400).",
        "Nothing is documented about dangling ids.",
        _PATCH,
    ),
    _assume(
        "unchanged-write",
        "A write that changes nothing still changes mod_time and makes an event (toggle unchanged_write).",
        "Unknown; this is the less convenient of the two.",
        _PATCH,
    ),
    _assume(
        "deleted-ids",
        "An upsert with the id of a deleted object brings it back (toggle deleted_ids: revive; fail answers 409; "
        "swallow answers 200 and leaves it deleted). After 30 days the id is free again.",
        "Deletion sets deleted=1 for 30 days; what an upsert then does is unknown.",
        _PATCH,
    ),
    _assume(
        "delete-answer",
        "A deletion answers 204; of an object that is not there, or not any more, 404.",
        "Documented is any 2xx.",
    ),
    _assume(
        "media-usages",
        "The usages are Original, WebAll, small, medium and large, written exactly so; other renditions than Original "
        "are JPEGs of any file; an object without content is 404.",
        "Five names are known; case sensitivity and the formats of a tenant's derivates are not.",
    ),
    _assume(
        "rendering",
        "Renditions are there at once (toggle rendering: ready; missing answers 404, accepted 202, empty an empty "
        "body; rendering_seconds limits it to a time after the upload).",
        "What a rendition answers that is still being made is unknown.",
    ),
    _assume(
        "connector-json",
        "GET /api/connectors is a list of {connector_name, module_name}; one by name adds fields, conditions and hash.",
        "module_name, fields and hash are proven; the rest follows the legacy names.",
        "http:GET /api/connectors",
    ),
    _assume(
        "connector-hash",
        "The hash is a digest of the connector's configuration and of the definitions of its fields.",
        "That it changes with the configuration is proven, what goes into it is not.",
    ),
    _assume(
        "wrong-hash",
        "Events asked for with a wrong hash are 409, without one 400 (toggle wrong_hash: refuse, empty or ignore).",
        "The server's behaviour is unknown, clients stop by themselves.",
        _EVENTS,
    ),
    _assume(
        "event-kinds",
        "An object that enters a connector's condition makes an event of type 2, one that leaves it type 0; "
        "object_type is 0 for fields, 1 for media and 2 in a replay; one change makes one event a connector.",
        "The types are proven, entering and leaving are deduced, object_type is from the legacy API.",
        _EVENTS,
    ),
    _assume(
        "event-ids",
        "Ids of events rise over all connectors together, so that one queue has gaps; a rebuilt queue gets new, higher "
        "ids; events are kept for ever.",
        "Rising ids are proven; gaps, renumbering and retention are not.",
        _EVENTS,
    ),
    _assume(
        "rebuild",
        "Asking from 0 starts a replay of all visible objects as creations; until it is done, by default for one "
        "answer, the queue looks empty (toggles rebuild_calls, rebuild_seconds, rebuild_shows: nothing or half). "
        "Asking from 0 again starts another only when the last one was read on from.",
        "That the rebuild is asynchronous is proven; how long it takes and what it shows meanwhile is not.",
        _EVENTS,
    ),
    _assume(
        "condition-semantics",
        "A comparison holds if any cell or list item of the field meets it; without a value only IS NULL holds; LIKE "
        "minds case. MATCH and dimensions in brackets are refused.",
        "4APQL's operators are documented, their meaning for cells and lists is not.",
    ),
    _assume(
        "value-option-groups",
        "The items of an enumeration stand in one group named like the key, with icon null; unknown keys are left out.",
        "The shape is proven for <module>.referenced_by only.",
        "http:GET /api/system/value-options?ids={key}",
    ),
    _assume(
        "mount-key",
        "Mount events are taken with any valid key (toggle mounts_need_system_key: 403 without the system's).",
        "The vendor's sidecar uses the system key; an ordinary one may need rights.",
        _MOUNTS,
    ),
    _assume(
        "mount-objects",
        "CREATE and UPDATE create or update the file object of that mount, parent_path and name, MOVE keeps its id, "
        "DELETE deletes softly; folders make no object but move and delete what is below; parent_path is relative and "
        "empty at the top; new content makes a second event.",
        "The events are documented, their effect on objects is deduced from the file fields.",
        _MOUNTS,
    ),
)
