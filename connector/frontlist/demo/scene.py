"""What a chapter of the story has at hand, and the looks that several chapters take."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
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
    """The running demo. `tenant`: what Consonance's sandbox serves; `by_hand`: the texts that people wrote, by work."""

    book: Book
    consonance: Consonance
    portal: Portal
    connector: Connector
    events: Listener
    looking: Looking
    tenant: Tenant
    by_hand: Mapping[int, Sequence[Record]]

    def stirred(self) -> tuple[int, int, int]:
        """Writes into 4ALLPORTAL, writes into Consonance, events: equal means that nothing happened between."""
        return self.portal.writes(), self.consonance.writes(), self.events.count

    def rest(self, *titles: int) -> bool:
        """Waits until nothing has happened for a while, and no write to these titles is in doubt."""
        last, since = self.stirred(), monotonic()

        def look() -> Seen:
            nonlocal last, since
            now = self.stirred()
            if now != last:
                last, since = now, monotonic()
            doubtful = self.looking.in_doubt([f"work:{title}" for title in titles])
            calm = monotonic() - since
            said = f"calm for {calm:.0f} s; {len(doubtful)} writes in doubt {'; '.join(doubtful[:2])}"
            return Seen(calm >= CALM and not doubtful, said)

        return self.book.comes("all has come to rest", look, times=2)

    def killed(self, meanwhile: Callable[[], None]) -> None:
        """As by `kill -9`; then something happens, and another process starts on the same database."""
        self.connector.kill()
        meanwhile()
        began = datetime.now(UTC)
        self.connector.restart()
        self.book.comes("another process has read Consonance", lambda: Seen(self.looking.read_through_since(began)))

    def quiet_pass(self) -> None:
        """Both systems are read through once more; nothing is written and no event appears."""
        before, began = self.stirred(), datetime.now(UTC)
        self.book.comes("Consonance is read through once more", lambda: Seen(self.looking.read_through_since(began)))
        self.book.stays("and nothing happens", lambda: _same(before, self.stirred()), CALM)
        after = self.stirred()
        for index, what in enumerate(("writes into 4ALLPORTAL", "writes into Consonance", "events")):
            self.book.holds(f"0 {what}", after[index] == before[index], f"{after[index] - before[index]}")

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

    def title_of(self, product_id: int) -> object:
        """The title that the first record of a product holds."""
        return next((cell(each, "title") for each in self.portal.of_product(product_id)), None)

    def title_says(self, work_id: int, field: str, wanted: object) -> Seen:
        found = self.portal.records("title", work_id)
        values = [cell(each, field) for each in found]
        return Seen(values == [wanted], f"{field} = {values!r}")

    def nothing_of(self, work_id: int) -> Seen:
        found = [*self.portal.records("product", work_id), *self.portal.records("title", work_id)]
        return Seen(not found, f"{len(found)} records of it")


def _same(before: tuple[int, int, int], after: tuple[int, int, int]) -> Seen:
    return Seen(before == after, f"{before} became {after} (4ALLPORTAL, Consonance, events)")
