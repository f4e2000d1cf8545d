"""How the columns of all tables are declared, so that both databases treat them alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import BigInteger, Column, Integer, Text
from sqlmodel import Field

if TYPE_CHECKING:
    from sqlalchemy.types import TypeEngine

# Byte order on both databases: SQLite's own default, and what PostgreSQL calls "C".
BYTE_ORDERED = Text().with_variant(Text(collation="C"), "postgresql")
# SQLite numbers rows by itself only for a key declared exactly INTEGER.
ROWID = BigInteger().with_variant(Integer(), "sqlite")
CLUSTERED = {"sqlite_with_rowid": False}


def key(kind: type[TypeEngine[Any]] | TypeEngine[Any] = BigInteger, *parts: Any) -> Any:
    """Declare a column of the primary key."""
    return Field(sa_column=Column(kind, *parts, primary_key=True, autoincrement=False))


def identity(*parts: Any) -> Any:
    """Declare a number that is the whole primary key, and that we give out ourselves."""
    return Field(sa_column=Column(ROWID, *parts, primary_key=True, autoincrement=False))


def col(
    kind: type[TypeEngine[Any]] | TypeEngine[Any] = BigInteger,
    *parts: Any,
    null: bool = False,
    **more: Any,
) -> Any:
    """Declare a column, which takes NULL only with ``null``."""
    return Field(sa_column=Column(kind, *parts, nullable=null, **more))
