"""Authentication: who calls. One small protocol, and one check before everything else that listens on TCP.

:class:`AuthMiddleware` is pure ASGI and reads no body: it looks at a request's head and either puts a :class:`Caller`
into ``scope["state"]["caller"]`` or answers itself. Whatever knows callers by other credentials is an
:class:`Authenticator` too: a class, and a row in :data:`AUTHENTICATORS`.
"""

from __future__ import annotations

import hmac
import logging
import re
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

import msgspec
from starlette.responses import Response

from headway.client.token import Stamp, TokenFile, stamp_of
from headway.errors import HeadwayError, InvalidInput
from headway_bridge.security import Refusal, plain_refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from headway.config import Config
    from headway.home import Home

logger = logging.getLogger("headway.auth")

REALM = "headway"

HOME_PRINCIPAL = "home"
"""The principal of whoever has the home's token."""

ANONYMOUS = "anonymous"
"""The principal of everybody where ``[a2a] auth`` is ``"none"``."""

MAX_NAME = 256
"""The longest name of a tenant or a principal, in characters."""

_MAX_TOKEN = 4096
_BEARER = re.compile(rb"bearer +([A-Za-z0-9\-._~+/]+=*) *", re.IGNORECASE)


class Caller(msgspec.Struct, frozen=True):
    """A caller as an :class:`Authenticator` knows it.

    Two callers are the same one if ``tenant`` and ``principal`` are; a name is 1 to 256 printable characters, of a
    tenant also "" for none. ``scopes`` are the rights that its credential carries beyond being let in.
    """

    principal: str
    tenant: str = ""
    scopes: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        for what, name in (("a principal", self.principal), ("a tenant", self.tenant or "-")):
            if not (0 < len(name) <= MAX_NAME and name.isprintable()):
                raise InvalidInput(f"the name of {what} has 1 to {MAX_NAME} printable characters")

    @property
    def owner(self) -> tuple[str, str]:
        """The tenant and the principal: what belongs to this caller belongs to these two."""
        return self.tenant, self.principal


class Denied(msgspec.Struct, frozen=True):
    """The reason why a credential opens nothing. ``error`` is RFC 6750's word, ``message`` one line for people."""

    message: str
    error: str = "invalid_token"
    status: int = 401


class Authenticator(Protocol):
    """Tells who sent a request, from its head alone."""

    @property
    def schemes(self) -> Mapping[str, dict[str, Any]]:
        """The security schemes for the agent card, by name: fields of A2A v1.0's SecurityScheme. One is needed."""

    @property
    def challenge(self) -> str:
        """The ``WWW-Authenticate`` challenge, such as ``Bearer realm="headway"``."""

    async def authenticate(self, scope: Scope) -> Caller | Denied | None:
        """Return the caller; why its credential is refused; None for a request that has no credential of this kind.

        Raises :class:`HeadwayError` when it cannot tell; then nobody is let in.
        """


class TokenAuthenticator:
    """Knows whoever sends the token of a home, as ``Authorization: Bearer``.

    The token's file is looked at for every request, so a new token holds immediately, and read anew, owner and mode
    checked, when it has changed. Comparing takes the same time wherever two tokens differ.
    """

    schemes: Mapping[str, dict[str, Any]] = {
        "bearer": {"http_auth_security_scheme": {"scheme": "bearer", "description": "The token of the agent's home."}}
    }
    challenge = f'Bearer realm="{REALM}"'

    def __init__(self, tokens: TokenFile, caller: Caller | None = None) -> None:
        self._tokens = tokens
        self._path = str(tokens.path)
        self._caller = caller if caller is not None else Caller(HOME_PRINCIPAL)
        self._stamp: Stamp | None = None
        self._token = b""

    async def authenticate(self, scope: Scope) -> Caller | Denied | None:
        """Return the home's caller if the request carries the token."""
        given = bearer_token(scope)
        if not isinstance(given, bytes):
            return given
        if not hmac.compare_digest(given, self._current()):
            return Denied("the token is not the one of this agent")
        return self._caller

    def _current(self) -> bytes:
        try:
            stamp = stamp_of(self._path)
        except OSError:
            stamp = None
        if stamp is None or stamp != self._stamp:
            self._stamp = None
            self._token = self._tokens.read().encode("ascii")
            self._stamp = stamp
        return self._token


