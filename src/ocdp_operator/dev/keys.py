"""The key pair that signs service-account tokens, and tokens for the control plane's own parts."""

from __future__ import annotations

import base64
import secrets
from typing import Final

# The order of the group of P-256 (FIPS 186-5, SP 800-186 3.2.1.3).
_P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_P256_OID: Final = bytes.fromhex("a00a06082a8648ce3d030107")


def signing_key() -> str:
    """A new P-256 private key as PEM (RFC 5915, without the optional public key, which its reader derives).

    A private key of an elliptic curve is one random number, so no library is needed to make one.
    """
    scalar = (1 + secrets.randbelow(_P256_ORDER - 1)).to_bytes(32, "big")
    body = b"\x02\x01\x01" + b"\x04\x20" + scalar + _P256_OID
    der = b"\x30" + bytes([len(body)]) + body
    encoded = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{encoded}-----END EC PRIVATE KEY-----\n"


def bearer_token() -> str:
    """A new unguessable token."""
    return secrets.token_urlsafe(32)


def last_certificate(pem: str) -> str:
    """The last certificate of a chain: the authority, in what the API server signs for itself."""
    begin = "-----BEGIN CERTIFICATE-----"
    return begin + pem.rpartition(begin)[2]
