"""``billing user``: profiles are taken at the border, one by one or from a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.commands.support import event, session, take_in, written

if TYPE_CHECKING:
    from tests.command_line import CommandLine, Invoke

NOW = "2025-02-10T00:00:00Z"
TAXES = [
    {"id": "vat", "name": "VAT 20%", "percent": 20, "default": True},
    {"id": "low", "name": "VAT 5%", "percent": "5.0"},
]
COLUMNS = (
    "use user_id, name, email, address, language, tax_number, tax, plan, cpu_limit, memory_limit, "
    "storage_limit, spend_limit"
)
JOHN = ["--name", "John Doe", "--email", "john@example.com", "--language", "pt-BR"]


def listed(run: CommandLine, *arguments: str) -> list[dict[str, object]]:
    """The users that are listed."""
    rows: list[dict[str, object]] = run("user", "list", *arguments, "-o", "json", at=NOW).json()
    return rows


def test_a_user_is_added_shown_and_changed(invoke: Invoke) -> None:
    added = invoke("user", "add", "john", *JOHN, "--address", "1 High St\r\n Town ", at=NOW).ok()
    assert added.stdout == (
        """\
User id:        john
Name:           John Doe
Email:          john@example.com
Address:        1 High St\\nTown
Language:       pt-BR
Tax:            default
Created at:     2025-02-10T00:00:00Z
Credit balance: 0.00
Owed:           0.00
Currency:       USD

Limits

