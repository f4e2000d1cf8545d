"""``billing config apply``: what other settings do to who holds plans, and what they may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.commands.support import lines_of

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-01-20T00:00:00Z"
FEB = "2025-02-01T06:00:00Z"
CPU = "computeRates.cpu_per_core_hour"
DEARER = {"computeRates": {"cpu_per_core_hour": "0.10"}}
BASIC = {"id": "basic", "name": "Basic", "price": "10.00", "interval": "month"}
YEARLY = {"id": "yearly", "name": "Yearly", "price": "365.00", "interval": "year"}
JAN = "2025-01-01T00:00:00Z"
FEBRUARY, MARCH, APRIL = (f"2025-0{month}-01T00:00:00Z" for month in (2, 3, 4))


def planned(invoke: Invoke, *plans: dict[str, str]) -> None:
    invoke.configure(billingMode="hybrid", subscriptionPlans=plans)


def subscribe(invoke: Invoke, plan: str, *users: str, at: str = JAN) -> None:
    for user in users:
        invoke("subscription", "create", "--user", user, "--plan", plan, at=at).ok()


def test_a_changed_plan_reaches_each_holder_at_the_next_term(invoke: Invoke) -> None:
    planned(invoke, BASIC, YEARLY)
    subscribe(invoke, "basic", "ann", "bob", "cyd", "dan")
    subscribe(invoke, "yearly", "eve")
    subscribe(invoke, "yearly", "fay", at="2025-01-19T00:00:00Z")
    planned(invoke, BASIC | {"price": "31.00"}, YEARLY | {"price": "400.00"})
    rehearsed = invoke("config", "apply", "--dry-run", at=NOW).ok()
    said = (
        f" from {NOW}\n"
        "the plan 'basic' changes for 'ann', 'bob', 'cyd' and 1 more with their next terms, "
        f"from {FEBRUARY} on\n"
        "the plan 'yearly' changes for 'eve' and 'fay' with their next terms, "
        "between 2026-01-01T00:00:00Z and 2026-01-19T00:00:00Z\n"
    )
    assert rehearsed.stderr == f"would hold{said}"
    assert invoke("config", "apply", at=NOW).ok().stderr == f"recorded: in force{said}"
    invoke("invoice", "generate", "--finalize", at=FEB).ok()
    invoke("invoice", "generate", "--finalize", at=MARCH).ok()
    listed = invoke("invoice", "list", "--user", "ann", "-o", "json").ok().json()
    assert [row["total"] for row in listed] == ["10.00", "31.00"]


def test_a_plan_that_is_held_cannot_vanish(invoke: Invoke) -> None:
    planned(invoke, BASIC, YEARLY)
    subscribe(invoke, "basic", "ann", "bob", "cyd", "dan")
    invoke("subscription", "change", "--user", "ann", "--plan", "yearly", at=NOW).ok()
    invoke("subscription", "cancel", "--user", "ann", at=NOW).ok()
    planned(invoke, YEARLY)
    held = "'bob', 'cyd' and 'dan' have the plan 'basic' now or later"
    keep = "keep it, or change or cancel those subscriptions first: billing subscription list"
    refused = invoke("config", "apply", at=NOW)
    assert (refused.exit_code, refused.stderr) == (
        4,
        f"error: {held}: it cannot go\nhint: {keep} --plan basic\n",
    )
    # What is to come is held, too; what has ended by then is not.
    planned(invoke, BASIC)
    assert invoke("config", "apply", at=NOW).exit_code == 4
    assert invoke("config", "apply", "--from", "2026-01-20T00:00:00Z", at=NOW).exit_code == 0
    planned(invoke, BASIC | {"interval": "year"}, YEARLY)
    refused = invoke("config", "apply", at=NOW)
    assert refused.stderr.startswith(f"error: {held}: its interval cannot change\n")


def test_a_tax_that_users_have_cannot_vanish(invoke: Invoke) -> None:
    vat = {"id": "vat", "name": "VAT", "percent": 20}
    invoke.configure(taxes=[vat])
    invoke("user", "add", "ann", "--tax", "vat", at=NOW).ok()
    invoke("user", "add", "bob", "--tax", "none", at=NOW).ok()
    invoke.configure(taxes=[])
    refused = invoke("config", "apply", at=NOW)
    assert refused.exit_code == 4
    assert refused.stderr == (
        "error: 'ann' has the tax 'vat' set: it cannot go\n"
        "hint: keep it, or give them another: billing user edit --tax\n"
    )
    invoke("user", "edit", "ann", "--tax", "default", at=NOW).ok()
    assert invoke("config", "apply", at=NOW).exit_code == 0


def test_the_file_is_compared_with_what_will_be_in_force(invoke: Invoke) -> None:
    invoke("config", "apply", at=JAN).ok()
    invoke.configure(**DEARER)
    invoke("config", "apply", "--from", MARCH, at=NOW).ok()
    again = invoke("config", "apply", at=NOW).ok()
    assert again.stdout == ""
    assert again.stderr == (
        f"nothing differs from what is in force\nwhat the file says holds from {MARCH} on; "
        "--from brings it forward or puts it off\n"
    )
    again = invoke("config", "apply", "--from", APRIL, at=NOW).ok()
    assert again.stderr == "nothing differs from what is in force\n"
    sooner = invoke("config", "apply", "--from", FEBRUARY, "--dry-run", "-o", "json", at=NOW).ok()
    assert sooner.json() == [{"key": CPU, "in_force": "0.05", "wanted": "0.1"}]
    assert sooner.stderr == (
        f"would hold from {FEBRUARY}\nwould drop the settings that were to hold from {MARCH}\n"
    )
    invoke.configure()
    warned = invoke("meter", "run", at=NOW).ok()
    assert warned.stderr.startswith(
        f"warning: the config file differs from the settings in force from {MARCH} on "
        f"({CPU} will be 0.1, the file says 0.05); "
    )
    undone = invoke("config", "apply", "-o", "json", at=NOW).ok()
    assert undone.json() == [{"key": CPU, "in_force": "0.1", "wanted": "0.05"}]
    assert undone.stderr == (
        f"recorded: in force from {NOW}\ndropped the settings that were to hold from {MARCH}\n"
    )


def test_what_was_paid_in_advance_follows_the_settings(invoke: Invoke) -> None:
    planned(invoke, YEARLY)
    subscribe(invoke, "yearly", "ann")
    invoke("invoice", "generate", "--finalize", at=FEB).ok()
    # By use, plans cost nothing: from March on, 306 of 365 days come back.
    invoke.configure(billingMode="usage", subscriptionPlans=[YEARLY])
    invoke("config", "apply", at="2025-02-10T00:00:00Z").ok()
    invoke("invoice", "generate", "--finalize", at=MARCH).ok()
    assert lines_of(invoke, "INV-2025-000002") == [
        ("Yearly, unused from 2025-03-01 on", "-0.8383561644", "365", "-306.00"),
        ("Carried to credit", None, None, "306.00"),
    ]


def test_a_mode_from_a_period_start_on_holds_in_that_period(invoke: Invoke) -> None:
    planned(invoke, BASIC)
    subscribe(invoke, "basic", "ann")
    invoke.configure(billingMode="usage", subscriptionPlans=[BASIC])
    for since, first in ((FEBRUARY, FEBRUARY), ("2025-02-01T00:00:01Z", MARCH)):
        rehearsed = invoke("config", "apply", "--from", since, "--dry-run", at=NOW).ok()
        assert rehearsed.stderr == (
            f"would hold from {since}\nthe mode changes with the period from {first} on\n"
        )
    invoke("config", "apply", "--from", FEBRUARY, at=NOW).ok()
    made = invoke("invoice", "generate", "--finalize", "-o", "json", at=MARCH).ok().json()
    assert [row["period"] for row in made] == ["2025-01"]
