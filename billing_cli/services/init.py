"""Setting a new installation up."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from billing_cli.errors import UnavailableError
from billing_cli.settings import LOCAL_CONFIG, named_config, sample_text
from billing_cli.store.schema import ensure_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from billing_cli.app import App


def prepare(app: App, file: Path | None) -> Iterator[str]:
    """Write the sample config unless the file exists; set the database up; tell what is done.

    Without ``file`` the one is written that is named to all commands, or the one that they find.
    """
    named, origin = named_config(app.config, os.environ) or (None, "")
    file = file or named or LOCAL_CONFIG
    try:
        # Exclusive: what somebody else writes at this moment is not overwritten either.
        with file.open("x", encoding="utf-8") as stream:
            stream.write(sample_text())
        yield f"wrote {file}; docs/configuration.md explains each key"
    except FileExistsError:
        yield f"kept {file}, which is already there"
    except OSError as error:
        raise UnavailableError(
            f"{file} cannot be written: {error.strerror}", "name another with --file"
        ) from error
    if named is None:
        app.config = str(file)
        if file != LOCAL_CONFIG:
            yield f"commands read it with --config {file}, or where BILLING_CONFIG names it"
    elif file != named:
        yield f"commands go on reading {named}, which {origin} names"
    ensure_schema(app.engine)
    yield f"the database {app.settings.shown_database_url} is ready"
    yield "next: billing meter ingest FILE, billing meter run, billing invoice generate"
