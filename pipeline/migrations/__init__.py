"""The database's history: Alembic's environment and versions, shipped in the package and run by ``Records.open``."""
