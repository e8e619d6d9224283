"""The database: the one folder that knows SQLAlchemy. SQLite by default, PostgreSQL for replicas."""
