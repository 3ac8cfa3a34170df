"""People edit both systems at random while calls fail; once they stop, writes stop, and all is as it must be.

`ECHO_EXAMPLES=50 pytest tests/integration/test_echo_machine.py` plays so many new stories;
without it, the same few each time.
"""

from __future__ import annotations

import asyncio
import copy
import itertools
import os
import re
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from stdnum import ean

import tenants
from frontlist import process, runtime
from frontlist.embedded import Databases
from frontlist.settings import Settings
from frontlist.state import work
from frontlist_sandbox.catalogue.bundled import bundled
from frontlist_sandbox.consonance.model import MarketingText, Product, Tenant

EXAMPLES = int(os.environ.get("ECHO_EXAMPLES", "0"))
#: Two released works, one that is released now and then, and one that never is.
PRIDE, SOULS, YELLOW, NEVER = 61001, 61003, 61008, 61012
WORKS = (PRIDE, SOULS, YELLOW, NEVER)
#: The product whose record holds a text of its own; it is never removed, and moves between works that are released.
OWN_TEXT = 94001
RELEASED, STAGES = 4, (1, 2, 3, 4)
LOCALES = ("en_GB", "de_DE")
#: What a system is asked for at least so often (seconds).
SWEEP, POLL = 0.6, 0.2
#: Longer than two turns of every feed.
QUIET = 2 * (SWEEP + POLL)


@dataclass(frozen=True)
class Cell:
    """A cell of copy, on the record of a title or of a product."""

    module: str
    source: int
    locale: str


CELLS = (
    *(Cell("title", work_id, locale) for work_id in (PRIDE, SOULS, YELLOW) for locale in LOCALES),
    Cell("product", OWN_TEXT, "en_GB"),
)


class Connector:
    """A running installation in a thread of its own."""

    def __init__(self, found: Settings) -> None:
        self._found = found
        self._ended: Future[None] = Future()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        while not self._ready.wait(0.05):
            if self._ended.done():
                self._ended.result()

    def _run(self) -> None:
        try:
            asyncio.run(self._main())
        except BaseException as error:
            self._ended.set_exception(error)
        else:
            self._ended.set_result(None)

    async def _main(self) -> None:
        self._loop, self._stopping, ready = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        async with runtime.opened(self._found) as self.it, asyncio.TaskGroup() as group:
            group.create_task(process.run(self.it, self._stopping, ready=ready))
            await ready.wait()
            self._ready.set()

    def ask(self, question: Callable[[runtime.Installation], Awaitable[Any]]) -> Any:
        """Something about its database; raises what ended the connector."""
        if self._ended.done():
            self._ended.result()

        async def asked() -> Any:
            return await question(self.it)

        return asyncio.run_coroutine_threadsafe(asked(), self._loop).result(20)

    def stop(self) -> None:
        if not self._ended.done():
            self._loop.call_soon_threadsafe(self._stopping.set)
        try:
            self._ended.result(20)
        except TimeoutError:
            where = [f"{each.get_name()}: {each.get_stack(limit=1)}" for each in asyncio.all_tasks(self._loop)]
            raise AssertionError(f"the connector does not stop: {where}") from None


#: What says that something is still on its way.
BUSY = (
    "SELECT count(*) FROM dirty",
    "SELECT count(*) FROM outbox",
    "SELECT count(*) FROM work WHERE claimed_by IS NOT NULL",
    "SELECT count(*) FROM feed WHERE error IS NOT NULL",
    "SELECT count(*) FROM captured WHERE reserved_revision IS NOT NULL",
    "SELECT count(*) FROM captured c LEFT JOIN document d ON d.system = c.system AND d.aspect = c.aspect"
    " AND d.title = c.title WHERE coalesce(d.revision, -1) < c.revision",
)


async def at_rest(it: runtime.Installation, since: int) -> bool:
    """Whether every feed was read through since then, and nothing is due for the next seconds."""
    async with it.db.read() as c:
        now = await it.db.now(c)
        due = await work.next_due(c, list(it.plugins.consumers))
        busy = [(await c.exec_driver_sql(query)).scalar_one() for query in BUSY]
        feeds = (await c.exec_driver_sql(f"SELECT count(*) FROM feed WHERE completed_at > {since}")).scalar_one()
    read = feeds == sum(len(source.feeds) for source in it.sources.values())
    return read and not any(busy) and (due is None or due > now + 5_000_000)


