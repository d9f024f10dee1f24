"""Free TCP ports on the loopback address."""

from __future__ import annotations

import secrets
import socket
from typing import Final

from ocdp_operator.dev.errors import LocalEnvironmentError

LOOPBACK: Final = "127.0.0.1"

# Below the ephemeral ranges of Linux and macOS: no outgoing connection takes a port while its server is stopped
# for an outage test and started again.
_FIRST: Final = 20000
_COUNT: Final = 12000
_ATTEMPTS: Final = 200


def free_port() -> int:
    """A port on 127.0.0.1 that nothing listened on just now; taking it is the caller's, who retries.

    Raises:
        LocalEnvironmentError: no free port was found.
    """
    for _ in range(_ATTEMPTS):
        port = _FIRST + secrets.randbelow(_COUNT)
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            return port
    raise LocalEnvironmentError(
        f"No free port on {LOOPBACK} between {_FIRST} and {_FIRST + _COUNT}: free some."
    )
