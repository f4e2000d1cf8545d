"""Lists: newest first, in pages, by what was asked for; and what is expanded in them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.stripe_server.client import client, library

if TYPE_CHECKING:
    from tests.stripe_server import StripeServer
    from tests.stripe_server.client import Client


@pytest.fixture
def products(server: StripeServer, stripe: Client) -> list[str]:
    """The ids of seven products, made in this order, a minute after each other."""
    made = []
    for name in "abcdefg":
        made.append(stripe.v1.products.create({"name": name, "id": name}).id)
        server.clock += 60
    return made


def names(page: library.ListObject[Any]) -> str:
    return "".join(row.name for row in page.data)


def test_pages(stripe: Client, products: list[str]) -> None:
    listed = stripe.v1.products.list
    assert names(listed()) == "gfedcba"
    first = listed({"limit": 3})
    assert (names(first), first.has_more, first.url) == ("gfe", True, "/v1/products")
    assert names(listed({"limit": 3, "starting_after": "e"})) == "dcb"
    last = listed({"limit": 3, "starting_after": "b"})
    assert (names(last), last.has_more) == ("a", False)
    # The page next to the object, newest first as ever.
    assert names(listed({"limit": 3, "ending_before": "b"})) == "edc"
    assert listed({"limit": 3, "ending_before": "d"}).has_more is False
    assert "".join(row.name for row in listed({"limit": 2}).auto_paging_iter()) == "gfedcba"
    assert len(products) == 7


@pytest.mark.parametrize("limit", [0, 101])
def test_the_size_of_a_page_is_limited(stripe: Client, limit: int) -> None:
    with pytest.raises(library.InvalidRequestError, match="between 1 and 100"):
        stripe.v1.products.list({"limit": limit})


def test_filters(server: StripeServer, stripe: Client, products: list[str]) -> None:
    at = [server.get("products", key)["created"] for key in products]
    listed = stripe.v1.products.list
    assert names(listed({"created": {"gte": at[2], "lt": at[5]}})) == "edc"
    assert names(listed({"created": {"gt": at[2], "lte": at[5]}})) == "fed"
    assert names(listed({"created": at[3]})) == "d"
    stripe.v1.products.update("c", {"active": False})
    assert names(listed({"active": False})) == "c"
    assert names(listed({"active": True, "limit": 4, "starting_after": "e"})) == "dba"


def test_a_cursor_that_is_nothing_is_refused(stripe: Client) -> None:
    with pytest.raises(library.InvalidRequestError, match="No such product: 'x'"):
        stripe.v1.products.list({"starting_after": "x"})


def test_expansion(stripe: Client, customer: str, invoice: str) -> None:
    plain = stripe.v1.invoices.retrieve(invoice)
    assert plain.customer == customer
    assert "payments" not in plain
    shown = stripe.v1.invoices.list(
        {"expand": ["data.customer.invoice_settings.default_payment_method", "data.payments"]}
    ).data[0]
    assert isinstance(shown.customer, library.Customer)
    assert shown.customer.invoice_settings
    method = shown.customer.invoice_settings.default_payment_method
    assert isinstance(method, library.PaymentMethod)
    assert shown.payments
    assert shown.payments.data[0].status == "open"
    with pytest.raises(library.InvalidRequestError, match=r"cannot be expanded \(colour\)"):
        stripe.v1.invoices.retrieve(invoice, {"expand": ["colour"]})


def test_metadata_is_merged_and_unset(server: StripeServer, stripe: Client, customer: str) -> None:
    stripe.v1.customers.update(customer, {"metadata": {"team": "x", "plan": "y"}})
    said = {"user": "ada", "team": "x", "plan": "y"}
    assert server.get("customers", customer)["metadata"] == said
    stripe.v1.customers.update(customer, {"metadata": {"user": "", "plan": "z"}})
    assert server.get("customers", customer)["metadata"] == {"team": "x", "plan": "z"}
    stripe.v1.customers.update(customer, {"metadata": ""})
    assert server.get("customers", customer)["metadata"] == {}


def test_events(server: StripeServer, stripe: Client, customer: str) -> None:
    stripe.v1.customers.update(customer, {"name": "Ada"}, {"idempotency_key": "k"})
    kinds = [event.type for event in stripe.v1.events.list().data]
    assert kinds == [
        "customer.updated",
        "customer.updated",
        "payment_method.attached",
        "customer.created",
    ]
    newest = stripe.v1.events.list({"types": ["customer.updated"], "limit": 1}).data[0]
    assert server.get("events", newest.id)["data"]["previous_attributes"] == {"name": None}
    assert newest.data.object["name"] == "Ada"
    assert newest.request
    assert newest.request.idempotency_key == "k"
    assert newest.api_version == library.api_version
    seen = stripe.v1.events.list({"type": "customer.created"}).data[0]
    forward = stripe.v1.events.list({"ending_before": seen.id, "types": ["customer.updated", "x"]})
    assert [event.data.object["name"] for event in forward.data] == ["Ada", None]
    # By the dashboard, and not over the API.
    assert server.events[1]["request"] == {"id": None, "idempotency_key": None}


def test_events_are_kept_for_thirty_days(
    server: StripeServer, stripe: Client, customer: str
) -> None:
    first = server.events[0]["id"]
    server.clock += 30 * 86_400
    assert len(stripe.v1.events.list().data) == 3
    server.clock += 1
    stripe.v1.customers.delete(customer)
    kinds = [event.type for event in stripe.v1.events.list().data]
    assert kinds == ["customer.deleted", "customer.updated", "payment_method.detached"]
    with pytest.raises(library.InvalidRequestError, match="No such event"):
        stripe.v1.events.retrieve(first)
    with pytest.raises(library.InvalidRequestError, match="up to 20"):
        stripe.v1.events.list({"types": ["x"] * 21})


def test_what_was_deleted_says_so(stripe: Client, customer: str) -> None:
    assert stripe.v1.customers.delete(customer).deleted
    assert stripe.v1.customers.retrieve(customer).deleted
    assert stripe.v1.customers.list().data == []
    with pytest.raises(library.InvalidRequestError) as caught:
        stripe.v1.customers.update(customer, {"name": "x"})
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_search_does_not_see_what_is_new(
    server: StripeServer, stripe: Client, customer: str
) -> None:
    def found() -> list[str]:
        page = stripe.v1.customers.search({"query": "metadata['user']:'ada'"})
        return [row.id for row in page.data]

    assert found() == []
    server.clock += 60
    assert found() == [customer]


def test_keys(server: StripeServer, stripe: Client, customer: str) -> None:
    with client(server.url, "sk_nonsense") as other, pytest.raises(library.AuthenticationError):
        other.v1.customers.list()
    with client(server.url, "sk_live_x") as other:
        assert other.v1.customers.list().data == []
        made = other.v1.customers.create()
        assert made.livemode
        with pytest.raises(library.InvalidRequestError, match="No such customer"):
            other.v1.customers.retrieve(customer)
    assert [row.id for row in stripe.v1.customers.list().data] == [customer]
    server.restrict("rk_test_abcdefgh", "rak_customer_write", "rak_invoice_read")
    with client(server.url, "rk_test_abcdefgh") as limited:
        assert limited.v1.customers.retrieve(customer).id == customer
        assert limited.v1.invoices.list().data == []
        with pytest.raises(
            library.PermissionError, match="Having the 'rak_invoice_write' permission would allow"
        ):
            limited.v1.invoices.create({"customer": customer})
        with pytest.raises(library.PermissionError, match="'rak_plan_read'"):
            limited.v1.prices.list()
    server.revoke("rk_test_abcdefgh")
    with client(server.url, "rk_test_abcdefgh") as gone, pytest.raises(library.AuthenticationError):
        gone.v1.customers.list()


def test_another_version_is_refused(server: StripeServer) -> None:
    with client(server.url) as other, pytest.raises(library.InvalidRequestError, match="speaks"):
        other.v1.customers.list(options={"stripe_version": "2020-08-27"})


def test_what_is_not_modelled_says_so(stripe: Client) -> None:
    with pytest.raises(library.APIError, match="does not model GET /v1/payouts"):
        stripe.v1.payouts.list()
