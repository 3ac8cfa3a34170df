"""What the catalogue supposes about a tenant, and what of ONIX is lost on the way into it."""

from __future__ import annotations

from dataclasses import dataclass

from frontlist_sandbox.assumptions import Assumption


@dataclass(frozen=True)
class Loss:
    """What an ONIX record states and no record of 4ALLPORTAL shows.

    `paths`: below `Product`, without the blocks, with list codes in brackets; each stands for all below it. `partly`:
    only some of what is stated is lost, and of what. An acceptance test compares them with a real file.
    """

    name: str
    paths: tuple[str, ...]
    why: str
    partly: str = ""
    also: str = ""

    def assumption(self) -> Assumption:
        said = f"Lost on the way to 4ALLPORTAL: {', '.join(self.paths)}"
        if self.partly:
            said += f" ({self.partly})"
        if self.also:
            said += f"; also {self.also}"
        return Assumption(f"catalogue.lost-{self.name}", "catalogue", what=f"{said}.", why=self.why)


LOST = (
    Loss(
        "record",
        ("RecordReference", "NotificationType", "RecordSourceType", "RecordSourceName"),
        "They say how the file was sent, not what the book is.",
    ),
    Loss(
        "identifiers",
        ("ProductIdentifier[01]", "ProductIdentifier[02]", "Barcode", "RelatedWork[02]"),
        "The ISBN-13 arrives; evidenced GraphQL has no place for a sender's numbers, and relates no works.",
        also="GTINs that are no ISBN and related products",
    ),
    Loss(
        "form",
        ("ProductComposition", "ProductFormDetail", "ProductFormDescription", "ProductPackaging", "IllustrationsNote"),
        "Evidenced GraphQL carries the form as ONIX 2.1's list 7 alone.",
        also="form features, DRM, usage constraints and parts of a bundle",
    ),
    Loss(
        "sizes",
        ("Measure[01]", "Measure[02]", "Measure[03]"),
        "Evidenced GraphQL measures PhysicalBookProduct alone.",
        partly="of products that are no books",
    ),
    Loss(
        "weight",
        ("Measure[08]", "Extent[00]/ExtentUnit", "Extent[02]/ExtentUnit"),
        "No evidenced field carries a weight; pages and words need no unit.",
        also="durations, file sizes and other extents",
    ),
    Loss(
        "names",
        (
            "Contributor/SequenceNumber",
            "Contributor/PersonNameInverted",
            "Contributor/NamesBeforeKey",
            "Contributor/KeyNames",
            "Contributor/BiographicalNote",
        ),
        "A contributor is shown as name and role; the numbers are lost, the order they make arrives.",
    ),
    Loss(
        "subjects",
        (
            "Subject[12]/SubjectSchemeVersion",
            "Subject[12]/SubjectHeadingText",
            "Subject[13]",
            "Subject[15]",
        ),
        "Codes arrive, the main one first, the others sorted: evidenced GraphQL gives them no order; it has Thema, "
        "BISAC and BIC without their qualifiers.",
        also="keywords and all other schemes",
    ),
    Loss(
        "language-and-audience",
        ("Language[01]", "Language[02]", "Audience[01]", "AudienceRange[17]"),
        "Evidenced GraphQL has no language; its audience is not mapped by default.",
    ),
    Loss(
        "collections",
        ("Collection/CollectionType",),
        "Name and number of a series arrive; what kind of collection it is has no evidenced field.",
        also="the second record's collections, where several products are one work",
    ),
    Loss(
        "publisher",
        (
            "Imprint/ImprintIdentifier[01]",
            "Publisher",
            "CityOfPublication",
            "CountryOfPublication",
            "CopyrightStatement",
        ),
        "The imprint's name arrives; no evidenced field carries the others.",
    ),
    Loss(
        "dates",
        ("PublishingDate[02]", "SupplyDate[02]", "SupplyDate[08]"),
        "Of ONIX's dates, evidenced GraphQL has the publication date; planned and announcement dates are its own.",
    ),
    Loss(
        "rights",
        ("SalesRights[01]", "SalesRights[02]", "SalesRights[03]", "ROWSalesRightsType", "Market"),
        "Flow 1 carries no rights; Consonance has them as two lists of countries, without restrictions and markets.",
        also="sales restrictions",
    ),
    Loss(
        "supply",
        ("Supplier", "Stock"),
        "No evidenced field of Consonance carries them.",
        also="the availability at other suppliers than the first, where it differs",
    ),
    Loss(
        "prices",
        ("Price[AUD 02]/Tax", "Price[AUD 02 06]", "Price[NZD 02]"),
        "Evidenced GraphQL's Price has amount, currency, type, qualifier and dates; the default mapping has cells for "
        "GBP, USD, EUR and AUD at one type and qualifier each.",
        also="territory, tax, discount, conditions and status of every price; prices that then are equal become one",
    ),
    Loss(
        "collateral",
        ("TextContent", "SupportingResource", "Prize"),
        "Flow 1 carries no texts and no files: 4ALLPORTAL owns them. Consonance's resources are JPG images.",
        also="cited content and sources of texts",
    ),
)
ASSUMPTIONS = (
    *(loss.assumption() for loss in LOST),
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
        "catalogue.no-contracts",
        "catalogue",
        what="Works from ONIX have no contracts, production runs, seasons, tiers, work types or in-house formats.",
        why="ONIX states none; the bundled catalogue has them.",
    ),
)
