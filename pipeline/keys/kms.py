"""AWS KMS: takes the ARN of a symmetric KMS key, gives a wrapping key that never leaves the service.

Credentials, region and endpoint are those of AWS's own settings (``~/.aws/config``, ``AWS_*``, the instance's role).
The associated data goes along as encryption context, so CloudTrail shows which subject's key was opened, by ids only.
A call that fails is tried a few times within half a minute, and no secret is in any error.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Self

from pipeline.errors import CannotOpen, MissingExtra, Refused, StoreUnavailable, UsageError
from pipeline.keys import Secret

if TYPE_CHECKING:
    from collections.abc import Iterator

_CONNECT_S: Final = 5
_READ_S: Final = 10
_ATTEMPTS: Final = 3
_OTHER: Final = frozenset({"InvalidCiphertextException", "IncorrectKeyException"})
_GONE: Final = frozenset({"NotFoundException", "DisabledException", "KMSInvalidStateException"})
_DENIED: Final = frozenset({"AccessDeniedException", "UnrecognizedClientException", "InvalidClientTokenId"})


@dataclass(frozen=True, slots=True)
class KmsKey:
    """A symmetric key in AWS KMS; for ``wrap`` and ``unwrap`` see ``keys.RootKey``.

    Both also raise StoreUnavailable (the service cannot be reached), Refused (its policy says no) and CannotOpen
    (the key is disabled or destroyed).
    """

    arn: str
    _client: Any = field(repr=False, compare=False)

    @classmethod
    def find(cls, key: str) -> Self:
        """The key behind an ARN, id or alias. Raises UsageError if there is none."""
        client = _client(_region(key))
        try:
            with _errors():
                found = client.describe_key(KeyId=key)["KeyMetadata"]
        except CannotOpen:
            raise UsageError("keys.kms_key names no AWS KMS key that can be used") from None
        if found.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT" or not found.get("Enabled"):
            raise UsageError("keys.kms_key names an AWS KMS key that is disabled or not symmetric")
        return cls.at(found["Arn"])

    @classmethod
    def at(cls, arn: str) -> Self:
        """The key of that ARN; nothing is asked of the service yet."""
        return cls(arn, _client(_region(arn)))

    def wrap(self, plaintext: Secret, associated_data: bytes) -> bytes:
        """See RootKey."""
        with _errors():
            answer = self._client.encrypt(
                KeyId=self.arn, Plaintext=plaintext.reveal(), EncryptionContext=_context(associated_data)
            )
        wrapped: bytes = answer["CiphertextBlob"]
        return wrapped

    def unwrap(self, wrapped: bytes, associated_data: bytes) -> Secret:
        """See RootKey."""
        if not wrapped:
            raise CannotOpen("there is no wrapped key")  # which the client library would call a wrong parameter
        with _errors():
            answer = self._client.decrypt(
                KeyId=self.arn, CiphertextBlob=wrapped, EncryptionContext=_context(associated_data)
            )
        return Secret(answer["Plaintext"])


def _context(associated_data: bytes) -> dict[str, str]:
    """One byte is one character, so that no two bindings give the same context."""
    return {"callseal": associated_data.decode("latin-1")}


def _region(key: str) -> str | None:
    return key.split(":")[3] if key.startswith("arn:") and key.count(":") >= 5 else None


@lru_cache(maxsize=8)
def _client(region: str | None) -> Any:
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError
    except ImportError as exc:
        raise MissingExtra("s3") from exc
    retries = {"max_attempts": _ATTEMPTS, "mode": "standard"}
    config = Config(connect_timeout=_CONNECT_S, read_timeout=_READ_S, retries=retries)
    try:
        # A session of its own: the library's common one keeps the first credentials that any part of the process had.
        return boto3.session.Session().client("kms", region_name=region, config=config)
    except BotoCoreError as exc:
        raise UsageError(f"AWS KMS: {type(exc).__name__}: set the region and the credentials as AWS has it") from None


@contextmanager
def _errors() -> Iterator[None]:
    """Without their causes: the service's messages name accounts and people's roles."""
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    try:
        yield
    except ClientError as exc:
        code = exc.response.get("Error", {}).get("Code", "")
        if code in _OTHER:
            raise CannotOpen("the KMS key does not open this: other key, other binding or changed bytes") from None
        if code in _GONE:
            raise CannotOpen(f"the KMS key cannot be used ({code})") from None
        if code in _DENIED:
            raise Refused(f"AWS KMS refuses ({code})") from None
        raise StoreUnavailable(f"AWS KMS failed ({code[:40] or 'no reason given'})") from None
    except NoCredentialsError:
        raise UsageError("AWS KMS: there are no AWS credentials") from None
    except BotoCoreError as exc:
        raise StoreUnavailable(f"AWS KMS cannot be reached ({type(exc).__name__})") from None
