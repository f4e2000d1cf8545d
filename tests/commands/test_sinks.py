"""The kinds of sink but webhooks: mail, programs, StreamSpace and Apprise, as they are told."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.commands.test_deliveries import add, after, grant
from tests.commands.test_hostile_names import UNSAFE
from tests.servers import (
    HOST,
    PASSWORD,
    Answer,
    HttpServer,
    MailServer,
    Request,
    ca_file,
    http_server,
    mail_server,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.command_line import Invoke, Result

RUN: Final = ("events", "deliver")
MAIL_SECRET: Final = {"BILLING_SINK_MAIL_SECRET": PASSWORD}
TOKEN: Final = "eyJhbGciOi.token-of-an.admin"
STREAM_SECRET: Final = {"BILLING_SINK_STREAM_SECRET": TOKEN}
HOSTILE: Final = 'Eve "x", <evil@example.org>; =?utf-8?q?x?= <script>alert(1)</script> 漢字 🙂'


def mail(server: MailServer, **more: object) -> dict[str, object]:
    """A sink for mail, as an operator would write it."""
    return {
        "name": "mail",
        "kind": "email",
        "host": HOST,
        "port": server.port,
        "username": "billing",
        "from": "billing@example.com",
        "fromName": "Exämple, Billing",
        "replyTo": "accounts@example.com",
        "caFile": "ca.pem",
        "events": ["*"],
        **more,
    }


def configured(
    run: Invoke, *sinks: dict[str, object], environ: dict[str, str] | None = None, **more: object
) -> None:
    """Configure sinks, and have them served for a first time."""
    ca_file(run.work)
    run.configure(notifications={"sinks": sinks, **more})
    # Some may lack their secrets yet.
    assert run(*RUN, at=after(0), environ=environ).exit_code in {0, 7}


def deliver(run: Invoke, seconds: int, environ: dict[str, str], code: int = 0) -> Result:
    result = run(*RUN, at=after(seconds), environ=environ)
    assert result.exit_code == code, result.stderr
    assert PASSWORD not in result.stdout + result.stderr
    assert TOKEN not in result.stdout + result.stderr
    return result


def open_ones(run: Invoke) -> list[dict[str, Any]]:
    shown = run("events", "deliveries", "list", "-o", "json").ok()
    assert PASSWORD not in shown.stdout
    rows: list[dict[str, Any]] = shown.json()
    return rows


@pytest.mark.parametrize("tls", ["starttls", "implicit"])
def test_mail_goes_to_the_user_over_tls(sqlite_invoke: Invoke, tls: str) -> None:
    run = sqlite_invoke
    with mail_server(tls) as server:
        configured(run, mail(server, tls=tls), environ=MAIL_SECRET)
        words = ("--name", "Ann Lee", "--email", "ann@example.com")
        run("user", "add", "ann", *words, at=after(1)).ok()
        grant(run, "ann")
        deliver(run, 10, MAIL_SECRET)
        first, second = server.mails
        assert server.recipients == [["ann@example.com"]] * 2
        assert server.encrypted == [True, True]
        assert server.logins == 1
    assert first["From"] == '"Exämple, Billing" <billing@example.com>'
    assert (first["To"], first["Reply-To"]) == ("Ann Lee <ann@example.com>", "accounts@example.com")
    assert first["Subject"] == "Your account was created"
    assert second["Subject"] == "A credit of 1.00 USD"
    assert second["Date"] == "Sat, 01 Feb 2025 00:00:10 -0000"
    assert second["Auto-Submitted"] == "auto-generated"
    plain, html = second.get_body(("plain",)), second.get_body(("html",))
    assert plain is not None
    assert html is not None
    assert plain.get_content().replace("\r\n", "\n") == (
        "Hello Ann Lee,\n\nyou were given a credit of 1.00 USD. It is used by your next invoices.\n"
    )
    assert "<h1" in html.get_content()
    assert "Hello Ann Lee,</p>" in html.get_content()


def test_a_repeated_mail_is_known_by_its_id(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server() as server, mail_server() as other:
        configured(run, mail(server), {**mail(other), "name": "mail.2"}, environ=MAIL_SECRET)
        secrets = {**MAIL_SECRET, "BILLING_SINK_MAIL_2_SECRET": PASSWORD}
        for user in ("ann", "zoe"):
            run("user", "add", user, "--email", f"{user}@example.com", at=after(1)).ok()
        deliver(run, 10, secrets)
        run("events", "replay", "evt_1", at=after(20)).ok()
        deliver(run, 30, secrets)
        ids = [message["Message-ID"] for message in server.mails]
        assert ids[0].startswith("<evt_1.")
        assert ids[0].endswith("@example.com>")
        assert ids[2] == ids[0] != ids[1]
        assert other.mails[0]["Message-ID"] not in ids


def test_nothing_that_users_are_called_becomes_a_header(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server() as server:
        configured(run, mail(server), environ=MAIL_SECRET)
        run("user", "add", HOSTILE, "--name", HOSTILE, "--email", "e@example.com", at=after(1)).ok()
        reason = "x\nBcc: evil@example.org\n\n<b>bold</b>"
        words = ("credits", "add", "--user", HOSTILE, "--amount", "1", "--reason", reason)
        run(*words, at=after(2))
        run("quota", "suspend", HOSTILE, "--reason", reason, at=after(3)).ok()
        deliver(run, 10, MAIL_SECRET)
        assert {tuple(names) for names in server.recipients} == {("e@example.com",)}
        for message in server.mails:
            assert [address.addr_spec for address in message["To"].addresses] == ["e@example.com"]
            assert message["To"].addresses[0].display_name.startswith('Eve "x", <evil@')
            assert message["Bcc"] is None
            assert not {"\r", "\n"} & set(message["Subject"])
            html = message.get_body(("html",))
            assert html is not None
            assert "<script>" not in html.get_content()
            assert "&lt;script&gt;" in html.get_content()
            assert "<b>" not in html.get_content()


def test_who_gets_mail_for_users_without_an_address(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server() as server:
        configured(
            run,
            mail(server),
            {**mail(server, fallbackTo="ops@example.com"), "name": "ops"},
            {**mail(server, to="boss@example.com"), "name": "boss"},
            environ=MAIL_SECRET,
        )
        secrets = {**MAIL_SECRET}
        secrets |= {f"BILLING_SINK_{name}_SECRET": PASSWORD for name in ("OPS", "BOSS")}
        add(run, "none")
        run("user", "add", "ann", "--email", "ann@example.com", at=after(2)).ok()
        run("user", "add", "odd", "--email", "a,b@[x", at=after(3)).ok()
        deliver(run, 10, secrets)
        sent = sorted(name for names in server.recipients for name in names)
        assert sent == ["ann@example.com"] * 2 + ["boss@example.com"] * 3 + ["ops@example.com"]
        assert {len(names) for names in server.recipients} == {1}
        words = ("events", "deliveries", "list", "--state", "skipped", "-o", "json")
        skipped = {(row["event"], row["sink"], row["last_error"]) for row in run(*words).json()}
        unfit = "'a,b@[x' is no address that mail can be sent to"
        assert skipped == {
            ("evt_1", "mail", "the user has no address"),
            ("evt_3", "mail", unfit),
            ("evt_3", "ops", unfit),
        }
        # An address that was added later: what was skipped can be sent after all.
        run("user", "edit", "none", "--email", "none@example.com").ok()
        run("events", "deliveries", "retry", "evt_1", "--sink", "mail", at=after(20)).ok()
        deliver(run, 30, secrets)
        assert server.recipients[-1] == ["none@example.com"]


def test_what_mail_servers_refuse(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server() as server:
        configured(run, mail(server), environ=MAIL_SECRET)
        for user in ("gone", "full", "fine"):
            run("user", "add", user, "--email", f"{user}@example.com", at=after(1)).ok()
        server.refusals = {
            "gone@example.com": f"550 5.1.1 no such user {PASSWORD}",
            "full@example.com": "452 4.2.2 mailbox full",
        }
        deliver(run, 10, MAIL_SECRET, code=7)
        assert server.recipients == [["fine@example.com"]]
        dead, again = open_ones(run)
        assert (dead["state"], dead["attempts"]) == ("dead", 1)
        assert dead["last_error"] == f"{HOST} answers 550 5.1.1 no such user ***"
        assert (again["state"], again["last_error"]) == (
            "retrying",
            f"{HOST} answers 452 4.2.2 mailbox full",
        )
        # A password that is wrong is nobody's mail's fault: the rest is not even tried.
        run("events", "deliveries", "drop", "evt_1").ok()
        wrong = {"BILLING_SINK_MAIL_SECRET": "wrong"}
        shown = run(*RUN, "-o", "json", at=after(200), environ=wrong)
        assert shown.exit_code == 7
        assert open_ones(run)[0]["last_error"] == f"{HOST} refuses the login (535)"
        run("events", "deliveries", "retry", "--all", at=after(300)).ok()
        beyond = {"BILLING_SINK_MAIL_SECRET": "pässword"}
        run(*RUN, at=after(301), environ=beyond)
        assert open_ones(run)[0]["last_error"] == "its username and password must be plain ASCII"


def test_mail_servers_are_checked(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server(name="mail.example.com") as server, mail_server("none") as plain:
        configured(run, mail(server), {**mail(plain), "name": "plain"}, environ=MAIL_SECRET)
        secrets = {**MAIL_SECRET, "BILLING_SINK_PLAIN_SECRET": PASSWORD}
        run("user", "add", "ann", "--email", "ann@example.com", at=after(1)).ok()
        deliver(run, 10, secrets, code=7)
        named, unencrypted = (row["last_error"] for row in open_ones(run))
        assert named.startswith(f"{HOST}: its certificate is not trusted: IP address mismatch")
        assert unencrypted == f"{HOST}: STARTTLS extension not supported by server."
        assert server.mails == plain.mails == []
        assert server.logins == plain.logins == 0
        # Without encryption there is no login; and a server that is gone is told.
        open_mail = mail(plain, tls="none", username=None)
        run.configure(notifications={"sinks": [{**open_mail, "name": "plain"}]})
        deliver(run, 200, {})
        assert len(plain.mails) == 1
        run.configure(notifications={"sinks": [mail(server, tls="implicit", port=1)]})
        deliver(run, 300, MAIL_SECRET, code=7)
        assert open_ones(run)[0]["last_error"] == f"{HOST}: Connection refused"


def billed(run: Invoke, server: MailServer) -> None:
    """Have an invoice for Ann to be told of, and her address."""
    configured(run, mail(server), environ=MAIL_SECRET)
    run("user", "add", "ann", "--email", "ann@example.com", at=after(1)).ok()
    session = {"id": "s", "user": "ann"}
    events = [
        {"event": "session.created", "timestamp": "2024-12-01T00:00:00Z", "data": session},
        {"event": "session.terminated", "timestamp": "2024-12-02T00:00:00Z", "data": session},
    ]
    run("meter", "ingest", "-", stdin="\n".join(map(json.dumps, events)), at=after(2)).ok()
    run("invoice", "generate", "--period", "2024-12", "--finalize", at=after(3)).ok()


def test_an_invoice_goes_with_the_mail_about_it(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server() as server:
        billed(run, server)
        deliver(run, 10, MAIL_SECRET)
        added, billed_mail = server.mails
        assert list(added.iter_attachments()) == []
        (attached,) = billed_mail.iter_attachments()
        assert attached.get_filename() == "INV-2025-000001.pdf"
        assert attached.get_content_type() == "application/pdf"
        assert attached.get_content().startswith(b"%PDF-")


def test_a_document_that_cannot_be_made_is_waited_for(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    with mail_server() as server:
        billed(run, server)
        sink = mail(server, events=["billing.invoice.created"])
        run.configure(notifications={"sinks": [sink]}, company={"logo": "missing.png"})
        deliver(run, 10, MAIL_SECRET, code=7)
        assert server.mails == []
        (row,) = open_ones(run)
        assert row["state"] == "retrying"
        assert "missing.png cannot be read" in row["last_error"]
        run.configure(notifications={"sinks": [sink]})
        deliver(run, 100, MAIL_SECRET)
        assert len(list(server.mails[0].iter_attachments())) == 1


def test_without_the_extra_mails_go_without_documents(
    sqlite_invoke: Invoke, monkeypatch: pytest.MonkeyPatch
) -> None:
    from billing_cli.gateway import pdf

    run = sqlite_invoke
    with mail_server() as server:
        billed(run, server)
        pdf.typesetter.cache_clear()
        monkeypatch.setitem(sys.modules, "typst", None)
        deliver(run, 10, MAIL_SECRET)
        assert [list(one.iter_attachments()) for one in server.mails] == [[], []]


def test_templates_can_be_replaced(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    folder = run.work / "templates"
    (folder / "pt").mkdir(parents=True)
    kind = "billing.user.created"
    (folder / f"{kind}.txt").write_text(
        "Subject: Hi {{ user.name }}\n\nSince {{ data.created_at | moment }}"
    )
    (folder / f"{kind}.html").write_text("<p>{{ user.name }}</p>")
    (folder / "pt" / f"{kind}.txt").write_text(
        "Subject: Olá {{ user.name }}\nDesde {{ data.created_at | date }}"
    )
    with mail_server() as server:
        configured(run, mail(server), environ=MAIL_SECRET, templatesFolder="templates")
        for user, language in (("ann", "de"), ("rui", "pt-BR"), ("eve", "../x")):
            words = ("--email", f"{user}@example.com", "--name", f"<{user}>")
            tongue = ("--language", language) if user != "eve" else ()
            run("user", "add", user, *words, *tongue, at=after(1)).ok()
        deliver(run, 10, MAIL_SECRET)
        subjects = [message["Subject"] for message in server.mails]
        assert subjects == ["Hi <ann>", "Olá <rui>", "Hi <eve>"]
        plain, html = server.mails[0].get_body(("plain",)), server.mails[0].get_body(("html",))
        assert plain is not None
        assert html is not None
        assert plain.get_content().strip() == "Since 2025-02-01 00:00 UTC"
        assert html.get_content().strip() == "<p>&lt;ann&gt;</p>"
        # One that is wrong fails the event, and says where; mended, it is sent.
        for wrong, why in (
            ("Hello", "does not begin with 'Subject:'"),
            ("Subject: {{ data.nothing }}", "has no attribute 'nothing'"),
            ("Subject: x\n{% if %}", "billing.user.created.txt:2 cannot be used"),
            ("Subject: x\n{{ user.__class__.__mro__ }}", "unsafe"),
            ("Subject: {{ 1 / 0 }}", "division by zero"),
        ):
            (folder / f"{kind}.txt").write_text(wrong)
            run("events", "replay", "evt_1", at=after(20)).ok()
            deliver(run, 30, MAIL_SECRET, code=7)
            assert why in open_ones(run)[0]["last_error"]
        (folder / f"{kind}.txt").unlink()
        deliver(run, 5000, MAIL_SECRET)
        assert server.mails[-1]["Subject"] == "Your account was created"


@pytest.fixture(name="program")
def _program(tmp_path: Path) -> Path:
    """A program that writes down what it is given."""
    path = tmp_path / "program.py"
    path.write_text(
        "import json, os, sys, time\n"
        "event = json.load(sys.stdin)\n"
        f"with open({str(tmp_path / 'told.jsonl')!r}, 'a') as file:\n"
        "    file.write(json.dumps([event, dict(os.environ), sys.argv[1:]]) + '\\n')\n"
        "user = event['data']['user_id']\n"
        "if user == 'slow': time.sleep(60)\n"
        "if user == 'bad': sys.exit('first line\\nthe \\x1b[31mlast\\tline')\n"
    )
    return path


def test_a_program_is_given_the_event(sqlite_invoke: Invoke, program: Path) -> None:
    run = sqlite_invoke
    words = [sys.executable, "-I", str(program), "$HOME; rm -rf /", "*"]
    sink = {"name": "run", "kind": "command", "command": words, "timeoutSeconds": 1}
    configured(run, sink)
    secret = {"BILLING_SINK_RUN_SECRET": PASSWORD, "STRIPE_SECRET_KEY": "sk_test_1", "TZ": "UTC"}
    add(run, "good", "bad", "slow")
    deliver(run, 10, secret, code=7)
    lines = (program.parent / "told.jsonl").read_text().splitlines()
    event, environ, arguments = json.loads(lines[0])
    assert (event["id"], event["data"]["user_id"]) == ("evt_1", "good")
    assert arguments == ["$HOME; rm -rf /", "*"]
    assert environ["BILLING_EVENT_ID"] == "evt_1"
    assert environ["BILLING_EVENT_TYPE"] == "billing.user.created"
    allowed = {"HOME", "PATH", "LANG", "TZ", "TMPDIR", "LC_CTYPE"}
    assert set(environ) <= allowed | {"BILLING_EVENT_ID", "BILLING_EVENT_TYPE"}
    bad, slow = (row["last_error"] for row in open_ones(run))
    assert bad == f"{sys.executable} ended with status 1: the [31mlast line"
    assert not UNSAFE & set(bad)
    assert slow == f"{sys.executable} was not done within 1 s"
    run.configure(notifications={"sinks": [{**sink, "command": ["/no/such/program"]}]})
    add(run, "more")
    deliver(run, 20, {}, code=7)
    assert open_ones(run)[-1]["last_error"] == "/no/such/program: No such file or directory"


class StreamSpace:
    """What is known of StreamSpace's API, in small."""

    def __init__(self) -> None:
        self.sessions = [
            {"name": "ann-1", "user": "ann/é", "state": "running"},
            {"name": "ann-2", "user": "ann/é", "state": "hibernated"},
            {"name": "ann 3", "user": "ann/é", "state": "pending"},
            {"name": "zoe-1", "user": "zoe", "state": "running"},
        ]
        self.asked: list[tuple[str, str]] = []
        self.status = 202

    def respond(self, request: Request) -> Answer:
        if request.headers["authorization"] != f"Bearer {TOKEN}":
            return Answer(401)
        if request.method == "GET":
            # An older version, say, that does not know the filter.
            assert request.path == "/base/api/v1/sessions?user=ann%2F%C3%A9"
            return Answer(200, body=json.dumps({"sessions": self.sessions}).encode())
        name = request.path.removeprefix("/base/api/v1/sessions/").replace("%20", " ")
        state = request.json()["state"]
        self.asked.append((name, state))
        if self.status == 202:
            next(one for one in self.sessions if one["name"] == name)["state"] = state
        return Answer(self.status)


