"""What a process settles before it works: whose database it is, the active mapping, the consumers."""

from __future__ import annotations

from collections.abc import Mapping

from frontlist import decisions
from frontlist import mapping as field_mapping
from frontlist.due import all_due
from frontlist.errors import ConfigurationError
from frontlist.kafka import TopicState, read_to_end
from frontlist.planning import Active
from frontlist.positions import recreated
from frontlist.runtime import Installation, half_rebuilt
from frontlist.state import applied, dossier, installation, outbox, settled, work
from frontlist.state.database import takes_long
from frontlist_schemas.canonical import fingerprint


async def identify(it: Installation, there: Mapping[str, TopicState], *, rebuilding: bool = False) -> str | None:
    """The tenant's name and the database's id are fixed at the first start, on the decisions topic too.

    Answers the database's id. `rebuilding`: the database must be empty, or one that a rebuild has not finished.
    """
    async with it.db.begin() as c:
        await it.db.raise_numbers(c)
        empty = await installation.fact(c, "tenant") is None
    if empty:
        await _settle_in(it, rebuilding)
    async with it.db.read() as c:
        tenant = await installation.fact(c, "tenant")
        mine = await installation.fact(c, "database")
        half = await installation.fact(c, installation.REBUILDING) is not None
        said = await settled.decision(c, "installation", "identity")
        stored = await dossier.offsets(c)
    if tenant != it.settings.tenant:
        raise ConfigurationError(
            f"this database belongs to installation {tenant!r}, the configuration says {it.settings.tenant!r}",
            where="tenant",
            cure="use the database of this installation, or set `tenant` back",
        )
    if said is not None and mine is not None and said["database"] != mine:
        raise ConfigurationError(
            "another database has taken over this installation (its topics say so)",
            where=it.db.name,
            cure="point `database` at that one, or empty this one and run `frontlist rebuild`",
        )
    if rebuilding and not half:
        raise ConfigurationError(
            "this database is not empty: an installation works with it, which a rebuild would stop",
            where=it.db.name,
            cure="point `database` at an empty one, say `frontlist db upgrade`, then `frontlist rebuild`",
        )
    if rebuilding:
        return mine  # it reads every topic from its beginning
    if half:
        raise half_rebuilt(it.db)
    for (name, _), (_, topic_id) in stored.items():
        if topic_id and name in there and topic_id != there[name].id:
            raise recreated(name)
    return mine


async def _settle_in(it: Installation, rebuilding: bool) -> None:
    said = None
    async for batch, _ in read_to_end(it.settings.kafka, [it.decisions], {}):
        for record in batch:
            if record.key == b"installation/identity":
                said = record
    if said is not None and not rebuilding:
        raise ConfigurationError(
            "the database is empty, but the topics hold an installation's history",
            where=it.db.name,
            cure="point `database` at the installation's database, or restore it with `frontlist rebuild`",
        )
    async with it.db.begin() as c:
        await it.db.lock(c, "frontlist/identity")
        if await installation.fact(c, "tenant") is not None:
            return  # another replica was first
        identity = {"tenant": it.settings.tenant, "database": it.clock.new_id()}
        await installation.state(it.db, c, identity)
        if rebuilding:
            await installation.state(it.db, c, {installation.REBUILDING: "1"})
        await decisions.decide(it.db, c, it.decisions, {("installation", "identity"): identity})


async def replaces(it: Installation) -> bool:
    """Whether the configured mapping would take the place of another one."""
    async with it.db.read() as c:
        current = await installation.active(c)
    return current is not None and current.fingerprint != fingerprint(it.mapping.text)


async def activate(it: Installation) -> Active:
    """The configured mapping becomes the active one under a number from the database."""
    print_ = fingerprint(it.mapping.text)
    async with it.db.begin() as c:
        await it.db.lock(c, "frontlist/activation")
        current = await installation.active(c)
        if current is None or current.fingerprint != print_:
            current = await installation.activate(it.db, c, print_, it.mapping.text)
            body = {"body": {"fingerprint": print_, "text": it.mapping.text}, "number": current.number}
            await outbox.post(it.db, c, [(it.decisions, "mapping/active", body)])
            consumers = await installation.registered(c)
            now = await it.db.now(c)
            await work.mark(it.db, c, await all_due(it.db, c, consumers, now, f"mapping/{current.number}"))
            await applied.try_again(c, await applied.with_refused(c))
    return Active(current.number, it.mapping)


async def register(it: Installation) -> None:
    """New consumers, and those that want something else now: every title is due for them.

    Of those that come in another release what stopped is due.
    """
    releases = it.plugins.releases()
    brought = {name: (each.wants, releases[name]) for name, each in it.plugins.consumers.items()}
    async with it.db.begin() as c:
        await takes_long(c)
        now = await it.db.now(c)
        released = await installation.renewed(c, releases)
        new = await installation.register(it.db, c, brought)
        wants = {name: brought[name][0] for name in new}
        dues = await all_due(it.db, c, wants, now, "registered")
        await work.mark(it.db, c, dues + await work.stopped(c, released, now, "released"))


async def fits(it: Installation) -> None:
    """Refuses a mapping that names fields, types or options which the tenant does not have; raises DeliveryError."""
    modules, options = await it.dam.modules()
    problems = field_mapping.against(it.mapping, {name: module.by_name for name, module in modules.items()}, options)
    wrong = [each for each in problems if each.severity == "error"]
    if wrong:
        raise field_mapping.MappingError(it.mapping.file, wrong)
