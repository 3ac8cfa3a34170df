"""What the catalogue supposes about a tenant, and what of ONIX is lost on the way into it."""

from __future__ import annotations

from frontlist_sandbox.assumptions import Assumption

ASSUMPTIONS = (
    Assumption(
        "catalogue.work-grouping",
        "catalogue",
        what="Products are one work by WorkRelation 01, else by 06/13/27; a bundle joins parts that bear its title.",
        why="ONIX has no work record; Consonance groups by hand.",
    ),
    Assumption(
        "catalogue.project-stage",
        "catalogue",
        what="Status 02 and 04 to 18 give stage 4 Released, 01 and 03 Stopped, unstated ones by NotificationType.",
        why="ONIX has no project stage; stages are each tenant's own list.",
    ),
    Assumption(
        "catalogue.text-variants",
        "catalogue",
        what="List 153 codes become variants: 02 SHORT_DESCRIPTION (attested), 03 MAIN_DESCRIPTION, 04, 05, 06, 09, "
        "10, 11, 12, 14 under names of ours; other types are kept without a variant.",
        why="Only SHORT_DESCRIPTION is attested in MarketingTextVariant.",
    ),
    Assumption(
        "catalogue.product-typename",
        "catalogue",
        what="The GraphQL type follows the product form: A audio, B book, E and AJ/AN/AO electronic, L electronic, "
        "others physical, none generic; ONIX 2.1 codes beyond BB, BC and DG are derived.",
        why="No source says how Consonance chooses the type.",
    ),
    Assumption(
        "catalogue.sales-rights",
        "catalogue",
        what="01/02/07/08 are for sale, 03 to 06 not; WORLD without exclusion is worldwide with empty lists, WORLD "
        "with exclusions and a ROW type other than 00 are expanded to ISO countries; unreadable tokens stay as given.",
        why="Whether Consonance fills the lists of a worldwide product is unknown.",
    ),
    Assumption(
        "catalogue.incomplete-dates",
        "catalogue",
        what="A date that is only a year or a month becomes the last day of it.",
        why="Consonance's dates are whole; the latest day permits nothing too early.",
    ),
    Assumption(
        "catalogue.lost-prices",
        "catalogue",
        what="Prices keep amount, currency, type, qualifier and dates; territory, tax, discount, conditions and status "
        "are lost, and prices that then are equal become one.",
        why="Evidenced GraphQL's Price has no more fields.",
    ),
    Assumption(
        "catalogue.lost-restrictions",
        "catalogue",
        what="Sales restrictions, markets, suppliers, stock, DRM, usage constraints and form features are lost.",
        why="No evidenced field of Consonance carries them.",
    ),
    Assumption(
        "catalogue.lost-collateral",
        "catalogue",
        what="Resources other than images, cited content, prizes, biographical notes and text sources are lost.",
        why="Consonance's supporting resources are JPG images; the others' fields are not evidenced in full.",
    ),
    Assumption(
        "catalogue.no-contracts",
        "catalogue",
        what="Works from ONIX have no contracts, production runs, seasons, tiers, work types or in-house formats.",
        why="ONIX states none; the bundled catalogue has them.",
    ),
)
