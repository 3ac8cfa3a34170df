"""Consonance as capture sees it: works by keyset paging and `changedSince`, contracts by a daily pass of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from frontlist.clock import Clock, moment
from frontlist.contract import ASPECTS, Json, Resource, TitleKey
from frontlist.errors import Stop
from frontlist.linking import isbn
from frontlist.source import Feed, Page, Raw, RawKey, Statement
from frontlist.systems.consonance import assembly
from frontlist.systems.consonance.client import Answer, Client
from frontlist.systems.consonance.queries import Queries
from frontlist.systems.consonance.settings import ConsonanceSettings

WORK = "work"
CONTRACTS = "contracts"


class WorksFeed:
    """All works once, then what changed since the day before the last pass, and all of them again now and then.

    Cursor: {"full": a pass over everything, "after": last id, "since": date or null, "began": this pass's time,
    "full_began": the last full pass's time, "done": the pass is complete}.
    """

    name = "works"
    kinds = frozenset({WORK})

    def __init__(self, client: Client, settings: ConsonanceSettings) -> None:
        self.client, self.settings = client, settings
        self.every = settings.poll_interval

    async def page(self, cursor: Json | None, now: datetime) -> Page:
        """The next works by id; only an empty answer ends a pass, as the server chooses how many it gives."""
        queries = Queries.of(await self.client.schema())
        at = self._next(cursor, now, queries) if cursor is None or cursor["done"] else dict(cursor)
        search = {"after": at["after"]} | ({"changedSince": at["since"]} if at["since"] else {})
        raws = await works_page(self.client, queries, search)
        at |= {"after": max(int(raw.key.id) for raw in raws)} if raws else {"done": True}
        return Page(raws, at, exhausted=not raws, sweep=at["full"])

    def _next(self, cursor: Json | None, now: datetime, queries: Queries) -> Json:
        began = now.astimezone(UTC).isoformat()
        fresh = {"full": True, "after": 0, "since": None, "began": began, "full_began": began, "done": False}
        if cursor is None or not queries.can_search_changes:
            return fresh
        full_at = datetime.fromisoformat(cursor["full_began"]) + timedelta(seconds=self.settings.full_sweep_interval)
        if now >= full_at:
            return fresh
        return {**fresh, "full": False, "since": self._since(cursor["began"]), "full_began": cursor["full_began"]}

    def _since(self, began: str) -> str:
        """A date of Consonance is a day in the publisher's zone; the day before covers what the zones differ."""
        day = datetime.fromisoformat(began).astimezone(ZoneInfo(self.settings.zone)).date()
        return (day - timedelta(days=self.settings.look_back_days)).isoformat()


class ContractsFeed:
    """Contracts by work. How they are listed is ASSUMED: stated by their work, else by a root list of contracts.

    Where introspection shows neither, every pass is empty and the part stays `unseen`.
    """

    name = "contracts"
    kinds = frozenset({CONTRACTS})

    def __init__(self, client: Client, settings: ConsonanceSettings) -> None:
        self.client, self.settings = client, settings
        self.every = settings.contract_sweep_interval
        self._all: dict[int, list[Json]] | None = None

    async def page(self, cursor: Json | None, now: datetime) -> Page:
        """The contracts of the next works by id; a pass lists every work."""
        queries = Queries.of(await self.client.schema())
        if not queries.lists_contracts:
            return Page((), {"after": 0}, exhausted=True)
        after = cursor["after"] if cursor else 0
        as_of = now.astimezone(ZoneInfo(self.settings.zone)).date()
        if queries.contracts_of_works:
            raws = await contracts_page(self.client, queries.contracts_of_works, after, as_of)
        else:
            raws = await self._from_all(queries, after, as_of)
        if not raws:
            self._all = None
            return Page((), {"after": 0}, exhausted=True, sweep=True)
        return Page(raws, {"after": max(int(raw.key.id) for raw in raws)}, exhausted=False, sweep=True)

    async def _from_all(self, queries: Queries, after: int, as_of: date) -> tuple[Raw, ...]:
        """Read whole once a pass: a work's contracts may lie pages apart, and one without any must say so."""
        if self._all is None or after == 0:
            self._all = await all_contracts(self.client, queries)
        works = await work_ids(self.client, queries, {"after": after})
        return tuple(contracts_raw(id_, self._all.get(id_, []), {}, as_of) for id_ in works)


class ConsonanceSource:
    """Feeds `works` and `contracts`; raw kinds `work` and `contracts`, both by work id."""

    name = "consonance"
    version = "1"
    aspects: tuple[str, ...] = ASPECTS

    def __init__(self, client: Client, settings: ConsonanceSettings, clock: Clock | None = None) -> None:
        self.client, self.settings, self.clock = client, settings, clock or Clock()
        self.feeds: Sequence[Feed] = (WorksFeed(client, settings), ContractsFeed(client, settings))

    async def fetch(self, keys: Sequence[RawKey]) -> Sequence[Raw]:
        """One by one; body None where Consonance answers null for the id without an error."""
        queries = Queries.of(await self.client.schema())
        return [await self._fetch(queries, key) for key in keys]

    async def _fetch(self, queries: Queries, key: RawKey) -> Raw:
        if key.kind == WORK:
            return await work_by_id(self.client, queries, int(key.id))
        as_of = moment(self.clock.now_us()).astimezone(ZoneInfo(self.settings.zone)).date()
        if queries.contracts_of_work:
            return await contracts_by_work(self.client, queries.contracts_of_work, int(key.id), as_of)
        if queries.all_contracts is None:
            return Raw(key, None)
        if not await work_ids(self.client, queries, {"idEq": int(key.id)}):
            return Raw(key, None)
        found = await all_contracts(self.client, queries)
        return contracts_raw(int(key.id), found.get(int(key.id), []), {}, as_of)

    def names(self, raw: Raw, who: str) -> bool:
        """As a contributor of the work."""
        return raw.key.kind == WORK and raw.body is not None and who in assembly.contacts(raw.body)

    def omitted(self, raw: Raw, omit: frozenset[str]) -> Raw:
        """Of the contact its id; without the lines that name all authors."""
        if raw.key.kind != WORK or raw.body is None:
            return raw
        return replace(raw, body=assembly.scrubbed(raw.body, omit))

    def title(self, raw: Raw, links: Mapping[Resource, TitleKey]) -> TitleKey:
        """A work is its own title; links are to 4ALLPORTAL's objects."""
        return TitleKey(f"work:{raw.key.id}")

    def isbns(self, raw: Raw) -> frozenset[str]:
        """Of all products of a work."""
        work = (raw.body or {}).get("work") if raw.key.kind == WORK else None
        products = (work or {}).get("products")
        rows = products if isinstance(products, list) else []
        stated = [each.get("isbn") for each in rows if isinstance(each, Mapping)]
        texts = [each.get("isbn13") for each in stated if isinstance(each, Mapping)]
        return frozenset(found.key for text in texts if isinstance(text, str) and (found := isbn.read(text)))

    def assemble(self, title: TitleKey, raws: Mapping[RawKey, Raw], omit: frozenset[str]) -> Mapping[str, Statement]:
        """The five documents; none at all where only contracts have been read so far."""
        id_ = title.removeprefix("work:")
        work, contracts = raws.get(RawKey(WORK, id_)), raws.get(RawKey(CONTRACTS, id_))
        if work is None:
            return {}
        if work.body is None and work.unreadable is None:
            return {aspect: Statement("gone", reason="the work is no longer in Consonance") for aspect in ASPECTS}
        if work.unreadable is not None or work.body is None:
            return {aspect: Statement("unreadable", reason=work.unreadable) for aspect in ASPECTS}
        return assembly.statements(work.body, contracts.body if contracts else None, omit)


async def works_page(client: Client, queries: Queries, search: Json) -> tuple[Raw, ...]:
    """The next works of a search. Where an error blanks rows of the list, they are read one by one."""
    answer = await client.answer(queries.works, {"search": search})
    if answer.problems and not _is_list(answer.data.get("works")):
        found = await work_ids(client, queries, search)
        return tuple([await work_by_id(client, queries, id_) for id_ in found])
    rows = enumerate(_rows(answer, "works", search))
    return tuple(_work_raw(work, answer.under("works", index)) for index, work in rows)


async def work_by_id(client: Client, queries: Queries, id_: int) -> Raw:
    """One work; unreadable where Consonance answers nothing but an error for it."""
    key = RawKey(WORK, str(id_))
    answer = await client.answer(queries.work, {"search": {"idEq": id_}})
    work, problems = answer.data.get("work"), answer.under("work")
    if work is None and problems:
        return Raw(key, {"problems": problems}, unreadable=_first(problems))
    return Raw(key, None) if work is None else _work_raw(work, problems)


async def work_ids(client: Client, queries: Queries, search: Json) -> tuple[int, ...]:
    answer = await client.query(queries.ids, {"search": search})
    return tuple(work["id"] for work in _rows(answer, "works", search))


async def contracts_page(client: Client, query: str, after: int, as_of: date) -> tuple[Raw, ...]:
    search = {"after": after}
    answer = await client.query(query, {"search": search})
    rows = enumerate(_rows(answer, "works", search))
    return tuple(contracts_raw(row["id"], row.get("contracts"), answer.under("works", i), as_of) for i, row in rows)


async def contracts_by_work(client: Client, query: str, id_: int, as_of: date) -> Raw:
    answer = await client.answer(query, {"search": {"idEq": id_}})
    work, problems = answer.data.get("work"), answer.under("work")
    if work is None and problems:
        return Raw(RawKey(CONTRACTS, str(id_)), {"contracts": None, "problems": problems})
    if work is None:
        return Raw(RawKey(CONTRACTS, str(id_)), None)
    return contracts_raw(id_, work.get("contracts"), problems, as_of)


async def all_contracts(client: Client, queries: Queries) -> dict[int, list[Json]]:
    """Work id -> contracts, from the root list."""
    assert queries.all_contracts is not None
    found: dict[int, list[Json]] = {}
    after = 0
    while True:
        search = {"after": after}
        answer = await client.query(queries.all_contracts, {"search": search})
        if answer.problems:
            raise Stop(f"contracts cannot be read: {answer.problems[0].message}", where="consonance contracts")
        rows = _rows(answer, "contracts", search)
        if not rows:
            return found
        for row in rows:
            work = (row.get("work") or {}).get("id")
            if work is not None:
                found.setdefault(work, []).append({k: v for k, v in row.items() if k != "work"})
        after = max(row["id"] for row in rows)


def contracts_raw(work_id: int, contracts: Json, problems: Mapping[str, str], as_of: date) -> Raw:
    """`as_of` counts only with a change: the mirror keeps the older day where the rest is the same."""
    body = {"contracts": contracts, "problems": dict(problems), "as_of": as_of.isoformat()}
    return Raw(RawKey(CONTRACTS, str(work_id)), body)


def _work_raw(work: Mapping[str, Json], problems: Mapping[str, str]) -> Raw:
    return Raw(RawKey(WORK, str(work["id"])), {"work": work, "problems": dict(problems)})


def _is_list(rows: Json) -> bool:
    return isinstance(rows, list) and all(isinstance(row, Mapping) and "id" in row for row in rows)


def _rows(answer: Answer, root: str, search: Json) -> list[Mapping[str, Json]]:
    """The rows of a page; nothing but a list is taken for one, and one that does not advance is refused."""
    rows = answer.data.get(root)
    if not isinstance(rows, list) or not _is_list(rows):
        raise Stop(f"{root} answered {'null' if rows is None else 'something else'} where a list was", where=root)
    after = search.get("after", 0)
    if any(row["id"] <= after for row in rows):
        raise Stop(
            f"{root} after {after} answered an id that is not larger: paging does not work",
            where=f"consonance {root}",
            cure="frontlist check; tell us with the answer",
        )
    return rows


def _first(problems: Mapping[str, str]) -> str:
    where, message = next(iter(problems.items()))
    return f"{where}: {message}" if where else message
