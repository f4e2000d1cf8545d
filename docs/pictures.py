"""Makes the pictures of the documentation, by `make pictures`.

The invoice is that of `make demo`, from the same files: the first page of what
`billing invoice pdf` makes of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib.resources import files
from pathlib import Path
from typing import Final

import typst

from billing_cli.app import App
from billing_cli.gateway import pdf
from billing_cli.services.invoice_pdf import Printer
from billing_cli.store import invoices

ROOT: Final = Path(__file__).parent.parent
EXAMPLES: Final = ROOT / "examples"
INVOICE: Final = ROOT / "docs" / "images" / "invoice.png"
NUMBER: Final = "INV-1994-000007"
PIXELS_PER_INCH: Final = 110

COMMANDS: Final = (
    ("1993-10-01T00:00:00Z", f"user import {EXAMPLES / 'hybrid-users.csv'}"),
    ("1994-02-01T00:00:00Z", f"meter ingest {EXAMPLES / 'nasa-ipsc-1993.jsonl.gz'}"),
    ("1993-11-15T12:00:00Z", "subscription change --user user-007 --plan lab"),
    ("1993-11-20T00:00:00Z", "credits add --user user-007 --amount 50.00 --reason Downtime"),
    ("1994-02-01T00:00:00Z", "invoice generate --period 1993-11 --finalize"),
)


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
    print(f"{INVOICE.relative_to(ROOT)}: {INVOICE.stat().st_size:,} bytes")
