"""FaultServer: a real HTTP server on loopback that misbehaves on demand, to test model backends.

    with FaultServer("429", "503", "ok") as server:      # one entry per request, the last one repeats
        model = pg.llm.connect(f"{server.url}#test")

Every entry names a row of :data:`paragrad.testing.wire_faults.FAULTS` or is a function of
(:class:`Connection`) that writes whatever it likes.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from types import TracebackType
from typing import Any

from paragrad.errors import UnknownName

REASONS = {200: "OK", 302: "Found", 307: "Temporary Redirect", 400: "Bad Request", 401: "Unauthorized", 429: "Too Many Requests"}


@dataclass
class Connection:
    """One request being answered.

    Attributes:
        headers: as sent, names in lower case.
        body: the parsed JSON body.
        closing: set when the server stops; faults wait on it instead of sleeping.
    """

    socket: socket.socket
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    closing: Event
    keep: bool = False
    sent: list[bytes] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        """Bytes as they are."""
        self.socket.sendall(data)

    def wait(self, seconds: float) -> bool:
        """Pause; False once the server stops."""
        return not self.closing.wait(seconds)

    def reply(
        self, body: bytes | str | dict[str, Any], status: int = 200, *, headers: dict[str, str] | None = None, length: int | None = None
    ) -> None:
        """A whole HTTP answer; ``length`` lies about its size."""
        data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
        kind = "application/json" if isinstance(body, dict) else "text/html"
        size = len(data) if length is None else length
        self.head(status, {"content-type": kind, "content-length": str(size), **(headers or {})})
        self.send(data)
        self.keep = length is None

    def head(self, status: int, headers: dict[str, str]) -> None:
        """Status line and headers."""
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", *(f"{name}: {value}" for name, value in headers.items())]
        self.send("\r\n".join([*lines, "", ""]).encode("latin-1"))

    def reset(self) -> None:
        """Close with a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()


Fault = Callable[[Connection], None]


class FaultServer:
    """Answers request k with entry k of the script; the last entry repeats.

    Attributes:
        requests: (path, headers, body) of every request, in order of arrival.
        most_at_once: the largest number of requests that were being answered together.
    """

    def __init__(self, *script: str | Fault) -> None:
        from paragrad.testing.wire_faults import FAULTS

        self.script: list[Fault] = [_fault(entry, FAULTS) if isinstance(entry, str) else entry for entry in (script or ("ok",))]
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.most_at_once = 0
        self._now = 0
        self._lock = Lock()
        self._closing = Event()
        self._threads: list[Thread] = []
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> FaultServer:
        self._start(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing.set()
        self._socket.close()
        for thread in self._threads:
            thread.join(timeout=5.0)

    def _start(self, target: Callable[..., None], *args: Any) -> None:
        thread = Thread(target=target, args=args, daemon=True, name="paragrad-fault-server")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        self._socket.settimeout(0.1)
        while not self._closing.is_set():
            try:
                client, _ = self._socket.accept()
            except TimeoutError:
                continue
            except OSError:
                return
            self._start(self._serve, client)

    def _serve(self, client: socket.socket) -> None:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        client.settimeout(0.1)
        with client:
            rest = b""
            while (received := self._receive(client, rest)) is not None:
                connection, rest = received
                if not self._answer(connection):
                    return

    def _receive(self, client: socket.socket, data: bytes) -> tuple[Connection, bytes] | None:
        """The next request on this connection, and what was read beyond it."""
        while b"\r\n\r\n" not in data:
            more = self._read(client)
            if not more:
                return None
            data += more
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        size = int(headers.get("content-length", "0"))
        while len(data) < size:
            more = self._read(client)
            if not more:
                return None
            data += more
        body = json.loads(data[:size]) if size else {}
        return Connection(client, first.split(" ")[1], headers, body, self._closing), data[size:]

    def _read(self, client: socket.socket) -> bytes:
        while not self._closing.is_set():
            try:
                return client.recv(65536)
            except TimeoutError:
                continue
            except OSError:
                return b""
        return b""

    def _answer(self, connection: Connection) -> bool:
        """Play the next entry; whether the connection stays open."""
        with self._lock:
            fault = self.script[min(len(self.requests), len(self.script) - 1)]
            self.requests.append((connection.path, connection.headers, connection.body))
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        try:
            connection.socket.settimeout(5.0)
            fault(connection)
            connection.socket.settimeout(0.1)
        except OSError:  # the client went away, as it should when its deadline passed
            return False
        finally:
            with self._lock:
                self._now -= 1
        return connection.keep


def _fault(name: str, known: Mapping[str, Fault]) -> Fault:
    if name not in known:
        raise UnknownName(f"no fault is called {name!r}; known: {', '.join(known)}")
    return known[name]


def refused_url() -> str:
    """An address on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    return f"http://127.0.0.1:{port}/v1"
