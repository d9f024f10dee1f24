"""The operator as its next version might be: it renders anew what an earlier one applied. Run as a module."""

from ocdp_operator.reconcile import run

run.RENDER_VERSION = "next"

from ocdp_operator.cli.app import main  # noqa: E402 - whatever reads the version is loaded after it is changed

if __name__ == "__main__":
    main()
