"""Commands by which people decide: mode. They act at once, and stand on the decisions topic."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from frontlist import runtime
from frontlist.cli.terminal import AsJson, Config, out, say_json, table, wait_for
from frontlist.contract import Mode
from frontlist.errors import ConfigurationError
from frontlist.intake import all_due
from frontlist.settings import load
from frontlist.state import applied, findings, installation, settled, work

Flow = Annotated[str, typer.Option(help="A flow by its number, or * for all.")]
Imprint = Annotated[str, typer.Option(help="An imprint by its name, or * for all.")]


def add_to(app: typer.Typer) -> None:
    mode = typer.Typer(help="What flows may do: off, observe, propose, apply.", no_args_is_help=True)
    mode.command("set")(mode_set)
    mode.command("list")(mode_list)
    mode.command("accept")(mode_accept)
    app.add_typer(mode, name="mode")


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


async def decide(it: runtime.Installation, kind: str, key: str, body: Any) -> None:
    """A decision takes effect at once and marks every title due; the outbox carries it to its topic."""
    async with it.db.begin() as c:
        [number] = await it.db.draw(c)
        await settled.save_decisions(it.db, c, [settled.Decision(kind, key, body, number)])
        record = (it.decisions, f"{kind}/{key}", {"body": body, "number": number})
        await applied.post(it.db, c, [record])
        consumers = await installation.registered(c)
        await work.mark(it.db, c, await all_due(c, consumers, await it.db.now(c), kind))
