"""A stand-in for Stripe, in the tests' own process or another: real HTTP on loopback.

    with StripeServer() as server, client(server.url) as stripe:    # tests.stripe_server.client
        stripe.v1.customers.create({"email": "ada@example.test"})

It refuses what Stripe's own description of its API refuses (`contract`), answers only in shapes
that the installed wheel's version knows (`shapes`), and raises when it stops what it did wrong
itself. It runs as a process, too: ``python -m tests.stripe_server [--port N] [--now T] [--fast]``
prints its URL.

**What it knows.** Tables are named as in the API: "customers", "payment_methods", "products",
"prices", "invoices", "invoiceitems", "invoice_payments", "payment_records", "payment_intents",
"charges", "refunds", "credit_notes", "disputes", "subscriptions", "checkout_sessions",
"setup_intents", "events".

- ``server.get(table, id, "payments", …)``: an object as the API shows it, expanded so
- ``server.objects(table, customer=…)``: those that say this, oldest first
- ``server.find(table, user="ada")``: the one with such metadata
- ``server.events``, ``server.requests`` (`Logged`: method, path, params, idempotency_key, status,
  replayed, fault)
- ``server.clock``: Stripe's time; set it and it stands still, set None and it goes on
- ``saved = server.save()``, ``server.restore(saved)``: back to a state, keys included
- ``server.snapshot()``: what is held, by names that do not depend on ids and order, to be compared
  with what another run has left

**What happens there** without being asked for over the API; all of it tells events (`actions`):
``attach_method(customer, "pm_card_visa")``, ``detach_method``, ``set_outcome(method, code)``,
``update_customer``, ``delete_customer``, ``finalize_invoice``, ``pay_invoice(invoice, method)``,
``decline_invoice(invoice, code)``, ``collect()``, ``mark_paid``, ``void_invoice``,
``settle(invoice)`` and ``fail_payment(invoice, code)`` of a bank debit, ``refund(charge, amount)``,
``settle_refund``, ``open_dispute(charge)``, ``close_dispute(dispute, "lost")``, ``return_debit``,
``complete_checkout(session, method)``, ``expire_checkout``, ``renew(subscription, draft=False)``,
``update_subscription``, ``cancel_subscription(id, at_period_end=False)``.
Charges and payments may be named by their own id, their intent's or their invoice's.

**Webhooks.** ``server.signed(event, secret, moment=…)`` gives body and header;
``server.deliver(url, secret, events, copies=2, shuffle=seed, old_shape=True)`` posts;
``server.push(events)`` goes through ``stripe listen`` (`cli.listen`), signed with
``server.webhook_secret``.

**What goes wrong** (`faults.Fault`).
``server.fault("500", "after", match="POST /v1/invoices/*/pay", at=2, times=1)``: the kinds are 500,
503, 409, 429 (``retry_after``), html, drop, timeout, slow (``seconds`` or ``until``), kill
(``pid``), each "before" or "after" the effect, at the n-th request that matches from now on.
``server.clear_faults()``, ``server.limit_rate(25)``, ``server.forget_keys()``,
``server.revoke(key)``, ``server.restrict(key, "rak_invoice_read", …)``,
``server.on_request(callback, after=False)``.

**Settings** of ``server.engine``: ``collects_at_once`` (True: what is finalized with auto_advance
and can be charged is charged at once, else by ``collect()``), ``minimum_charge`` (0: what Stripe
would not charge because it is too little is charged), ``default_currency``; for speed
``keep_events`` and ``check_shapes`` can be False, and ``server.service.keep_log``.

**Not modelled**, and answered with 501: Checkout in mode payment, previews, discounts, coupons, tax
rates of one's own and automatic tax, quotes, schedules, meters, credit grants, balance
transactions, payouts, Connect, files, test clocks, dunning by itself, expiry by itself.
"""

from tests.stripe_server.faults import Fault
from tests.stripe_server.server import StripeServer
from tests.stripe_server.service import Logged

__all__ = ["Fault", "Logged", "StripeServer"]
