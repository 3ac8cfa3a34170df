"""REST v4's product list, read with every oddity that its clients have met; the main feed is GraphQL."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from frontlist.contract import Json
from frontlist.errors import Stop
from frontlist.http import Api, excerpt
from frontlist.systems.consonance.client import decimal_text, parse
from frontlist.systems.consonance.settings import ConsonanceSettings

PATH = "/api/v4/products.json"


@dataclass(frozen=True)
class RestPrice:
    currency: str | None
    amount: str | None
    qualifier: str | None


@dataclass(frozen=True)
class RestProduct:
    """A product as REST states it. `oddities`: fields that were not what the documentation shows, and are None here.

    `isbn`: digits, None for the literal "No ISBN"; the check digit is not looked at.
    `texts`: (ONIX 2.1 list 33 code, HTML). `not_available`: [] means the world, None that it was not stated.
    """

    id: int
    work_id: int | None
    isbn: str | None
    full_title: str | None
    publication_date: str | None
    publishing_status: str | None
    product_form: str | None
    imprint: str | None
    prices: tuple[RestPrice, ...] | None
    texts: tuple[tuple[str | None, str], ...] | None
    not_available: tuple[str, ...] | None
    dimensions_mm: str | None
    oddities: tuple[str, ...]


class RestV4:
    """The list of one tenant's products. Raises as `frontlist.http` does; a 401 is plain text there."""

    def __init__(self, api: Api) -> None:
        self.api = api

    @classmethod
    def connect(cls, settings: ConsonanceSettings) -> RestV4:
        def headers() -> dict[str, str]:
            key = settings.secret()
            spelled = f'"{key}"' if settings.rest_token == "quoted" else key  # noqa: S105 (a spelling, not a secret)
            return {"Authorization": f"Token token={spelled}"}

        return cls(
            Api(
                "consonance",
                settings.url,
                headers,
                timeout=settings.timeout,
                connections=settings.connections,
                calls_per_second=settings.calls_per_second,
            )
        )

    async def close(self) -> None:
        await self.api.close()

    async def products(self, filters: Mapping[str, str] | None = None) -> AsyncIterator[RestProduct]:
        """Page by page to `total_pages`, else to an empty page. `filters`: {"isbn_eq": "978..."}."""
        asked = {f"q[{name}]": value for name, value in (filters or {}).items()}
        page, pages = 1, None
        while pages is None or page <= pages:
            body = await self._page({**asked, "page": str(page)})
            rows = body["products"]
            for row in rows:
                yield product(row)
            if not rows:
                return
            total = body.get("total_pages")
            pages = total if isinstance(total, int) else None
            page += 1

    async def _page(self, params: Mapping[str, str]) -> Mapping[str, Json]:
        response = await self.api.call("GET", PATH, params=params)
        try:
            body = parse(response.text)
        except ValueError:
            body = None
        if not isinstance(body, Mapping) or not isinstance(body.get("products"), list):
            raise Stop(f"the answer is no product list: {excerpt(response)}", where=f"consonance GET {PATH}")
        return body


def product(row: Mapping[str, Json]) -> RestProduct:
    """Unknown keys are left aside; what is of another type than documented is an oddity and None."""
    odd: list[str] = []

    def text(name: str) -> str | None:
        value = row.get(name)
        if isinstance(value, str | None):
            return value
        odd.append(name)
        return None

    def rows(name: str) -> list[Json] | None:
        value = row.get(name)
        if isinstance(value, list):
            return value
        if name in row:
            odd.append(name)
        return None

    prices, marketing, countries = rows("prices"), rows("marketingtexts"), rows("rights_not_available_countries")
    sizes = row.get("measurements")
    return RestProduct(
        id=row["id"],
        work_id=row.get("work_id"),
        isbn=isbn(text("isbn")),
        full_title=text("full_title"),
        publication_date=text("pub_date"),
        publishing_status=text("publishing_status"),
        product_form=text("product_form"),
        imprint=text("imprint"),
        prices=None if prices is None else tuple(_price(p) for p in prices if isinstance(p, Mapping)),
        texts=None if marketing is None else tuple(_text(t) for t in marketing if isinstance(t, Mapping)),
        not_available=None if countries is None else tuple(sorted(str(c) for c in countries)),
        dimensions_mm=sizes.get("product_dimensions_mm") if isinstance(sizes, Mapping) else None,
        oddities=tuple(odd),
    )


def isbn(stated: str | None) -> str | None:
    """Without hyphens; "No ISBN" and blanks are none."""
    digits = re.sub(r"[\s\-‐–]", "", stated or "")
    return None if not digits or digits.casefold() == "noisbn" else digits


def _price(row: Mapping[str, Json]) -> RestPrice:
    amount = row.get("price_amount")
    # A number has become text already (see `parse`); a text may still read "12.50".
    plain = decimal_text(str(amount)) if re.fullmatch(r"-?\d+(\.\d+)?", str(amount)) else None
    return RestPrice(row.get("currency_code"), plain, row.get("price_qualifier"))


def _text(row: Mapping[str, Json]) -> tuple[str | None, str]:
    return row.get("code"), str(row.get("external_text") or "")
