"""Commands that work titles again, replay and reconcile: each begins a sweep that can be shown, stopped and resumed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from frontlist import runtime, sweeping
from frontlist.cli.terminal import (
    AsJson,
    Config,
    DryRun,
    Imprint,
    Rows,
    Titles,
    err,
    out,
    say_json,
    short,
    table,
    wait_for,
)
from frontlist.cli.times import time
from frontlist.clock import iso, moment
from frontlist.contract import TitleKey
from frontlist.errors import ConfigurationError
from frontlist.previewing import Looked, Preview
from frontlist.settings import load
from frontlist.state import processes, sweeps

Consumers = Annotated[list[str] | None, typer.Option("--consumer", help="This consumer; default: all. Repeat it.")]
OneConsumer = Annotated[str, typer.Option("--consumer", help="Whose titles.")]
From = Annotated[str, typer.Option("--from", help="Only titles that changed since: 2026-11-20, or 3d, 2h, 30m ago.")]
To = Annotated[str, typer.Option("--to", help="Only titles that changed until then.")]
Wait = Annotated[bool, typer.Option("--wait/--no-wait", help="Show progress until all titles are worked.")]
Id = Annotated[str, typer.Argument(help="The sweep's id, from `list`.")]
#: Seconds between two looks at the progress.
LOOK = 1.0


def add_to(app: typer.Typer) -> None:
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
            short(cell["is"]),
            short(cell["would"]),
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
        "begun": iso(each.created_at),
        "ended": iso(each.ended_at) if each.ended_at else None,
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
