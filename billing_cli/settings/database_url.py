"""Database URLs as operators write them: bare paths, ``postgres://``, and passwords to hide."""

from __future__ import annotations

import re
from pathlib import Path

MASK = "********"

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://", re.ASCII)
_POSTGRES = {"postgresql", "postgres", "postgresql+psycopg"}

# Greedy up to the last "@": a password may hold one, and hiding too much does no harm.
_USERINFO_PASSWORD = re.compile(r"(://[^:/@?#]*:)(.*)(@)", re.DOTALL)
_QUERY_PASSWORD = re.compile(r"([?&](?:ssl)?password=)([^&]*)", re.IGNORECASE)


def normalise_database_url(text: str) -> str:
    """Return ``text`` as a ``sqlite:///`` or ``postgresql://`` URL.

    A text without a scheme is the path of a SQLite file (``~`` is the home folder); relative
    paths stay relative to the working directory. Raises ``ValueError`` with a reason that
    completes the sentence "KEY ..." and repeats nothing of the text, which may hold a password.
    """
    if not text.strip():
        raise ValueError("must not be empty")
    if not text.isprintable() or text != text.strip():
        raise ValueError("must not hold control characters, or spaces at its ends")
    match = _SCHEME.match(text)
    if match is None:
        return _sqlite_file(text)
    scheme = match.group(1).lower()
    rest = text[match.end() :]
    if scheme in _POSTGRES:
        return f"postgresql://{rest}"
    if scheme == "sqlite":
        if rest and not rest.startswith("/"):
            raise ValueError(
                "must have three slashes before a relative path (sqlite:///billing.db)"
                " and four before an absolute one (sqlite:////var/lib/billing.db)"
            )
        return f"sqlite://{rest}"
    raise ValueError("must be a SQLite file or start with sqlite:/// or postgresql://")


def _sqlite_file(path: str) -> str:
    if "?" in path or "://" in path:
        raise ValueError('must not hold "?" or "://" unless it is a URL')
    if path.startswith("~"):
        try:
            path = str(Path(path).expanduser())
        except RuntimeError:
            raise ValueError("names a home folder that cannot be found") from None
    return f"sqlite:///{path}"


def mask_database_url(url: str) -> str:
    """Return the URL with every password in it replaced by asterisks."""
    masked = _USERINFO_PASSWORD.sub(rf"\1{MASK}\3", url)
    return _QUERY_PASSWORD.sub(rf"\1{MASK}", masked)


def has_password(url: str) -> bool:
    """Tell whether the URL holds a password."""
    found = (_USERINFO_PASSWORD.search(url), _QUERY_PASSWORD.search(url))
    return any(match is not None and match.group(2) for match in found)
