"""Commands that do again or take back: undo, replay, reconcile, forget."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import sqlalchemy as sa
import typer

from frontlist import forgetting, runtime, sweeping, undoing
from frontlist.cli.terminal import AsJson, Config, err, out, say_json, table, wait_for
from frontlist.cli.times import time
from frontlist.clock import moment
from frontlist.contract import TitleKey
from frontlist.errors import ConfigurationError
from frontlist.previewing import Looked, Preview
from frontlist.settings import load
from frontlist.state import processes, sweeps
from frontlist.state.applied import HAS_RUN, before_table

Title = Annotated[str, typer.Option(help="What was written for this title, e.g. work:61417.")]
Run = Annotated[str, typer.Option(help="What this run wrote, e.g. replay/1a2b3c4d; `frontlist undo` alone lists them.")]
Since = Annotated[str, typer.Option(help="What was written since: 2026-11-20T10:00Z, or 3d, 2h, 30m ago.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Read and compare; say what would change, and do nothing.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Consumers = Annotated[list[str] | None, typer.Option("--consumer", help="This consumer; default: all. Repeat it.")]
OneConsumer = Annotated[str, typer.Option("--consumer", help="Whose titles.")]
Titles = Annotated[list[str] | None, typer.Option("--title", help="Only this title, e.g. work:61417. Repeat it.")]
Imprint = Annotated[str, typer.Option(help="Only titles of this imprint.")]
From = Annotated[str, typer.Option("--from", help="Only titles that changed since: 2026-11-20, or 3d, 2h, 30m ago.")]
To = Annotated[str, typer.Option("--to", help="Only titles that changed until then.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress until all titles are worked.")]
Rows = Annotated[int, typer.Option(min=0, help="How many cells to show; 0: all.")]
Id = Annotated[str, typer.Argument(help="The sweep's id, from `list`.")]
#: Seconds between two looks at the progress.
LOOK = 1.0


def add_to(app: typer.Typer) -> None:
    app.command()(undo)
    for name, words, begins in (
        ("replay", "Work titles again, compared with what stands in the target.", replay),
        ("reconcile", "Look whether somebody changed what is ours, and set it back or leave it.", reconcile),
    ):
        group = typer.Typer(help=words)
        group.callback(invoke_without_command=True)(begins)
        group.command("list")(sweep_list)
        group.command("show")(sweep_show)
        group.command("resume")(sweep_resume)
        group.command("stop")(sweep_stop)
        app.add_typer(group, name=name)
    app.command()(forget)


# --- undo ------------------------------------------------------------------------------------------------------------


def undo(
    title: Title = "",
    run: Run = "",
    since: Since = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    rows: Rows = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Put back what was overwritten, by title, run or time; shown first. Alone: the runs that can be undone."""
    if not (title or run or since):
        _runs(config, as_json)
        return

    async def go() -> tuple[undoing.Undo, str]:
        async with runtime.opened(load(config)) as it:
            async with it.db.read() as c:
                now = moment(await it.db.now(c))
            chosen = undoing.Selection(title, run, time(since, now, "--since") if since else 0)
            planned = await undoing.plan(it, chosen, lambda n: err.print(f"read {n} titles"))
            if not as_json:
                _show_undo(planned, rows)
            if dry_run or not planned.pins or not _agreed(yes, as_json):
                return planned, ""
            return planned, await undoing.apply(it, planned)

    planned, made = wait_for(go())
    if as_json:
        say_json({"run": made or None, "cells": [each.as_json() for each in planned.cells]})
    elif made:
        out.print(
            f"\nDue as {made}. It holds until source or mapping changes; frontlist undo --run {made} takes it back."
        )
    else:
        out.print("\nNothing is changed.")


def _agreed(yes: bool, as_json: bool) -> bool:
    if yes:
        return True
    if as_json:
        raise ConfigurationError("--json does not ask", where="frontlist undo", cure="add --yes or --dry-run")
    return typer.confirm("Put this back?")


def _show_undo(planned: undoing.Undo, rows: int) -> None:
    table(
        ("title", "resource", "field", "what", "is", "becomes"),
        [
            (
                e.title,
                e.resource,
                e.field,
                e.verdict + (f": {e.why}" if e.why else ""),
                _short(e.is_),
                _short(e.becomes),
            )
            for e in planned.cells[: rows or None]
        ],
    )
    counts = ", ".join(f"{number} {what}" for what, number in sorted(planned.counts().items()))
    out.print(counts or "Nothing was overwritten then.", markup=False)


def _runs(config: Any, as_json: bool) -> None:
    b = before_table.c
    query = (
        sa.select(b.run, sa.func.count(b.title.distinct()), sa.func.count(), sa.func.min(b.at), sa.func.max(b.at))
        .where(HAS_RUN)
        .group_by(b.run)
        .order_by(sa.func.max(b.at).desc())
        .limit(50)
    )

    async def go() -> list[dict[str, Any]]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            found = (await c.execute(query)).all()
            return [{"run": r[0], "titles": r[1], "cells": r[2], "from": _at(r[3]), "to": _at(r[4])} for r in found]

    found = wait_for(go())
    if as_json:
        say_json(found)
        return
    table(("run", "titles", "cells", "from", "to"), [tuple(each.values()) for each in found])
    out.print("\nWhat no run set off is undone by --title or --since.")


