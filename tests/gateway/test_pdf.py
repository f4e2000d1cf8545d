"""Documents are read back: their text, pages, metadata, and what stands in nobody's way."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from billing_cli.errors import ConflictError, InvalidDataError, NotConfiguredError, UnavailableError
from billing_cli.gateway import pdf
from billing_cli.pricing.invoice_pdf import Line
from tests.documents import (
    INVOICE,
    LINE,
    data,
    language_of,
    links_of,
    named,
    reader,
    text_of,
    typeset,
)

if TYPE_CHECKING:
    from pathlib import Path


def test_an_invoice_says_what_it_should() -> None:
    made = typeset(INVOICE)
    text = text_of(made.pdf)
    for part in (
        "Example Cloud Ltd",
        "Tax no. GB 123 4567 89",
        "OVERDUE",
        "John Doe Hauptstraße 5 john@example.com Tax no. DE123456789",
        "Invoice number INV-2025-000001",
        "Due date Feb 28, 2025",
        "CPU overage 20.00 core-hours 0.05 1.00",
        "Amount (USD)",
        "VAT 20% 11.20",
        "Credits -5.00",
        "Total $62.19",
        "Payment, Feb 3, 2025 -10.00",
        "Credit note CN-2025-000001, Feb 4, 2025 -20.00",
        "Balance due $32.19",
        "Order 4711",
        "Credited to your account: $3.00",
        "Refunded: $7.00",
        "IBAN GB33 BUKB 2020 1555 5555 55",
        "https://pay.example.com/INV-2025-000001",
        "Registered in England No. 01234567",
        "1 / 1",
    ):
        assert part in text, part
    found = reader(made.pdf)
    assert found.metadata is not None
    assert found.metadata.title == "Invoice INV-2025-000001"
    assert found.metadata.author == "Example Cloud Ltd"
    assert str(found.metadata.creation_date).startswith("2025-02-01 00:00:00")
    assert language_of(found) == "en"
    assert b"pdfaid:part>2<" in made.pdf.replace(b" ", b"")
    assert set(links_of(found)) == {"https://pay.example.com/INV-2025-000001"}


def test_the_same_data_give_the_same_bytes() -> None:
    assert typeset(INVOICE) == typeset(INVOICE)
    assert typeset(INVOICE).pdf != typeset(replace(INVOICE, number="INV-2025-000002")).pdf


def test_a_long_invoice_repeats_the_head_and_counts_its_pages() -> None:
    lines = tuple(replace(LINE, description=f"Job {at:03}", item=None) for at in range(400))
    found = reader(typeset(replace(INVOICE, lines=lines, payment_url=None), paper="letter").pdf)
    pages = [" ".join(page.extract_text().split()) for page in found.pages]
    assert len(pages) > 5
    assert {tuple(map(round, page.mediabox.upper_right)) for page in found.pages} == {(612, 792)}
    for number, page in enumerate(pages, 1):
        assert f"{number} / {len(pages)}" in page
        assert ("Unit price" in page) == ("Job" in page)
        assert ("Invoice INV-2025-000001" in page) == (number > 1)
    whole = " ".join(pages)
    assert [at for at in range(400) if f"Job {at:03}" not in whole] == []
    assert "Balance due $32.19" in pages[-1]


@pytest.mark.parametrize(
    ("tag", "name", "said"),
    [
        ("he", "חברת הענן בע״מ", "חשבונית"),
        ("ar", "شركة السحابة", "فاتورة"),
        ("ja", "株式会社サンプル", "請求書"),
        ("zh", "示例云计算", "账单"),
        ("zh-TW", "範例雲端", "帳單"),
        ("ko", "예시 클라우드", "청구서"),
        ("ru", "Пример Облако", "Счёт"),
        ("el", "Παράδειγμα", "Τιμολόγιο"),
        ("pl", "Źdźbło Chmura", "Faktura"),
        ("en", "उदाहरण क्लाउड", "Invoice"),
        ("de", "שלום GmbH & شركة", "Rechnung"),
    ],
)
def test_names_of_any_script_are_shown(tag: str, name: str, said: str) -> None:
    made = typeset(named(name), tag)
    assert made.missing == ()
    found = reader(made.pdf)
    # What is written from right to left, and what is composed, is read back by its letters.
    letters = set("".join(page.extract_text() for page in found.pages))
    assert set(said) - letters == set()
    if tag not in {"ar", "en", "de"}:
        assert set(name) - {" "} - letters == set()
    assert language_of(found).startswith(tag[:2])


def test_what_no_font_has_is_told_and_shown_as_a_box() -> None:
    made = typeset(named("\U000f0000 and \U00100000"))
    assert made.missing == ("\U000f0000", "\U00100000")
    assert "and" in text_of(made.pdf)
    assert b"pdfaid:part" not in made.pdf


def test_without_the_fonts_of_the_extras_there_are_those_of_the_typesetter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import typst

    bare = typst.Fonts(include_system_fonts=False)
    monkeypatch.setattr(pdf, "fonts", lambda: bare)
    own = pdf.Typesetter(b"= A", "bare", None)
    assert own.families("jpan") == ("Libertinus Serif",)
    assert own.missing("Invoice Rechnung Счёт Τιμολόγιο", own.families(None)) == ()
    assert own.missing("請求書", own.families("jpan")) == ("請", "求", "書")


@pytest.mark.parametrize(
    "name",
    [
        '#read("/etc/passwd") #sys.inputs *b* _i_ [x](y) <label> @ref $x$ `raw` \\u{41} // c',
        "= Heading\n- list\n#panic()",
        '"); #eval("1") \\',
        "W" * 200,
        "a\u200cb\u200dc",
    ],
)
def test_names_are_text_whatever_they_hold(name: str) -> None:
    made = typeset(named(name))
    wanted = "".join(name.split()).replace("\u200c", "").replace("\u200d", "")
    found = "".join(text_of(made.pdf).split()).replace("\u200c", "").replace("\u200d", "")
    assert wanted in found
    assert len(reader(made.pdf).pages) == 1


def test_long_words_are_broken() -> None:
    line = Line("manual", "x" * 200, 10**17)
    made = typeset(named("y" * 200, lines=(line,), total=10**17, balance_due=10**17))
    lines = reader(made.pdf).pages[0].extract_text().replace("\u200b", "").splitlines()
    assert max(text.count("x") for text in lines) < 110
    assert max(text.count("y") for text in lines) < 60
    assert "$1,000,000,000,000,000.00" in text_of(made.pdf)


@pytest.mark.parametrize(
    ("currency", "shown"), [("JPY", "¥3,219"), ("KWD", "KWD3.219"), ("HUF", "HUF32.19")]
)
def test_each_currency_has_its_decimals(currency: str, shown: str) -> None:
    text = text_of(typeset(replace(INVOICE, currency=currency)).pdf).replace("\u00a0", "")
    assert f"Balance due {shown}" in text


@pytest.mark.parametrize("state", ["draft", "void", "paid", "sent"])
def test_each_state_is_marked(state: str) -> None:
    document = replace(INVOICE, state=state, number=None if state == "draft" else "INV-1")
    text = text_of(typeset(document).pdf)
    assert (state.upper() in text) == (state != "sent")
    assert ("Invoice number Draft" in text) == (state == "draft")
    assert text.count("VOID") == 2 * (state == "void")


def own(folder: Path, text: str, logo: pdf.Picture | None = None) -> pdf.Typesetter:
    path = folder / "own.typ"
    path.write_text(text)
    return pdf.Typesetter(path.read_bytes(), "the template own.typ", logo)


DATA = "#let doc = json(bytes(sys.inputs.document))\n"


def test_a_template_of_ones_own_gets_the_data_and_the_logo(tmp_path: Path) -> None:
    picture = tmp_path / "big.SVG"
    picture.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')
    logo = pdf.read_logo(picture)
    assert logo.name == "logo.svg"
    setter = own(tmp_path, DATA + "#doc.title is #doc.total.value #image(doc.seller.logo)", logo)
    given = data(INVOICE)
    made = setter.typeset({**given, "seller": {**given["seller"], "logo": logo.name}}, 86_400)
    assert text_of(made.pdf) == "Invoice INV-2025-000001 is 62.19"
    found = reader(made.pdf).metadata
    assert found is not None
    assert str(found.creation_date).startswith("1970-01-02")


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ('#read("/etc/passwd")', "line 2: file not found"),
        ('#read("../secret.txt")', "line 2: "),
        ("#doc.nonsense", 'line 2: dictionary does not contain key "nonsense"'),
        ("#(1 + )", "line 2: "),
    ],
)
def test_a_template_that_is_wrong_says_where(tmp_path: Path, template: str, message: str) -> None:
    (tmp_path / "secret.txt").write_text("secret")
    with pytest.raises(InvalidDataError) as caught:
        own(tmp_path, DATA + template).typeset(data(INVOICE), 0)
    assert caught.value.message.startswith(f"the template own.typ, {message}")
    assert "\n" not in caught.value.message


def test_a_template_can_import_no_package(tmp_path: Path) -> None:
    path = tmp_path / "own.typ"
    path.write_text('#import "@preview/cetz:0.3.0"')
    with pytest.raises(InvalidDataError, match="imports a package"):
        pdf.typesetter(path, None)


@pytest.mark.parametrize("name", ["logo.pdf", "missing.png", "folder.png"])
def test_a_logo_that_cannot_be_used_says_so(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(NotConfiguredError, match=name):
        pdf.read_logo(tmp_path / name)


def test_a_link_too_long_for_a_code_has_none() -> None:
    assert pdf.qr_code("x" * 4_000) is None
    code = pdf.qr_code("https://pay.example.com/1")
    assert code is not None
    assert code.startswith("<svg")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    pdf.write_pdf(path, b"%PDF-1")
    pdf.write_pdf(path, b"%PDF-2")
    assert path.read_bytes() == b"%PDF-2"
    (tmp_path / "books.db").write_bytes(b"SQLite")
    (tmp_path / "folder").mkdir()
    for name in ("books.db", "folder"):
        with pytest.raises(ConflictError):
            pdf.write_pdf(tmp_path / name, b"%PDF-3")
    with pytest.raises(UnavailableError):
        pdf.write_pdf(tmp_path / "nowhere" / "a.pdf", b"%PDF-3")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["a.pdf", "books.db", "folder"]
