"""Commands by which people decide: mode, pause. They act at once, and stand on the decisions topic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from frontlist import decisions, pauses, runtime
from frontlist.cli.terminal import AsJson, Config, out, say_json, table, wait_for
from frontlist.contract import Mode
from frontlist.due import all_due
from frontlist.errors import ConfigurationError, FrontlistError
from frontlist.settings import load
from frontlist.state import findings, installation, settled, work
from frontlist.state.database import gone, reason, takes_long

#: Who put a title off just before may have had a later moment for it (seconds).
JUST_NOW = 60.0
Flow = Annotated[str, typer.Option(help="A flow by its number, or * for all.")]
Only = Annotated[str, typer.Option(help="A priority (rights ... backfill, sweep), or * for all.")]
Why = Annotated[str, typer.Option(help="The reason, for those who wonder.")]
Imprint = Annotated[str, typer.Option(help="An imprint by its name, or * for all.")]


def add_to(app: typer.Typer) -> None:
    mode = typer.Typer(help="What flows may do: off, observe, propose, apply.", no_args_is_help=True)
    mode.command("set")(mode_set)
    mode.command("list")(mode_list)
    mode.command("accept")(mode_accept)
    app.add_typer(mode, name="mode")
    pause = typer.Typer(help="Stop writes to a system, all or those of one priority.", no_args_is_help=True)
    pause.command("set")(pause_set)
    pause.command("lift")(pause_lift)
    pause.command("list")(pause_list)
    app.add_typer(pause, name="pause")


def mode_set(
    mode: Mode, flow: Flow = "*", imprint: Imprint = "*", config: Config = None, as_json: AsJson = False
) -> None:
    """Set a mode for a flow and an imprint. It acts at once, and marks the titles due."""

    async def go() -> None:
        async with runtime.opened(load(config)) as it:
            if flow != "*" and not any(flow == str(each) for c in it.plugins.consumers.values() for each in c.flows):
                raise ConfigurationError(f"no consumer brings flow {flow}", where="--flow", cure="frontlist plugins")
            await decide(it, "mode", f"{flow}/{imprint}", mode.value)

    wait_for(go())
    if as_json:
        say_json({"flow": flow, "imprint": imprint, "mode": mode.value})
        return
    out.print(f"flow {flow}, imprint {imprint}: {mode.value}", markup=False)


def mode_list(config: Config = None, as_json: AsJson = False) -> None:
    """The modes in force; what is not listed observes."""

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            return await settled.decisions(c, "mode")

    found = wait_for(go())
    if as_json:
        say_json(found)
        return
    table(("flow/imprint", "mode"), sorted(found.items()) or [("*/*", "observe (nothing decided yet)")])


def mode_accept(proposal: str, config: Config = None, as_json: AsJson = False) -> None:
    """Accept one proposal: this resource in exactly the state that was proposed."""

    async def go() -> None:
        async with runtime.opened(load(config)) as it:
            async with it.db.read() as c:
                proposed = [row.cure for row in await findings.open_ones(c) if row.kind == "proposal"]
            if not any(proposal in cure for cure in proposed):
                raise ConfigurationError(
                    f"{proposal} is not proposed now",
                    where="frontlist mode accept",
                    cure="copy it from `frontlist findings`; a proposal that changed since has another name",
                )
            await decide(it, "accepted", proposal, True)

    wait_for(go())
    if as_json:
        say_json({"accepted": proposal})
        return
    out.print(f"accepted {proposal}", markup=False)


def pause_set(target: str, why: Why, only: Only = "*", config: Config = None, as_json: AsJson = False) -> None:
    """Write nothing to a system until the pause is lifted. It acts at once; what is due stays due."""
    _pause(target, only, {"why": why}, config)
    if as_json:
        say_json({"target": target, "priority": only, "why": why})
        return
    out.print(f"{target}, priority {only}: paused", markup=False)


def pause_lift(target: str, only: Only = "*", config: Config = None, as_json: AsJson = False) -> None:
    """Lift a pause; what waited goes on at once, as urgent as it was."""
    _pause(target, only, None, config)
    if as_json:
        say_json({"target": target, "priority": only, "why": None})
        return
    out.print(f"{target}, priority {only}: goes on", markup=False)


def pause_list(config: Config = None, as_json: AsJson = False) -> None:
    """The pauses in force."""

    async def go() -> dict[str, Any]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            return await settled.decisions(c, pauses.KIND)

    found = {key: body["why"] for key, body in wait_for(go()).items()}
    if as_json:
        say_json(found)
        return
    table(("system/priority", "why"), sorted(found.items()) or [("-", "nothing is paused")])


def _pause(target: str, only: str, body: Any, config: Path | None) -> None:
    names = [each.name.lower() for each in work.Priority]

    async def go() -> None:
        async with runtime.opened(load(config)) as it:
            if target not in it.targets:
                raise ConfigurationError(
                    f"there is no system {target!r} to write to",
                    where="frontlist pause",
                    cure=f"name one of {', '.join(it.targets)}",
                )
            if only not in ("*", *names):
                raise ConfigurationError(f"{only!r} is no priority", where="--only", cure=f"one of {', '.join(names)}")
            await decide(it, pauses.KIND, f"{target}/{only}", body)

    wait_for(go())


async def decide(it: runtime.Installation, kind: str, key: str, body: Any) -> None:
    """A decision takes effect at once and marks what it concerns due; the outbox carries it to its topic."""
    async with it.db.begin() as c:
        now = await it.db.now(c)
        if kind != pauses.KIND:
            consumers = await installation.registered(c)
            await work.mark(it.db, c, await all_due(it.db, c, consumers, now, kind))
        await decisions.decide(it.db, c, it.decisions, {(kind, key): body})
    if kind == pauses.KIND and body is None:
        # Every title would be due as backfill; what waits for this is due already, and some of it is live. Only now,
        # since until the pause is lifted titles are put off by it.
        try:
            async with it.db.begin() as c:
                await takes_long(c)
                await work.hasten(it.db, c, await it.db.now(c), pauses.AGAIN + JUST_NOW)
        except Exception as error:
            if not gone(error):
                raise
            raise FrontlistError(
                f"the pause is lifted, but the titles that waited were not told: {reason(error)}",
                where=key,
                cure="say it again; else they go on within the hour",
            ) from error
