"""``billing tax``: the rates in force, and who has which."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.command_line import Invoke

NOW = "2025-02-10T00:00:00Z"
LATER = "2025-03-10T00:00:00Z"
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
    for user in ("c", "d", "e"):
        invoke("user", "edit", user, "--tax", "default", at=NOW).ok()
    assert invoke("tax", "list", "--users", at=NOW).ok().stderr == "every user has the default\n"


def test_without_a_default_nobody_pays_any(invoke: Invoke) -> None:
    assert invoke("tax", "list", "-o", "csv", at=NOW).ok().stdout == (
        "id,name,percent,default,users\nnone,No tax,0,true,0\n"
    )
    invoke("user", "add", "a", at=NOW).ok()
    invoke.configure(taxes=[{**TAXES[0], "default": False}])
    invoke("config", "apply", "--from", LATER, at=NOW).ok()
    assert invoke("user", "edit", "a", "--tax", "vat", at=NOW).exit_code == 3
    invoke("user", "edit", "a", "--tax", "vat", at=LATER).ok()
    assert invoke("tax", "list", "-o", "csv", at=LATER).ok().stdout == (
        "id,name,percent,default,users\nvat,VAT 20%,20,false,1\nnone,No tax,0,true,0\n"
    )
    # Before there was such a rate, its name is all that is known of it.
    assert invoke("tax", "list", "-o", "csv", at=NOW).ok().stdout == (
        "id,name,percent,default,users\nvat,,,false,1\nnone,No tax,0,true,0\n"
    )
