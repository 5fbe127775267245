"""A TCP proxy that loses acknowledgements: the server has done what it was asked, the client never hears of it."""

from __future__ import annotations

import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class Proxy:
    """Forwards a port of loopback; a reply is dropped with the probability ``losing`` and its connection cut.

    Attributes:
        lost: replies dropped so far.
    """

    def __init__(self, port: int) -> None:
        self.upstream = port
        self.losing = 0.0
        self.lost = 0
        self.chance = random.Random(0)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.guard = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self) -> None:
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.upstream))
            except OSError:
                client.close()
                continue
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            threading.Thread(target=self.pump, args=(server, client, True), daemon=True).start()

    def pump(self, source: socket.socket, target: socket.socket, replies: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if replies and self.loses():
                    break
                target.sendall(data)
        for end in (source, target):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def loses(self) -> bool:
        """Whether this reply is to be lost."""
        with self.guard:
            lose = self.chance.random() < self.losing
            self.lost += lose
            return lose


@contextmanager
def lossy(port: int) -> Iterator[Proxy]:
    """A proxy in front of ``port``."""
    proxy = Proxy(port)
    try:
        yield proxy
    finally:
        proxy.losing = 0.0
        proxy.listener.close()
