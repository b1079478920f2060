"""Fetching a recording that an event only names: from hosts that the settings list, never from this network.

Takes a URL and limits, gives the bytes as they come. Every address that the host's name stands for must be public (or
the settings say that private ones are meant); the connection goes to one of the addresses that were checked, so that
a name cannot change its meaning in between. Redirects are followed by the same rules, a few times. Names of hosts
appear in errors, paths and queries never.
"""

from __future__ import annotations

import ipaddress
import socket
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urljoin, urlsplit

from pipeline.errors import MissingExtra, NotFound, Refused, StoreUnavailable
from pipeline.intake.fetch_object import BucketRule, fetch_object

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    import httpx

REDIRECTS: Final = 3
_CHUNK_BYTES: Final = 1 << 18


@dataclass(frozen=True, slots=True)
class FetchRule:
    """From where recordings are fetched, and how long that may take.

    Args:
        hosts: names of hosts, or ``.example.com`` for all below a domain.
        private: whether addresses of this machine's own networks are meant, too; http:// is allowed for these only.
        within_s: for one recording, from the first byte asked for to the last.
        logins: user and password by host, sent to that host only.
        delete_at: hosts that are told to delete a recording once it is sealed here.
        bucket: from which buckets ``s3://`` URLs are fetched.
    """

    hosts: tuple[str, ...]
    private: bool = False
    within_s: float = 600.0
    logins: Mapping[str, tuple[str, str]] = field(default_factory=dict, repr=False)
    bucket: BucketRule = field(default_factory=BucketRule)
    delete_at: tuple[str, ...] = ()


def fetch(url: str, rule: FetchRule) -> Iterator[bytes]:
    """The recording, in chunks.

    Raises:
        Refused: the rule does not allow the host, its address or a redirect.
        NotFound: there is no such recording, or no longer.
        StoreUnavailable: not there yet, too slow, or the line broke; try again.
        MissingExtra: httpx is not installed.
    """
    if url.startswith("s3://"):
        yield from fetch_object(url, rule.bucket, rule.within_s)
        return
    httpx = _library()
    ends = time.monotonic() + rule.within_s
    for _ in range(REDIRECTS + 1):
        try:
            with _asked("GET", url, rule) as (answer, host):
                if answer.is_redirect:
                    url = urljoin(url, answer.headers["location"])
                    continue
                _check(answer, host)
                for chunk in answer.iter_bytes(_CHUNK_BYTES):
                    if time.monotonic() > ends:
                        raise StoreUnavailable(f"{host} took longer than {rule.within_s:.0f} s for a recording")
                    yield chunk
                return
        except httpx.HTTPError as exc:
            raise StoreUnavailable(f"a recording cannot be fetched: {type(exc).__name__}") from None
    raise Refused(f"a recording is more than {REDIRECTS} redirects away")


def delete_copy(url: str, rule: FetchRule) -> bool:
    """Have the platform delete a recording that is sealed here; gives False where it says no.

    Twilio deletes the resource, so the form in which it was fetched (suffix, query) is left out of its name.

    Raises:
        Refused: the rule does not allow the host or its address.
        StoreUnavailable: overloaded, or the line broke; try again.
        MissingExtra: httpx is not installed.
    """
    httpx = _library()
    parts = urlsplit(url)
    resource = parts._replace(path=parts.path.removesuffix(".wav"), query="").geturl()
    try:
        with _asked("DELETE", resource, rule) as (answer, host):
            if answer.status_code == 429 or answer.status_code >= 500:
                raise StoreUnavailable(f"{host} answers {answer.status_code}")
            return answer.status_code in (200, 202, 204, 404, 410)
    except httpx.HTTPError as exc:
        raise StoreUnavailable(f"a copy cannot be deleted: {type(exc).__name__}") from None


def is_at(url: str, hosts: Collection[str]) -> bool:
    """Whether a URL's host is one of these, or below one that begins with a dot."""
    host = (urlsplit(url).hostname or "").lower().rstrip(".")
    return any(host == each or (each.startswith(".") and host.endswith(each)) for each in hosts)


@contextmanager
def _asked(method: str, url: str, rule: FetchRule) -> Iterator[tuple[httpx.Response, str]]:
    """The answer of an allowed host, from the very address that was checked, and the host's name."""
    httpx = _library()
    host, address = allowed(url, rule)
    parts = urlsplit(url)
    port = f":{parts.port}" if parts.port else ""
    literal = f"[{address}]" if ":" in address else address
    with (
        httpx.Client(timeout=30.0, trust_env=False) as client,
        client.stream(
            method,
            parts._replace(netloc=literal + port).geturl(),
            headers={"host": host + port},
            auth=rule.logins.get(host),
            extensions={"sni_hostname": host},
        ) as answer,
    ):
        yield answer, host


def allowed(url: str, rule: FetchRule) -> tuple[str, str]:
    """The host of a URL and an address of it that may be connected to.

    Raises:
        Refused: the host is not listed, one of its addresses is not public, or the scheme is not https.
        StoreUnavailable: the name cannot be resolved.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower().rstrip(".")
    if not is_at(url, rule.hosts):
        raise Refused("a recording is at a host that fetch.hosts does not list")
    try:
        found = socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except OSError as exc:
        raise StoreUnavailable(f"{host} cannot be resolved") from exc
    addresses = [ipaddress.ip_address(each[4][0]) for each in found]
    if not rule.private and not all(each.is_global and not each.is_multicast for each in addresses):
        raise Refused(f"{host} has an address that is not public")
    if parts.scheme != "https" and not (rule.private and parts.scheme == "http"):
        raise Refused(f"{host} is not asked by https")
    return host, str(addresses[0])


def _check(answer: httpx.Response, host: str) -> None:
    status = answer.status_code
    if status in (404, 425, 429) or status >= 500:  # a platform answers 404 until the recording is ready
        raise StoreUnavailable(f"{host} answers {status}")
    if status == 410:
        raise NotFound(f"{host} has deleted the recording")
    if status != 200:
        raise Refused(f"{host} answers {status}")


def _library() -> Any:
    try:
        import httpx
    except ImportError as exc:
        raise MissingExtra("api") from exc
    return httpx