Resource type      Limit  Unit      Own    Plan
---------------  -------  ------  -----  ------
cpu                    -  cores       -       -
memory                 -  GB          -       -
storage                -  GB          -       -
spend                  -  USD         -       -
"""
    )
    edited = invoke("user", "edit", "john", "--email", "", "--tax-number", " DE1 ", "-o", "json")
    shown = edited.ok().json()
    assert shown == invoke("user", "show", "john", "-o", "json").ok().json()
    assert (shown["name"], shown["email"], shown["tax_number"]) == ("John Doe", None, "DE1")
    assert shown["address"] == "1 High St\nTown"


def test_adding_is_told_once(invoke: Invoke) -> None:
    invoke("user", "add", "john", *JOHN, at=NOW).ok()
    again = invoke("user", "add", "john", at=NOW)
    assert again.exit_code == 4
    assert again.stderr == (
        "error: there is a user 'john' already\nhint: billing user edit changes it\n"
    )
    (told,) = invoke("events", "list", "-o", "json").ok().json()
    assert (told["type"], told["user_id"], told["occurred_at"]) == (
        "billing.user.created",
        "john",
        NOW,
    )
    assert told["data"] == {
        "user_id": "john",
        "name": "John Doe",
        "email": "john@example.com",
        "language": "pt-BR",
        "created_at": NOW,
    }


def test_users_appear_by_themselves(invoke: Invoke) -> None:
    take_in(invoke, event("created", "2025-01-01T00:00:00Z", user="ann"), at=NOW)
    invoke("user", "add", "Zoe", at=NOW).ok()
    assert [(row["user_id"], row["name"], row["created_at"]) for row in listed(invoke)] == [
        ("Zoe", None, NOW),
        ("ann", None, None),
    ]
    invoke("user", "edit", "ann", "--name", "Ann").ok()
    assert invoke("user", "add", "ann").exit_code == 4
    assert listed(invoke)[1]["name"] == "Ann"


@pytest.mark.parametrize(
    ("option", "value", "reason"),
    [
        ("--email", "john", "'john' is not an e-mail address such as john@example.com"),
        ("--email", "a b@c", "'a b@c' is not an e-mail address such as john@example.com"),
        ("--email", "a@b@c", "'a@b@c' is not an e-mail address such as john@example.com"),
        ("--email", "a@\x7fb", "'a@\\x7fb' is not an e-mail address such as john@example.com"),
        ("--language", "german!", "'german!' is not a language tag such as en or pt-BR"),
        ("--language", "d", "'d' is not a language tag such as en or pt-BR"),
        ("--name", "a\nb", "control characters are not taken: 'a\\nb'"),
        ("--name", "a\u202eb", "control characters are not taken: 'a\\u202eb'"),
        ("--name", "x" * 201, "at most 200 characters are taken, not 201"),
        ("--address", "x" * 1001, "at most 1,000 characters are taken, not 1,001"),
        ("--address", "a\x1bb", "control characters are not taken: 'a\\x1bb'"),
        ("--tax-number", "x" * 51, "at most 50 characters are taken, not 51"),
    ],
)
def test_what_cannot_be_said_of_a_user(
    sqlite_invoke: Invoke, option: str, value: str, reason: str
) -> None:
    for verb in ("add", "edit"):
        result = sqlite_invoke("user", verb, "john", option, value, at=NOW)
        assert result.exit_code == 2
        assert result.stderr == (
            f"error: {option}: {reason}\nhint: billing user {verb} --help shows the options\n"
        )
    assert listed(sqlite_invoke) == []


@pytest.mark.parametrize("name", ["", " ", " john", "a\tb", "\udcff", "x" * 256])
def test_what_cannot_be_a_users_name(sqlite_invoke: Invoke, name: str) -> None:
    assert sqlite_invoke("user", "add", name, at=NOW).exit_code == 2
    assert sqlite_invoke("user", "show", name, at=NOW).exit_code == 3
    assert sqlite_invoke("user", "edit", name, "--name", "x", at=NOW).exit_code == 3


def test_what_is_not_there(invoke: Invoke) -> None:
    result = invoke("user", "show", "john")
    assert (result.exit_code, result.stderr) == (
        3,
        (
            "error: there is no user 'john'\n"
            "hint: users appear with the first event that names them, or with billing user add\n"
        ),
    )
    assert invoke("user", "edit", "john", "--name", "x").exit_code == 3
    assert invoke("user", "edit", "john").exit_code == 2
    assert invoke("user", "list").ok().stderr == "no users\n"
    assert invoke("user", "list", "--plan", "pro").exit_code == 3
    unknown = invoke("user", "add", "john", "--tax", "vat")
    assert (unknown.exit_code, unknown.stderr) == (
        3,
        "error: there is no tax 'vat' in force\nhint: billing tax list shows the rates there are\n",
    )
    assert listed(invoke) == []


def test_hostile_values_are_harmless(invoke: Invoke) -> None:
    name = "=cmd()|'/C calc'!A0; [red]<b>'; DROP TABLE billing_users; --"
    invoke("user", "add", "--name", name, "--", "--help", at=NOW).ok()
    assert listed(invoke)[0]["name"] == name
    assert "\n--help,'=cmd()" in invoke("user", "list", "-o", "csv").stdout.replace("'--", "--")
    assert r"\[red\]&lt;b&gt;" in invoke("user", "list", "-o", "markdown").stdout


# How the account stands


def test_what_is_owed_and_what_is_left(invoke: Invoke) -> None:
    day = session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z")
    take_in(invoke, *day, at="2025-02-01T00:00:00Z")
    invoke("invoice", "generate", "--finalize", at="2025-02-01T00:00:00Z").ok()
    shown = invoke("user", "show", "ann", "-o", "json", at=NOW).ok().json()
    assert (shown["owed"], shown["credit_balance"], shown["currency"]) == ("1.68", "0.00", "USD")
    take_in(invoke, event("terminated", "2025-01-10T10:00:00Z"), at=NOW)
    invoke("invoice", "generate", "--finalize", at="2025-03-01T00:00:00Z").ok()
    shown = invoke("user", "show", "ann", "-o", "json", at=NOW).ok().json()
    assert (shown["owed"], shown["credit_balance"]) == ("1.68", "0.98")


# Plans and limits


PLANS = [
    {"id": "free", "name": "Free", "price": 0, "interval": "month", "cpu_limit": 1},
    {"id": "pro", "name": "Pro", "price": "29.99", "interval": "month", "cpu_limit": 8},
]


def test_limits_of_their_own(invoke: Invoke) -> None:
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    limits = ["--cpu-limit", "2.5", "--memory-limit", "none", "--spend-limit", "50"]
    shown = invoke("user", "add", "john", *limits, "-o", "json", at=NOW).ok().json()
    keys = ("resource_type", "limit", "unit", "own", "plan")
    assert [tuple(row[key] for key in keys) for row in shown["limits"]] == [
        ("cpu", "2.50", "cores", "2.50", "1.00"),
        ("memory", None, "GB", "none", None),
        ("storage", None, "GB", None, None),
        ("spend", "50.00", "USD", "50.00", None),
    ]
    assert (shown["plan"], shown["plan_from"], shown["plan_to"]) == ("free", NOW, None)
    edited = invoke("user", "edit", "john", "--cpu-limit", "plan", "-o", "json", at=NOW).json()
    assert edited["limits"][0]["limit"] == "1.00"
    for option, value, reason in (
        ("cpu", "-1", "'-1' is neither a number such as 8, nor none, nor plan"),
        ("memory", "2Gi", "'2Gi' is neither a number such as 8, nor none, nor plan"),
        ("storage", "1048577", "at most 1,048,576 is taken, not 1048577"),
        ("spend", "lots", "'lots' is neither an amount such as 50.00, nor none, nor plan"),
        ("spend", "1.001", "'1.001' is finer than the smallest unit of USD (2 decimals)"),
    ):
        refused = invoke("user", "edit", "john", f"--{option}-limit={value}", at=NOW)
        assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
            2,
            f"error: --{option}-limit: {reason}",
        )


def test_a_new_user_gets_a_plan(invoke: Invoke) -> None:
    refused = invoke("user", "add", "john", "--plan", "pro", at=NOW)
    assert (refused.exit_code, listed(invoke)) == (4, [])
    invoke.configure(billingMode="subscription", subscriptionPlans=PLANS)
    invoke("config", "apply", "--from", "2025-02-01T00:00:00Z", at=NOW).ok()
    invoke("user", "add", "free", at=NOW).ok()
    invoke("user", "add", "paid", "--plan", "pro", at=NOW).ok()
    assert invoke("user", "add", "x", "--plan", "gold", at=NOW).exit_code == 3
    assert [(row["user_id"], row["plan"]) for row in listed(invoke)] == [
        ("free", "free"),
        ("paid", "pro"),
    ]
    assert [row["user_id"] for row in listed(invoke, "--plan", "pro")] == ["paid"]
    # More is held at once, less from the next term on.
    invoke("user", "edit", "free", "--plan", "pro", at=NOW).ok()
    lowered = invoke("user", "edit", "paid", "--plan", "free", "-o", "json", at=NOW).ok().json()
    assert (lowered["plan"], lowered["plan_to"]) == ("pro", "2025-03-01T00:00:00Z")
    assert {row["plan"] for row in listed(invoke)} == {"pro"}
    told = invoke("events", "list", "-o", "json").ok().json()
    invoke("user", "edit", "free", "--plan", "pro", at=NOW).ok()
    invoke("user", "edit", "paid", "--plan", "free", at=NOW).ok()
    assert invoke("events", "list", "-o", "json").ok().json() == told


def test_plans_and_limits_from_a_file(invoke: Invoke) -> None:
    invoke.configure(billingMode="hybrid", subscriptionPlans=PLANS)
    for user in ("ann", "bob"):
        invoke("user", "add", user, at=NOW).ok()
    rows = ["user,plan,cpu-limit", "ann,pro,4", "bob,,", "eve,pro,none", "new,,", "zoe,gold,1"]
    written(invoke.work / "users.csv", *rows)
    tried = invoke("user", "import", "users.csv", "-o", "json", at=NOW)
    assert tried.json() == {"added": 2, "updated": 1, "unchanged": 1, "rejected": 1}
    plans = [(row["user_id"], row["plan"]) for row in listed(invoke)]
    assert plans == [("ann", "pro"), ("bob", "free"), ("eve", "pro"), ("new", "free")]
    again = invoke("user", "import", "users.csv", "-o", "json", at="2025-02-20T00:00:00Z")
    assert again.json() == {"added": 0, "updated": 0, "unchanged": 4, "rejected": 1}
    invoke("subscription", "cancel", "--user", "ann", at=NOW).ok()
    written(invoke.work / "users.csv", rows[0], "ann,free,5")
    refused = invoke("user", "import", "users.csv", at=NOW)
    assert (refused.exit_code, refused.stderr.splitlines()[0]) == (
        5,
        (
            "warning: users.csv:2: subscription 1 of user 'ann' ends at 2025-03-01T00:00:00Z: "
            "its plan cannot be changed as well"
        ),
    )
    assert invoke("user", "show", "ann", "-o", "json").json()["limits"][0]["own"] == "4.00"


# Importing


CSV = """\
User_ID,name,tax-number,tax,email
ann,Ann Lee,DE1,low,ann@example.com
bob,,,,

