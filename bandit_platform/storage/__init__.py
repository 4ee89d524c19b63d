"""The database: tables, migrations and queries. The only importer of SQLModel and SQLAlchemy."""
