"""The command tree, and the one place where an error becomes an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from billing_cli import __version__
from billing_cli.app import App
from billing_cli.commands import config, db, init, invoice, meter, usage
from billing_cli.errors import BillingError

_EPILOG = (
    "Exit codes: 0 done, 1 bug, 2 usage, 3 not found, 4 conflict, 5 invalid data, "
    "6 database or service unreachable, 7 partly done or a check failed, 8 not configured."
)

cli = typer.Typer(
    name="billing",
    help="Meter compute sessions, price them, make invoices, and prove every cent.",
    epilog=_EPILOG,
    no_args_is_help=True,
    # A traceback would show local variables, secrets among them.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
cli.command("init", help=init.HELP)(init.init)
cli.add_typer(config.cli, name="config")
cli.add_typer(db.cli, name="db")
cli.add_typer(meter.cli, name="meter")
cli.command("usage", help=usage.HELP)(usage.usage)
cli.add_typer(invoice.cli, name="invoice")


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"billing {__version__}")
        raise typer.Exit


@cli.callback()
def _global_options(
    context: typer.Context,
    config: Annotated[  # noqa: A002, RUF100 - the option's name
        str | None,
        typer.Option("--config", metavar="FILE", help="Config file (or BILLING_CONFIG)."),
    ] = None,
    database: Annotated[
        str | None,
        typer.Option(
            "--database",
            metavar="URL",
            help="Database URL or SQLite file (or BILLING_DATABASE_URL).",
        ),
    ] = None,
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="INSTANT", envvar="BILLING_AT", help="Work as if now were this instant."
        ),
    ] = None,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Also runs for `NOUN --help` and for a misspelt verb: it must open nothing.
    context.obj = App(config=config, database=database, at=at or None)


def main() -> None:
    """Run the command line and exit with the code that scripts rely on."""
    try:
        cli()
    except BillingError as error:
        from billing_cli.output import fail

        fail(error.message, error.hint)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