# --- sweeps ----------------------------------------------------------------------------------------------------------


def replay(
    ctx: typer.Context,
    consumer: OneConsumer = "",
    since: From = "",
    until: To = "",
    title: Titles = None,
    imprint: Imprint = "",
    dry_run: DryRun = False,
    wait: Wait = True,
    rows: Rows = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Plan titles from their latest documents, compare with the target read back, and write what differs."""
    if ctx.invoked_subcommand is not None:
        return
    if not consumer:
        raise ConfigurationError("it is not said whose titles", where="frontlist replay", cure="add --consumer NAME")
    _sweep("replay", [consumer], since, until, title, imprint, dry_run, wait, rows, config, as_json)


def reconcile(
    ctx: typer.Context,
    consumer: Consumers = None,
    title: Titles = None,
    imprint: Imprint = "",
    dry_run: DryRun = False,
    wait: Wait = True,
    rows: Rows = 50,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Read back everything of ours; a number of changed cells per field, set back or left by `reconcile.leave`."""
    if ctx.invoked_subcommand is None:
        _sweep("reconcile", consumer or [], "", "", title, imprint, dry_run, wait, rows, config, as_json)


def _sweep(
    kind: sweeps.Kind,
    consumers: Sequence[str],
    since: str,
    until: str,
    titles: Sequence[str] | None,
    imprint: str,
    dry_run: bool,
    wait: bool,
    rows: int,
    config: Any,
    as_json: bool,
) -> None:
    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it:
            unknown = [name for name in consumers if name not in it.plugins.consumers]
            if unknown:
                raise ConfigurationError(
                    f"no plugin brings a consumer {unknown[0]}", where="--consumer", cure="frontlist plugins"
                )
            async with it.db.read() as c:
                now = moment(await it.db.now(c))
            selection = sweeping.Selection(
                None if not titles else [TitleKey(each) for each in titles],
                imprint or None,
                time(since, now, "--from") if since else None,
                time(until, now, "--to") if until else None,
            )
            chosen = consumers or sorted(it.plugins.consumers)
            wants = {name: it.plugins.consumers[name].wants for name in chosen}
            found = await sweeping.select(it.db, it.settings.kafka, wants, selection)
            if dry_run:
                return await _preview(it, found, kind)
            id_ = await sweeping.begin(it.db, it.clock, kind, selection, found)
            err.print(f"{kind} {id_}: {sum(map(len, found.values()))} titles", markup=False)
            return await _followed(it, id_, wait)

    said = wait_for(go())
    if as_json:
        say_json(said)
    elif dry_run:
        _show_preview(said, rows)
    else:
        _show_sweep(said)


async def _preview(it: runtime.Installation, titles: dict[str, list[TitleKey]], kind: sweeps.Kind) -> dict[str, Any]:
    looked: list[dict[str, Any]] = []
    fields: dict[tuple[str, str, str], int] = {}
    preview = Preview(it, sweeping.PRIORITY[kind])
    for consumer, some in titles.items():
        progress = _Progress(consumer, len(some))
        async for each in preview.looked(consumer, some, progress.say):
            said = _differing(each, drift_only=kind == "reconcile")
            if said is None:
                continue
            looked.append(said)
            for cell in said["cells"]:
                place = (each.resource.target, each.resource.kind, cell["field"])
                fields[place] = fields.get(place, 0) + 1
    counts = [{"target": t, "kind": k, "field": f, "cells": n} for (t, k, f), n in sorted(fields.items())]
    return {"titles": sum(map(len, titles.values())), "fields": counts, "resources": looked}


def _differing(each: Looked, *, drift_only: bool) -> dict[str, Any] | None:
    said = each.as_json()
    said["cells"] = [cell for cell in said["cells"] if cell["drift"] or not drift_only]
    return said if said["cells"] else None


class _Progress:
    """A line for every tenth of the way."""

    def __init__(self, name: str, total: int) -> None:
        self.name, self.total, self.said = name, total, 0

    def say(self, done: int) -> None:
        if done > self.said and (done >= self.total or done - self.said >= self.total / 10):
            err.print(f"{self.name}: {done} of {self.total} titles", markup=False)
            self.said = done


def _show_preview(said: dict[str, Any], rows: int) -> None:
    table(
        ("target", "kind", "field", "cells"),
        [(e["target"], e["kind"], e["field"], e["cells"]) for e in said["fields"]],
        title="What differs, by field:",
    )
    cells = [
        (
            each["title"],
            each["resource"],
            cell["field"],
            _short(cell["is"]),
            _short(cell["would"]),
            each["mode"] + (f", waits: {each['waits']}" if each["waits"] else ""),
        )
        for each in said["resources"]
        for cell in each["cells"]
    ]
    table(("title", "resource", "field", "is", "would be", "mode"), cells[: rows or None])
    if rows and len(cells) > rows:
        out.print(f"... and {len(cells) - rows} more: --rows 0, or --json", markup=False)
    out.print(f"{len(said['resources'])} resources of {said['titles']} titles differ. Nothing is changed.")


def sweep_list(config: Config = None, as_json: AsJson = False) -> None:
    """Replays and reconciles, the newest first."""

    async def go() -> list[dict[str, Any]]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            return [{**_said(each), **await sweeps.progress(c, each.id)} for each in (await sweeps.find(c))[:50]]

    found = wait_for(go())
    if as_json:
        say_json(found)
        return
    table(
        ("id", "kind", "state", "begun", "titles", "done", "cells changed"),
        [(e["id"], e["kind"], e["state"], e["begun"], e["titles"], e["done"], e["changed"]) for e in found],
    )


def sweep_show(id_: Id, config: Config = None, as_json: AsJson = False) -> None:
    """How far one is, its outcomes, and drifted cells by field."""

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it:
            return await _told(it, id_)

    said = wait_for(go())
    if as_json:
        say_json(said)
    else:
        _show_sweep(said)


def sweep_resume(id_: Id, wait: Wait = True, config: Config = None, as_json: AsJson = False) -> None:
    """Go on with one that was stopped, where it stood."""

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it:
            await sweeping.turn(it.db, id_, "running")
            return await _followed(it, id_, wait)

    said = wait_for(go())
    if as_json:
        say_json(said)
    else:
        _show_sweep(said)


def sweep_stop(id_: Id, config: Config = None, as_json: AsJson = False) -> None:
    """Stop feeding titles; those that are due already are worked."""

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it:
            await sweeping.turn(it.db, id_, "stopped")
            return await _told(it, id_)

    said = wait_for(go())
    if as_json:
        say_json(said)
    else:
        _show_sweep(said)


async def _followed(it: runtime.Installation, id_: str, wait: bool) -> dict[str, Any]:
    """Until it is done; without a running process it only says that it waits for one."""
    said = await _told(it, id_)
    if not wait:
        return said
    progress = _Progress(f"{said['kind']} {id_}", said["titles"])
    while said["state"] == "running":
        async with it.db.read() as c:
            alive = await processes.living(c, await it.db.now(c))
        if not alive:
            err.print("No process works now: it goes on when `frontlist run` does.")
            return said
        progress.say(said["done"])
        await asyncio.sleep(LOOK)
        said = await _told(it, id_)
    return said


async def _told(it: runtime.Installation, id_: str) -> dict[str, Any]:
    async with it.db.read() as c:
        found = await sweeps.find(c, id_)
        if not found:
            raise ConfigurationError(f"there is no sweep {id_}", where="sweeps", cure="frontlist replay list")
        return {**_said(found[0]), **await sweeps.progress(c, id_), "drift": await sweeps.drift(c, id_)}


def _said(each: sweeps.Sweep) -> dict[str, Any]:
    return {
        "id": each.id,
        "kind": each.kind,
        "run": each.run,
        "state": each.state,
        "selection": dict(each.selection),
        "begun": _at(each.created_at),
        "ended": _at(each.ended_at) if each.ended_at else None,
    }


def _show_sweep(said: dict[str, Any]) -> None:
    out.print(
        f"{said['run']}: {said['state']}, {said['done']} of {said['titles']} titles, {said['changed']} cells written"
    )
    table(("outcome", "titles"), sorted(said["outcomes"].items()))
    if said["drift"]:
        table(
            ("target", "kind", "field", "set back", "left"),
            [(d["target"], d["kind"], d["field"], d["healed"], d["left"]) for d in said["drift"]],
            title="Cells of ours that somebody had changed:",
        )


# --- forget ----------------------------------------------------------------------------------------------------------


def forget(
    who: Annotated[str, typer.Argument(help="contact:ID, by Consonance's id.")],
    yes: Yes = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Erase a person: titles are published without them, and what we keep of them is taken out. For good."""
    if not yes:
        typer.confirm(
            f"Forget {who} for good? What was overwritten for their titles cannot be undone then.", abort=True
        )

    async def go() -> forgetting.Forgotten:
        async with runtime.opened(load(config)) as it:
            return await forgetting.forget(it, who)

    done = wait_for(go())
    if as_json:
        say_json(vars(done))
        return
    table(("taken out", "number"), sorted(done.removed.items()))
    out.print(f"{len(done.titles)} titles are published without {who}.", markup=False)
    out.print(
        "Older records leave the change topics within 60 days. The journal keeps its lines for kafka.journal_days. "
        "The records in 4ALLPORTAL follow with the next writes. Consonance still has the contact."
    )


def _short(value: Any) -> str:
    text = "empty" if value is None else str(value)
    return text if len(text) <= 50 else text[:49] + "…"


def _at(us: int) -> str:
    return moment(us).isoformat(timespec="seconds")
