"""The ``callseal`` command in a process that notes, and refuses, whatever would reach another machine.

``python -m tests.offline LOG ARGUMENTS`` is ``callseal ARGUMENTS``; every attempt becomes a line of LOG. The socket
module's own functions are replaced, before any library has been imported, so that each of them gets the refusal.
"""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any, NoReturn


def refuse(log: Path) -> None:
    """Replace whatever connects, sends or looks up a name."""

    def refusal(name: str) -> Any:
        def refused(*_arguments: Any, **_options: Any) -> NoReturn:
            with log.open("a") as file:
                file.write(f"{name}\n")
            raise OSError(f"refused: {name}")

        return refused

    for name in ("getaddrinfo", "gethostbyname", "gethostbyname_ex", "create_connection"):
        setattr(socket, name, refusal(name))
    for name in ("connect", "connect_ex", "sendto", "sendmsg"):
        setattr(socket.socket, name, refusal(f"socket.{name}"))


if __name__ == "__main__":
    refuse(Path(sys.argv.pop(1)))
    from pipeline.cli import main

    main()
