"""Commands that only look: plugins, status, findings."""

from __future__ import annotations

import contextlib
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa
import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import health, keeping, runtime
from frontlist.cli.terminal import AsJson, Config, say_json, table, wait_for
from frontlist.clock import iso
from frontlist.errors import FrontlistError
from frontlist.http import Api
from frontlist.plugins import Plugins
from frontlist.settings import load
from frontlist.state import census, dead, feeds, findings, held, installation, processes, settled, work

#: Outcomes that somebody may have to do something about.
TROUBLES = ("retry", "refused", "dead-lettered", "stopped")


def add_to(app: typer.Typer) -> None:
    app.command()(plugins)
    app.command()(status)
    app.command("findings")(show_findings)


def plugins(as_json: AsJson = False) -> None:
    """The plugins that are installed, and what they bring."""
    rows = Plugins().installed()
    if as_json:
        say_json([{**vars(row)} for row in rows])
        return
    table(
        ("plugin", "distribution", "version", "consumers", "systems"),
        [
            (row.name, row.distribution, row.version, ", ".join(row.consumers) or "-", ", ".join(row.systems) or "-")
            for row in rows
        ],
    )


def status(config: Config = None, as_json: AsJson = False) -> None:
    """Health, feeds, work, modes, processes and open findings at a glance."""

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it:
            return await summary(it)

    found = wait_for(go())
    if as_json:
        say_json(found)
        return
    table(
        ("check", "state", "since", "why, and the cure"),
        [(c["check"], c["state"], c["since"], ". ".join(filter(None, (c["why"], c["cure"])))) for c in found["checks"]],
    )
    table(
        ("feed", "last complete pass", "error"),
        [(f["feed"], f["completed"] or "never", f["error"] or "") for f in found["feeds"]],
    )
    table(
        ("consumer", "outcome", "titles", "due", "oldest due"),
        [(w["consumer"], w["outcome"] or "-", w["titles"], w["due"], w["oldest"] or "") for w in found["work"]],
    )
    if found["troubles"]:
        table(
            ("consumer", "outcome", "titles", "why, and the cure"),
            [(t["consumer"], t["outcome"], t["titles"], t["detail"]) for t in found["troubles"]],
        )
    table(("flow/imprint", "mode"), sorted(found["modes"].items()) or [("*/*", "observe (nothing decided yet)")])
    table(("process", "last heartbeat"), [(p["process"], p["heartbeat"]) for p in found["processes"]])
    table(("open findings", "titles"), sorted(found["findings"].items()))
    if found["held"]:
        table(
            ("held for a person", "effect", "titles", "list"),
            [(each["imprint"] or "(none)", each["effect"], each["titles"], each["list"]) for each in found["held"]],
        )
    if found["dead_letters"]:
        table(
            ("dead letters of", "target", "number"),
            [(each["consumer"], each["target"], each["number"]) for each in found["dead_letters"]],
        )
    table(("rows kept", "number"), sorted(found["sizes"].items()))


async def summary(it: runtime.Installation) -> dict[str, Any]:
    """What `status` shows, as plain values."""
    checks = await _checks(it)
    async with it.db.read() as c:
        now = await it.db.now(c)
        read = [
            {"feed": f"{name}/{each.name}", "completed": _at(each.completed_at), "error": each.error}
            for name in it.sources
            for each in (await feeds.states(c, name)).values()
        ]
        rows = [
            {"consumer": r.consumer, "outcome": r.outcome, "titles": r.rows, "due": r.due or 0, "oldest": _at(r.oldest)}
            for r in await work.counts(c, now)
        ]
        kinds: dict[str, int] = {}
        for each in await findings.open_ones(c):
            kinds[each.kind] = kinds.get(each.kind, 0) + 1
        return {
            "checks": checks,
            "feeds": read,
            "work": rows,
            "troubles": await _troubles(c),
            "modes": await settled.decisions(c, "mode"),
            "processes": [{"process": p.id, "heartbeat": _at(p.heartbeat_at)} for p in await processes.living(c, now)],
            "findings": kinds,
            "held": [{**vars(each), "since": _at(each.since)} for each in await held.groups(c)],
            "dead_letters": [
                {"consumer": consumer, "target": target, "number": number}
                for (consumer, target), number in sorted((await dead.count_open(c)).items())
            ],
            "sizes": await keeping.sizes(c),
        }


async def _checks(it: runtime.Installation) -> list[dict[str, Any]]:
    """Those of our process at `health.listen`, where one answers; else what the database alone can say."""
    if (found := await _probed(it)) is not None:
        return found
    said = [health.Said("figures", "warning", f"the database did not give them within {census.PATIENCE_MS} ms")]
    with contextlib.suppress(TimeoutError):
        async with it.db.read() as c:
            counted = await census.take(it.db, c)
        said = list(health.counted(counted, it.intervals(), it.settings.health))
    return [asdict(each) for each in health.Report(it.clock).of(said)]


async def _probed(it: runtime.Installation) -> list[dict[str, Any]] | None:
    """None where nothing listens, or another one does: an installation's own, or no connector at all."""
    host, _, port = it.settings.health.listen.rpartition(":")
    if not host:
        return None
    here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104  nothing listens, we ask
    async with it.db.read() as c:
        ours = await installation.fact(c, "database")
    try:
        async with Api("probes", f"http://{here}:{port}", {}, timeout=2.0) as http:
            body = (await http.call("GET", "/readyz", allow=frozenset({503}))).json()
            # Which database it has it says once it has reached it.
            is_ours = body["tenant"] == it.settings.tenant and body["database"] in (None, ours)
            return list(body["checks"]) if is_ours else None
    except (FrontlistError, ValueError, KeyError, TypeError):
        return None


async def _troubles(c: AsyncConnection) -> list[dict[str, Any]]:
    """What keeps most titles from being applied, in the words of the system that said it."""
    t, titles = work.work_table.c, sa.func.count()
    query = (
        sa.select(t.consumer, t.outcome, t.detail, titles)
        .where(t.outcome.in_(TROUBLES))
        .group_by(t.consumer, t.outcome, t.detail)
        .order_by(titles.desc(), t.detail)
        .limit(10)
    )
    rows = (await c.execute(query)).all()
    return [{"consumer": r[0], "outcome": r[1], "detail": r[2], "titles": r[3]} for r in rows]


def show_findings(
    title: str = typer.Argument("", help="A title, e.g. work:61417."), config: Config = None, as_json: AsJson = False
) -> None:
    """What a person must settle, with its cure."""

    async def go() -> list[dict[str, Any]]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            return [
                {
                    "title": row.title,
                    "kind": row.kind,
                    "severity": row.severity,
                    "message": row.message,
                    "cure": row.cure,
                    "where": row.where_,
                    "since": _at(row.opened_at),
                }
                for row in await findings.open_ones(c, title or None)
            ]

    rows = wait_for(go())
    if as_json:
        say_json(rows)
        return
    table(
        ("title", "severity", "what", "cure"),
        [(row["title"], row["severity"], row["message"], row["cure"]) for row in rows],
    )


def _at(us: int | None) -> str | None:
    return None if us is None else iso(us)