class Topics:
    """Where the installation's topics end."""

    def __init__(self, found: Settings) -> None:
        self._admin = AdminClient({"bootstrap.servers": found.kafka.bootstrap, "log_level": 0})
        self._prefix = f"{found.kafka.prefix}."

    def ends(self) -> dict[tuple[str, int], int]:
        known = self._admin.list_topics(timeout=10).topics
        ours = [
            TopicPartition(name, p)
            for name, each in known.items()
            if name.startswith(self._prefix)
            for p in each.partitions
        ]
        asked = self._admin.list_offsets({each: OffsetSpec.latest() for each in ours}, request_timeout=10)
        return {(at.topic, at.partition): future.result().offset for at, future in asked.items()}


def some_works() -> Tenant:
    tenant = bundled(datetime.now(UTC).date())
    for work_id in set(tenant.works) - set(WORKS):
        del tenant.works[work_id]
    tenant.products = {id_: each for id_, each in tenant.products.items() if each.work_id in WORKS}
    tenant.contracts = {id_: each for id_, each in tenant.contracts.items() if each.work_id in WORKS}
    return tenant


def is_ours(text: MarketingText) -> bool:
    return "frontlist:" in (text.internal_text_markdown or "")


def words(text: str | None) -> str:
    """HTML or markdown as this test writes them, without their marks."""
    return re.sub(r"<[^>]+>|\*\*", "", text or "").strip()


def pounds(product: Product) -> str | None:
    """The one price that the default mapping selects, if there is just one."""
    today = datetime.now(UTC).date()
    found = [
        price.amount
        for price in product.prices
        if (price.currency_code, price.type_code, price.qualifier_code) == ("GBP", "02", "05")
        and (price.effective_from or date.min) <= today <= (price.effective_to or date.max)
    ]
    return f"{found[0]:.2f}" if len(found) == 1 else None


@dataclass(frozen=True)
class Place:
    """What an example needs from the run: a fresh folder, database and prefix."""

    folder: Path
    database: str
    prefix: str
    kafka: str