def test_a_suspension_hibernates_the_users_sessions(invoke: Invoke) -> None:
    run = invoke
    with http_server() as server:
        known = StreamSpace()
        server.respond = known.respond
        sink: dict[str, object] = {"name": "stream", "kind": "streamspace"}
        sink["url"] = f"{server.url}/base/"
        configured(run, sink, environ=STREAM_SECRET)
        add(run, "ann/é")
        run("quota", "suspend", "ann/é", "--reason", "abuse", at=after(2)).ok()
        known.status = 500
        deliver(run, 10, STREAM_SECRET, code=7)
        assert known.asked == [("ann-1", "hibernated"), ("ann 3", "hibernated")]
        (row,) = open_ones(run)
        assert row["last_error"] == f"{HOST}:{server.port} answers 500 for session ann 3"
        known.status = 404
        deliver(run, 100, STREAM_SECRET)
        known.status = 202
        run("events", "replay", "evt_2", at=after(110)).ok()
        deliver(run, 120, STREAM_SECRET)
        assert [one["state"] for one in known.sessions] == ["hibernated"] * 3 + ["running"]
        # It wakes with its user, unless the operator wants it otherwise.
        run("quota", "resume", "ann/é", "--reason", "paid", at=after(130)).ok()
        deliver(run, 140, STREAM_SECRET)
        assert [one["state"] for one in known.sessions] == ["hibernated"] * 3 + ["running"]
        run.configure(notifications={"sinks": [{**sink, "wake": True}]})
        run("events", "replay", "evt_3", at=after(150)).ok()
        deliver(run, 160, STREAM_SECRET)
        assert [one["state"] for one in known.sessions] == ["running"] * 4
        # Answers that are none.
        for answer, why in (
            (Answer(401), "answers 401 for the list of sessions"),
            (Answer(200, body=b"<html>"), "the list of sessions is not JSON"),
            (Answer(200, body=b"[]"), "the answer has no list of sessions"),
        ):
            server.respond = lambda _, answer=answer: answer  # type: ignore[misc]
            run("events", "replay", "evt_2", at=after(170)).ok()
            deliver(run, 180, STREAM_SECRET, code=7)
            assert open_ones(run)[0]["last_error"] == f"{HOST}:{server.port}" + (
                f" {why}" if "answers" in why else f": {why}"
            )


