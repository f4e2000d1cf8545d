"""What happens at Stripe without being asked for over the API: by customers, banks, and time.

Each takes ids, does what Stripe would do, tells of it in events, and gives the object as the API
shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.stripe_server import customers, intents, invoice_payments, invoices, refunds, sessions
from tests.stripe_server.errors import invalid
from tests.stripe_server.subscription_changes import update_subscription
from tests.stripe_server.subscription_invoices import advance, bill
from tests.stripe_server.subscriptions import end_subscription

if TYPE_CHECKING:
    from tests.stripe_server.engine import Engine
    from tests.stripe_server.service import Service
    from tests.stripe_server.state import Object


class Actions:
    """The dashboard, the customers and their banks, and the passing of time."""

    engine: Engine
    service: Service

    def _begin(self, table: str, key: str) -> Object:
        row = self.engine.state[table].rows[key]
        self.engine.livemode = row.get("livemode", self.engine.livemode)
        return row

    def _shown(self, row: Object, *expand: str) -> Object:
        return self.engine.render(row, expand)

    # Customers ---------------------------------------------------------------------------------

    def attach_method(
        self, customer: str, method: str = "pm_card_visa", *, default: bool = True
    ) -> Object:
        """A customer adds a way to pay; see `TEST_METHODS` for what there is."""
        with self.service.lock:
            self._begin("customers", customer)
            made = customers.attach(self.engine, method, customer)
            if default:
                settings = {"default_payment_method": made["id"]}
                customers.update_customer(self.engine, {"invoice_settings": settings}, customer)
            return self._shown(made)

    def detach_method(self, method: str) -> Object:
        """A way to pay is taken away."""
        with self.service.lock:
            self._begin("payment_methods", method)
            return self._shown(customers.detach(self.engine, method))

    def set_outcome(self, method: str, decline_code: str = "") -> None:
        """What becomes of payments with a method from now on: refused so, or ("") they succeed."""
        with self.service.lock:
            self.engine.state.outcomes[method] = decline_code

    def update_customer(self, customer: str, **params: Any) -> Object:
        """A customer is changed in the dashboard."""
        with self.service.lock:
            self._begin("customers", customer)
            return self._shown(customers.update_customer(self.engine, params, customer))

    def delete_customer(self, customer: str) -> Object:
        """A customer is deleted in the dashboard; the subscriptions end."""
        with self.service.lock:
            self._begin("customers", customer)
            return self._shown(customers.delete_customer(self.engine, {}, customer))

    # Invoices ----------------------------------------------------------------------------------

    def finalize_invoice(self, invoice: str) -> Object:
        """A draft is made final."""
        with self.service.lock:
            row = self._begin("invoices", invoice)
            invoices.finalize(self.engine, row)
            return self._shown(row, "payments")

    def pay_invoice(self, invoice: str, method: str = "") -> Object:
        """A customer pays on the page of an invoice, or Stripe tries the default method again.

        A card that is declined leaves the invoice open; a bank debit is processing until `settle`
        or `fail_payment`.
        """
        with self.service.lock:
            row = self._begin("invoices", invoice)
            key = method or invoice_payments.default_method(self.engine, row) or "pm_card_visa"
            found = customers.method_named(self.engine, key)
            invoice_payments.charge(self.engine, row, found)
            return self._shown(row, "payments")

    def decline_invoice(self, invoice: str, decline_code: str = "generic_decline") -> Object:
        """An attempt to collect an invoice fails."""
        with self.service.lock:
            row = self._begin("invoices", invoice)
            method = customers.add_method(self.engine, "card", "0341", decline_code)
            invoice_payments.charge(self.engine, row, method)
            return self._shown(row, "payments")

    def collect(self) -> None:
        """Stripe charges what is to be charged automatically, and is open."""
        with self.service.lock:
            for row in self.engine.state["invoices"].where(status="open"):
                invoice_payments.collect(self.engine, row)

    def mark_paid(self, invoice: str) -> Object:
        """An invoice is marked as paid out of band in the dashboard."""
        with self.service.lock:
            row = self._begin("invoices", invoice)
            invoice_payments.pay_out_of_band(self.engine, row)
            return self._shown(row)

    def void_invoice(self, invoice: str) -> Object:
        """An invoice is voided in the dashboard."""
        with self.service.lock:
            row = self._begin("invoices", invoice)
            invoices.void(self.engine, row)
            return self._shown(row)

    # Payments ----------------------------------------------------------------------------------

    def _intent(self, key: str) -> Object:
        """A payment intent, by its own id or that of its invoice."""
        if key.startswith("in_"):
            payments = self.engine.state["invoice_payments"].where(invoice=key)
            key = payments[-1]["payment"]["payment_intent"]
        return self._begin("payment_intents", key)

    def _processing(self, key: str) -> Object:
        row = self._intent(key)
        if row["status"] != "processing":
            raise invalid(f"The payment {row['id']} is not processing but {row['status']}.")
        return row

    def _charge(self, key: str) -> Object:
        """A charge, by its own id or that of its payment intent or invoice."""
        if key.startswith("ch_"):
            return self._begin("charges", key)
        return self._begin("charges", self._intent(key)["latest_charge"])

    def settle(self, payment: str) -> Object:
        """A bank debit arrives, or fails, as its account is made to. By intent or invoice."""
        with self.service.lock:
            row = self._processing(payment)
            if code := self.engine.state.pending.get(row["id"], ""):
                intents.fail(self.engine, row, code)
            else:
                intents.succeed(self.engine, row)
            return self._shown(row)

    def fail_payment(self, payment: str, decline_code: str = "insufficient_funds") -> Object:
        """A bank debit that is processing fails. By intent or invoice."""
        with self.service.lock:
            row = self._processing(payment)
            intents.fail(self.engine, row, decline_code)
            return self._shown(row)

    def refund(self, charge: str, amount: int | None = None) -> Object:
        """A charge is refunded in the dashboard. By charge, intent or invoice."""
        with self.service.lock:
            return self._shown(refunds.refund(self.engine, self._charge(charge), amount))

    def settle_refund(self, refund: str, failure: str = "") -> Object:
        """The refund of a bank debit arrives, or fails."""
        with self.service.lock:
            row = self.engine.get("refunds", refund)
            if failure:
                refunds.fail_refund(self.engine, row, failure)
            elif row["status"] == "pending":
                previous = self.engine.change(row, status="succeeded")
                self.engine.emit("refund.updated", row, previous)
            return self._shown(row)

    def open_dispute(
        self, charge: str, reason: str = "fraudulent", amount: int | None = None
    ) -> Object:
        """A customer disputes a charge. By charge, intent or invoice."""
        with self.service.lock:
            row = refunds.open_dispute(self.engine, self._charge(charge), reason, amount)
            return self._shown(row)

    def close_dispute(self, dispute: str, status: str = "lost") -> Object:
        """A dispute is "lost", or "won"."""
        with self.service.lock:
            row = self._begin("disputes", dispute)
            refunds.close_dispute(self.engine, row, status)
            return self._shown(row)

    def return_debit(self, charge: str, reason: str = "insufficient_funds") -> Object:
        """A bank takes back a debit that had arrived: a dispute that is lost at once."""
        with self.service.lock:
            row = refunds.open_dispute(self.engine, self._charge(charge), reason)
            refunds.close_dispute(self.engine, row, "lost")
            return self._shown(row)

    # Subscriptions -----------------------------------------------------------------------------

    def complete_checkout(self, session: str, method: str = "pm_card_visa") -> Object:
        """A customer fills in a page of Checkout."""
        with self.service.lock:
            row = self._begin("checkout_sessions", session)
            sessions.complete_session(self.engine, row, method)
            return self._shown(row)

    def expire_checkout(self, session: str) -> Object:
        """Nobody filled in a page of Checkout in time."""
        with self.service.lock:
            row = self._begin("checkout_sessions", session)
            sessions.expire(self.engine, row)
            return self._shown(row)

    def renew(self, subscription: str, *, draft: bool = False) -> Object:
        """A term ends: the next one begins and is invoiced, or the subscription ends.

        The clock stays where it is: set it to the term's end first where it matters. With `draft`
        the invoice stays a draft, as it does at Stripe for an hour. A payment that fails makes the
        subscription past due.
        """
        with self.service.lock:
            row = self._begin("subscriptions", subscription)
            if row["cancel_at_period_end"]:
                end_subscription(self.engine, row)
            else:
                advance(self.engine, row)
                bill(self.engine, row, "subscription_cycle", complete=not draft)
            return self._shown(row, "latest_invoice")

    def update_subscription(self, subscription: str, **params: Any) -> Object:
        """A subscription is changed in the portal or dashboard, with the API's parameters."""
        with self.service.lock:
            self._begin("subscriptions", subscription)
            return self._shown(update_subscription(self.engine, params, subscription))

    def cancel_subscription(self, subscription: str, *, at_period_end: bool = False) -> Object:
        """A subscription is cancelled: now, or with its term."""
        with self.service.lock:
            row = self._begin("subscriptions", subscription)
            if at_period_end:
                update_subscription(self.engine, {"cancel_at_period_end": True}, subscription)
            else:
                end_subscription(self.engine, row)
            return self._shown(row)