class Editing(RuleBasedStateMachine):
    """Both systems under the hands of people; `place` is set by the test."""

    place: Callable[[], Any]

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        self.numbers = itertools.count(1)
        self.drifted: dict[tuple[str, str], set[Any]] = defaultdict(set)
        self.removed: set[str] = set()
        self.foreign: dict[str, dict[str, Any]] = {}
        self.once_foreign: set[str] = set()
        self.standing: dict[Cell, tuple[str | None, str]] = {}
        self.once_released: dict[Cell, set[str]] = defaultdict(set)
        self.ever_open: set[int] = set()
        self.surely_open: set[int] = set()
        self.connector: Connector | None = None
        self.broken = False

    # --- the scene -------------------------------------------------------------------------------------------------

    @initialize()
    def start(self) -> None:
        place = self.stack.enter_context(type(self).place())
        tenant = some_works()
        self.pair = self.stack.enter_context(tenants.pair(tenant))
        self.tenant = tenant
        self.by_hand = {id_: copy.deepcopy(each.marketing_texts) for id_, each in tenant.works.items()}
        self.found = tenants.settings(
            place.folder,
            place.database,
            place.kafka,
            place.prefix,
            self.pair,
            consonance={
                "calls_per_second": 500,
                "poll_interval": POLL,
                "full_sweep_interval": SWEEP,
                "contract_sweep_interval": SWEEP,
            },
            fourallportal={"calls_per_second": 500, "poll_seconds": POLL},
            capture={"absent_after": 0.2, "retry": 0.2},
            work={"retry_longest": 0.5},
            ensure={"look_again": 0.6},
            breaker={"first": 0.2, "longest": 0.4, "refused_key": 0.4},
        )
        asyncio.run(self._prepare())
        self.connector = Connector(self.found)
        self.topics = Topics(self.found)
        self._open()
        self.rest()

    async def _prepare(self) -> None:
        async with tenants.prepared(self.found):
            pass

    def teardown(self) -> None:
        with self.stack:
            if self.connector is None:
                return
            try:
                if not self.broken:
                    self.rest()
            finally:
                self.connector.stop()

    # --- edits in Consonance ---------------------------------------------------------------------------------------

    @rule(work_id=st.sampled_from(WORKS), name=st.sampled_from(["title", "subtitle", "authorship_description"]))
    def edit_a_work(self, work_id: int, name: str) -> None:
        self.consonance("PATCH", f"works/{work_id}", {name: f"{name} {next(self.numbers)}"})

    @rule(data=st.data(), value=st.sampled_from(["full_title", "isbn13", "publishing_status"]))
    def edit_a_product(self, data: st.DataObject, value: str) -> None:
        number = next(self.numbers)
        digits = f"979800001{number:03d}"
        said = {"full_title": f"A title {number}", "isbn13": digits + ean.calc_check_digit(digits)}
        # Those that do not release a title: 02 forthcoming, 09 unknown.
        said["publishing_status"] = "02" if number % 2 else "09"
        self.consonance("PATCH", f"products/{self._some_product(data).id}", {value: said[value]})

    @rule(data=st.data())
    def edit_a_price(self, data: st.DataObject) -> None:
        product = self._some_product(data)
        if product.prices:
            path = f"products/{product.id}/prices/{product.prices[0].id}"
            self.consonance("PATCH", path, {"amount": f"{next(self.numbers)}.50"})

    @rule(work_id=st.sampled_from([PRIDE, SOULS, YELLOW]), stage=st.sampled_from(STAGES))
    def move_a_stage(self, work_id: int, stage: int) -> None:
        self.consonance("PATCH", f"works/{work_id}", {"project_stage": stage})

    @rule(work_id=st.sampled_from(WORKS))
    def add_a_product(self, work_id: int) -> None:
        name = f"Another format {next(self.numbers)}"
        fields = {"work_id": work_id, "typename": "ElectronicBookProduct", "full_title": name, "isbn13": None}
        self.consonance("POST", "products", {**fields, "publishing_status": "02", "onix21_product_form_code": "DG"})

    @rule(data=st.data())
    def remove_a_product(self, data: st.DataObject) -> None:
        product = self._some_product(data)
        if product.id != OWN_TEXT and len(self.tenant.products_of(product.work_id)) > 2:
            self.consonance("DELETE", f"products/{product.id}")

    @rule(data=st.data(), work_id=st.sampled_from(WORKS))
    def move_a_product(self, data: st.DataObject, work_id: int) -> None:
        product = self._some_product(data)
        may = product.id != OWN_TEXT or work_id in (PRIDE, SOULS)
        if may and product.work_id != work_id and len(self.tenant.products_of(product.work_id)) > 2:
            self.consonance("PATCH", f"products/{product.id}", {"work_id": work_id})

    @rule(data=st.data(), term=st.integers(12, 99))
    def edit_only_a_contract(self, data: st.DataObject, term: int) -> None:
        contract = data.draw(st.sampled_from(sorted(self.tenant.contracts)))
        self.consonance("PATCH", f"contracts/{contract}", {"term": str(term)})

    # --- edits in 4ALLPORTAL ---------------------------------------------------------------------------------------

    @rule(cell=st.sampled_from(CELLS), filled=st.sampled_from([True, True, True, False]))
    def type_copy(self, cell: Cell, filled: bool) -> None:
        text = f"<p>Copy {next(self.numbers)} is <b>boldly</b> said.</p>" if filled else None
        self._edit_copy(cell, text, self.standing.get(cell, (None, "draft"))[1])

    @rule(cell=st.sampled_from(CELLS), state=st.sampled_from(["released", "released", "draft"]))
    def release_copy(self, cell: Cell, state: str) -> None:
        self._edit_copy(cell, self.standing.get(cell, (None, "draft"))[0], state)

    def _edit_copy(self, cell: Cell, text: str | None, state: str) -> None:
        record = self._record_of(cell)
        if record is None or self.standing.get(cell, (None, "draft")) == (text, state):
            return
        where = {"locale": cell.locale}
        cells = {
            name: [each for each in record["fields"].get(name) or [] if each["dimensions"] != where]
            + [{"value": value, "dimensions": where}]
            for name, value in (("description_long", text), ("copy_state", state))
        }
        # Noted first: the connector may be quicker than this test.
        if state == "released" and text is not None:
            self.once_released[cell].add(words(text))
        self.standing[cell] = (text, state)
        self.portal("POST", f"objects/{cell.module}", {"id": record["id"], **cells})

    @rule(data=st.data(), name=st.sampled_from(["title", "author_line"]))
    def overwrite_a_cell_of_consonance(self, data: st.DataObject, name: str) -> None:
        module = data.draw(st.sampled_from(["product", "title"]))
        if ids := [each["id"] for each in self._ours(module)]:
            id_, value = data.draw(st.sampled_from(ids)), f"drift {next(self.numbers)}"
            self.drifted[id_, name].add(value)
            self.portal("POST", f"objects/{module}", {"id": id_, name: value})

    @precondition(lambda self: len(self.foreign) < 1)
    @rule(module=st.sampled_from(["product", "title"]))
    def create_a_foreign_object(self, module: str) -> None:
        self.once_foreign.add(module)
        [id_] = self.portal("POST", f"objects/{module}", {"title": f"Somebody's own {next(self.numbers)}"})
        self.foreign[id_] = self._visible(module)[id_]

    @precondition(lambda self: len(self.removed) < 2)
    @rule(data=st.data(), module=st.sampled_from(["product", "title"]))
    def delete_a_record_of_ours(self, data: st.DataObject, module: str) -> None:
        if known := [each["id"] for each in self._ours(module) if each["id"] in self.remembered]:
            id_ = data.draw(st.sampled_from(known))
            self.removed.add(id_)
            self.portal("DELETE", f"objects/{module}/{id_}")

    # --- trouble ---------------------------------------------------------------------------------------------------

    @rule(
        side=st.sampled_from(["consonance", "dam"]),
        fault=st.sampled_from(
            [
                {"kind": "status", "status": 503},
                {"kind": "status", "status": 500, "after": True},
                {"kind": "status", "status": 429, "retry_after": 0.2},
                {"kind": "reset"},
                {"kind": "reset", "after": True},
            ]
        ),
        share=st.sampled_from([0.3, 1.0]),
    )
    def break_some_calls(self, side: str, fault: dict[str, Any], share: float) -> None:
        sandbox = self.pair.consonance if side == "consonance" else self.pair.dam
        sandbox.fault(**fault, share=share, count=6)

    @rule()
    def mend(self) -> None:
        self._heal()

    @rule(milliseconds=st.sampled_from([100, 400, 900]))
    def wait_a_while(self, milliseconds: int) -> None:
        time.sleep(milliseconds / 1000)

    @rule()
    def restart(self) -> None:
        assert self.connector is not None
        self.connector.stop()
        self.connector = Connector(self.found)

    # --- and then it is quiet --------------------------------------------------------------------------------------

    def rest(self) -> None:
        """Heal, wait until nothing is left to do, and look."""
        self._heal()
        self.broken = True
        self._settle()
        self._writes_stop()
        self._one_record_each()
        self._cells_are_consonances()
        self._copy_is_there_once()
        self._what_is_not_ours_is_untouched()
        self.remembered = {each["id"] for module in ("product", "title") for each in self._ours(module)}
        self.surely_open |= {id_ for id_ in WORKS if self._is_open(id_)}
        self.broken = False

    def _settle(self) -> None:
        assert self.connector is not None
        # A pass that began before the last edit may end after it: the next one counts.
        began, calm, deadline = time.time_ns() // 1000 + round((SWEEP + POLL) * 1e6), 0, time.monotonic() + 40
        while calm < 6:
            assert time.monotonic() < deadline, f"never at rest: {self.connector.ask(self._restless)}"
            calm = calm + 1 if self.connector.ask(lambda it: at_rest(it, began)) else 0
            time.sleep(0.1)

    @staticmethod
    async def _restless(it: runtime.Installation) -> list[str]:
        async with it.db.read() as c:
            due = await c.exec_driver_sql(
                "SELECT title, due_at, not_before, attempts, outcome, detail FROM work WHERE due_at IS NOT NULL"
            )
            feeds = await c.exec_driver_sql("SELECT name, completed_at, error FROM feed")
            busy = [(await c.exec_driver_sql(query)).scalar_one() for query in BUSY]
            return [*map(str, (*due, *feeds)), f"busy: {busy}"]

    def _writes_stop(self) -> None:
        self.pair.dam.forget_calls()
        self.pair.consonance.forget_calls()
        before = self.topics.ends()
        time.sleep(QUIET)
        assert (self.pair.consonance.writes(), self.pair.dam.writes()) == (0, 0), "writes go on"
        after = self.topics.ends()
        news = {at: (end, after[at]) for at, end in before.items() if after[at] != end}
        assert not news, f"events go on: {news}"

    def _one_record_each(self) -> None:
        for module, source in (("product", "consonance_product_id"), ("title", "consonance_work_id")):
            ids = [tenants.value(each, source) for each in self._ours(module)]
            assert len(ids) == len(set(ids)), f"twins in {module}: {sorted(ids)}"
            assert not self.removed & set(self._visible(module)), "a record that a person deleted is back"
        sent = {tenants.value(each, "consonance_work_id") for m in ("product", "title") for each in self._ours(m)}
        assert sent <= self.ever_open, "a title that was never released was sent"

    def _cells_are_consonances(self) -> None:
        for work_id in sorted(self.surely_open | {id_ for id_ in WORKS if self._is_open(id_)}):
            work_ = self.tenant.works[work_id]
            title = {"title": work_.title, "subtitle": work_.subtitle, "author_line": work_.authorship_description}
            self._says("title", "consonance_work_id", work_id, title)
            for product in self.tenant.products_of(work_id):
                cells = {
                    "title": product.full_title,
                    "isbn": product.isbn13,
                    "publishing_status": product.publishing_status,
                    "author_line": work_.authorship_description,
                    "project_stage_id": work_.project_stage.id if work_.project_stage else None,
                }
                if (amount := pounds(product)) is not None:
                    cells["price_gbp"] = amount
                self._says("product", "consonance_product_id", product.id, cells)

    def _says(self, module: str, source: str, id_: int, cells: dict[str, Any]) -> None:
        found = [each for each in self._ours(module) if tenants.value(each, source) == id_]
        if not found:
            assert self._may_be_missing(module, source, id_), f"{module} of {id_} has no record"
            return
        [record] = found
        for name, wanted in cells.items():
            has = tenants.value(record, name)
            same = Decimal(str(has)) == Decimal(wanted) if name.startswith("price") and has else has == wanted
            drifted = has in self.drifted.get((record["id"], name), ())
            assert same or drifted, f"{module} of {id_}: {name} is {has!r}, not {wanted!r}"

    def _may_be_missing(self, module: str, source: str, id_: int) -> bool:
        """A person deleted it, or it came when somebody's own object stood in the module."""
        gone = [each for each in self.pair.dam.get(f"/sandbox/objects/{module}", deleted="true") if each["deleted"]]
        return module in self.once_foreign or any(tenants.value(each, source) == id_ for each in gone)

    def _copy_is_there_once(self) -> None:
        for work_id in WORKS:
            texts = [each for each in self.tenant.works[work_id].marketing_texts if is_ours(each)]
            said = [words(each.external_text_markdown) for each in texts]
            here = [cell for cell in CELLS if self._home(cell) == work_id]
            once = {text for cell in here for text in self.once_released[cell]}
            assert set(said) <= once, f"a draft is in Consonance, or what moved to another work: {said}"
            assert len({each.internal_text_markdown for each in texts}) == len(texts), f"twice the same text: {said}"
            assert len(texts) <= len(here), f"old texts were left: {said}"
            for cell, (text, state) in self.standing.items():
                if cell in here and state == "released" and text and self._record_of(cell):
                    assert said.count(words(text)) == 1, f"{cell} says {text!r}, Consonance has {said}"

    def _what_is_not_ours_is_untouched(self) -> None:
        for work_id, before in self.by_hand.items():
            now = [each for each in self.tenant.works[work_id].marketing_texts if not is_ours(each)]
            assert now == before, f"texts that people wrote for {work_id} changed"
        for id_, made in self.foreign.items():
            assert self._visible(made["module"]).get(id_) == made, "somebody's own object changed"

    # --- looking ---------------------------------------------------------------------------------------------------

    def consonance(self, method: str, path: str, body: Any = None) -> Any:
        found = self.pair.consonance.send(method, f"/sandbox/{path}", body)
        self._open()
        return found

    def portal(self, method: str, path: str, body: Any = None) -> Any:
        return self.pair.dam.send(method, f"/sandbox/{path}", body)

    def _heal(self) -> None:
        self.pair.consonance.heal()
        self.pair.dam.heal()

    def _open(self) -> None:
        self.ever_open |= {id_ for id_ in WORKS if self._is_open(id_)}

    def _is_open(self, work_id: int) -> bool:
        """By its stage or by a product that is published; the edits above publish none."""
        stage = self.tenant.works[work_id].project_stage
        published = any(each.publishing_status == "04" for each in self.tenant.products_of(work_id))
        return published or (stage is not None and stage.id == RELEASED)

    def _visible(self, module: str) -> dict[str, dict[str, Any]]:
        return {each["id"]: each for each in self.pair.records(module)}

    def _ours(self, module: str) -> list[dict[str, Any]]:
        found = [each for each in self.pair.records(module) if tenants.value(each, "frontlist_origin")]
        return sorted(found, key=lambda each: str(each["id"]))

    def _record_of(self, cell: Cell) -> dict[str, Any] | None:
        source = "consonance_work_id" if cell.module == "title" else "consonance_product_id"
        return next((each for each in self._ours(cell.module) if tenants.value(each, source) == cell.source), None)

    def _home(self, cell: Cell) -> int:
        """The work to which the record of a cell belongs now."""
        return cell.source if cell.module == "title" else self.tenant.products[cell.source].work_id

    def _some_product(self, data: st.DataObject) -> Product:
        return self.tenant.products[data.draw(st.sampled_from(sorted(self.tenant.products)))]