@pytest.fixture(name="server")
def _server() -> Iterator[HttpServer]:
    with http_server() as server:
        yield server


def test_apprise_tells_every_url(
    sqlite_invoke: Invoke, server: HttpServer, capfd: pytest.CaptureFixture[str]
) -> None:
    run = sqlite_invoke
    place = server.url.removeprefix("http://")
    urls = f"json://user:{PASSWORD}@{place}/a\n\njson://{place}/b?+X-Token={TOKEN}\n"
    secret = {"BILLING_SINK_CHAT_SECRET": urls}
    sink: dict[str, object] = {"name": "chat", "kind": "apprise"}
    configured(run, sink, environ=secret)
    run("user", "add", "ann", "--name", "Ann", at=after(1)).ok()
    deliver(run, 10, secret)
    assert sorted(request.path for request in server.requests) == ["/a", "/b"]
    told = server.requests[0].json()
    assert told["title"] == "Your account was created"
    assert told["message"].startswith("Hello Ann,\n\nan account was created for you")
    server.respond = lambda request: Answer(500 if request.path == "/b" else 200)
    run("events", "replay", "evt_1", at=after(20)).ok()
    deliver(run, 30, secret, code=7)
    assert open_ones(run)[0]["last_error"] == "not every service of apprise took the message"
    for wrong, why in (
        (f"nonsense://{PASSWORD}", "its URL number 1 is not known to apprise"),
        ("\n", "it has no URLs"),
        ("", "its URLs is missing"),
    ):
        refused = run(*RUN, at=after(5000), environ={"BILLING_SINK_CHAT_SECRET": wrong})
        assert refused.exit_code == 7
        assert PASSWORD not in refused.stderr
        assert why in refused.stderr or why.replace(" is ", " are ") in refused.stderr
    printed = capfd.readouterr()
    assert (printed.out, printed.err) == ("", "")
