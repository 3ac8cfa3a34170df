"""The command `sandbox up`: local tenants that speak the documented APIs."""

from __future__ import annotations

import itertools
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from frontlist.cli.terminal import AsJson, out, say_json
from frontlist.errors import ConfigurationError

if TYPE_CHECKING:
    from frontlist_sandbox.up import Name, Up, Wanted

CONSONANCE, FOURALLPORTAL = "127.0.0.1:8801", "127.0.0.1:8802"
CATALOGUE = "--catalogue"
#: Rejected records that are named; `--json` names all.
SHOWN = 40
Catalogue = Annotated[
    list[Path] | None,
    typer.Option(
        CATALOGUE, metavar="FILE...", help="Files of ONIX 3.0 or 3.1; may be repeated (default: the bundled catalogue)."
    ),
]
Only = Annotated[str, typer.Option(help="consonance or fourallportal: just this one.")]


class WithFiles(TyperCommand):
    """A command whose `--catalogue A B C` takes every word up to the next option; the parser knows only one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, list(_one_each(args)))


def _one_each(words: Sequence[str]) -> Iterator[str]:
    """`--catalogue A B` as `--catalogue A --catalogue B`; what follows `--` is left as it is."""
    options = list(itertools.takewhile(lambda word: word != "--", words))
    taking = taken = False
    for word in options:
        if word.startswith("-") and word != "-":
            taking, taken = word.partition("=")[0] == CATALOGUE, "=" in word
        elif taking and taken:
            yield CATALOGUE
        elif taking:
            taken = True
        yield word
    yield from words[len(options) :]


def add_to(app: typer.Typer) -> None:
    sandbox = typer.Typer(help="Local Consonance and 4ALLPORTAL.", no_args_is_help=True)
    sandbox.callback()(_group)
    sandbox.command("up", cls=WithFiles)(up)
    app.add_typer(sandbox, name="sandbox")


def _group() -> None:
    """Keeps `up` a word of its own while it is the only command."""


def up(
    catalogue: Catalogue = None,
    only: Only = "",
    consonance: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0: a free one.")] = CONSONANCE,
    fourallportal: Annotated[str, typer.Option(metavar="HOST:PORT", help="Port 0: a free one.")] = FOURALLPORTAL,
    key: Annotated[str, typer.Option(help="Consonance's API key (default: an example, printed).")] = "",
    dam_key: Annotated[str, typer.Option(help="4ALLPORTAL's API key (default: an example, printed).")] = "",
    page_size: Annotated[int, typer.Option(min=1, help="Rows a page of Consonance.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Serve both sandboxes until Ctrl-C or SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    sandboxes = parts()
    with explained(sandboxes):
        wanted = sandboxes.Wanted(
            catalogue=tuple(catalogue or ()),
            names=_names(only, sandboxes.NAMES),
            consonance=sandboxes.Address.of(consonance, "--consonance"),
            fourallportal=sandboxes.Address.of(fourallportal, "--fourallportal"),
            key=key or sandboxes.KEY,
            dam_key=dam_key or sandboxes.DAM_KEY,
            page_size=page_size,
        )
        with sandboxes.up(wanted) as running:
            say_json(as_plain(running)) if as_json else _say(running, wanted)
            sys.stdout.flush()
            stopping.wait()


def parts() -> Any:
    """The module `frontlist_sandbox.up`; raises ConfigurationError where its extra is not installed."""
    try:
        from frontlist_sandbox import up as found
    except ImportError as error:
        raise ConfigurationError(
            f"the sandbox's own parts are not installed: {error}", cure="pip install 'frontlist[sandbox]'"
        ) from None
    return found


@contextmanager
def explained(sandboxes: Any) -> Iterator[None]:
    """What the sandboxes refuse, as an error of this program."""
    try:
        yield
    except sandboxes.UnusableError as error:
        raise ConfigurationError(error.what, where=error.where, cure=error.cure) from None


def as_plain(running: Up) -> dict[str, Any]:
    """What `--json` prints, once both answer."""
    return {
        "sandboxes": {
            each.name: {"url": each.url, "key": each.key, "controls": each.controls} for each in running.served
        },
        "works": len(running.tenant.works),
        "products": len(running.tenant.products),
        "rejected": [vars(each) for each in running.rejected],
        "noted": len(running.noted),
    }


def _names(only: str, names: tuple[Name, ...]) -> tuple[Name, ...]:
    found = tuple(name for name in names if not only or name == only)
    if not found:
        raise ConfigurationError(f"there is no sandbox {only!r}", where="--only", cure=f"choose of {', '.join(names)}")
    return found


def _say(running: Up, wanted: Wanted) -> None:
    for each in running.served:
        _line(f"{each.name:14} {each.url}")
        _line(f"{'':14} key {each.key}")
        _line(f"{'':14} controls under {each.url}/sandbox/, first {each.controls}")
    if "consonance" in wanted.names:
        say_catalogue(running, wanted)
    _line("Ctrl-C ends it.")


def say_catalogue(running: Up, wanted: Wanted) -> None:
    """What the files gave, and each record that could not be used."""
    tenant, rejected = running.tenant, running.rejected
    source = ", ".join(path.name for path in wanted.catalogue) or "the bundled one"
    _line(f"catalogue      {source}")
    _line(f"{'':14} {len(tenant.works)} works, {len(tenant.products)} products; records rejected: {len(rejected)},")
    _line(f"{'':14} used with something odd noted: {len(running.noted)}")
    for each in rejected[:SHOWN]:
        place = f"{each.file}:{each.line}" if each.line else each.file
        _line(f"  rejected     {place} {each.reference or '(no reference)'}: {each.reason}")
    if len(rejected) > SHOWN:
        _line(f"  ...          and {len(rejected) - SHOWN} more; --json names all")


def _line(text: str) -> None:
    """As it is: nothing in a key, a path or somebody's file is markup, and no line is folded."""
    out.print(text.rstrip(), markup=False, soft_wrap=True)
