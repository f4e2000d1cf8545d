"""A stand-in for Stripe, in the tests' own process or another: real HTTP on loopback.

    with StripeServer() as server:
        client = StripeClient("sk_test_x", base_addresses={"api": server.url, ...})

It refuses what Stripe's own description of its API refuses, answers only in shapes that the
installed wheel's version knows, and raises at its end what it did wrong itself.

What it knows: ``server.objects("invoices", customer=…)``,
``server.get("invoices", id, "payments")`` (with what to expand),
``server.find("customers", user="u1")`` by metadata, ``server.events``, ``server.requests``
(method, path, params, idempotency_key, status, replayed, fault).
``server.clock`` can be set. ``server.save()`` and ``server.restore(saved)`` go back to a state.

What goes wrong:
``server.fault("500", "after", match="POST /v1/invoices/*/pay", at=2, times=1)``; the kinds are 500,
503, 409, 429, html, drop, timeout, slow, kill (see `Fault`). ``server.forget_keys()``,
``server.revoke(key)``, ``server.restrict(key, "rak_invoice_read", …)``,
``server.on_request(callback, after=False)``.

Of the engine: ``server.engine.collects_at_once`` (an invoice that is finalized with auto_advance is
charged at once), ``.keep_events``, ``.check_shapes`` (both off for speed), ``.minimum_charge``.
"""

from tests.stripe_server.faults import Fault
from tests.stripe_server.server import StripeServer
from tests.stripe_server.service import Logged

__all__ = ["Fault", "Logged", "StripeServer"]
