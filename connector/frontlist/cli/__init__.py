"""The command `frontlist`.

Exit codes: 0 done; 1 looked at, and something is not as it should be; 2 refused to start (configuration, topics,
database, wrong call); 3 a system did not answer; 4 something hung at the end and was left behind; 130 interrupted.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterable
from typing import NoReturn

import typer

from frontlist import logs
from frontlist.cli.commands import Lazily
from frontlist.cli.terminal import say_error
from frontlist.ending import HUNG, HungError
from frontlist.errors import ConfigurationError, FrontlistError, causes
from frontlist.plugins import Plugins

DONE, WRONG, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130


def application(further: Iterable[typer.Typer] = ()) -> typer.Typer:
    """All commands of ours, and `further` ones of plugins."""
    made = typer.Typer(
        name="frontlist",
        help="Keeps Consonance and 4ALLPORTAL in step over Kafka.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        cls=Lazily,
    )
    made.callback()(_begin)
    for command in further:
        made.add_typer(command)
    return made


def _begin() -> None:
    """Before each command, whoever calls the application: standard output belongs to its answer."""
    gc.enable()
    logs.configure("warning")


#: Without what plugins bring.
app = application()


def main() -> None:
    """The entry point; every error that a person can meet is one paragraph on stderr."""
    gc.disable()  # until the command begins: what is imported stays, to look through it takes a fifth of the start
    logs.configure("warning")  # plugins are loaded before the application is called
    try:
        _call()
    except BaseExceptionGroup as group:
        # The first that a person can do something about is said.
        known = next((each for each in causes(group) if isinstance(each, FrontlistError)), None)
        if known is None:
            raise
        _refuse(known)
    except FrontlistError as error:
        _refuse(error)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    finally:
        gc.enable()


def _call() -> None:
    application(Plugins().commands)(standalone_mode=True)


def _refuse(error: FrontlistError) -> NoReturn:
    say_error(error)
    if isinstance(error, HungError):
        sys.exit(HUNG)
    sys.exit(REFUSED if isinstance(error, ConfigurationError) else UNREACHABLE)
