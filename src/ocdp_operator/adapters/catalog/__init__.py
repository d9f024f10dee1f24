"""The catalog in PostgreSQL: its schema, the operator's read-only view of it, and the writes of the ``ocdp`` command."""
