"""Commands by which people decide: mode. Decisions are published; intake lets them take effect."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from frontlist import outbox, runtime
from frontlist.cli.terminal import AsJson, Config, out, say_json, table, wait_for
from frontlist.contract import Mode
from frontlist.errors import ConfigurationError
from frontlist.settings import load
from frontlist.state import settled

Flow = Annotated[str, typer.Option(help="A flow by its number, or * for all.")]
Imprint = Annotated[str, typer.Option(help="An imprint by its name, or * for all.")]


def add_to(app: typer.Typer) -> None:
    mode = typer.Typer(help="What flows may do: off, observe, propose, apply.", no_args_is_help=True)
    mode.command("set")(mode_set)
    mode.command("list")(mode_list)
    mode.command("accept")(mode_accept)
    app.add_typer(mode, name="mode")


def mode_set(mode: Mode, flow: Flow = "*", imprint: Imprint = "*", config: Config = None) -> None:
    """Set a mode for a flow and an imprint. A lower mode acts at once."""

    async def go() -> None:
        async with runtime.opened(load(config)) as it:
            if flow != "*" and not any(flow == str(each) for c in it.plugins.consumers.values() for each in c.flows):
                raise ConfigurationError(f"no consumer brings flow {flow}", where="--flow", cure="frontlist plugins")
            await decide(it, "mode", f"{flow}/{imprint}", mode.value, at_once=mode in (Mode.OFF, Mode.OBSERVE))

    wait_for(go())
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


def mode_accept(proposal: str, config: Config = None) -> None:
    """Accept one proposal: this resource in exactly the state that was proposed."""

    async def go() -> None:
        async with runtime.opened(load(config)) as it:
            await decide(it, "accepted", proposal, True)

    wait_for(go())
    out.print(f"accepted {proposal}", markup=False)


async def decide(it: runtime.Installation, kind: str, key: str, body: Any, *, at_once: bool = False) -> None:
    """Publish a decision under a number; `at_once`: it narrows, so it does not wait for intake."""
    await it.check_topics()  # a broker may make a missing topic by itself, with the wrong partitions
    async with it.db.begin() as c:
        [number] = await it.db.draw(c)
        if at_once:
            await settled.save_decisions(it.db, c, [settled.Decision(kind, key, body, number)])
    await outbox.publish(it.settings.kafka, [(it.decisions, f"{kind}/{key}", {"body": body, "number": number})])
