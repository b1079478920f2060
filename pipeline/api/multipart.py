"""multipart/form-data, part by part as it arrives: a form parser that keeps files would put them on a disk, plain."""

from __future__ import annotations

from email.message import Message
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import BadInput, BadMetadata
from pipeline.intake.arrival import Legs
from pipeline.types import Channel

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LEGS: Final = {"agent": Channel.AGENT, "customer": Channel.CUSTOMER}


def parts(content_type: str, body: Iterable[bytes]) -> Iterator[tuple[str, Iterator[bytes]]]:
    """Name and bytes of each part; a part's bytes must be taken before the next part.

    Raises:
        BadInput: the body is no multipart/form-data, or is cut off.
    """
    events = _events(content_type, iter(body))
    for kind, value in events:
        if kind == "begin":
            yield value, _until_end(events)


def legs(found: Iterator[tuple[str, Iterator[bytes]]]) -> Legs:
    """The recording of the parts that are left: ``audio``, or ``agent`` and ``customer`` in either order.

    The name of the first part says which, so it is looked at; streams are read by whoever takes the legs.

    Raises:
        BadMetadata: the parts have other names.
    """
    name, first = next(found, ("", iter(())))
    if name == "audio":
        return Legs((_only(first, found),))
    if name not in _LEGS:
        raise BadMetadata("the parts after the metadata are called audio, or agent and customer")
    other = "customer" if name == "agent" else "agent"
    return Legs((first, _next(other, found)), (_LEGS[name], _LEGS[other]))


def _only(stream: Iterator[bytes], found: Iterator[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    yield from stream
    if next(found, None) is not None:
        raise BadMetadata("there is a part after the recording")


def _next(wanted: str, found: Iterator[tuple[str, Iterator[bytes]]]) -> Iterator[bytes]:
    name, stream = next(found, ("", iter(())))
    if name != wanted:
        raise BadMetadata("a call of one leg per part has the parts agent and customer")
    yield from _only(stream, found)


def _until_end(events: Iterator[tuple[str, Any]]) -> Iterator[bytes]:
    for kind, value in events:
        if kind == "end":
            return
        yield value


def _events(content_type: str, body: Iterator[bytes]) -> Iterator[tuple[str, Any]]:
    """``begin`` with a part's name, ``data`` with its bytes, ``end``."""
    from python_multipart.exceptions import MultipartParseError
    from python_multipart.multipart import MultipartParser, parse_options_header

    kind, options = parse_options_header(content_type)
    if kind != b"multipart/form-data" or not options.get(b"boundary"):
        raise BadInput("the body is not multipart/form-data")
    seen: list[tuple[str, Any]] = []
    header: dict[str, bytes] = {"field": b"", "value": b"", "disposition": b""}
    ended = [False]

    def add(key: str) -> Any:
        def collect(data: bytes, start: int, end: int) -> None:
            header[key] += data[start:end]

        return collect

    def header_ends() -> None:
        if header["field"].lower() == b"content-disposition":
            header["disposition"] = header["value"]
        header["field"] = header["value"] = b""

    def begins() -> None:
        message = Message()
        message["content-disposition"] = header["disposition"].decode("latin-1")
        header["disposition"] = b""
        seen.append(("begin", str(message.get_param("name", "", "content-disposition"))))

    parser = MultipartParser(
        options[b"boundary"],
        {
            "on_header_field": add("field"),
            "on_header_value": add("value"),
            "on_header_end": header_ends,
            "on_headers_finished": begins,
            "on_part_data": lambda data, start, end: seen.append(("data", data[start:end])),
            "on_part_end": lambda: seen.append(("end", None)),
            "on_end": lambda: ended.__setitem__(0, True),
        },
    )
    try:
        for chunk in body:
            parser.write(chunk)
            yield from seen
            seen.clear()
        parser.finalize()
    except MultipartParseError as exc:
        raise BadInput("the body is not multipart/form-data") from exc
    yield from seen
    if not ended[0]:
        raise BadInput("the body is cut off")
