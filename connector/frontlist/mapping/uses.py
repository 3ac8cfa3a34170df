"""What the 4ALLPORTAL system needs to know of the mapping."""

from __future__ import annotations

from frontlist.mapping.model import FieldMapping
from frontlist.mapping.rules import claims
from frontlist.systems.fourallportal.modules import ModuleUse

ISBNS = frozenset({"isbn", "isbn_dashes"})


def module_uses(mapping: FieldMapping) -> tuple[ModuleUse, ...]:
    """One a module, with the fields that 4ALLPORTAL owns: texts, their states and dates, `public_from` sources."""
    found = list(claims(mapping))
    return tuple(
        ModuleUse(
            module=each.module,
            connector=each.connector,
            owned=frozenset(
                claim.cell.field for claim in found if claim.module == each.module and claim.owner == "fourallportal"
            ),
            marker_work=each.markers.work,
            marker_product=each.markers.product,
            marker_origin=each.markers.origin,
            isbns=frozenset(rule.cell.field for rule in each.fields if rule.canonical in ISBNS),
            written=frozenset(
                claim.cell.field for claim in found if claim.module == each.module and claim.owner != "fourallportal"
            ),
        )
        for each in mapping.modules.values()
    )
