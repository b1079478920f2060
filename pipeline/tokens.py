"""Tokens: who may call the hook, for what, until when. A token is shown once, when it is made; its digest is kept.

A token is ``callseal_<id>_<secret>`` with 256 bits of chance in the secret, so that a plain SHA-256 of it is as safe as
a slow hash would be. Digests are compared in constant time.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from pipeline import schema
from pipeline.connect import reading, writing
from pipeline.errors import NotFound, Refused

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy.engine import Engine

_PREFIX: Final = "callseal"


class Scope(StrEnum):
    """What a token is good for."""

    DELIVER = "deliver"
    METRICS = "metrics"
    S3_EVENTS = "s3_events"
    LIVE = "live"  # to send a call while it is spoken
    LISTEN = "listen"  # to what comes out of it


@dataclass(frozen=True, slots=True)
class Token:
    """What is kept of a token.

    Args:
        token_id: its name.
        scopes: what it is good for.
        created_at: when it was made.
        expires_at: from when it is good for nothing.
        revoked_at: when it was taken back, if it was.
    """

    token_id: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


def create_token(engine: Engine, scopes: Collection[Scope], now: datetime, expires_at: datetime) -> tuple[Token, str]:
    """A new token, and its text, which nobody can show again."""
    token = Token(secrets.token_hex(8), frozenset(scopes), now, expires_at, None)
    secret = secrets.token_urlsafe(32)
    with writing(engine) as connection:
        connection.execute(
            schema.tokens.insert().values(
                token_id=token.token_id,
                digest=_digest(secret),
                scopes=" ".join(sorted(token.scopes)),
                created_at=now,
                expires_at=expires_at,
            )
        )
    return token, f"{_PREFIX}_{token.token_id}_{secret}"


def list_tokens(engine: Engine) -> list[Token]:
    """All tokens, the oldest first."""
    with reading(engine) as connection:
        rows = connection.execute(sa.select(schema.tokens).order_by(schema.tokens.c.created_at)).mappings()
        return [_token(row) for row in rows]


def revoke_token(engine: Engine, token_id: str, now: datetime) -> None:
    """Take a token back. Raises NotFound if there is none of that name."""
    with writing(engine) as connection:
        found = connection.execute(
            schema.tokens.update().filter_by(token_id=token_id, revoked_at=None).values(revoked_at=now)
        )
    if not found.rowcount:
        raise NotFound(f"there is no token {token_id}, or it was revoked")


def check_token(engine: Engine, text: str, scope: Scope, now: datetime) -> str:
    """The id of a token that is good for the scope.

    Raises:
        Refused: it is unknown, wrong, expired, revoked or good for something else; the message does not say which.
    """
    prefix, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    with reading(engine) as connection:
        row = connection.execute(sa.select(schema.tokens).filter_by(token_id=token_id)).mappings().one_or_none()
    known = row["digest"] if row is not None else _digest("")
    same = hmac.compare_digest(known, _digest(secret))
    token = None if row is None else _token(row)
    good = token is not None and token.revoked_at is None and now < token.expires_at and scope in token.scopes
    if not (same and good and prefix == _PREFIX):
        raise Refused("the token is not good for this")
    return token_id


def _token(row: sa.RowMapping) -> Token:
    scopes = frozenset(map(Scope, row["scopes"].split()))
    return Token(row["token_id"], scopes, row["created_at"], row["expires_at"], row["revoked_at"])


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