class NoAuthenticator:
    """Lets everybody in, as one principal. For loopback addresses only."""

    schemes: Mapping[str, dict[str, Any]] = {}
    challenge = ""

    async def authenticate(self, scope: Scope) -> Caller:
        """Return the caller that everybody is."""
        return Caller(ANONYMOUS)


def bearer_token(scope: Scope) -> bytes | Denied | None:
    """Return the one bearer token of a request; None if it has none.

    Several Authorization headers, and a token in the query, where logs keep it, are refused.
    """
    if scope.get("query_string") and _in_query(scope["query_string"]):
        return Denied("a token in the query is not accepted: send it in the header", "invalid_request", 400)
    given = [value for name, value in scope["headers"] if name == b"authorization"]
    if not given:
        return None
    if len(given) > 1:
        return Denied("the request has several Authorization headers", "invalid_request", 400)
    value: bytes = given[0].strip()
    scheme, _, rest = value.partition(b" ")
    if scheme.lower() != b"bearer" or not rest.strip():
        return None
    match = _BEARER.fullmatch(value) if len(value) <= _MAX_TOKEN else None
    return match[1] if match is not None else Denied("what follows Bearer is not a token")


def _in_query(query: bytes) -> bool:
    try:
        fields = parse_qsl(query.decode("latin-1"), keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return True  # too many to look at: nobody honest sends so many
    return any(name.lower() == "access_token" for name, _ in fields)


def _token(config: Config, home: Home) -> TokenAuthenticator:
    tokens = TokenFile(home)
    tokens.ensure()
    return TokenAuthenticator(tokens)


AUTHENTICATORS: dict[str, Callable[[Config, Home], Authenticator]] = {
    "token": _token,
    "none": lambda config, home: NoAuthenticator(),
}
"""The values of ``[a2a] auth``, and what each makes."""


def authenticator_of(config: Config, home: Home) -> Authenticator:
    """Return the authenticator that ``[a2a] auth`` names, for a home that exists; its token is made if it must be.

    Raises :class:`InvalidInput` for a token's file that is not safe.
    """
    return AUTHENTICATORS[config.a2a.auth](config, home)


class AuthMiddleware:
    """Lets authenticated requests pass, with their caller in ``scope["state"]["caller"]``, and answers the others.

    GET and HEAD of a path in ``public`` need no caller. An answer to a POST has the form that ``refuse`` gives it.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        authenticator: Authenticator,
        public: Collection[str] = (),
        refuse: Callable[[Refusal], Response] = plain_refusal,
    ) -> None:
        self.app = app
        self.authenticator = authenticator
        self.public = frozenset(public)
        self.refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection of the ASGI server."""
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http" or (scope["method"] in ("GET", "HEAD") and scope["path"] in self.public):
            await self.app(scope, receive, send)
            return
        try:
            found = await self.authenticator.authenticate(scope)
        except HeadwayError as error:
            logger.warning("cannot tell who calls: %s", error)
            refusal = Refusal(503, "unavailable", "this agent cannot check who calls; its operator sees why")
            await self._answer(refusal, None, scope, receive, send)
            return
        if isinstance(found, Caller):
            scope.setdefault("state", {})["caller"] = found
            await self.app(scope, receive, send)
            return
        denied = found if found is not None else Denied("this agent takes no request without a bearer token", "")
        refusal = Refusal(denied.status, denied.error or "unauthenticated", denied.message)
        await self._answer(refusal, self._challenge(denied), scope, receive, send)

    def _challenge(self, denied: Denied) -> str:
        if not denied.error:
            return self.authenticator.challenge
        return f'{self.authenticator.challenge}, error="{denied.error}", error_description="{denied.message}"'

    async def _answer(
        self, refusal: Refusal, challenge: str | None, scope: Scope, receive: Receive, send: Send
    ) -> None:
        response = (self.refuse if scope["method"] == "POST" else plain_refusal)(refusal)
        if challenge:
            response.headers["WWW-Authenticate"] = challenge
        await response(scope, receive, send)


def has_caller(scope: Mapping[str, Any]) -> bool:
    """Return whether :class:`AuthMiddleware` knows who sent a request."""
    return "caller" in scope.get("state", {})


def caller_of(scope: Mapping[str, Any]) -> Caller:
    """Return the caller of a request that has passed :class:`AuthMiddleware`."""
    caller: Caller = scope["state"]["caller"]
    return caller
