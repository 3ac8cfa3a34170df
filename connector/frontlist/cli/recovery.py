"""Commands for what waits for a person or went wrong: dead-letters, held."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Any

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from frontlist import runtime, settling
from frontlist.cli.terminal import AsJson, Config, Imprint, Titles, err, out, say_json, short, table, wait_for
from frontlist.cli.times import time
from frontlist.clock import iso, moment
from frontlist.contract import TitleKey
from frontlist.errors import ConfigurationError
from frontlist.settings import load
from frontlist.state import dead, dossier, held
from frontlist.state.database import Database

Consumer = Annotated[str, typer.Option(help="Only this consumer.")]
Target = Annotated[str, typer.Option(help="Only this target, e.g. fourallportal.")]
Kind = Annotated[str, typer.Option(help="Only this kind of resource, e.g. product.")]
Since = Annotated[str, typer.Option(help="Only since: 2026-11-20, 2026-11-20T10:00Z, or 3d, 2h, 30m ago.")]
Reason = Annotated[str, typer.Option(help="Only where the reason has these words.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and do nothing.")]
Numbers = Annotated[list[int] | None, typer.Argument(help="Numbers from `dead-letters list`; none: all that match.")]
List = Annotated[int, typer.Argument(help="The list's number, from `frontlist held list`.")]
Limit = Annotated[int, typer.Option(min=1, help="How many to show at most.")]
Settle = Callable[[Database, Sequence[dead.Letter]], Awaitable[int]]
#: Done in one transaction.
PART = 200


def add_to(app: typer.Typer) -> None:
    letters = typer.Typer(help="What a target will not accept as it is.", no_args_is_help=True)
    letters.command("list")(dead_list)
    letters.command("show")(dead_show)
    again = "Try them once more, though nothing changed; what is refused again is dead again."
    letters.command("redrive", help=again)(_settling(settling.let_through, "due again"))
    silent = "Hear of them no more: they stay uncalled until source or mapping changes them."
    letters.command("discard", help=silent)(_settling(settling.discard, "discarded"))
    app.add_typer(letters, name="dead-letters")
    waiting = typer.Typer(help="Harmful changes to many titles, held for a person.", no_args_is_help=True)
    waiting.command("list")(held_list)
    waiting.command("show")(held_show)
    waiting.command("confirm")(held_confirm)
    waiting.command("reject")(held_reject)
    app.add_typer(waiting, name="held")


# --- dead letters ----------------------------------------------------------------------------------------------------


def dead_list(
    consumer: Consumer = "",
    target: Target = "",
    kind: Kind = "",
    title: Titles = None,
    imprint: Imprint = "",
    since: Since = "",
    reason: Reason = "",
    limit: Limit = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """What is dead now, the oldest first."""

    async def go() -> list[dead.Letter]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            wanted = await _filter(it, c, consumer, target, kind, title, imprint, since, reason)
            return await dead.find(c, wanted)

    letters = wait_for(go())
    if as_json:
        say_json([_letter(each) for each in letters])
        return
    table(
        ("number", "title", "resource", "times", "last", "why"),
        [(e.number, e.title, e.resource, e.times, iso(e.last_at), e.reason) for e in letters[:limit]],
    )
    if len(letters) > limit:
        out.print(f"... and {len(letters) - limit} more: --limit, or --json", markup=False)


def dead_show(
    number: Annotated[int, typer.Argument(help="From `dead-letters list`.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """One dead letter with the fields that were not accepted."""

    async def go() -> list[dead.Letter]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            return await dead.find(c, dead.Filter(numbers=(number,)))

    letters = wait_for(go())
    if not letters:
        raise _unknown([number])
    [found] = [_letter(each) for each in letters]
    if as_json:
        say_json(found)
        return
    table(("what", "value"), [(key, value) for key, value in found.items() if key != "fields"])
    table(("field", "value"), sorted((found["fields"] or {}).items()))


def _settling(settle: Settle, done: str) -> Callable[..., None]:
    """The command that does this to all that match; `done`: what they are then."""

    def command(
        numbers: Numbers = None,
        consumer: Consumer = "",
        target: Target = "",
        kind: Kind = "",
        title: Titles = None,
        imprint: Imprint = "",
        since: Since = "",
        reason: Reason = "",
        dry_run: DryRun = False,
        config: Config = None,
        as_json: AsJson = False,
    ) -> None:
        async def go() -> list[dead.Letter]:
            async with runtime.opened(load(config)) as it:
                async with it.db.read() as c:
                    named = numbers or ()
                    wanted = await _filter(it, c, consumer, target, kind, title, imprint, since, reason, numbers=named)
                    letters = await dead.find(c, wanted)
                if missing := set(named) - {each.number for each in letters}:
                    raise _unknown(sorted(missing))
                if not dry_run:
                    await _settle(it, settle, letters)
                return letters

        letters = wait_for(go())
        if as_json:
            say_json({"done": not dry_run, "dead_letters": [_letter(each) for each in letters]})
            return
        out.print(f"{len(letters)} dead letters {'would be' if dry_run else 'are'} {done}.")

    return command


async def _settle(it: runtime.Installation, settle: Settle, letters: Sequence[dead.Letter]) -> None:
    for start in range(0, len(letters), PART):
        part = letters[start : start + PART]
        await settle(it.db, part)
        if len(letters) > PART:
            err.print(f"{start + len(part)} of {len(letters)}")


async def _filter(
    it: runtime.Installation,
    c: AsyncConnection,
    consumer: str,
    target: str,
    kind: str,
    titles: Sequence[str] | None,
    imprint: str,
    since: str,
    reason: str,
    *,
    numbers: Sequence[int] = (),
) -> dead.Filter:
    after = time(since, moment(await it.db.now(c)), "--since") if since else 0
    chosen = None if not titles else [TitleKey(each) for each in titles]
    if imprint:
        of = await dossier.of_imprint(c, imprint)
        chosen = of if chosen is None else sorted(set(of) & set(chosen))
    return dead.Filter(consumer, target, kind, chosen, after, reason, numbers)


def _unknown(numbers: Sequence[int]) -> ConfigurationError:
    return ConfigurationError(
        f"no open dead letter has the number {', '.join(map(str, numbers))}",
        where="frontlist dead-letters",
        cure="copy it from `frontlist dead-letters list`; one that succeeded or was superseded is closed",
    )


def _letter(each: dead.Letter) -> dict[str, Any]:
    return {
        "number": each.number,
        "consumer": each.consumer,
        "title": each.title,
        "resource": str(each.resource),
        "reason": each.reason,
        "times": each.times,
        "first_at": iso(each.first_at),
        "last_at": iso(each.last_at),
        "redriven_at": iso(each.redriven_at) if each.redriven_at else None,
        "fields": each.fields,
    }


# --- held ------------------------------------------------------------------------------------------------------------


def held_list(config: Config = None, as_json: AsJson = False) -> None:
    """What waits, by imprint and effect, each list under the number that fixes it."""

    async def go() -> list[held.Group]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            return await held.groups(c)

    groups = wait_for(go())
    rows = [{**vars(each), "since": iso(each.since)} for each in groups]
    if as_json:
        say_json(rows)
        return
    table(
        ("list", "imprint", "effect", "titles", "writes", "since"),
        [(e.list, e.imprint or "(none)", e.effect, e.titles, e.cells, iso(e.since)) for e in groups],
    )
    if groups:
        out.print("\nLook at one: frontlist held show LIST. Then: frontlist held confirm LIST, or reject.")


def held_show(
    number: List,
    limit: Limit = 100,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Every write on a list: what stands there now, and what would."""
    found = _listed(number, config)
    if as_json:
        say_json([_held(each) for each in found])
        return
    table(
        ("title", "resource", "field", "is", "would be"),
        [(e.title, e.cell.resource, e.cell.field, short(e.was), short(e.becomes)) for e in found[:limit]],
    )
    if len(found) > limit:
        out.print(f"... and {len(found) - limit} more: --limit, or --json", markup=False)


