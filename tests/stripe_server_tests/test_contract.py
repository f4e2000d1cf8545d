"""What Stripe would not understand is refused, with the message that Stripe has for it."""

from __future__ import annotations

import time
from decimal import Decimal
from typing import Final

import pytest

from tests.stripe_server import contract, forms, samples, wheel

SOME_OPERATIONS: Final = 600


def refused(method: str, path: str, form: str) -> contract.Refusal:
    with pytest.raises(contract.Refusal) as caught:
        contract.check(method, path, form)
    return caught.value


def test_parameters_get_their_types() -> None:
    found = contract.check(
        "POST",
        "/v1/invoices/in_1/add_lines",
        "lines[0][amount]=-5&lines[0][discountable]=false&lines[0][quantity_decimal]=0.5"
        "&lines[0][metadata][0]=zero&lines[1][amount]=7&expand[]=payments&expand[]=customer",
    )
    assert found.template == "/v1/invoices/{invoice}/add_lines"
    assert found.ids == ("in_1",)
    assert found.params == {
        "lines": [
            {
                "amount": -5,
                "discountable": False,
                "quantity_decimal": Decimal("0.5"),
                "metadata": {"0": "zero"},
            },
            {"amount": 7},
        ],
        "expand": ["payments", "customer"],
    }


@pytest.mark.parametrize(
    ("path", "form", "message", "param"),
    [
        ("/v1/invoice", "", "Unrecognized request URL (POST: /v1/invoice)", ""),
        ("/v1/invoices", "custmer=cus_1", "Received unknown parameter: custmer", "custmer"),
        (
            "/v1/invoices/in_1/add_lines",
            "lines[0][amont]=1",
            "Received unknown parameter: lines[0][amont]",
            "lines[0][amont]",
        ),
        ("/v1/invoices", "days_until_due=soon", "Invalid integer: soon", "days_until_due"),
        ("/v1/invoices", "days_until_due=1_0", "Invalid integer: 1_0", "days_until_due"),
        ("/v1/invoices", "auto_advance=yes", "Invalid boolean: yes", "auto_advance"),
        ("/v1/prices", "currency=usd&unit_amount_decimal=1E-12", "Invalid decimal", ""),
        ("/v1/prices", "currency=usd&unit_amount_decimal=0.0000000000001", "Invalid decimal", ""),
        ("/v1/prices", "unit_amount=1", "Missing required param: currency.", "currency"),
        (
            "/v1/prices",
            "currency=usd&recurring[interval]=fortnight",
            "Invalid recurring[interval]: must be one of day, month, week, year",
            "recurring[interval]",
        ),
        ("/v1/customers", "email=", "You passed an empty string for 'email'", "email"),
        ("/v1/customers", "metadata[k]=" + "x" * 501, "Metadata keys can have", "metadata[k]"),
        ("/v1/customers", "metadata=x", "Invalid object", "metadata"),
        ("/v1/customers", "email[x=1", "Invalid form", ""),
        ("/v1/payment_intents", "amount=1&currency=usd&payment_method_types[]=card", "unknown", ""),
    ],
)
def test_what_is_not_understood_is_refused(path: str, form: str, message: str, param: str) -> None:
    error = refused("POST", path, form)
    assert message in error.message
    assert error.param == param or not param


def test_another_version_is_taken_as_far_as_it_is_understood() -> None:
    found = contract.check("POST", "/v1/prices", "old=1&unit_amount=5", strict=False)
    assert found.params == {"unit_amount": 5}


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/v1/customers/search", "/v1/customers/search"),
        ("/v1/customers/cus_1", "/v1/customers/{customer}"),
        (
            "/v1/customers/cus_1/payment_methods/pm_1",
            "/v1/customers/{customer}/payment_methods/{payment_method}",
        ),
    ],
)
def test_paths_find_their_operations(path: str, template: str) -> None:
    found = wheel.find("GET", path)
    assert found
    assert found[0] == template


def test_every_path_finds_its_own_operation() -> None:
    templates = list(wheel.operations())
    assert len(templates) > SOME_OPERATIONS
    for method, template in templates:
        parts = ["x_1" if part.startswith("{") else part for part in template.split("/")]
        found = wheel.find(method, "/".join(parts))
        assert found
        assert found[0] == template


def test_lists_keep_the_order_of_their_indexes() -> None:
    assert forms.items_of(forms.decode("a[10]=x&a[2]=y")["a"]) == ["y", "x"]


def test_a_check_is_quick_once_it_was_done() -> None:
    form = "&".join(f"lines[{at}][amount]={at}&lines[{at}][description]=x" for at in range(10))
    contract.check("POST", "/v1/invoices/in_1/add_lines", form)
    began = time.process_time()
    for _ in range(50):
        contract.check("POST", "/v1/invoices/in_1/add_lines", form)
    assert (time.process_time() - began) / 50 < 0.001


@pytest.mark.skipif(not samples.RECORDED.is_dir(), reason=samples.MISSING)
def test_requests_that_stripe_understood_are_understood() -> None:
    refusals = []
    for interaction in samples.interactions():
        asked = interaction["request"]
        path, _, query = asked["path"].partition("?")
        try:
            contract.check(asked["method"].upper(), path, asked.get("body") or query)
        except contract.Refusal as refusal:
            refusals.append((path.rpartition("/")[0], refusal.message, refusal.param))
    # What the pinned version has moved since they were recorded, and nothing else.
    assert refusals == [("/v1/subscriptions", "Invalid object", "billing_cycle_anchor")]
