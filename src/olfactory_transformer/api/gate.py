"""The gate: every request to /v1 and /v2 shows its key here and is counted, before it is routed or its body read.

    path ─▶ areas ─▶ origin (403) ─▶ key (401) ─▶ scope (403) ─▶ quota (429) ─▶ the application ─▶ audit log

The handshake of a WebSocket is a request like any other, and is refused with a problem like any other. Browsers let
the pages of any origin make one without asking us first, so its origin is looked at here.

What it found is in `scope["state"]`: `caller` (a `Caller`, None without a key), `address`, and `charge`, a coroutine
function by which a long stream pays for more than one request. Routes say with `audit.asked_about` how many molecules
a request is about.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from starlette.requests import ClientDisconnect, HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from olfactory_transformer.api.access.access import Access
from olfactory_transformer.api.access.addresses import Client
from olfactory_transformer.api.access.caller import Caller
from olfactory_transformer.api.access.paths import Area, areas_of, route_path
from olfactory_transformer.api.problems import ApiError, problem_response
from olfactory_transformer.api.ratelimit.contract import POLICY, Decision
from olfactory_transformer.api.starts import STARTS, SWITCHED
from olfactory_transformer.core.errors import DatabaseError, shown
from olfactory_transformer.database.audit import AuditRow
from olfactory_transformer.database.keys import KeyState, has_digest
from olfactory_transformer.database.keytext import LONGEST, digest, id_of
from olfactory_transformer.observe.metrics import method_label

logger = logging.getLogger(__name__)

HEADER = b"x-api-key"
WRONG_KEYS = "wrong-keys"
WRONG_KEYS_PER_MINUTE = 30  # that an address may try
_ALWAYS_KEYED = frozenset({"admin"})  # also where API_KEY_REQUIRED is off
_CHALLENGE = {
    "WWW-Authenticate": 'ApiKey realm="olfactory", header="X-API-Key"'
}  # RFC 9110 wants one with a 401
_GONE = 499  # the client left before a reply
_SHORT = 2**16  # bytes of a body that is read and dropped after a refusal, so that the connection can be kept

Fields = list[tuple[bytes, bytes]]


class Gate:
    """Lets requests through to an application.

    Wraps everything that answers under /v1 and /v2, problems included, so that all these replies have the rate limit's
    headers; inside of what gives requests their id.

    Parameters
    ----------
    app : ASGI application
    access : Access
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        areas = areas_of(route_path(scope)) if scope["type"] in ("http", "websocket") else ()
        if not areas:
            await self._app(scope, receive, send)
            return
        began = datetime.now(UTC)
        client = self._access.addresses.of(scope)
        state = scope.setdefault("state", {})
        state["caller"], state["address"], state["charge"] = None, client.address, _free
        if self._access.names_molecules:
            state["names_molecules"] = True
        status, refused, fields = _GONE, False, Fields()

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] in STARTS:
                status = message.get("status", SWITCHED)
                message["headers"] = [*message.get("headers", ()), *fields]
            await send(message)

        try:
            try:
                await self._admit(scope, areas, client, fields)
            except Exception as error:
                refused = True
                if not isinstance(error, ApiError):
                    logger.exception("unexpected error in the gate, request %s", state.get("request_id"))
                await problem_response(HTTPConnection(scope), error)(scope, receive, send_marked)
                return
            await self._app(scope, receive, send_marked)
        except Exception as error:
            if status == _GONE and not isinstance(error, ClientDisconnect):
                status = 500
            raise
        finally:
            if self._access.audit is not None:
                row = _row(scope, state, areas, began, status, refused)
                self._access.audit.record(row, refused=refused)

    async def _admit(self, scope: Scope, areas: Sequence[Area], client: Client, fields: Fields) -> None:
        """Let a request through by returning, or refuse it with an ApiError."""
        access, state = self._access, scope["state"]
        if scope["type"] == "websocket":
            self._check_origin(scope)
        keyed = [area.scope for area in areas if access.required or area.scope in _ALWAYS_KEYED]
        keys = [value for name, value in scope["headers"] if name == HEADER]
        if keys:
            caller = state["caller"] = await self._caller(scope, keys, client, fields)
            if missing := [name for name in keyed if name not in caller.scopes]:
                has = ", ".join(sorted(caller.scopes))
                detail = f"the key has the scopes {has}; expected {' and '.join(missing)}"
                raise ApiError("scope-missing", detail, headers=_ending(scope))
            who, limit = f"key:{caller.id}", caller.limit_per_minute or access.limit
        elif keyed:
            detail = "expected a key in the header X-API-Key"
            raise ApiError("key-required", detail, headers=_CHALLENGE | _ending(scope))
        else:
            who, limit = f"address:{client.group}", access.limit
        if not limit:
            return
        decision = await access.limiter.take(who, limit)
        fields += decision.headers()
        if not decision.allowed:
            raise _limited(decision, POLICY, f"expected at most {limit} requests a minute", scope)
        state["charge"] = partial(self._charge, who, limit)

    def _check_origin(self, scope: Scope) -> None:
        """Refuse the pages of origins that CORS_ORIGINS does not name; who is no browser sends no origin."""
        for name, value in scope["headers"]:
            if name == b"origin" and value not in self._access.origins:
                detail = (
                    f"got the origin {shown(value.decode('latin-1'))}, expected one of CORS_ORIGINS, or none"
                )
                raise ApiError("origin-refused", detail)

    async def _caller(self, scope: Scope, keys: Sequence[bytes], client: Client, fields: Fields) -> Caller:
        """Return who holds the key that was sent."""
        access, text = self._access, keys[0]
        if len(keys) > 1 or len(text) > LONGEST:
            raise self._wrong(scope, client, fields)
        presented = digest(text)
        if (caller := access.environment.find(presented)) is not None:
            return caller
        key_id = id_of(text)
        if key_id is None:
            raise self._wrong(scope, client, fields)
        if not access.directory.remembers(key_id):
            # Whoever has tried too many wrong keys makes no more work for the database.
            standing = access.wrong_keys.take_now(client.group, WRONG_KEYS_PER_MINUTE, 0)
            if standing.remaining < 1:
                raise self._wrong(scope, client, fields)
        try:
            known = await access.directory.find(key_id)
        except DatabaseError:
            detail = "the key cannot be checked: its database does not answer"
            raise ApiError("database-down", detail, headers=_ending(scope)) from None
        if not has_digest(known.record if known else None, presented) or known is None:
            raise self._wrong(scope, client, fields)
        key_state = known.record.state()
        if key_state is not KeyState.VALID:  # whoever has the secret may know
            reason = "the key was revoked" if key_state is KeyState.REVOKED else "the key has expired"
            raise self._wrong(scope, client, fields, reason)
        return known.caller

    def _wrong(
        self, scope: Scope, client: Client, fields: Fields, reason: str = "the key is not valid"
    ) -> ApiError:
        """Count a wrong key against its address, and return the refusal."""
        decision = self._access.wrong_keys.take_now(client.group, WRONG_KEYS_PER_MINUTE)
        if decision.allowed:
            return ApiError("key-refused", reason, headers=_CHALLENGE | _ending(scope))
        fields += decision.headers(WRONG_KEYS)
        detail = f"expected at most {WRONG_KEYS_PER_MINUTE} wrong keys a minute from one address"
        return _limited(decision, WRONG_KEYS, detail, scope)

    async def _charge(self, who: str, limit: int, requests: int = 1) -> None:
        """Pay for more requests, waiting until the quota has room for them."""
        for _ in range(requests):
            while not (decision := await self._access.limiter.take(who, limit)).allowed:
                await asyncio.sleep(decision.retry_after)


