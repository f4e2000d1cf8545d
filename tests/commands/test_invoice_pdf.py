"""``billing invoice pdf``: which documents it writes, where, and what it says when it cannot."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.commands.support import session, take_in
from tests.documents import reader, text_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.command_line import Invoke

NOW = "2025-02-01T06:00:00Z"
HOSTILE = '\x1b[31m#read("/etc/passwd")\u202e\n\'; --'
SHOWN = '\\x1b[31m#read("/etc/passwd")\\u202e\\n\';--'
CONFIG: Mapping[str, Any] = {
    "timezone": "Europe/Berlin",
    "taxes": [{"id": "vat", "name": "VAT 20%", "percent": 20, "default": True}],
    "company": {
        "name": "Example Cloud Ltd",
        "address": "12 Harbour Street\nBristol",
        "logo": "logo.svg",
        "paymentInstructions": "IBAN GB33",
    },
    "paymentLink": "https://pay.example.com/{invoice_number}?u={user_id}&d={amount}{currency}",
}
SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="40" height="9"/>'


def prepared(invoke: Invoke) -> Invoke:
    """Invoices of a hostile name, of ann and of john, sent."""
    invoke.configure(**CONFIG)
    (invoke.work / "logo.svg").write_text(SVG)
    take_in(
        invoke,
        *session("2025-01-10T00:00:00Z", "2025-01-20T00:00:00Z", "s1", "ann"),
        *session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s2", "john"),
        *session("2025-01-10T00:00:00Z", "2025-01-11T00:00:00Z", "s3", HOSTILE),
        at=NOW,
    )
    profile = ("--name", "Jörg Müller", "--address", "Hauptstraße 5\n10115 Berlin")
    invoke("user", "edit", "john", *profile, "--language", "de", "--tax-number", "DE1").ok()
    invoke("invoice", "generate", "--finalize", at=NOW).ok()
    return invoke


@pytest.fixture(name="run")
def _run(invoke: Invoke) -> Invoke:
    return prepared(invoke)


@pytest.fixture(name="on_sqlite")
def _on_sqlite(sqlite_invoke: Invoke) -> Invoke:
    return prepared(sqlite_invoke)


def written(run: Invoke, *words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run("invoice", "pdf", *words, "-o", "json", at=NOW).ok().json()
    return rows


def test_the_documents_say_what_the_invoices_say(run: Invoke) -> None:
    number = {row["user_id"]: row["invoice_number"] for row in listed(run)}["john"]
    run("invoice", "pay", number, "--amount", "0.50", "--reference", "Transfer 7", at=NOW).ok()
    run("invoice", "credit-note", number, "--line", "1", "--reason", "Not used", at=NOW).ok()
    (first, second) = written(run, number, "CN-2025-000001", number)
    assert (first["file"], first["kind"]) == (f"{number}.pdf", "invoice")
    assert (second["file"], second["kind"]) == ("CN-2025-000001.pdf", "credit_note")
    made = (run.work / first["file"]).read_bytes()
    assert len(made) == first["bytes"]
    text = text_of(made)
    shown = run("invoice", "show", number, "-o", "json", at=NOW).ok().json()
    for part in (
        "Jörg Müller Hauptstraße 5 10115 Berlin Steuernr. DE1",
        f"Rechnungsnummer {number} Datum 01.02.2025 Fällig am 15.02.2025",
        "Zeitraum 1.–31. Jan. 2025",
        "CPU 24,00 Kernstunden 0,05 1,20",
        "VAT 20% 0,34",
        f"Gesamtbetrag {shown['total'].replace('.', ',')} $",
        "Zahlung vom 01.02.2025 -0,50",
        "Gutschrift CN-2025-000001 vom 01.02.2025",
        f"Offener Betrag {shown['amount_due'].replace('.', ',')} $",
        f"https://pay.example.com/{number}?u=john&d={shown['amount_due']}USD",
    ):
        assert part in text, part
    credited = text_of((run.work / second["file"]).read_bytes())
    assert f"Zur Rechnung {number}" in credited
    assert "CPU: Not used 1,20" in credited
    assert "Gutschriftbetrag 1,44 $" in credited
    assert "Zahlung vom" not in credited
    written(run, number)
    assert (run.work / first["file"]).read_bytes() == made


def listed(run: Invoke) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run("invoice", "list", "-o", "json", at=NOW).ok().json()
    return rows


def test_a_period_stands_for_its_final_invoices(run: Invoke) -> None:
    take_in(run, *session("2025-02-01T00:00:00Z", "2025-02-01T05:00:00Z", "s4", "ann"), at=NOW)
    run("invoice", "void", "2", "--reason", "wrong", at=NOW).ok()
    (draft,) = run("invoice", "generate", "--period", "2025-02", "-o", "json", at=NOW).ok().json()
    everything = listed(run)
    final = [row for row in everything if row["status"] == "sent"]
    rows = written(run, "--period", "2025-01", "--out", "january", "--language", "en")
    assert [row["number"] for row in rows] == [row["invoice_number"] for row in final]
    assert sorted(file.name for file in (run.work / "january").iterdir()) == [
        f"{row['invoice_number']}.pdf" for row in sorted(final, key=lambda row: row["id"])
    ]
    texts = [text_of((run.work / row["file"]).read_bytes()) for row in rows]
    assert any(SHOWN in "".join(text.split()) for text in texts)
    assert not set("".join(texts)) & set("\x1b\u202e")
    (void,) = written(run, "2")
    assert "VOID" in text_of((run.work / void["file"]).read_bytes())
    (open_,) = written(run, str(draft["id"]), "--paper", "letter", "--out", "d.pdf")
    assert (open_["file"], open_["number"]) == ("d.pdf", None)
    page = reader((run.work / "d.pdf").read_bytes()).pages[0]
    assert round(page.mediabox.width) == 612
    assert "DRAFT" in page.extract_text()
    assert written(run, "--user", "ann", "--period", "2025-01") == []
    assert run("invoice", "pdf", "--user", "ann", at=NOW).stderr == (
        "no invoices to make documents of\n"
    )


def test_one_document_goes_to_standard_output(on_sqlite: Invoke) -> None:
    run = on_sqlite
    path = run.work / "one.pdf"
    written(run, "1", "--out", str(path))
    # The harness decodes what is printed: a process of its own gives the bytes.
    command = [sys.executable, "-m", "billing_cli", "--database", run.database]
    done = subprocess.run(
        [*command, "invoice", "pdf", "1", "--out", "-"],
        capture_output=True,
        check=True,
        cwd=run.work,
    )
    assert done.stdout == path.read_bytes()
    assert done.stderr == b""


MISTAKES = [
    ([], 2, "name invoices, or else a --period or a --user"),
    (["1", "--period", "2025-01"], 2, "name invoices, or else a --period or a --user"),
    (["1", "--language", "xx"], 2, "--language: there are no words for 'xx'"),
    (["1", "2", "--out", "-"], 2, "--out - takes one document, and 2 are chosen"),
    (["1", "2", "--out", "a.pdf"], 2, "--out: a.pdf is a file"),
    (["1", "--out", "~nobody-here/"], 2, "--out: ~nobody-here/ names a home folder that cannot"),
    (["1", "INV-9"], 3, "there is no invoice 'INV-9'"),
    (["--user", "nobody"], 3, "there is no user 'nobody'"),
    (["1", "--template", "none.typ"], 3, "--template: there is no file none.typ"),
    (["1", "--out", "billing.json"], 4, "billing.json is there already and is not a PDF"),
    (["1", "--template", "wrong.typ"], 5, "the template wrong.typ, line 1: panicked"),
    (["1", "--out", "none/a.pdf"], 6, "none/a.pdf cannot be written"),
    (["1", "--out", "none/b/"], 6, "cannot make the folder none/b"),
]


def test_what_cannot_be_done_is_said(on_sqlite: Invoke) -> None:
    run = on_sqlite
    (run.work / "wrong.typ").write_text('#panic("x")')
    before = sorted(run.work.iterdir())
    for words, code, message in MISTAKES:
        result = run("invoice", "pdf", *words, at=NOW)
        assert (result.exit_code, result.stdout) == (code, ""), words
        assert result.stderr.startswith(f"error: {message}"), words
        assert sorted(run.work.iterdir()) == before


def test_a_failure_does_not_stop_the_others(on_sqlite: Invoke) -> None:
    run = on_sqlite
    folder = run.work / "out"
    folder.mkdir()
    (folder / "INV-2025-000002.pdf").write_text("mine")
    result = run("invoice", "pdf", "1", "2", "3", "--out", "out/", "-o", "json", at=NOW)
    assert result.exit_code == 7
    assert [row["number"] for row in result.json()] == [
        "INV-2025-000001",
        "INV-2025-000003",
    ]
    assert result.stderr == (
        "error: 1 of 3 documents could not be made:\n"
        "  INV-2025-000002: out/INV-2025-000002.pdf is there already and is not a PDF\n"
        "hint: mend what is named, and run it again for these\n"
    )
    assert (folder / "INV-2025-000002.pdf").read_text() == "mine"


def test_settings_name_template_logo_and_language(sqlite_invoke: Invoke) -> None:
    run = sqlite_invoke
    take_in(run, *session("2025-01-10T00:00:00Z", "2025-01-20T00:00:00Z"), at=NOW)
    run("invoice", "generate", "--finalize", at=NOW).ok()
    (run.work / "own.typ").write_text(
        "#let doc = json(bytes(sys.inputs.document))\n#doc.title in #doc.paper \U000f0000"
    )
    run.configure(documents={"template": "own.typ", "language": "fr", "paper": "letter"})
    result = run("invoice", "pdf", "1", at=NOW).ok()
    assert result.stderr.startswith(
        "warning: Invoice INV-2025-000001: no font has \\U000f0000"
    ) or result.stderr.startswith("warning: Invoice INV-2025-000001: no font has \U000f0000")
    made = (run.work / "INV-2025-000001.pdf").read_bytes()
    assert "Facture INV-2025-000001 in letter" in text_of(made)
    run.configure(company={"logo": "missing.png"})
    result = run("invoice", "pdf", "1", at=NOW)
    assert result.exit_code == 8
    assert "missing.png cannot be read: No such file or directory" in result.stderr
    for part in ({"company": {"logo": "~nobody-here/a.png"}}, {"documents": {"template": "~-"}}):
        run.configure(**part)
        result = run("invoice", "pdf", "1", at=NOW)
        assert result.exit_code == 8
        assert "names a home folder that cannot be found" in result.stderr


@pytest.mark.parametrize("library", ["typst", "babel", "segno"])
def test_without_the_extra_it_says_what_to_install(
    sqlite_invoke: Invoke, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from billing_cli.gateway import languages, pdf

    run = sqlite_invoke
    run.configure(paymentLink="https://pay.example.com")
    take_in(run, *session("2025-01-10T00:00:00Z", "2025-01-20T00:00:00Z"), at=NOW)
    run("invoice", "generate", "--finalize", at=NOW).ok()
    pdf.typesetter.cache_clear()
    languages.language.cache_clear()
    monkeypatch.setitem(sys.modules, library, None)
    result = run("invoice", "pdf", "1", at=NOW)
    languages.language.cache_clear()
    assert result.exit_code == 8
    assert result.stderr == (
        f"error: PDF documents need {library}, which is not installed\n"
        "hint: install it with: pip install 'billing-cli[pdf]'\n"
    )
