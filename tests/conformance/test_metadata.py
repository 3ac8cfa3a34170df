"""Our own consumer, through the same kit as anyone's."""

from frontlist import Capabilities, Resource, chosen_id
from frontlist.mapping import default_text, load
from frontlist.testing import conformance, context, dossier, sample
from frontlist_metadata.plugin import Metadata

KINDS = ("metadata", "formats", "milestones")
WHOLE = [sample("consonance", each) for each in KINDS]
PORTAL = sample("fourallportal", "metadata")
MAPPING = load(default_text())
LINKS = {Resource("fourallportal", "product", "11"): "an-older-record"}
STAGE = {"id": 1, "name": "Contracted", "code": None}
DOSSIERS = [
    dossier("work:1", *WHOLE),
    dossier("work:1", *WHOLE[:2], sample("consonance", "milestones", project_stage=STAGE), PORTAL),
    dossier("work:1", WHOLE[0], sample("consonance", "formats", products=[{"id": 11, "isbn13": "No ISBN"}]), WHOLE[2]),
]
ABLE = {
    "consonance": Capabilities(fields={"UpdateWorkInput": frozenset({"keywords"})}),
    "fourallportal": Capabilities(creatable={"product": "the tenant has records that are not linked"}),
}
#: Released a while ago, with a product more than today.
NOTES = {
    "released_at": "2026-01-01T00:00:00+00:00",
    "products": [10, 11, 12],
    "sent": [chosen_id("acme", "text", "1/02/eng")],
}

test_metadata = conformance(Metadata(), dossiers=DOSSIERS, mapping=MAPPING)
test_metadata_of_a_linked_tenant = conformance(
    Metadata(),
    dossiers=DOSSIERS,
    mapping=MAPPING,
    context=context(links=LINKS, capabilities=ABLE, notes=NOTES),
)
