"""Sales rights of a record as Consonance answers them: two lists of countries and "worldwide".

Fails closed: a token that does not resolve stays in its list as it came, and an exclusion that does not resolve
leaves its whole statement unexpanded, so that nobody reads a yes into it.
"""

from __future__ import annotations

import re
from functools import cache

import pycountry
from lxml import etree

from frontlist_sandbox.catalogue.drafts import Draft
from frontlist_sandbox.catalogue.values import text, texts
from frontlist_sandbox.consonance.model import SalesRights

FOR_SALE = frozenset({"01", "02", "07", "08"})
NOT_FOR_SALE = frozenset({"03", "04", "05", "06"})
_SEPARATORS = re.compile(r"[\s,;]+")


@cache
def countries() -> frozenset[str]:
    return frozenset(country.alpha_2 for country in pycountry.countries)


def read(draft: Draft, publishing: etree._Element | None) -> None:
    """State the record's sales rights on its product."""
    product = draft.product
    elements = [] if publishing is None else publishing.findall("SalesRights")
    product.sales_rights = [_statement(element) for element in elements]
    product.row_sales_rights_type = text(publishing, "ROWSalesRightsType")
    if texts(publishing, "SalesRights/SalesRestriction/SalesRestrictionType") or texts(
        publishing, "SalesRestriction/SalesRestrictionType"
    ):
        draft.note("sales restrictions are not carried")
    _Sum(draft).run()


def _statement(element: etree._Element) -> SalesRights:
    def tokens(name: str) -> list[str]:
        joined = " ".join(texts(element, f"Territory/{name}") + texts(element, name))
        return [token for token in _SEPARATORS.split(joined) if token]

    return SalesRights(
        text(element, "SalesRightsType") or "00",
        tokens("CountriesIncluded"),
        tokens("RegionsIncluded"),
        tokens("CountriesExcluded"),
        tokens("RegionsExcluded"),
    )


class _Sum:
    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._yes: dict[str, None] = {}
        self._no: dict[str, None] = {}

    def run(self) -> None:
        product = self._draft.product
        for statement in product.sales_rights:
            self._add(statement)
        self._add_rest()
        both = sorted(set(self._yes) & set(self._no))
        if both or (product.is_for_sale_worldwide and self._no):
            self._draft.note(f"sales rights contradict each other: {' '.join(both) or 'worldwide, yet not everywhere'}")
        product.for_sale_country_codes, product.not_for_sale_country_codes = list(self._yes), list(self._no)
        product.sales_rights_description = _description(self._draft)

    def _add(self, statement: SalesRights) -> None:
        into = self._side(statement.type_code)
        if into is None:
            self._draft.note(f"sales rights type {statement.type_code} says neither yes nor no; left out")
            return
        included = [self._token(token) for token in statement.countries_included + statement.regions_included]
        excluded = [self._token(token) for token in statement.countries_excluded + statement.regions_excluded]
        if "WORLD" in included:
            self._add_world(into, included, excluded)
            return
        into.update(dict.fromkeys(token for token in included if token not in excluded))
        if dangling := [token for token in excluded if token not in included]:
            self._draft.note(f"excluded without being included: {' '.join(dangling)}")

    def _add_world(self, into: dict[str, None], included: list[str], excluded: list[str]) -> None:
        if not all(token in countries() for token in excluded):
            into.update(dict.fromkeys(included))
            (self._no if into is self._yes else self._yes).update(dict.fromkeys(excluded))
        elif excluded or into is self._no:
            into.update(dict.fromkeys(sorted(countries() - set(excluded))))
        else:
            self._draft.product.is_for_sale_worldwide = True

    def _add_rest(self) -> None:
        product = self._draft.product
        into = self._side(product.row_sales_rights_type or "00")
        if into is None or product.is_for_sale_worldwide:
            return
        named = [*self._yes, *self._no]
        if all(token in countries() for token in named):
            into.update(dict.fromkeys(sorted(countries() - set(named))))
        else:
            # "Elsewhere" has no edge while a token is unreadable.
            into["ROW"] = None

    def _side(self, type_code: str) -> dict[str, None] | None:
        if type_code in FOR_SALE:
            return self._yes
        return self._no if type_code in NOT_FOR_SALE else None

    def _token(self, token: str) -> str:
        upper = token.upper()
        if upper in countries() or upper == "WORLD":
            if upper != token:
                self._draft.note(f"territory {token!r} read as {upper}")
            return upper
        self._draft.note(f"territory {token!r} is no country of ISO 3166; kept as it came")
        return token


def _description(draft: Draft) -> str | None:
    product = draft.product
    if not product.sales_rights and product.row_sales_rights_type is None:
        return None
    if product.is_for_sale_worldwide:
        return "For sale worldwide"
    yes, no = len(product.for_sale_country_codes), len(product.not_for_sale_country_codes)
    rest = "; elsewhere unknown" if yes + no < len(countries()) else ""
    return f"For sale in {yes} territories, not for sale in {no}{rest}"
