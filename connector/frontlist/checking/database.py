"""The database: its schema, whose it is, and which mapping is active."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist.checking.verdict import Check, failed
from frontlist.clock import Clock
from frontlist.errors import FrontlistError
from frontlist.mapping import FieldMapping
from frontlist.settings import Settings
from frontlist.state import dossier, installation, schema
from frontlist.state.database import Database
from frontlist_schemas.canonical import fingerprint

AREA = "database"


@dataclass(frozen=True)
class Looked:
    """`topic_ids`: topic -> the id under which it was read last."""

    checks: list[Check]
    topic_ids: Mapping[str, str] = field(default_factory=dict)


async def look(settings: Settings, mapping: FieldMapping | None) -> Looked:
    try:
        db = Database(settings.database, Clock())
    except FrontlistError as error:
        return Looked([failed(AREA, "address", error)])
    try:
        # Connecting would make the file, and check writes nothing.
        if _is_missing(db):
            return Looked([Check(AREA, "schema", "failed", "the file does not exist", db.name, "frontlist db upgrade")])
        await schema.check(db)
        return await _contents(db, settings, mapping)
    except FrontlistError as error:
        return Looked([failed(AREA, "schema", error)])
    finally:
        await db.close()


def _is_missing(db: Database) -> bool:
    return db.sqlite and not Path(db.url.database or "").exists()


async def _contents(db: Database, settings: Settings, mapping: FieldMapping | None) -> Looked:
    async with db.read() as c:
        tenant = await installation.fact(c, "tenant")
        half = await installation.fact(c, installation.REBUILDING) is not None
        active = await installation.active(c)
        offsets = await dossier.offsets(c)
        unbound = await unbounded(db, c)
    found = [Check(AREA, "schema", "ok", "is this version's", db.name), _tenant(tenant, settings), *unbound]
    if half:
        detail = "is under way, or was interrupted: nothing else works on the database before it is done"
        found.append(Check(AREA, "rebuild", "failed", detail, db.name, "wait for it, or say `frontlist rebuild` again"))
    if mapping is not None and active is not None and active.fingerprint != fingerprint(mapping.text):
        detail = "the file differs from the active mapping"
        cure = "restart `frontlist run`: every title is planned again with the new one"
        found.append(Check("mapping", "activation", "warning", detail, mapping.file, cure))
    return Looked(found, {name: topic_id for (name, _), (_, topic_id) in offsets.items()})


async def unbounded(db: Database, connection: AsyncConnection) -> list[Check]:
    if await db.bounded(connection):
        return []
    detail = "does not end every transaction of a process that is frozen, so its titles may wait until it goes on"
    cure = "take PostgreSQL 17 or newer; behind a pooler: ALTER ROLE ... SET transaction_timeout = '90s'"
    return [Check(AREA, "frozen processes", "warning", detail, db.name, cure)]


def _tenant(tenant: str | None, settings: Settings) -> Check:
    if tenant is None:
        return Check(AREA, "installation", "ok", "not yet started; the first `frontlist run` fixes the tenant's name")
    if tenant != settings.tenant:
        detail = f"belongs to installation {tenant!r}, the configuration says {settings.tenant!r}"
        return Check(AREA, "installation", "failed", detail, "tenant", "use this installation's database, or its name")
    return Check(AREA, "installation", "ok", tenant)
