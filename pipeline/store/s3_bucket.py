"""The bucket itself: what it is set up to do, and the rules that make it tidy up by itself.

The rules remove only what callseal does not use any more: parts of uploads that a dead process left, and versions that
something else has hidden or replaced. None of them removes an artifact by its age: that is the retention sweep's to
decide, which knows of holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pipeline.store.s3_client import ClientError, code_of, errors

if TYPE_CHECKING:
    from pipeline.store.s3 import S3Store

RULE_ID: Final = "callseal-leftovers"
_NONE_YET: Final = frozenset({"NoSuchLifecycleConfiguration", "ObjectLockConfigurationNotFoundError", "NotImplemented"})


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a bucket does: keep versions, lock objects, tidy up."""

    versioned: bool
    locks: bool
    tidies: bool


def look(store: S3Store) -> Bucket:
    """Asks the service. Raises StoreUnavailable, also where the credentials may not list the objects."""
    next(store.list(), None)
    bucket = {"Bucket": store.options.bucket}
    with errors():
        versioning = _asked(lambda: store.client.get_bucket_versioning(**bucket))
        lock = _asked(lambda: store.client.get_object_lock_configuration(**bucket))
    return Bucket(
        versioned=versioning.get("Status") == "Enabled",
        locks=lock.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled",
        tidies=any(rule.get("ID") == RULE_ID for rule in _rules(store)),
    )


def prepare(store: S3Store, unfinished_days: int, hidden_days: int) -> None:
    """Adds our rule to the bucket's, in the place of an older one of ours; others' rules stay.

    Args:
        store: on that bucket.
        unfinished_days: after these the parts of an upload that never ended go.
        hidden_days: after these a version that was hidden or replaced goes.

    Raises:
        StoreUnavailable: the service does not know such rules, or the credentials may not change them.
    """
    ours = {
        "ID": RULE_ID,
        "Status": "Enabled",
        "Filter": {"Prefix": store.options.prefix},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": unfinished_days},
        "NoncurrentVersionExpiration": {"NoncurrentDays": hidden_days},
        "Expiration": {"ExpiredObjectDeleteMarker": True},
    }
    rules = [rule for rule in _rules(store) if rule.get("ID") != RULE_ID]
    with errors():
        store.client.put_bucket_lifecycle_configuration(
            Bucket=store.options.bucket, LifecycleConfiguration={"Rules": [*rules, ours]}
        )


def _rules(store: S3Store) -> list[dict[str, Any]]:
    with errors():
        found = _asked(lambda: store.client.get_bucket_lifecycle_configuration(Bucket=store.options.bucket))
    rules: list[dict[str, Any]] = found.get("Rules", [])
    return rules


def _asked(question: Any) -> dict[str, Any]:
    """The answer; an empty one where there is no such configuration."""
    try:
        found: dict[str, Any] = question()
    except ClientError as exc:
        if code_of(exc) in _NONE_YET:
            return {}
        raise
    return found
