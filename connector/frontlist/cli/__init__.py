"""The command `frontlist`.

Exit codes: 0 done; 1 looked at, and something is not as it should be; 2 refused to start (configuration, topics,
database, wrong call); 3 a system did not answer; 130 interrupted.
"""

from __future__ import annotations

import sys

import typer

from frontlist.cli import deciding, looking, running, tenancy
from frontlist.cli.terminal import say_error
from frontlist.errors import ConfigurationError, FrontlistError
from frontlist.plugins import Plugins

DONE, WRONG, REFUSED, UNREACHABLE, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="frontlist",
    help="Keeps Consonance and 4ALLPORTAL in step over Kafka.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (running, looking, deciding, tenancy):
    group.add_to(app)


def main() -> None:
    """The entry point; every error that a person can meet is one paragraph on stderr."""
    try:
        for command in Plugins().commands:
            app.add_typer(command)
        app(standalone_mode=True)
    except ConfigurationError as error:
        say_error(error)
        sys.exit(REFUSED)
    except FrontlistError as error:
        say_error(error)
        sys.exit(UNREACHABLE)
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