async def _free(requests: int = 1) -> None:
    """Charge nothing, as there is no limit."""


def _limited(decision: Decision, policy: str, detail: str, scope: Scope) -> ApiError:
    members: dict[str, Any] = {"violated-policies": [policy]}  # as the draft's problem type names them
    return ApiError("rate-limited", detail, headers=_ending(scope), retry_after=decision.window, **members)


def _ending(scope: Scope) -> dict[str, str]:
    """Return the header that ends the connection, if the request has a body too long to read for nothing."""
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (
            name == b"content-length" and not (value.isdigit() and len(value) < 18 and int(value) <= _SHORT)
        ):
            return {"Connection": "close"}
    return {}


def _row(
    scope: Scope, state: dict[str, Any], areas: Sequence[Area], began: datetime, status: int, refused: bool
) -> AuditRow:
    caller: Caller | None = state["caller"]
    # The route's template: what stands in its place in the path may be a molecule.
    route = None if refused else getattr(scope.get("route"), "path", None)
    return AuditRow(
        at=began,
        key_id=caller.id if caller else None,
        name=caller.name if caller else None,
        address=state["address"],
        method=method_label(scope.get("method", "GET")),
        route=route or f"{areas[-1].prefix}/*",
        status=status,
        items=state.get("items"),
        request_id=str(state.get("request_id", "")),
        molecules=tuple(state["molecules"]) if "molecules" in state else None,
    )
