"""What a PostgreSQL database holds, and how one is given the contents of another.

To make a database and to drop it takes some three hundred milliseconds of a processor: five
hundred files, of which a test fills a few. TRUNCATE makes new files, too, some for each table. To
delete the rows of those that were written and the room that they took is ten times as quick.
"""

from __future__ import annotations

import time
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
# A table that nothing was ever written to has no bytes; VACUUM makes it so again.
_WRITTEN: Final = """
SELECT relname FROM pg_class
WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' AND pg_relation_size(oid) > 0
ORDER BY relname
"""
_SEQUENCES: Final = """
SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'S'
"""
_OTHERS: Final = """
FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
"""
_COUNT_OTHERS: Final = f"SELECT count(*) {_OTHERS}"
_END_OTHERS: Final = f"SELECT count(pg_terminate_backend(pid, 5000)) {_OTHERS}"
_LEAVING_SECONDS: Final = 0.05


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

        One that has another schema does not. Whoever else is connected to it is thrown out. The
        connection has to commit by itself.
        """
        _be_alone(connection)
        if schema_of(connection) != self.schema:
            return False
        # Without the triggers that check foreign keys: tables come in the order of their names.
        connection.execute("SET session_replication_role = replica")
        if written := [sql.Identifier(name) for name in _names(connection, _WRITTEN)]:
            for table in written:
                connection.execute(sql.SQL("DELETE FROM {}").format(table))
            # Rows are to lie in the order in which they come, as in a new table.
            tables = sql.SQL(", ").join(written)
            connection.execute(sql.SQL("VACUUM (SKIP_DATABASE_STATS) {}").format(tables))
        for name, rows in self.tables.items():
            statement = sql.SQL("COPY {} FROM STDIN (FORMAT binary)").format(sql.Identifier(name))
            with connection.cursor().copy(statement) as copy:
                copy.write(rows)
        for name, place in self.sequences.items():
            connection.execute("SELECT setval(%s::regclass, %s, %s)", [name, *place])
        return True


def schema_of(connection: Connection) -> str:
    """Return a checksum that changes with the schema."""
    (row,) = connection.execute(_SCHEMA).fetchall()
    return str(row[0])


def _be_alone(connection: Connection) -> None:
    """Wait for those who are about to leave, and throw out whoever stays.

    The server itself looks only ten times a second whether somebody has gone.
    """
    until = time.monotonic() + _LEAVING_SECONDS
    while connection.execute(_COUNT_OTHERS).fetchone() != (0,):
        if time.monotonic() > until:
            connection.execute(_END_OTHERS)
            return
        time.sleep(0.001)


def _names(connection: Connection, query: str) -> list[str]:
    return [name for (name,) in connection.execute(query.encode())]