def play(machine: type[Editing], stories: int, steps: int) -> None:
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES or stories,
            stateful_step_count=steps,
            derandomize=not EXAMPLES,
            database=None,
            deadline=None,
            # A story takes seconds: the first one that fails is told as it was played.
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )


def places(tmp_path: Path, prefix: str, kafka: str, database: Callable[[str], str]) -> Callable[[], Any]:
    numbers = itertools.count(1)

    @contextmanager
    def place() -> Iterator[Place]:
        folder = tmp_path / str(next(numbers))
        folder.mkdir()
        name = f"{prefix}n{folder.name}"
        note(f"installation {name}")
        yield Place(folder, database(name), name, kafka)

    return place


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_writes_stop_when_edits_stop_and_all_is_as_it_must_be(
    tmp_path: Path, topic_prefix: str, kafka_bootstrap: str
) -> None:
    class OnSqlite(Editing):
        place = staticmethod(
            places(
                tmp_path, topic_prefix, kafka_bootstrap, lambda name: f"sqlite+aiosqlite:///{tmp_path / name}.sqlite"
            )
        )

    play(OnSqlite, stories=5, steps=14)


@pytest.mark.timeout(0 if EXAMPLES else 300)
def test_the_same_on_postgresql(
    tmp_path: Path, topic_prefix: str, kafka_bootstrap: str, postgres_server: Databases
) -> None:
    made: list[str] = []

    def database(_name: str) -> str:
        made.append(f"t{secrets.token_hex(6)}")
        return postgres_server.create(made[-1]).replace("postgresql://", "postgresql+asyncpg://", 1)

    class OnPostgresql(Editing):
        place = staticmethod(places(tmp_path, topic_prefix, kafka_bootstrap, database))

    try:
        play(OnPostgresql, stories=1, steps=14)
    finally:
        for name in made:
            postgres_server.drop(name)
