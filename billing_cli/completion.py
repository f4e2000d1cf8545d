"""The values that shells complete: users, sessions, periods, invoices, taxes and the like.

Each is looked up in the database of the very command line that is being completed. These are
Typer's ``autocompletion`` functions: they take the context of that line and the text before the
cursor, and return candidates that begin with it.

A function without a candidate, for whatever reason, ends the program with status 1, and prints
nothing. That tells the scripts in ``completions/`` not to offer the names of files instead, which
they do where nothing is known about a value. These functions stand below the options, which name
them, and so below the services.
"""

from __future__ import annotations

import os
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING, Final

import typer  # noqa: TC002 - Typer reads the annotations when the program runs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from billing_cli.store.completion import Reader

# What the scripts in `completions/` set. Those that `--install-completion` sets up are Typer's own,
# and the one for zsh evaluates what it is given: it must not get a name that holds a command.
_FOR_PROJECT_SCRIPTS: Final = "_TYPER_COMPLETE_FISH_ACTION"
_PLAIN: Final = re.compile(r"[\w.@+=,/:-]+")


def users(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a user."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.users)


def sessions(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a session."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.sessions)


def periods(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a period that has usage records or invoices."""
    return _looked_up(context, incomplete, _periods)


def invoices(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the number or the id of an invoice."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.invoices)


def drafts(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a draft."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.drafts)


def payments(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a payment."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.payments)


def credits(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a credit."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.credits)


def rejected_lines(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a rejected line."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.rejected_lines)


def taxes(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a tax, none or default."""
    return _looked_up(context, incomplete, _taxes)


def events(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of an emitted event."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.events)


def stripe_events(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of an event of Stripe's."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.stripe_events)


def failed_stripe_events(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of an event of Stripe's that could not be worked off."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.failed_stripe_events)


def payment_methods(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a payment method that is known here: what customers pay with."""
    from billing_cli.store import completion as store

    user = context.params.get("user")
    return _looked_up(
        context, incomplete, lambda reader, prefix: store.payment_methods(reader, prefix, user)
    )


def subscriptions(context: typer.Context, incomplete: str) -> list[str]:
    """Complete the id of a subscription."""
    from billing_cli.store import completion as store

    return _looked_up(context, incomplete, store.subscriptions)


def plans(context: typer.Context, incomplete: str) -> list[str]:
    """Complete a plan that is in force, or will be."""
    return _looked_up(context, incomplete, _plans)


def matching(values: Iterable[str], incomplete: str) -> list[str]:
    """Complete one of some fixed values."""
    return _offered(value for value in values if value.startswith(incomplete))


def _looked_up(
    context: typer.Context, incomplete: str, find: Callable[[Reader, str], Iterator[str]]
) -> list[str]:
    from billing_cli.store.completion import LIMIT, reading

    given = _given(context)
    try:
        with reading(_database_url(context)) as reader:
            found = (value for value in find(reader, incomplete) if value not in given)
            return _offered(islice(found, LIMIT))
    except Exception:  # noqa: BLE001 - half a command line is no place for an error
        return _offered(())


def _offered(values: Iterable[str]) -> list[str]:
    # Control characters would move the cursor about, or end the line; no shell could take them.
    fits = str.isprintable if _FOR_PROJECT_SCRIPTS in os.environ else _PLAIN.fullmatch
    found = [value for value in values if fits(value)]
    if not found:
        sys.exit(1)
    return found


def _database_url(context: typer.Context) -> str:
    from billing_cli.settings import load_settings

    # The callback that makes the App does not run while a line is being completed.
    options = context.find_root().params
    return load_settings(options["config"], options["database"], os.environ).database_url


def _given(context: typer.Context) -> set[str]:
    """Return the values that the line already gives to what may be repeated."""
    lists = (value for value in context.params.values() if isinstance(value, list | tuple))
    return {str(value) for values in lists for value in values}


def _periods(reader: Reader, prefix: str) -> Iterator[str]:
    from billing_cli.pricing.terms import Terms, TermsHistory
    from billing_cli.store.completion import period_starts, versions

    history = TermsHistory(
        (since, Terms.from_document(document)) for since, document in versions(reader)
    )
    names = (history.calendar.containing(start).name for start in period_starts(reader))
    return (name for name in names if name.startswith(prefix))


def _taxes(reader: Reader, prefix: str) -> Iterator[str]:
    from billing_cli.store.completion import versions

    recorded = versions(reader)
    ids = [tax["id"] for tax in recorded[-1].document["taxes"]] if recorded else []
    return (name for name in (*ids, "none", "default") if name.startswith(prefix))


def _plans(reader: Reader, prefix: str) -> Iterator[str]:
    from billing_cli.store.completion import versions

    recorded = versions(reader)
    # Those of the newest settings: what an older version had, nobody can choose any more.
    plans = recorded[-1].document["subscriptionPlans"] if recorded else ()
    return (plan["id"] for plan in plans if plan["id"].startswith(prefix))
