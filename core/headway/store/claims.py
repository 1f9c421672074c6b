"""The rules of claims: one holder a name, for the length of a lease, told apart by a growing token."""

from __future__ import annotations

from headway.arguments import expect
from headway.errors import Conflict, InvalidInput, one_line
from headway.numbers import positive_seconds
from headway.store.protocol import Claim


def lease_ms(lease_s: object) -> int:
    """Return a lease in whole milliseconds, at least one; :class:`InvalidInput` for what is no time."""
    return max(1, int(positive_seconds(lease_s, "a lease") * 1000))


def check_names(name: object, owner: object) -> None:
    """Raise :class:`InvalidInput` unless both are texts with something in them."""
    for what, text in (("the name of a claim", name), ("the owner of a claim", owner)):
        if not expect(text, str, what):
            raise InvalidInput(f"{what} cannot be empty")


def next_claim(last: Claim | None, name: str, owner: str, lease: int, now_ms: int) -> Claim:
    """Return the claim that follows ``last`` (None: there was none); :class:`Conflict` while another's lease runs."""
    if last is not None and last.owner != owner and last.until_ms > now_ms:
        raise Conflict(f"'{one_line(name, 60)}' is claimed by '{one_line(last.owner, 60)}'")
    return Claim(name, owner, last.token + 1 if last is not None else 1, now_ms + lease)


def renewed(last: Claim | None, claim: Claim, lease: int, now_ms: int) -> Claim:
    """Return ``claim`` with a new lease; :class:`Conflict` if it is not the last one of its name, or has run out."""
    name = one_line(expect(claim, Claim, "a claim").name, 60)
    if last is None or last.token != claim.token or last.owner != claim.owner:
        raise Conflict(f"the claim of '{name}' is lost: it was released, or somebody else has it")
    if last.until_ms <= now_ms:
        raise Conflict(f"the claim of '{name}' has run out")
    return Claim(claim.name, claim.owner, claim.token, now_ms + lease)
