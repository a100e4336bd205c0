"""Ports for servers under test."""

import itertools
import os
import socket

_FIRST, _COUNT = 20_000, 10_000
_NUMBERS = itertools.count(os.getpid() * 7)


def free_port() -> int:
    """TCP port of this machine that nobody has.

    Below the range from which the system takes ports for outgoing connections: one of those
    could be taken between now and the start of the server.
    """
    for number in itertools.islice(_NUMBERS, _COUNT):
        port = _FIRST + number % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")
