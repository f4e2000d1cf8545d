"""The command tree, and the one place where an error becomes an exit code."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer
from typer.completion import completion_init  # type: ignore[attr-defined]

from billing_cli import __version__, logs
from billing_cli.app import App
from billing_cli.clock import Clock
from billing_cli.errors import BillingError, UnavailableError, UsageError
from billing_cli.nouns import TYPER_OPTIONS, NounGroup
from billing_cli.options import LogFileOption, LogFormatOption, VerboseOption
from billing_cli.output import log_line

_INTERRUPTED = 130
_EPILOG = (
    "Exit codes: 0 done, 1 bug, 2 usage, 3 not found, 4 conflict, 5 invalid data, "
    "6 database or service unreachable, 7 partly done or a check failed, 8 not configured."
)

cli = typer.Typer(
    name="billing",
    help="Meter compute sessions, price them, make invoices, and prove every cent.",
    epilog=_EPILOG,
    no_args_is_help=True,
    cls=NounGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    **TYPER_OPTIONS,
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"billing {__version__}")
        raise typer.Exit


@cli.callback()
def _global_options(
    context: typer.Context,
    config: Annotated[
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
    log_format: LogFormatOption = None,
    log_file: LogFileOption = None,
    verbose: VerboseOption = False,
    version: Annotated[  # noqa: ARG001 - its callback does the work
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    # Also runs for `NOUN --help` and for a misspelt verb: it must open nothing.
    log = logs.start(
        logs.Log(
            on=bool(log_format or log_file or verbose),
            fmt=log_format or logs.LogFormat.TEXT,
            file=log_file or None,
            verbose=verbose,
            now_ms=Clock.real_ms,
            say=log_line,
            context={"at": at or None},
        )
    )
    app = context.obj = App(config=config, database=database, at=at or None, log=log)
    if at:
        # A command that never asks for the time would pass over what is no instant.
        app.clock.now()


def main() -> None:
    """Run the command line and exit with the code that scripts rely on."""
    if "_BILLING_COMPLETE" in os.environ:
        # A shell asks, through a script in completions/, what could come next.
        completion_init()
    try:
        code = cli(prog_name="billing", standalone_mode=False)
        if code == _INTERRUPTED:
            # Typer has made a number of it.
            raise KeyboardInterrupt  # noqa: TRY301 - handled below, as in what runs before Typer
        sys.exit(code)
    except BillingError as error:
        _fail(error.message, error.hint)
        sys.exit(error.exit_code)
    except (typer.Abort, KeyboardInterrupt):
        _fail("interrupted", "what was committed stays, and the same command does the rest")
        sys.exit(_INTERRUPTED)
    except BrokenPipeError:
        # The reader of a help text has left, as `| head` does.
        sys.exit(0)
    except OSError as error:
        _fail(f"cannot write the output: {error.strerror or error}", None)
        sys.exit(UnavailableError.exit_code)
    except Exception as error:
        complaint = _usage_complaint(error)
        if complaint is None:
            raise
        _fail(*complaint)
        sys.exit(UsageError.exit_code)


def _usage_complaint(error: Exception) -> tuple[str, str] | None:
    """Return message and hint of what Typer's parser complains about, None for other errors.

    Its exceptions have no public class: they are known by the method that words them.
    """
    if not hasattr(error, "format_message"):
        return None
    context = getattr(error, "ctx", None)
    command = "billing" if context is None else context.command_path
    hint = f"{command} --help shows what there is"
    if type(error).__name__ == "NoArgsIsHelpError":
        # Who asks for nothing in particular is shown what there is, on stderr.
        return f"{command} needs a command\n\n{context.get_help() if context else ''}\n", hint
    text = str(error.format_message()).replace("Value error, ", "")
    return text[:1].lower() + text[1:], hint


def _fail(text: str, hint: str | None) -> None:
    from billing_cli.output import fail

    fail(text, hint)
