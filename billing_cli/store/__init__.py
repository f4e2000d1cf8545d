"""All SQL: engine, tables, unit of work, migrations, and one file a noun."""
