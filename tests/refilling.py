"""What a PostgreSQL database holds, and how one is given the contents of another.

To make a database and to drop it takes some three hundred milliseconds of a processor: five
hundred files, of which a test fills a few. To empty those that were written takes a tenth of that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from psycopg import sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg import Connection

# All that tests could change besides rows. What depends on a relation's columns is not listed
# twice; a column that was dropped leaves a mark among them.
_SCHEMA: Final = """
SELECT md5(string_agg(part, ' ' ORDER BY part COLLATE "C")) FROM (
    SELECT concat_ws(' ', c.relname, c.relkind, a.attname, a.attnum, a.atttypid, a.attnotnull)
    FROM pg_class c LEFT JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = 'public'::regnamespace
    UNION ALL
    SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint
    WHERE connamespace = 'public'::regnamespace
    UNION ALL
    SELECT tgname FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace
    UNION ALL
    SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_'
    UNION ALL
    SELECT array_to_string(setconfig, ' ') FROM pg_db_role_setting
    WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
) AS parts (part)
"""
# A table that nothing was ever written to has no bytes; TRUNCATE makes it so again.
_WRITTEN: Final = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
ORDER BY relname
"""
_SEQUENCES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
"""
_OTHERS: Final = """
SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""


@dataclass(frozen=True)
class Contents:
    """The schema of a database as a checksum, the rows of its tables, and where sequences are."""

    schema: str
    tables: Mapping[str, bytes]
    sequences: Mapping[str, tuple[int, bool]]

    @classmethod
    def of(cls, connection: Connection) -> Self:
        """Read what a database holds."""
        tables = {}
        for name in _names(connection, _WRITTEN):
            statement = sql.SQL("COPY {} TO STDOUT (FORMAT binary)").format(sql.Identifier(name))
            with connection.cursor().copy(statement) as copy:
                tables[name] = b"".join(copy)
        sequences = {}
        for name in _names(connection, _SEQUENCES):
            statement = sql.SQL("SELECT last_value, is_called FROM {}").format(sql.Identifier(name))
            (sequences[name],) = connection.execute(statement).fetchall()
        return cls(schema_of(connection), tables, sequences)

    def refill(self, connection: Connection) -> bool:
        """Give a database these contents in the place of its own, and say whether it took them.

        One that has another schema does not. Whoever else is connected to it is thrown out.
        """
        connection.execute(_OTHERS)
        if schema_of(connection) != self.schema:
            return False
        if written := _names(connection, _WRITTEN):
            tables = sql.SQL(", ").join(map(sql.Identifier, written))
            connection.execute(sql.SQL("TRUNCATE {} CASCADE").format(tables))
        # Without the triggers that check foreign keys: tables come in the order of their names.
        connection.execute("SET LOCAL session_replication_role = replica")
        for name, rows in self.tables.items():
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(name))
            with connection.cursor().copy(statement) as copy:
                copy.write(rows)
        for name, place in self.sequences.items():
            connection.execute("SELECT setval(%s::regclass, %s, %s)", [name, *place])
        connection.commit()
        return True


def schema_of(connection: Connection) -> str:
    """Return a checksum that changes with the schema."""
    (row,) = connection.execute(_SCHEMA).fetchall()
    return str(row[0])


def _names(connection: Connection, query: str) -> list[str]:
    return [name for (name,) in connection.execute(query.encode())]