def held_confirm(number: List, dry_run: DryRun = False, config: Config = None, as_json: AsJson = False) -> None:
    """Let exactly what stands on the list go on; what came since it was shown waits on."""
    done = _decide("confirm", number, dry_run, config)
    if as_json:
        say_json({"list": number, "writes": done, "done": not dry_run})
        return
    out.print(f"{done} writes {'would be' if dry_run else 'are'} confirmed.")


def held_reject(number: List, dry_run: DryRun = False, config: Config = None, as_json: AsJson = False) -> None:
    """Leave what stands there as it is, until source or mapping changes."""
    done = _decide("reject", number, dry_run, config)
    if as_json:
        say_json({"list": number, "writes": done, "done": not dry_run})
        return
    out.print(f"{done} writes {'would be' if dry_run else 'are'} rejected.")


def _decide(how: str, number: int, dry_run: bool, config: Any) -> int:
    if dry_run:
        return len(_listed(number, config))

    async def go() -> int:
        async with runtime.opened(load(config)) as it:
            decide = settling.confirm if how == "confirm" else settling.reject
            return await decide(it.db, it.decisions, number)

    return wait_for(go())


def _listed(number: int, config: Any) -> list[held.Held]:
    async def go() -> list[held.Held]:
        async with runtime.opened(load(config)) as it, it.db.read() as c:
            _, _, rows = await settling.listed(c, number)
            return rows

    return wait_for(go())


def _held(each: held.Held) -> dict[str, Any]:
    return {
        "consumer": each.cell.consumer,
        "title": each.title,
        "resource": str(each.cell.resource),
        "field": each.cell.field,
        "imprint": each.imprint,
        "effect": each.effect,
        "is": each.was,
        "would_be": each.becomes,
        "since": iso(each.at),
        "number": each.number,
    }
