"""Charges as rows of FOCUS 1.2, the FinOps Open Cost and Usage Specification.

An invoice is a row for each line, one for its tax and one for the credits it uses, so that their
``BilledCost`` adds up to its total. A credit note is a document of its own, with a row for what it
takes back and one for the tax on it. https://focus.finops.org/focus-specification/v1-2/
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Final, NamedTuple

from billing_cli.pricing.instants import format_instant
from billing_cli.pricing.money import format_minor
from billing_cli.pricing.rating import RESOURCE_OF
from billing_cli.pricing.reports import Field, Row, amount, instant, text, word

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROVIDER: Final = "StreamSpace"

COLUMNS: Final[tuple[Field, ...]] = (
    text("AvailabilityZone"),
    amount("BilledCost"),
    text("BillingAccountId"),
    text("BillingAccountName"),
    word("BillingAccountType"),
    word("BillingCurrency"),
    instant("BillingPeriodEnd"),
    instant("BillingPeriodStart"),
    word("ChargeCategory"),
    word("ChargeClass"),
    text("ChargeDescription"),
    word("ChargeFrequency"),
    instant("ChargePeriodEnd"),
    instant("ChargePeriodStart"),
    text("CommitmentDiscountCategory"),
    text("CommitmentDiscountId"),
    text("CommitmentDiscountName"),
    amount("CommitmentDiscountQuantity"),
    text("CommitmentDiscountStatus"),
    text("CommitmentDiscountType"),
    text("CommitmentDiscountUnit"),
    amount("ConsumedQuantity"),
    word("ConsumedUnit"),
    amount("ContractedCost"),
    amount("ContractedUnitPrice"),
    amount("EffectiveCost"),
    text("InvoiceId"),
    word("InvoiceIssuerName"),
    amount("ListCost"),
    amount("ListUnitPrice"),
    word("PricingCategory"),
    amount("PricingQuantity"),
    word("PricingUnit"),
    word("ProviderName"),
    word("PublisherName"),
    text("RegionId"),
    text("RegionName"),
    text("ResourceId"),
    text("ResourceName"),
    text("ResourceType"),
    word("ServiceCategory"),
    word("ServiceName"),
    word("ServiceSubcategory"),
    text("SkuId"),
    text("SkuMeter"),
    text("SkuPriceDetails"),
    text("SkuPriceId"),
    text("SubAccountId"),
    text("SubAccountName"),
    text("SubAccountType"),
    text("Tags"),
    # What earlier versions called some of these; validators still ask for them.
    word("ChargeType"),
    word("InvoiceIssuer"),
    word("Provider"),
    word("Publisher"),
    text("ResourceID"),
    text("x_CorrectedInvoiceId"),
    word("x_LineKind"),
)

USAGE, PURCHASE, TAX, CREDIT, ADJUSTMENT = "Usage", "Purchase", "Tax", "Credit", "Adjustment"
CORRECTION: Final = "Correction"
_FREQUENCIES: Final = {USAGE: "Usage-Based", PURCHASE: "Recurring"}
_ONE_TIME: Final = "One-Time"
# A GB of this program is 1024 MiB, which FOCUS calls a GiB.
_UNITS: Final = {
    "cpu": "Core-Hours",
    "memory": "GiB-Hours",
    "storage": "GiB-Months",
    "month": "Months",
    "year": "Years",
}
_METERS: Final = {"cpu": "CPU", "memory": "Memory", "storage": "Storage"}
_STORAGE: Final = ("Storage", "Storage", "Other (Storage)")
_SESSIONS: Final = ("Compute", "Sessions", "End User Computing")
_OTHER: Final = ("Other", "Billing", "Other (Other)")


class Document(NamedTuple):
    """What the rows of an invoice or a credit note have in common.

    ``corrected`` is the invoice that a credit note takes back a part of.
    """

    number: str
    user_id: str
    user_name: str | None
    currency: str
    period_start: int
    period_end: int
    corrected: str | None = None


class Charge(NamedTuple):
    """A row: ``billed`` minor units; a quantity and a price as decimal text, where there are any.

    ``item`` is that of :data:`billing_cli.pricing.rating.LineKey`.
    """

    category: str
    kind: str
    description: str
    start: int
    end: int
    billed: int
    item: str | None = None
    quantity: str | None = None
    price: str | None = None
    is_correction: bool = False


class Line(NamedTuple):
    """A line of an invoice."""

    kind: str
    description: str
    item: str | None
    quantity: str | None
    price: str | None
    start: int
    end: int
    amount: int


class Invoice(NamedTuple):
    """A final invoice that is not void, with its lines; amounts in minor units."""

    document: Document
    lines: list[Line]
    tax: int
    tax_name: str | None
    credits: int

    def charges(self) -> Iterator[Charge]:
        """Yield its charges, which add up to its total."""
        for line in self.lines:
            yield _charge_of(self.document, line)
        span = (self.document.period_start, self.document.period_end)
        if self.tax:
            yield Charge(TAX, "tax", self.tax_name or "Tax", *span, self.tax)
        if self.credits:
            yield Charge(CREDIT, "credits", "Credits used", *span, -self.credits)


class Note(NamedTuple):
    """A credit note that is not void; amounts in minor units."""

    document: Document
    reason: str
    net: int
    tax: int

    def charges(self) -> Iterator[Charge]:
        """Yield its charges, which add up to what it takes back, below zero."""
        kind, span = "credit-note", (self.document.period_start, self.document.period_end)
        yield Charge(ADJUSTMENT, kind, self.reason, *span, -self.net, is_correction=True)
        if self.tax:
            described = f"Tax: {self.reason}"
            yield Charge(TAX, kind, described, *span, -self.tax, is_correction=True)


def _charge_of(document: Document, line: Line) -> Charge:
    described = (line.kind, line.description, line.start, line.end, line.amount)
    if line.item is not None:
        category = USAGE if line.item in RESOURCE_OF else PURCHASE
        item = (line.item, line.quantity, line.price)
        return Charge(category, *described, *item, is_correction=line.kind == "correction")
    if line.kind != "carried" and line.amount >= 0:
        # By hand, or from elsewhere: one of what it says.
        price = format_minor(line.amount, document.currency)
        return Charge(PURCHASE, *described, line.kind, "1", price)
    return Charge(ADJUSTMENT, *described)


def row_of(document: Document, charge: Charge) -> Row:
    """Return a charge as a row of :data:`COLUMNS`."""
    billed = _decimal(format_minor(charge.billed, document.currency))
    values: dict[str, str | None] = {
        "BilledCost": billed,
        "BillingAccountId": document.user_id,
        "BillingAccountName": document.user_name or document.user_id,
        "BillingAccountType": "User",
        "BillingCurrency": document.currency,
        "BillingPeriodEnd": format_instant(document.period_end),
        "BillingPeriodStart": format_instant(document.period_start),
        "ChargeCategory": charge.category,
        "ChargeClass": CORRECTION if charge.is_correction else None,
        "ChargeDescription": charge.description,
        "ChargeFrequency": _frequency(charge),
        "ChargePeriodEnd": format_instant(charge.end),
        "ChargePeriodStart": format_instant(charge.start),
        "ChargeType": ADJUSTMENT if charge.category == CREDIT else charge.category,
        "ContractedCost": billed,
        "EffectiveCost": billed,
        "InvoiceId": document.number,
        "ListCost": billed,
        "x_CorrectedInvoiceId": document.corrected,
        "x_LineKind": charge.kind,
        **dict.fromkeys(_PROVIDERS, _PROVIDER),
        **_service_of(charge),
        **_priced(charge),
    }
    return tuple(values.get(field.name) for field in COLUMNS)


_PROVIDERS: Final = (
    "InvoiceIssuerName",
    "ProviderName",
    "PublisherName",
    "InvoiceIssuer",
    "Provider",
    "Publisher",
)


def _frequency(charge: Charge) -> str:
    if charge.category == PURCHASE and ":" not in (charge.item or ""):
        return _ONE_TIME
    return _FREQUENCIES.get(charge.category, _ONE_TIME)


def _service_of(charge: Charge) -> dict[str, str | None]:
    item = charge.item or ""
    is_of_sessions = item in RESOURCE_OF or ":" in item
    service = _SESSIONS if is_of_sessions else _OTHER
    category, name, sub = _STORAGE if RESOURCE_OF.get(item) == "storage" else service
    return {"ServiceCategory": category, "ServiceName": name, "ServiceSubcategory": sub}


def _priced(charge: Charge) -> dict[str, str | None]:
    """Return what a charge with a price has besides: cost at that price, quantity, unit, SKU.

    ``BilledCost`` is rounded to the minor unit, the cost at the price of the list is not.
    """
    if charge.item is None or charge.quantity is None or charge.price is None:
        return {}
    resource = RESOURCE_OF.get(charge.item)
    unit = _UNITS.get(resource or charge.item.partition(":")[0], "Units")
    cost = _decimal(format(Decimal(charge.quantity) * Decimal(charge.price), "f"))
    found: dict[str, str | None] = {
        "PricingCategory": "Standard",
        "PricingQuantity": _decimal(charge.quantity),
        "PricingUnit": unit,
        "ListUnitPrice": _decimal(charge.price),
        "ContractedUnitPrice": _decimal(charge.price),
        "SkuId": charge.item,
        "SkuPriceId": charge.item,
        "SkuMeter": _METERS.get(resource or "", charge.item),
    }
    if not charge.is_correction:
        found |= {"ListCost": cost, "ContractedCost": cost}
    if charge.category == USAGE:
        found |= {"ConsumedQuantity": _decimal(charge.quantity), "ConsumedUnit": unit}
    return found


def _decimal(text: str) -> str:
    """Return a decimal that is seen to be one: a column of whole numbers stays one of decimals."""
    return text if "." in text else f"{text}.0"
