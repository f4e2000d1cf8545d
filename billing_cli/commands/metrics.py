"""``billing metrics``: numbers for Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from billing_cli.app import App
from billing_cli.commands.examples import examples
from billing_cli.output import emit_bytes


@examples(
    "billing metrics",
    "billing metrics --textfile /var/lib/prometheus/node-exporter/billing.prom",
)
def metrics(
    context: typer.Context,
    textfile: Annotated[
        Path | None,
        typer.Option(
            "--textfile",
            metavar="FILE",
            help="Write them to this file (NAME.prom) of the textfile collector's folder.",
        ),
    ] = None,
) -> None:
    """Print numbers for Prometheus: jobs, invoices, payments, credits, metering, quotas.

    With --textfile the file is replaced as a whole, so that no reader sees a part of it, and
    nothing is printed.
    """
    from billing_cli.services import metrics as service

    app: App = context.obj
    text = service.text(app)
    if textfile is None:
        emit_bytes([text.encode()])
    else:
        service.write(text, textfile)
