"""A rejected CSV row by itself, with its header: as one JSON object it goes out and in again."""

from __future__ import annotations

import json

import msgspec

from billing_cli.gateway.event_csv import split_csv
from billing_cli.gateway.event_lines import BadLine, FileProblem, Line


class _ExportedRow(msgspec.Struct, forbid_unknown_fields=True):
    header: str
    row: str


_decode = msgspec.json.Decoder(_ExportedRow).decode


def export_row(header: bytes, row: bytes, *, complete: bool) -> bytes:
    """Return a row and its header as one line of JSON; a line break ends only a complete row.

    Bytes that are not UTF-8 stay as they are, for whoever mends the row.
    """
    texts = {"header": header, "row": row + b"\n" if complete else row}
    document = {name: text.decode(errors="surrogateescape") for name, text in texts.items()}
    return json.dumps(document, ensure_ascii=False).encode(errors="surrogateescape")


def read_exported(raw: bytes) -> Line | BadLine | None:
    """Return what an exported row is by now, None if ``raw`` is none."""
    try:
        exported = _decode(raw)
    except (ValueError, RecursionError):
        return None
    return read_row(exported.header.encode(), exported.row.encode())


def read_row(header: bytes, row: bytes) -> Line | BadLine:
    """Read one row under its header, by the rules of a CSV file that holds nothing else."""
    # An empty header must not let the row pass for one.
    found = list(split_csv([header or b'""', b"\n", row]))
    if len(found) != 1:
        return BadLine(1, row, "it has to be one row")
    (only,) = found
    return BadLine(1, row, only.reason) if isinstance(only, FileProblem) else only
