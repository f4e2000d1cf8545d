"""A rejected CSV row by itself, with its header."""

from __future__ import annotations

from billing_cli.gateway.event_csv import split_csv
from billing_cli.gateway.event_lines import BadLine, FileProblem, Line


def read_row(header: bytes, row: bytes) -> Line | BadLine:
    """Read one row under its header, by the rules of a CSV file that holds nothing else."""
    # An empty header must not let the row pass for one.
    found = list(split_csv([header or b'""', b"\n", row]))
    if len(found) != 1:
        return BadLine(1, row, "it has to be one row")
    (only,) = found
    return BadLine(1, row, only.reason) if isinstance(only, FileProblem) else only
