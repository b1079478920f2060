"""Shares: takes a root key, gives a root key whose subject keys open only with a share that no backup generation has.

A subject key is wrapped twice: under a share, a random key of its own in the key side, and then under the root key::

    subject key  ->  AEAD under its share (key side)  ->  root key  ->  row of the database

Each of the three places is useless without the other two (split knowledge, NIST SP 800-57 part 1). To destroy a share
is therefore to revoke the key in every copy of the database that was ever made, without a word to the
backups (Boneh and Lipton, "A Revocable Backup System", USENIX Security 1996), while all other keys in those copies
still open. What remains is stated in docs/erasure.md: a copy of the key side itself, made before.

Promises: a share is durable before the key that needs it is in a row; a key that is wrapped again (another root key)
keeps its share; a destroyed share is gone from the file and its log.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Self

import sqlalchemy as sa
import tink  # type: ignore[import-untyped]
from tink import aead, proto_keyset_format, secret_key_access

from pipeline.connect import flush_history, reading, writing
from pipeline.errors import CannotOpen
from pipeline.keys import SUBJECT_KEY_PURPOSE, Secret
from pipeline.keys import side as keyside

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from sqlalchemy.engine import Engine

    from pipeline.keys import RootKey

PORTION: Final = 500


@dataclass(frozen=True, slots=True)
class Shares:
    """The shares in the key side, one per subject key, named by its key id."""

    engine: Engine = field(repr=False)

    @classmethod
    def open(cls, url: str) -> Self:
        """See ``keyside.open_keyside``."""
        return cls(keyside.open_keyside(url))

    def share_of(self, key_id: str) -> Secret | None:
        """The share of a key, None if there is none or it was destroyed."""
        with reading(self.engine) as connection:
            found = connection.execute(sa.select(keyside.shares.c.share).filter_by(key_id=key_id)).scalar_one_or_none()
        return None if found is None else Secret(found)

    def share_for(self, key_id: str) -> Secret:
        """The share of a key, made now if it has none."""
        share = self.share_of(key_id)
        if share is not None:
            return share
        with writing(self.engine) as connection:
            query = sa.select(keyside.shares.c.share).filter_by(key_id=key_id)
            found = connection.execute(query).scalar_one_or_none()  # made meanwhile by another process
            if found is None:
                found = _new_share()
                connection.execute(keyside.shares.insert().values(key_id=key_id, share=found))
        return Secret(found)

    def make(self, key_ids: Collection[str]) -> dict[str, Secret]:
        """Shares of new keys, made in one transaction."""
        made = {key_id: _new_share() for key_id in key_ids}
        if made:
            with writing(self.engine) as connection:
                rows = [{"key_id": key_id, "share": share} for key_id, share in made.items()]
                connection.execute(keyside.shares.insert(), rows)
        return {key_id: Secret(share) for key_id, share in made.items()}

    def destroy(self, key_ids: Collection[str]) -> int:
        """Destroys shares, in the log too; gives how many there were. Those that are gone already are no error."""
        gone = 0
        ids = list(key_ids)
        with writing(self.engine) as connection:
            for start in range(0, len(ids), PORTION):
                portion = keyside.shares.c.key_id.in_(ids[start : start + PORTION])
                gone += connection.execute(keyside.shares.delete().where(portion)).rowcount
        flush_history(self.engine, keyside.shares.name)
        return gone

    def held(self) -> frozenset[str]:
        """Ids of all keys that have a share."""
        with reading(self.engine) as connection:
            return frozenset(connection.execute(sa.select(keyside.shares.c.key_id)).scalars())

    def all(self) -> Mapping[str, Secret]:
        """Every share, for the one copy that a backup keeps of the key side."""
        with reading(self.engine) as connection:
            return {row.key_id: Secret(row.share) for row in connection.execute(sa.select(keyside.shares))}

    def put_back(self, shares: Mapping[str, Secret]) -> int:
        """Adds shares that are missing, as a restore does; gives how many."""
        held = self.held()
        rows = [{"key_id": key, "share": share.reveal()} for key, share in shares.items() if key not in held]
        if rows:
            with writing(self.engine) as connection:
                connection.execute(keyside.shares.insert(), rows)
        return len(rows)

    def close(self) -> None:
        """Gives the connections back."""
        self.engine.dispose()


@dataclass(frozen=True, slots=True)
class SplitRoot:
    """A root key (see ``keys.RootKey``) that wraps subject keys under their share first; all else it passes on.

    ``made`` are shares that are durable already, by key id: they are not looked for.
    """

    whole: RootKey
    shares: Shares
    made: Mapping[str, Secret] = field(default_factory=dict, repr=False)

    @property
    def key_id(self) -> str:
        """See RootKey."""
        return self.whole.key_id

    def opens(self, key_id: str) -> bool:
        """See RootKey."""
        return self.whole.opens(key_id)

    def subject_id(self, e164: str) -> str:
        """See RootKey."""
        return self.whole.subject_id(e164)

    def wrap(self, plaintext: Secret, associated_data: bytes) -> bytes:
        """See RootKey; the share of a subject key is durable when this returns."""
        key_id = _key_id(associated_data)
        if key_id is not None:
            share = self.made.get(key_id) or self.shares.share_for(key_id)
            inner = _primitive(share).encrypt(plaintext.reveal(), associated_data)
            plaintext = Secret(inner)
        return self.whole.wrap(plaintext, associated_data)

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> Secret:
        """See RootKey. Raises CannotOpen too where the share of a subject key is destroyed."""
        plain = self.whole.unwrap(wrapped, associated_data)
        key_id = _key_id(associated_data)
        if key_id is None:
            return plain
        share = self.shares.share_of(key_id)
        if share is None:
            raise CannotOpen(f"the share of subject key {key_id} is destroyed")
        try:
            return Secret(_primitive(share).decrypt(plain.reveal(), associated_data))
        except tink.TinkError:
            raise CannotOpen(f"subject key {key_id} was not wrapped under this share") from None


def with_new_shares(root: RootKey, key_ids: Collection[str]) -> RootKey:
    """The root key, with the shares of subject keys that are made next: one transaction for all of them."""
    return replace(root, made=root.shares.make(key_ids)) if isinstance(root, SplitRoot) else root


def _new_share() -> bytes:
    handle = tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM)
    share: bytes = proto_keyset_format.serialize(handle, secret_key_access.TOKEN)
    return share


def _key_id(associated_data: bytes) -> str | None:
    """Of the subject key that is wrapped; None where something else is."""
    try:
        parts = json.loads(associated_data)
    except ValueError:
        return None
    of_subject = isinstance(parts, list) and len(parts) == 3 and parts[0] == SUBJECT_KEY_PURPOSE
    return str(parts[2]) if of_subject else None


def _primitive(share: Secret) -> Any:
    return proto_keyset_format.parse(share.reveal(), secret_key_access.TOKEN).primitive(aead.Aead)
