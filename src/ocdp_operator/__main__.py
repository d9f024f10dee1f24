"""``python -m ocdp_operator``: the ``ocdp`` command; ``ocdp run`` is the operator."""

from ocdp_operator.cli.app import main

if __name__ == "__main__":
    main()
