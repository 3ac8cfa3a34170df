"""Commands that take back: undo what was written, forget a person."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from frontlist import forgetting, runtime, undoing
from frontlist.cli.terminal import AsJson, Config, DryRun, Rows, err, out, say_json, short, table, wait_for
from frontlist.cli.times import time
from frontlist.clock import iso, moment
from frontlist.errors import ConfigurationError
from frontlist.settings import load
from frontlist.state import images

Title = Annotated[str, typer.Option(help="What was written for this title, e.g. work:61417.")]
Run = Annotated[str, typer.Option(help="What this run wrote, e.g. replay/1a2b3c4d; `frontlist undo` alone lists them.")]
Since = Annotated[str, typer.Option(help="What was written since: 2026-11-20T10:00Z, or 3d, 2h, 30m ago.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]


def add_to(app: typer.Typer) -> None:
    app.command()(undo)
    app.command()(forget)


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
                short(e.is_),
                short(e.becomes),
            )
            for e in planned.cells[: rows or None]
        ],
    )
    counts = ", ".join(f"{number} {what}" for what, number in sorted(planned.counts().items()))
    out.print(counts or "Nothing was overwritten then.", markup=False)


def _runs(config: Any, as_json: bool) -> None:
    async def go() -> list[dict[str, Any]]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            found = await images.runs(c, 50)
            return [
                {"run": r.run, "titles": r.titles, "cells": r.cells, "from": iso(r.first), "to": iso(r.last)}
                for r in found
            ]

    found = wait_for(go())
    if as_json:
        say_json(found)
        return
    table(("run", "titles", "cells", "from", "to"), [tuple(each.values()) for each in found])
    out.print("\nWhat no run set off is undone by --title or --since.")


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
