"""The ``ocdp`` command."""
