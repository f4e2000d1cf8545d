"""The documents that go with a mail about an event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from billing_cli.errors import NotInstalledError
from billing_cli.gateway.mail import Attachment
from billing_cli.store import invoices

if TYPE_CHECKING:
    from billing_cli.app import App
    from billing_cli.store.deliveries import Told

# What asks for money, or says that it came: with these goes the invoice.
_WITH_INVOICE: Final = frozenset(
    {"billing.invoice.created", "billing.invoice.overdue", "billing.invoice.paid"}
)


def attachments(app: App, told: Told) -> tuple[Attachment, ...]:
    """Return the documents for an event. Made outside of any writing transaction, one at a time.

    Where the extra ``pdf`` is not installed, mails go without documents. Another
    :class:`~billing_cli.errors.BillingError` fails the attempt, which is repeated later.
    """
    if told.type not in _WITH_INVOICE:
        return ()
    from billing_cli.services.invoice_pdf import render_invoice

    number = json.loads(told.data)["invoice_id"]
    with app.unit_of_work() as uow, uow.reading() as tx:
        row = invoices.find(tx, str(number))
        if row is None:
            return ()
        try:
            document = render_invoice(app, tx, row)
        except NotInstalledError:
            return ()
    return (Attachment(f"{row.invoice_number or row.id}.pdf", "application/pdf", document),)
