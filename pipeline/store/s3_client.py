"""The way to a bucket: settings become a client, and what the service answers becomes an error of ours.

Credentials come from the chain that every AWS tool uses (environment, profile, instance role) and from nowhere else.
Each request is tried a few times with growing pauses and then given up; a message holds the service's error code at
most, never a host, a name or a credential.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from pipeline.errors import MissingExtra, NotFound, StoreUnavailable

try:
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
except ImportError as exc:
    raise MissingExtra("s3") from exc

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["BotoCoreError", "ClientError", "S3Options", "client", "code_of", "errors"]

ATTEMPTS: Final = 5
CONNECT_TIMEOUT_S: Final = 10
READ_TIMEOUT_S: Final = 60
_ABSENT: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404"})
_CODE: Final = re.compile(r"[A-Za-z0-9.]{1,64}")


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is, and what it is asked to do.

    Args:
        bucket: its name.
        prefix: of every object's name; a bucket can serve others too.
        endpoint: URL of a server that is not AWS; empty for AWS.
        region: empty for the one of the environment.
        sse: encryption by the service, beneath ours; empty for the bucket's default.
        kms_key: for ``aws:kms``; empty for the account's default key.
        tags: show the retention rule and date of each object as its tags.
        object_lock: the mode in which finished artifacts are locked until their retention ends; empty for none.
    """

    bucket: str
    prefix: str = ""
    endpoint: str = ""
    region: str = ""
    sse: Literal["", "AES256", "aws:kms"] = ""
    kms_key: str = ""
    tags: bool = True
    object_lock: Literal["", "GOVERNANCE", "COMPLIANCE"] = ""


def client(options: S3Options, *, attempts: int = ATTEMPTS, read_timeout_s: float = READ_TIMEOUT_S) -> Any:
    """A client for the bucket's service; connects to nothing yet. Raises StoreUnavailable if the region is missing."""
    config = Config(
        retries={"mode": "standard", "total_max_attempts": attempts},
        connect_timeout=CONNECT_TIMEOUT_S,
        read_timeout=read_timeout_s,
        s3={"addressing_style": "path" if options.endpoint else "auto"},
        request_checksum_calculation="when_required",  # what is written brings its own, in a header that all know
        response_checksum_validation="when_required",
    )
    with errors():
        return boto3.client(
            "s3", endpoint_url=options.endpoint or None, region_name=options.region or None, config=config
        )


@contextmanager
def errors(key: str = "") -> Iterator[None]:
    """What the service or the way to it reports, as StoreUnavailable, or as NotFound for the object ``key``."""
    try:
        yield
    except ClientError as exc:
        if key and code_of(exc) in _ABSENT:
            raise NotFound(f"there is no stored object {key}") from None
        raise StoreUnavailable(f"the bucket cannot be used: {code_of(exc)}") from None
    except HTTPClientError as exc:
        raise StoreUnavailable(f"the bucket cannot be reached: {type(exc).__name__}") from None
    except (BotoCoreError, OSError) as exc:
        raise StoreUnavailable(f"the bucket cannot be used: {type(exc).__name__}") from None


def code_of(exc: ClientError) -> str:
    """The service's error code, if it has the form of one."""
    code = str(exc.response.get("Error", {}).get("Code", ""))
    return code if _CODE.fullmatch(code) else "unknown error"
