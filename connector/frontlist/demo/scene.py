"""What a chapter of the story has at hand, and the looks that several chapters take."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from frontlist.demo.checks import Book, Seen
from frontlist.demo.connector import Connector
from frontlist.demo.events import Listener
from frontlist.demo.installation import Looking
from frontlist.demo.tenants import Consonance, Portal, Record, cell

if TYPE_CHECKING:
    from frontlist_sandbox.consonance.model import Tenant

#: No write and no event for so long, and all has come to rest (seconds).
CALM = 2.5
CONSONANCE, FOURALLPORTAL = "consonance", "fourallportal"


@dataclass
class Scene:
    """The running demo. `tenant`: the catalogue as Consonance's sandbox serves it."""

    book: Book
    consonance: Consonance
    portal: Portal
    connector: Connector
    events: Listener
    looking: Looking
    tenant: Tenant

    def stirred(self) -> tuple[int, int, int]:
        """Writes into 4ALLPORTAL, writes into Consonance, events: equal means that nothing happened between."""
        return self.portal.writes(), self.consonance.writes(), self.events.count

    def rest(self, what: str = "all has come to rest") -> bool:
        """Waits until nothing has happened for a while."""
        last, since = self.stirred(), datetime.now(UTC)

        def look() -> Seen:
            nonlocal last, since
            now = self.stirred()
            if now != last:
                last, since = now, datetime.now(UTC)
            calm = (datetime.now(UTC) - since).total_seconds()
            return Seen(calm >= CALM, f"still writing: {now}")

        return self.book.comes(what, look, times=2)

    def quiet_pass(self) -> None:
        """Both systems are read through once more; nothing is written and no event appears."""
        before, began = self.stirred(), datetime.now(UTC)
        self.book.comes("Consonance is read through once more", lambda: Seen(self.looking.read_through_since(began)))
        self.book.stays("and nothing happens", lambda: _same(before, self.stirred()), CALM)
        after = self.stirred()
        for what, left, right in zip(("writes into 4ALLPORTAL", "writes into Consonance", "events"), before, after):  # noqa: B905  three each
            self.book.holds(f"0 {what}", left == right, f"{right - left}")

    def one_record_each(self, products: set[int], works: set[int] | None = None) -> Seen:
        """A record for each of the products, no second one, and none for anything else (of these works)."""
        ids = [
            cell(each, "consonance_product_id")
            for each in self.portal.records("product")
            if works is None or cell(each, "consonance_work_id") in works
        ]
        twice = sorted(str(each) for each, count in Counter(ids).items() if count > 1)
        missing, strange = products - set(ids), set(ids) - products
        return Seen(
            not (missing or strange or twice),
            f"{len(ids)} records, {len(missing)} missing, {len(strange)} unexpected, {len(twice)} double",
        )

    def record_of_title(self, work_id: int) -> Record:
        """The one record of a title; a LookupError where there is none or several."""
        found = self.portal.records("title", work_id)
        if len(found) != 1:
            raise LookupError(f"{len(found)} records of work {work_id} in the module title")
        return found[0]

    def says(self, product_id: int, field: str, wanted: object) -> Seen:
        """Whether the one record of a product holds this value."""
        found = self.portal.of_product(product_id)
        if len(found) != 1:
            return Seen(False, f"{len(found)} records of product {product_id}")
        value = cell(found[0], field)
        return Seen(value == wanted, f"{field} = {value!r}")

    def title_says(self, work_id: int, field: str, wanted: object) -> Seen:
        found = self.portal.records("title", work_id)
        values = [cell(each, field) for each in found]
        return Seen(values == [wanted], f"{field} = {values!r}")

    def nothing_of(self, work_id: int) -> Seen:
        found = [*self.portal.records("product", work_id), *self.portal.records("title", work_id)]
        return Seen(not found, f"{len(found)} records of it")


def _same(before: tuple[int, int, int], after: tuple[int, int, int]) -> Seen:
    return Seen(before == after, f"{before} became {after} (4ALLPORTAL, Consonance, events)")
