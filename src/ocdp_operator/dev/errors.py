"""What can go wrong while the local environment is started."""

from __future__ import annotations

from ocdp_operator.errors import OcdpError


class LocalEnvironmentError(OcdpError):
    """A part of the local environment cannot start or stopped by itself; the message says what to do."""


class UnnamedClusterError(OcdpError):
    """A cluster that nobody named on purpose was about to be used."""