"c,d","two
lines",,,
eve,Eve,,,eve
eve,Eve,,,
zoe,Zoe,,high,
ann,Twice,,,
short,row
"""
COMPLAINTS = [
    "users.csv:5: name: control characters are not taken: 'two\\nlines'",
    "users.csv:7: email: 'eve' is not an e-mail address such as john@example.com",
    "users.csv:9: there is no tax 'high' in force",
    "users.csv:10: user_id: 'ann' is in line 2 already",
    "users.csv:11: the header has 5 cells, the row 2",
]


def test_a_file_of_users(invoke: Invoke) -> None:
    invoke.configure(taxes=TAXES)
    take_in(invoke, event("created", "2025-01-01T00:00:00Z", user="bob"), at=NOW)
    invoke("user", "edit", "bob", "--name", "Bob").ok()
    (invoke.work / "users.csv").write_text(CSV, encoding="utf-8-sig")
    tried = invoke("user", "import", "users.csv", "--dry-run", "-o", "json", at=NOW)
    assert (tried.exit_code, len(listed(invoke))) == (5, 1)
    result = invoke("user", "import", "users.csv", "-o", "json", at=NOW)
    assert result.exit_code == 5
    assert (
        result.json()
        == tried.json()
        == {
            "added": 2,
            "updated": 0,
            "unchanged": 1,
            "rejected": 5,
        }
    )
    assert result.stderr.splitlines() == [
        *(f"warning: {complaint}" for complaint in COMPLAINTS),
        "error: 5 rejected; everything else was taken",
        "hint: mend what is named above, and import the file again",
    ]
    keys = ("user_id", "name", "email", "tax_number", "tax")
    assert [tuple(row[key] for key in keys) for row in listed(invoke)] == [
        ("ann", "Ann Lee", "ann@example.com", "DE1", "low"),
        ("bob", "Bob", None, None, "default"),
        ("eve", "Eve", None, None, "default"),
    ]
    again = invoke("user", "import", "users.csv", "-o", "json", at="2025-03-01T00:00:00Z")
    assert again.json() == {"added": 0, "updated": 0, "unchanged": 3, "rejected": 5}
    assert len(invoke("events", "list", "-o", "jsonl").ok().stdout.splitlines()) == 2


def test_json_clears_and_csv_leaves_alone(invoke: Invoke) -> None:
    invoke("user", "add", "john", *JOHN, at=NOW).ok()
    row = {"user": "john", "name": None, "email": "", "tax_number": 7}
    written(invoke.work / "users.jsonl", json.dumps(row), "", "3", "{")
    result = invoke("user", "import", "users.jsonl", "-o", "json")
    assert (result.exit_code, result.json()["updated"], result.json()["rejected"]) == (5, 1, 2)
    shown = invoke("user", "show", "john", "-o", "json").ok().json()
    assert [shown[key] for key in ("name", "email", "language", "tax_number")] == [
        None,
        None,
        "pt-BR",
        "7",
    ]
    array = [{"id": "john", "name": ["x"]}, {"name": "nobody"}, {"id": "a\0b"}, {"id": "u", "x": 1}]
    written(invoke.work / "users.json", json.dumps(array, indent=1))
    result = invoke("user", "import", "users.json")
    assert (result.exit_code, result.stderr.splitlines()[:-2]) == (
        5,
        [
            "warning: users.json:2: name: it is neither text nor a number",
            "warning: users.json:8: user_id: it is missing",
            "warning: users.json:11: control characters are not taken: 'a\\x00b'",
            f"warning: users.json:14: there is no column 'x': {COLUMNS}",
        ],
    )


def test_what_is_listed_can_be_edited_and_imported(invoke: Invoke) -> None:
    invoke("user", "add", "john", *JOHN, "--tax", "none", at=NOW).ok()
    invoke("user", "add", "ann", "--address", "a\nb", at=NOW).ok()
    text = invoke("user", "list", "-o", "csv", at=NOW).ok().stdout
    written(invoke.work / "users.csv", text.replace("John Doe", "J. Doe"))
    result = invoke("user", "import", "users.csv", "-o", "json", at=NOW).ok()
    assert result.json() == {"added": 0, "updated": 1, "unchanged": 1, "rejected": 0}
    assert listed(invoke)[1]["name"] == "J. Doe"


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("users.txt", "", 2, "error: the name 'users.txt' does not tell the format"),
        ("users.csv", "name,id,user\n", 5, "warning: users.csv:1: user_id is there twice"),
        (
            "users.csv",
            "id,size\nx,1\n",
            5,
            f"warning: users.csv:1: there is no column 'size': {COLUMNS}",
        ),
        ("gone.json", None, 3, "warning: gone.json: there is no such file"),
    ],
)
def test_files_that_cannot_be_read(
    sqlite_invoke: Invoke, name: str, content: str | None, code: int, message: str
) -> None:
    if content is not None:
        (sqlite_invoke.work / name).write_text(content, encoding="utf-8")
    result = sqlite_invoke("user", "import", name, at=NOW)
    assert (result.exit_code, result.stderr.splitlines()[0]) == (code, message)


def test_the_format_can_be_said(sqlite_invoke: Invoke) -> None:
    written(sqlite_invoke.work / "users", "id,name", "ann,Ann")
    assert sqlite_invoke("user", "import", "users", "--format", "xml").exit_code == 2
    sqlite_invoke("user", "import", "users", "--format", "csv").ok()
    assert listed(sqlite_invoke)[0]["name"] == "Ann"
