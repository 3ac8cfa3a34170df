"""A connection that goes silent in the midst of a statement: what it had locked is free again."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

import tenants
from faults.proxy import Proxy, between
from frontlist.clock import Clock
from frontlist.state import installation, schema
from frontlist.state.database import Database


async def test_what_a_connection_held_that_went_silent_in_a_statement_is_free_again(postgresql_url: str) -> None:
    """PostgreSQL waits for ever for the rest of a statement that is prepared: no time-out of its own ends that."""
    url = sa.make_url(postgresql_url)
    with between(int(url.port or 0)) as proxy:
        silent = Database(url.set(host="127.0.0.1", port=proxy.port).render_as_string(hide_password=False), Clock())
        other = Database(postgresql_url, Clock())
        await schema.upgrade(other)
        async with other.begin() as c:
            await installation.state(other, c, {"tenant": "before"})
        with pytest.raises(TimeoutError):
            await goes_silent(silent, proxy)

        async def written() -> bool:
            async with other.begin() as c:
                await c.execute(sa.text("SET LOCAL lock_timeout = '500ms'"))
                await installation.state(other, c, {"tenant": "after"})
            return True

        async def free() -> bool:
            try:
                return await written()
            except sa.exc.DBAPIError:
                return False

        await tenants.until(free, what="the row that was locked")
        async with other.read() as c:
            assert await installation.fact(c, "tenant") == "after"
        await silent.close()
        await other.close()


async def goes_silent(db: Database, proxy: Proxy) -> None:
    async with db.begin() as c:
        await installation.state(db, c, {"tenant": "lost"})
        driver = (await c.get_raw_connection()).driver_connection
        assert driver is not None
        await driver.prepare("SELECT 1 + $1")
        proxy.forget()
        raise TimeoutError
