"""Half a year of a deployment's books with everything in them that reports have to get right.

Monthly and yearly plans, overage, usage by the unit, taxes, late usage that makes an invoice
negative, partial payments, overpayments, transfers of nobody, refunds with and without credit
notes, a payment that bounced, voided and written-off invoices, and credits of every origin.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any, Final

from billing_cli.app import App
from billing_cli.clock import Clock
from billing_cli.pricing.instants import parse_instant
from billing_cli.pricing.money import format_minor
from billing_cli.services import credit_notes, credits, invoice_life, payments, refunds
from billing_cli.services import subscriptions as plans
from billing_cli.services.payments import Given, Incoming
from billing_cli.services.subscription_action import Wanted
from billing_cli.store.unit_of_work import UnitOfWork
from tests.services.world import World, webhook

if TYPE_CHECKING:
    from pathlib import Path

HOUR: Final = 3_600
USERS: Final = ("ann", "bob", "=cmd()", 'dave; "d"\n\'', "eve|é")
ANN, BOB, CMD, DAVE, EVE = USERS


def at(text: str) -> int:
    """The second of an instant of 2025 in UTC, such as ``02-01T06``."""
    return parse_instant(f"2025-{text}:00:00Z")[0]


@dataclass
class Book:
    """An installation that lives from January to July 2025."""

    world: World
    app: App = field(default_factory=App)
    balances: dict[str, tuple[int, int]] = field(default_factory=dict)

    @classmethod
    def kept(cls, url: str, folder: Path, currency: str = "USD") -> Book:
        """Keep the books in a database, in which nothing is yet."""
        unit = {"USD": "", "JPY": "00", "KWD": ""}[currency]
        config: dict[str, object] = {
            "currency": currency,
            "billingMode": "hybrid",
            "timezone": "America/New_York",
            "subscriptionPlans": [
                {"id": "pro", "name": "Pro", "price": f"30{unit}", "interval": "month"}
                | {"cpu_limit": 1},
                {"id": "team.x", "name": "Team", "price": f"90{unit}", "interval": "month"},
                {"id": "year", "name": "Year", "price": f"301{unit}", "interval": "year"},
            ],
            "computeRates": {"cpu_per_core_hour": 0.0517, "memory_per_gb_hour": 0.0101}
            if not unit
            else {"cpu_per_core_hour": 7.5, "memory_per_gb_hour": 1.35},
            "taxes": [
                {"id": "vat", "name": "VAT", "percent": "8.1", "default": True},
                {"id": "low", "name": "Low", "percent": "2.5"},
            ],
        }
        book = cls(World(url, folder, config))
        vars(book.app).update(settings=book.world.settings, engine=book.world.engine)
        book.currency = currency
        book.live()
        return book

    currency: str = "USD"

    def money(self, hundredths: int) -> str:
        """An amount with some minor units, whatever the currency."""
        return format_minor(hundredths, self.currency)

    def move_to(self, moment: str) -> None:
        """Let time pass."""
        self.now = at(moment)
        vars(self.app)["clock"] = Clock(self.now)

    def session(self, name: str, user: str, start: int, hours: int) -> None:
        """Take in a session of two cores that has ended."""
        sizes = {"cpu": "2", "memory": "3Gi", "storage": "20Gi"}
        self.world.ingest(
            [
                webhook("session.created", start, name, user, resources=sizes),
                webhook("session.terminated", start + hours * HOUR, name, user),
            ],
            self.now,
        )

    def subscribe(self, user: str, plan: str) -> None:
        """Begin a subscription now."""
        plans.create(self.app, user, plan, None, dry_run=False)

    def number(self, user: str, period: str = "2025-01") -> str:
        """The number of a user's invoice that is not void."""
        rows = self.world.rows(
            "SELECT invoice_number FROM billing_invoices WHERE user_id = ? AND period = ? "
            "AND status NOT IN ('void', 'draft') ORDER BY id",
            user,
            period,
        )
        return str(rows[0][0])

    def pay(self, invoice: str, hundredths: int | None = None) -> None:
        """Record a payment for an invoice: all of it, or so many minor units."""
        amount = None if hundredths is None else self.money(hundredths)
        invoice_life.pay(self.app, invoice, Given(amount, "manual", None, None))

    def note(self, invoice: str, hundredths: int, *, refunded: bool = False) -> None:
        """Make a credit note over so many minor units."""
        amount = self.money(hundredths)
        credit_notes.create(self.app, invoice, amount, None, "a note", refunded=refunded)

    def void(self, invoice: str, *, write_off: bool = False) -> None:
        """Void an invoice."""
        invoice_life.void_one(self.app, invoice, "a mistake", write_off=write_off)

    def refund(self, payment: int, hundredths: int | None, *, with_note: bool = False) -> None:
        """Give money of a payment back."""
        amount = None if hundredths is None else self.money(hundredths)
        refunds.refund(self.app, payment, amount, "given back", with_note=with_note)

    def invoice_all(self, moment: str) -> None:
        """Finalize every complete period, and mark what is overdue."""
        self.move_to(moment)
        self.world.generate(self.now)
        invoice_life.mark_overdue(self.app, [], dry_run=False)

    def month_ends(self, month: str) -> None:
        """Keep what is owed, and what money came in, as they are at a month's end."""
        ((owed,),) = self.world.rows(
            "SELECT CAST(COALESCE(SUM(total - amount_paid), 0) AS BIGINT) FROM billing_invoices "
            "WHERE status IN ('sent', 'overdue')"
        )
        ((cash,),) = self.world.rows(
            "SELECT CAST(COALESCE(SUM(amount - refunded), 0) AS BIGINT) FROM billing_payments "
            "WHERE status IN ('succeeded', 'unmatched')"
        )
        self.balances[month] = owed, cash

    def live(self) -> None:
        """Let it all happen."""
        self.january()
        self.february()
        self.march()
        self.spring()

    def january(self) -> None:
        """Everyone begins."""
        self.move_to("01-05T10")
        for number, user in enumerate(USERS):
            self.session(f"a{number}", user, at("01-05T06") + number * 60, 30 + number)
        self.subscribe(BOB, "pro")
        self.subscribe(DAVE, "year")
        credits.add(self.app, ANN, self.money(150), "a gift", date(2025, 1, 31))
        credits.add(self.app, EVE, self.money(90), "a gift", date(2025, 2, 10))
        credits.add(self.app, CMD, self.money(400), "goodwill", None)
        self.month_ends("2025-01")

    def february(self) -> None:
        """January's invoices, paid in part and too much."""
        self.invoice_all("02-01T09")
        dave = self.number(DAVE)
        self.move_to("02-03T12")
        self.pay(self.number(CMD), 10)
        payments.record(
            self.app, BOB, [], Given(self.money(9_000), "bank", "x", at("02-02T00")), None
        )
        self.move_to("02-04T12")
        self.note(dave, 1_000)
        self.pay(dave, 20_000)
        self.refund(3, 700)
        self.move_to("02-10T12")
        self.refund(2, 500)
        self.note(dave, 333, refunded=True)
        with UnitOfWork(self.world.engine) as uow, uow.batch() as tx:
            for number, amount in enumerate((200, 1_111)):
                incoming = Incoming(amount, self.currency, "bank", self.now, None, f"t{number}")
                payments.hold(tx, incoming, "it names no invoice", self.now)
        self.session("late", BOB, at("01-20T06"), 9)
        self.world.ingest(
            [webhook("session.terminated", at("01-05T08"), "a0", ANN)],
            self.now,
        )
        self.move_to("02-20T12")
        payments.record(self.app, ANN, [], Given(self.money(50), "bank", None, None), "no funds")
        plans.change(
            self.app, Wanted(None, BOB), "team.x", immediate=True, at_end=False, dry_run=False
        )
        self.month_ends("2025-02")

    def march(self) -> None:
        """Corrections, a bounced payment, and voided invoices."""
        self.invoice_all("03-01T09")
        self.move_to("03-05T12")
        payments.match(self.app, 4, [], EVE)
        refunds.reverse(self.app, 1, "no funds")
        self.refund(5, 111)
        self.move_to("03-10T12")
        self.pay(self.number(ANN), 60)
        self.note(self.number(ANN), 40)
        self.move_to("03-12T12")
        self.void(self.number(EVE))
        self.world.generate(self.now, "2025-01", [EVE])
        self.session("m1", EVE, at("03-02T06"), 20)
        self.session("m2", CMD, at("03-02T06"), 5)
        plans.cancel(self.app, Wanted(None, DAVE), immediate=True, dry_run=False)
        self.subscribe(ANN, "pro")
        self.month_ends("2025-03")

    def spring(self) -> None:
        """What the yearly plan did not use comes back; a write-off; drafts stay."""
        self.invoice_all("04-01T09")
        numbers = [
            row[0]
            for row in self.world.rows(
                "SELECT invoice_number FROM billing_invoices WHERE status IN ('sent', 'overdue') "
                "AND period = '2025-03' ORDER BY total DESC, invoice_number"
            )
        ]
        self.move_to("04-09T12")
        self.pay(numbers[0], 100)
        self.note(numbers[0], 25)
        self.move_to("04-20T12")
        self.void(numbers[0], write_off=True)
        self.month_ends("2025-04")
        self.invoice_all("05-01T09")
        self.move_to("05-20T12")
        plans.cancel(self.app, Wanted(None, BOB), immediate=True, dry_run=False)
        self.session("m3", BOB, at("05-25T06"), 8)
        with credits.listing(self.app, ANN, everything=False) as rows:
            found = [int(str(row["id"])) for row in rows if "Carried" in str(row["reason"])]
        for number in found:
            credits.void(self.app, number, "a mistake")
        self.month_ends("2025-05")
        self.invoice_all("06-01T09")
        self.move_to("06-20T12")
        self.subscribe(BOB, "pro")
        self.world.generate(self.now, "2025-06", finalize=False)
        self.move_to("06-30T12")

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Query the database."""
        return self.world.rows(sql)
