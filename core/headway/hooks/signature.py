"""Signatures of requests to webhooks: made by a secret that both sides know, over the time and the body."""

from __future__ import annotations

import hashlib
import hmac

from headway.numbers import number_between

TIMESTAMP, SIGNATURE = "headway-timestamp", "headway-signature"
"""The headers: seconds since 1970, and ``v1=`` with the HMAC-SHA256 of ``TIMESTAMP.BODY`` in hex."""

TOLERANCE_S = 300


def sign(secret: str, timestamp: int, body: bytes) -> str:
    """Return the signature of a body that is sent at ``timestamp``, in seconds since 1970."""
    text = b"%d." % timestamp + body
    return f"v1={hmac.new(secret.encode('utf-8', 'surrogatepass'), text, hashlib.sha256).hexdigest()}"


def is_signed(
    secret: str, timestamp: str, body: bytes, signature: str, *, now: float, tolerance_s: float = TOLERANCE_S
) -> bool:
    """Return whether a request is from who knows the secret, and no older or newer than ``tolerance_s`` seconds.

    ``timestamp`` and ``signature`` are the headers as they came, ``now`` is the receiver's time in seconds since 1970.
    """
    number_between(tolerance_s, "tolerance_s", 0, 86_400)
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        return False
    known = hmac.compare_digest(sign(secret, int(timestamp), body).encode(), signature.encode("utf-8", "replace"))
    return known and abs(now - int(timestamp)) <= tolerance_s
