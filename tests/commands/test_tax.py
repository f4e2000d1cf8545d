"""``billing tax``: the rates in force, and who has which."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-02-10T00:00:00Z"
TAXES: list[dict[str, object]] = [
    {"id": "vat", "name": "VAT 20%", "percent": 20, "default": True},
    {"id": "low", "name": "VAT 5%", "percent": "5.50"},
]


def test_rates_and_who_has_them(invoke: Invoke) -> None:
    invoke.configure(taxes=TAXES)
    for user, *tax in (["a"], ["b"], ["c", "low"], ["d", "none"], ["e", "vat"]):
        invoke("user", "add", user, *(["--tax", *tax] if tax else []), at=NOW).ok()
    assert invoke("tax", "list", "-o", "csv", at=NOW).ok().stdout == (
        "id,name,percent,default,users\n"
        "low,VAT 5%,5.5,false,1\n"
        "vat,VAT 20%,20,true,3\n"
        "none,No tax,0,false,1\n"
    )
    assert invoke("tax", "list", "--users", "-o", "csv", at=NOW).ok().stdout == (
        "user_id,tax,name,percent\nc,low,VAT 5%,5.5\nd,none,No tax,0\ne,vat,VAT 20%,20\n"
    )
    # A rate that has gone is still what somebody has; without a default, no tax is.
    invoke.configure(taxes=[{**TAXES[0], "default": False}])
    invoke("config", "apply", at=NOW).ok()
    assert invoke("tax", "list", "-o", "csv", at=NOW).ok().stdout == (
        "id,name,percent,default,users\n"
        "vat,VAT 20%,20,false,1\n"
        "low,,,false,1\n"
        "none,No tax,0,true,3\n"
    )
    for user in ("c", "d", "e"):
        invoke("user", "edit", user, "--tax", "default", at=NOW).ok()
    assert invoke("tax", "list", "--users", at=NOW).ok().stderr == "every user has the default\n"
