"""The documents that go with a mail about an event."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from billing_cli.app import App
    from billing_cli.gateway.mail import Attachment
    from billing_cli.store.deliveries import Told

    Attacher = Callable[[App, Told], Sequence[Attachment]]

# Each gives the documents that it knows for an event, or none: that of an invoice, for example.
ATTACHERS: Final[list[Attacher]] = []


def attachments(app: App, told: Told) -> tuple[Attachment, ...]:
    """Return the documents for an event. Made outside of any transaction, one event at a time.

    A :class:`~billing_cli.errors.BillingError` fails the attempt, which is repeated later.
    """
    return tuple(document for attach in ATTACHERS for document in attach(app, told))
