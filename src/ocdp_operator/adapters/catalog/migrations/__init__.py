"""The schema's history, for alembic: plain SQL, forward only."""
