"""Rows that are handed to a statement of SQLite as one text: it is parsed once, not for each row that it meets."""

from __future__ import annotations

import sqlalchemy as sa

from frontlist.clock import Clock
from frontlist.state.captured import captured_table
from frontlist.state.database import Database
from frontlist.state.schema import upgrade
from frontlist.state.statement import Parameters, Statement, locking, typed

NAMES = ("system", "aspect", "title", "fingerprint")


def changed(p: Parameters) -> sa.Executable:
    c, rows = captured_table.c, p.rows("given", typed(captured_table, NAMES))
    given = locking(rows, captured_table, *(c[name] == rows.c[name] for name in NAMES[:3]))
    mine = [c[name] == given.c[name] for name in NAMES[:3]]
    return sa.update(captured_table).where(*mine).values(fingerprint=given.c.fingerprint)


async def test_what_is_handed_over_is_parsed_once(sqlite_url: str) -> None:
    db = Database(sqlite_url, Clock())
    await upgrade(db)
    rows = [("consonance", "metadata", f"work:{i}", "A") for i in range(3)]
    async with db.begin() as c:
        await db.upsert(c, captured_table, [dict(zip(NAMES[:3], row[:3], strict=True)) for row in rows])
        await Statement(changed).rows(c, rows)
        assert set((await c.execute(sa.select(captured_table.c.fingerprint))).scalars()) == {"A"}

        text = str(changed(Parameters(sqlite=True)).compile(dialect=c.dialect))
        plan = (await c.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", (None,) * text.count("?"))).all()
    await db.close()
    around = {id_: said for id_, _, _, said in plan}
    [within] = [parent for _, parent, _, said in plan if "given_json" in said]
    assert around.get(within, "").startswith("MATERIALIZE"), plan
