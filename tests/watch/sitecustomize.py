"""Put first on PYTHONPATH, this makes a Python process note and refuse whatever would reach another machine."""

import os
import sys
from pathlib import Path
from typing import Any

_WATCHED = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"} | {
    f"socket.gethostby{what}" for what in ("name", "addr")
}
_log = os.environ.get("EGRESS_LOG")


def _refuse(event: str, arguments: tuple[Any, ...]) -> None:
    address = arguments[0] if event.startswith("socket.get") else arguments[1] if len(arguments) > 1 else None
    local = not event.startswith("socket.get") and isinstance(address, str | bytes)  # an AF_UNIX address is a path
    probe = event == "socket.bind" and address == ("::1", 0)  # urllib3 asks the kernel whether it knows IPv6
    if event in _WATCHED and not local and not probe:
        with Path(str(_log)).open("a") as log:
            log.write(f"{event} {address!r}\n")
        raise OSError(f"refused: {event}")


if _log:
    sys.addaudithook(_refuse)
