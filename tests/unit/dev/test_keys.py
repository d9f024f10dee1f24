from __future__ import annotations

import base64

from ocdp_operator.dev.keys import bearer_token, last_certificate, signing_key


def test_signing_key_is_a_private_key_of_p256() -> None:
    first, *middle, last = signing_key().splitlines()
    der = base64.b64decode("".join(middle))

    assert (first, last) == ("-----BEGIN EC PRIVATE KEY-----", "-----END EC PRIVATE KEY-----")
    assert der[0] == 0x30
    assert der[1] == len(der) - 2
    assert der[2:7] == b"\x02\x01\x01\x04\x20"
    assert der[-8:] == bytes.fromhex("2a8648ce3d030107")


def test_no_two_secrets_are_the_same() -> None:
    assert signing_key() != signing_key()
    assert bearer_token() != bearer_token()


def test_authority_is_the_last_certificate_of_the_chain() -> None:
    leaf = "-----BEGIN CERTIFICATE-----\nleaf\n-----END CERTIFICATE-----\n"
    authority = "-----BEGIN CERTIFICATE-----\nauthority\n-----END CERTIFICATE-----\n"

    assert last_certificate(leaf + authority) == authority
    assert last_certificate(authority) == authority
