"""The config file as a model: every key, its kind, its default and what it is for.

Keys keep the names the StreamSpace plugin gave them; ours follow its spelling. Attributes are
the keys in snake case. Everything is frozen, and no number in it is a float.
"""

from __future__ import annotations

from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Annotated, Literal, TypeGuard, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StrictBool

from billing_cli.pricing.schedules import cron_problem
from billing_cli.settings.letterhead import Company, Documents
from billing_cli.settings.notifications import Notifications
from billing_cli.settings.part import CamelPart, Part
from billing_cli.settings.values import (
    Cores,
    Currency,
    DatabaseUrl,
    FilePath,
    Gigabytes,
    Identifier,
    Name,
    PaymentLink,
    Percent,
    Prefix,
    Price,
    Rate,
    Secret,
    Timezone,
    WebAddress,
    refuse,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

BillingMode = Literal["usage", "subscription", "hybrid"]
Interval = Literal["month", "year"]
Overage = Literal["charge", "none"]
Billing = Literal["advance", "arrears"]


def _check_cron(text: str) -> str:
    problem = cron_problem(text)
    if problem:
        refuse(problem)
    return " ".join(text.split())


def _check_tax_id(text: str) -> str:
    if text == "none":
        refuse('must not be "none", which is how a user without tax is marked')
    return text


Cron = Annotated[str, Field(strict=True), AfterValidator(_check_cron)]
TaxIdentifier = Annotated[Identifier, AfterValidator(_check_tax_id)]


class ComputeRates(Part):
    """What a unit of each resource costs."""

    cpu_per_core_hour: Rate = Field(
        default=Decimal("0.05"),
        description="Price of one core for one hour.",
        examples=["0.05", "0.0416"],
    )
    memory_per_gb_hour: Rate = Field(
        default=Decimal("0.01"),
        description="Price of one GB (1024 MiB) of memory for one hour.",
        examples=["0.01"],
    )
    storage_per_gb_month: Rate = Field(
        default=Decimal("0.10"),
        description="Price of one GB (1024 MiB) of storage for one whole calendar month.",
        examples=["0.10"],
    )


class Plan(Part):
    """A plan a user can subscribe to."""

    id: Identifier = Field(description="How commands name the plan.", examples=["pro"])
    name: Name = Field(description="How invoices name the plan.", examples=["Professional"])
    price: Price = Field(description="The fee for one interval.", examples=["29.99"])
    interval: Interval = Field(description="What the fee pays for.", examples=["month"])
    cpu_limit: Cores | None = Field(
        default=None, description="Cores included; null is no limit.", examples=[8]
    )
    memory_limit: Gigabytes | None = Field(
        default=None, description="GB of memory included; null is no limit.", examples=[16]
    )
    storage_limit: Gigabytes | None = Field(
        default=None, description="GB of storage included; null is no limit.", examples=[100]
    )
    overage: Overage | None = Field(
        default=None,
        description="Whether use above the limits is charged; null leaves it to billingMode.",
        examples=["charge"],
    )
    billing: Billing | None = Field(
        default=None,
        description="When the fee is invoiced; null is arrears by the month, advance by the year.",
        examples=["arrears"],
    )

    @property
    def billed(self) -> Billing:
        """When the fee is invoiced, with the default worked out."""
        return self.billing or ("advance" if self.interval == "year" else "arrears")


class Tax(Part):
    """A tax rate that invoices can carry."""

    id: TaxIdentifier = Field(description="How commands name the tax.", examples=["vat"])
    name: Name = Field(description="How invoices name the tax.", examples=["VAT 20%"])
    percent: Percent = Field(description="The rate, in percent.", examples=[20, "8.875"])
    default: StrictBool = Field(
        default=False,
        description="Whether it applies to users for whom nothing else is said; at most one tax.",
        examples=[True],
    )


class Jobs(CamelPart):
    """When jobs that nothing else schedules run."""

    invoice_delay_minutes: int = Field(
        default=60,
        strict=True,
        ge=0,
        le=20_160,
        description="Minutes from the end of a billing period until its invoices are made.",
        examples=[360],
    )
    check_quotas: Cron = Field(
        default="*/15 * * * *",
        description="When quotas are to be checked: a cron schedule of five fields.",
        examples=["*/5 * * * *"],
    )
    sync_stripe: Cron = Field(
        default="*/5 * * * *",
        description="When Stripe is to be synchronised: a cron schedule of five fields.",
        examples=["0 * * * *"],
    )
    deliver: Cron = Field(
        default="*/5 * * * *",
        description="When events are to be delivered: a cron schedule of five fields.",
        examples=["* * * * *"],
    )
    late_after_minutes: int = Field(
        default=15,
        strict=True,
        ge=0,
        le=1_440,
        description="Minutes that a job may be overdue before it counts as late.",
        examples=[60],
    )


class ConfigValues(CamelPart):
    """Everything a config file may say, with the defaults filled in."""

    model_config = ConfigDict(title="Configuration of billing")

    enabled: StrictBool = Field(
        default=True, description="Whether metering and jobs do anything.", examples=[True]
    )
    billing_mode: BillingMode = Field(
        default="usage", description="What users are charged for.", examples=["hybrid"]
    )
    compute_rates: ComputeRates = Field(
        default_factory=ComputeRates, description="The price of a unit of each resource."
    )
    stripe_enabled: StrictBool = Field(
        default=False, description="Whether payments go through Stripe.", examples=[True]
    )
    stripe_secret_key: Secret | None = Field(
        default=None,
        description="Stripe's secret key. Better kept in the environment variable"
        " STRIPE_SECRET_KEY.",
        examples=["sk_test_..."],
    )
    stripe_secret_key_file: FilePath | None = Field(
        default=None,
        description="A file that holds Stripe's secret key and nothing else.",
        examples=["/run/secrets/stripe_secret_key"],
    )
    stripe_webhook_secret: Secret | None = Field(
        default=None,
        description="The webhook's signing secret. Better kept in the environment variable"
        " STRIPE_WEBHOOK_SECRET.",
        examples=["whsec_..."],
    )
    stripe_webhook_secret_file: FilePath | None = Field(
        default=None,
        description="A file that holds the webhook's signing secret and nothing else.",
        examples=["/run/secrets/stripe_webhook_secret"],
    )
    stripe_success_url: WebAddress | None = Field(
        default=None,
        description="Where Stripe's pages lead a customer who is done.",
        examples=["https://streamspace.example.com/billing"],
    )
    stripe_cancel_url: WebAddress | None = Field(
        default=None,
        description="Where Stripe's pages lead a customer who turns back.",
        examples=["https://streamspace.example.com/billing"],
    )
    stripe_rate_limit: int = Field(
        default=20,
        strict=True,
        ge=0,
        le=500,
        description="Requests sent to Stripe in a second at the most; 0 is no limit.",
        examples=[80],
    )
    stripe_timeout_seconds: int = Field(
        default=30,
        strict=True,
        ge=1,
        le=300,
        description="Seconds to wait for an answer of Stripe's.",
        examples=[60],
    )
    stripe_api_base: WebAddress | None = Field(
        default=None,
        description="Another server that speaks as Stripe does, for tests; null is Stripe.",
        examples=["http://127.0.0.1:12111"],
    )
    subscription_plans: tuple[Plan, ...] = Field(default=(), description="The plans on offer.")
    invoice_day: int = Field(
        default=1,
        strict=True,
        ge=1,
        le=28,
        description="The day of the month on which billing periods begin.",
        examples=[15],
    )
    usage_calculation_interval: Cron = Field(
        default="0 * * * *",
        description="When usage is to be metered: a cron schedule of five fields.",
        examples=["*/15 * * * *"],
    )
    alert_threshold: int = Field(
        default=80,
        strict=True,
        ge=0,
        le=100,
        description="The percentage of a limit at which a warning is given.",
        examples=[90],
    )
    auto_suspend_on_overage: StrictBool = Field(
        default=False,
        description="Whether users who stay over a limit are suspended.",
        examples=[True],
    )
    grace_period_days: int = Field(
        default=7,
        strict=True,
        ge=0,
        le=30,
        description="Days over a limit, or overdue, before a suspension.",
        examples=[3],
    )
    currency: Currency = Field(
        default="USD",
        description="The currency of every price and invoice, as a code of ISO 4217.",
        examples=["EUR"],
    )
    timezone: Timezone = Field(
        default="UTC",
        description="The IANA time zone in which days, months and billing periods begin.",
        examples=["Europe/London"],
    )
    database_url: DatabaseUrl | None = Field(
        default=None,
        repr=False,
        description="The database: the path of a SQLite file, or a sqlite:/// or postgresql:// URL;"
        " null is billing.db in the user's data folder.",
        examples=["/var/lib/billing/billing.db", "postgresql://billing@db.example.com/billing"],
    )
    payment_terms_days: int = Field(
        default=14,
        strict=True,
        ge=0,
        le=365,
        description="Days from an invoice's sending to its due date.",
        examples=[30],
    )
    heartbeat_timeout_minutes: Annotated[int, Field(strict=True, ge=1, le=525_600)] | None = Field(
        default=None,
        description="Minutes of silence after which a session that has sent heartbeats stops"
        " accruing cpu and memory; null is never.",
        examples=[15],
    )
    invoice_prefix: Prefix = Field(
        default="INV", description="What invoice numbers begin with.", examples=["ACME"]
    )
    taxes: tuple[Tax, ...] = Field(default=(), description="The taxes that invoices can carry.")
    company: Company = Field(
        default_factory=Company, description="Who sends the invoices, as documents say it."
    )
    documents: Documents = Field(
        default_factory=Documents, description="How invoices and credit notes are typeset."
    )
    payment_link: PaymentLink | None = Field(
        default=None,
        description="The address at which an invoice can be paid, with {invoice_number} and the"
        " like in it.",
        examples=["https://pay.example.com/{invoice_number}"],
    )
    jobs: Jobs = Field(default_factory=Jobs, description="When jobs run, and when one is late.")
    notifications: Notifications = Field(
        default_factory=Notifications, description="Who is told of events, and how."
    )


@cache
def known_keys() -> tuple[str, ...]:
    """Return every key in dotted form; those of a list's items have ``[]`` after the list's key."""
    return tuple(_keys_of(ConfigValues, ""))


def _keys_of(model: type[BaseModel], prefix: str) -> Iterator[str]:
    for name, field in model.model_fields.items():
        key = f"{prefix}{field.alias or name}"
        yield key
        if _is_model(field.annotation):
            yield from _keys_of(field.annotation, f"{key}.")
        for item in get_args(field.annotation):
            if _is_model(item):
                yield from _keys_of(item, f"{key}[].")


def _is_model(kind: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
