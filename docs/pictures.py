"""Makes the pictures of the documentation, by `make pictures`.

From the files of `make demo`. The invoice is the first page of what `billing invoice pdf` makes of
it, the dashboard what `billing dashboard` prints on a terminal of 100 columns.
"""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import re
import struct
import subprocess
import sys
import tempfile
import termios
from importlib.resources import files
from pathlib import Path
from typing import Final

import typst
from rich.console import Console
from rich.text import Text

from billing_cli.app import App
from billing_cli.gateway import pdf
from billing_cli.services.invoice_pdf import Printer
from billing_cli.store import invoices

ROOT: Final = Path(__file__).parent.parent
EXAMPLES: Final = ROOT / "examples"
INVOICE: Final = ROOT / "docs" / "images" / "invoice.png"
NUMBER: Final = "INV-1994-000007"
PIXELS_PER_INCH: Final = 110
DASHBOARD: Final = ROOT / "docs" / "images" / "dashboard.svg"
WORDS: Final = "dashboard --sort use"
WIDTH, HEIGHT = 100, 36
MOMENT: Final = "1993-11-24T17:05:00Z"
# Fonts from elsewhere: whoever looks at the picture has one of fixed width.
FONT_FACES: Final = re.compile(r"@font-face \{\{.*?\}\}\s*", re.DOTALL)

COMMANDS: Final = (
    ("1993-10-01T00:00:00Z", f"user import {EXAMPLES / 'hybrid-users.csv'}"),
    ("1994-02-01T00:00:00Z", f"meter ingest {EXAMPLES / 'nasa-ipsc-1993.jsonl.gz'}"),
    ("1993-11-15T12:00:00Z", "subscription change --user user-007 --plan lab"),
    ("1993-11-20T00:00:00Z", "credits add --user user-007 --amount 50.00 --reason Downtime"),
    ("1994-02-01T00:00:00Z", "invoice generate --period 1993-11 --finalize"),
)


DASHBOARD_COMMANDS: Final = (
    ("1993-11-13T00:00:00Z", "payment import bank.csv"),
    ("1993-11-15T12:00:00Z", "subscription change --user user-007 --plan lab"),
    ("1993-11-20T00:00:00Z", "credits add --user user-007 --amount 50.00 --reason Downtime"),
    ("1993-11-22T00:00:00Z", "quota set user-023 --cpu-limit 6"),
    ("1993-11-22T00:00:00Z", "quota set user-011 --spend-limit 25.00"),
    ("1993-11-23T00:00:00Z", "quota suspend user-024 --reason Disputed"),
    (MOMENT, "meter run"),
)


def make_dashboard(folder: Path) -> str:
    """Return the picture of the dashboard, made in an empty folder."""
    environ = {
        **os.environ,
        "BILLING_CONFIG": str(EXAMPLES / "hybrid.json"),
        "BILLING_DATABASE_URL": "hybrid.db",
        "TERM": "xterm-256color",
        "COLORTERM": "truecolor",
    }

    def billing(at: str, words: str) -> str:
        command = [sys.executable, "-m", "billing_cli", "--at", at, *words.split()]
        return subprocess.run(
            command, check=True, env=environ, cwd=folder, capture_output=True, text=True
        ).stdout

    for at, words in COMMANDS[:2]:
        billing(at, words)
    october = billing("1993-11-02T06:00:00Z", "invoice generate --finalize -o csv")
    paid = ["date,amount,reference"]
    for number, row in enumerate(csv.DictReader(io.StringIO(october)), 1):
        if (number + 1) % 5:
            paid.append(f"1993-11-12,{row['total']},{row['invoice_number']}")
    (folder / "bank.csv").write_text("\n".join(paid) + "\n")
    for at, words in DASHBOARD_COMMANDS:
        billing(at, words)
    return _picture(_on_terminal(["--at", MOMENT, *WORDS.split()], environ, folder))


def _on_terminal(words: list[str], environ: dict[str, str], folder: Path) -> str:
    """Return what a command prints on a terminal."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", HEIGHT, WIDTH, 0, 0))
    command = [sys.executable, "-m", "billing_cli", *words]
    with subprocess.Popen(command, stdout=terminal, env=environ, cwd=folder):
        os.close(terminal)
        pieces = []
        try:
            while piece := os.read(screen, 65_536):
                pieces.append(piece)
        except OSError:  # Linux says so when the other end is closed.
            pass
    os.close(screen)
    return b"".join(pieces).decode().replace("\r\n", "\n")


def _picture(printed: str) -> str:
    from rich._export_format import CONSOLE_SVG_FORMAT

    console = Console(
        record=True, file=io.StringIO(), width=WIDTH, force_terminal=True, color_system="truecolor"
    )
    console.print(Text.from_ansi(f"$ billing {WORDS}\n" + printed.rstrip()), soft_wrap=True)
    code_format = FONT_FACES.sub("", CONSOLE_SVG_FORMAT)
    return console.export_svg(title="billing", code_format=code_format, unique_id="dashboard")


def make_invoice(folder: Path) -> bytes:
    """Return the picture of the invoice, made in an empty folder."""
    config, database = str(EXAMPLES / "hybrid.json"), str(folder / "hybrid.db")
    environ = {**os.environ, "BILLING_CONFIG": config, "BILLING_DATABASE_URL": database}
    for at, words in COMMANDS:
        command = [sys.executable, "-m", "billing_cli", "--at", at, *words.split()]
        subprocess.run(command, check=True, env=environ, stdout=subprocess.DEVNULL)
    app = App(config=config, database=database)
    printer = Printer(app)
    with app.unit_of_work() as uow, uow.reading() as tx:
        found = invoices.find(tx, NUMBER)
        assert found is not None
        (document,) = printer.of_invoices(tx, [found])
    logo = pdf.read_logo(EXAMPLES / "logo.svg")
    (folder / logo.name).write_bytes(logo.content)
    template = folder / "invoice.typ"
    template.write_bytes(files("billing_cli").joinpath("documents", "invoice.typ").read_bytes())
    picture = typst.compile(
        template,
        format="png",
        ppi=PIXELS_PER_INCH,
        font_paths=pdf.fonts(),
        sys_inputs={"document": json.dumps(printer.data(document))},
    )
    assert isinstance(picture, bytes)
    return picture


if __name__ == "__main__":
    INVOICE.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        INVOICE.write_bytes(make_invoice(Path(name)))
    with tempfile.TemporaryDirectory() as name:
        DASHBOARD.write_text(make_dashboard(Path(name)), encoding="utf-8")
    for made in (INVOICE, DASHBOARD):
        print(f"{made.relative_to(ROOT)}: {made.stat().st_size:,} bytes")
