"""The embedded model as an OpenAI-compatible server on this machine, from the standard library alone.

``/v1/models`` and ``/v1/chat/completions``, streaming included. It listens on the loopback
interface unless told otherwise and refuses requests whose Host header names another machine.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, ClassVar

from paragrad.errors import ModelError
from paragrad.llm.embedded.model import EmbeddedModel
from paragrad.llm.embedded.openai_format import chunk, completion, error_body, parse_request, stream_end
from paragrad.llm.embedded.pieces import overlap
from paragrad.llm.types import Request, Response

LARGEST_BODY = 4_000_000
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


class RunningServer:
    """A server in its own thread. ``url`` is what clients take as ``base_url``."""

    def __init__(self, http: ThreadingHTTPServer, host: str) -> None:
        self._http = http
        self.host = host
        self.port: int = http.server_address[1]
        self.url = f"http://{host}:{self.port}/v1"
        self._thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.05}, name="paragrad-embedded", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops listening and waits for the thread."""
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def wait(self) -> None:
        """Blocks until the server is closed from another thread."""
        self._thread.join()

    def __enter__(self) -> RunningServer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


def serve(host: str = "127.0.0.1", port: int = 0, *, model: EmbeddedModel | None = None) -> RunningServer:
    """Starts the server and returns at once.

    Args:
        host: interface to listen on.
        port: 0 takes a free one.
        model: the model to serve; a new one by default.
    """
    served = model or EmbeddedModel()

    class Handler(_Handler):
        embedded = served
        local = host in ("127.0.0.1", "localhost", "::1")

    return RunningServer(_Server((host, port), Handler), host)


def serve_forever(host: str = "127.0.0.1", port: int = 8321) -> None:
    """Serves until interrupted; for the command line."""
    with serve(host, port) as server:
        try:
            server.wait()
        except KeyboardInterrupt:
            return


class _Server(ThreadingHTTPServer):
    """Says nothing when a client hangs up."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "paragrad-embedded"
    embedded: ClassVar[EmbeddedModel]
    local: ClassVar[bool] = True

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: requests are not logged."""

    def do_GET(self) -> None:
        """``/v1/models`` and ``/v1/models/embedded``."""
        card = {"id": EmbeddedModel.name, "object": "model", "created": 0, "owned_by": "paragrad"}
        if not self._allowed():
            return
        if self.path.rstrip("/") == "/v1/models":
            self._send(200, {"object": "list", "data": [card]})
        elif self.path.rstrip("/") == f"/v1/models/{EmbeddedModel.name}":
            self._send(200, card)
        else:
            self._send(404, error_body(f"no such path: {self.path[:80]}", 404))

    def do_POST(self) -> None:
        """``/v1/chat/completions``."""
        body = self._body()
        if body is None or not self._allowed():
            return
        if self.path.rstrip("/") != "/v1/chat/completions":
            self._send(404, error_body(f"no such path: {self.path[:80]}", 404))
            return
        try:
            call = parse_request(body)
            if call.stream:
                self._stream(call.body, call.usage)
                return
            answer = self.embedded.complete([call.body])[0]
            if isinstance(answer, ModelError):
                raise answer
        except ModelError as error:
            self._send(error.status or 500, error_body(str(error), error.status or 500))
            return
        except ConnectionError:
            self.close_connection = True
            return
        self._send(200, completion(answer, call.body))

    def _allowed(self) -> bool:
        host = (self.headers.get("Host") or "").rsplit(":", 1)[0]
        if not self.local or host in LOOPBACK:
            return True
        self._send(403, error_body(f"Host {host[:80]!r} is not this machine", 403))
        return False

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "")
        if not length.isdigit():
            self.close_connection = True
            self._send(411, error_body("Content-Length is missing", 411))
            return None
        if int(length) > LARGEST_BODY:
            self.close_connection = True
            self._send(413, error_body(f"the body has {length} bytes, at most {LARGEST_BODY} are read", 413))
            return None
        return self.rfile.read(int(length))

    def _send(self, status: int, body: Any) -> None:
        data = json.dumps(body, ensure_ascii=False).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _stream(self, request: Request, usage: bool) -> None:
        shown: dict[int, int] = {}
        started = False

        def event(body: Any) -> None:
            nonlocal started
            if not started:
                started = True
                self._begin_stream()
            data = f"data: {json.dumps(body, ensure_ascii=False) if not isinstance(body, str) else body}\n\n".encode()
            self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
            self.wfile.flush()

        def watch(index: int, text: str) -> None:
            held = max((overlap(text, stop) for stop in request.stop), default=0)
            safe = text[: len(text) - held]
            if index not in shown:
                event(chunk(request, index, {"role": "assistant", "content": ""}))
            if len(safe) > shown.setdefault(index, 0):
                event(chunk(request, index, {"content": safe[shown[index] :]}))
                shown[index] = len(safe)

        answer: Response = self.embedded.stream(request, watch)
        for index, text in enumerate(answer.texts):
            if text[shown.get(index, 0) :]:
                event(chunk(request, index, {"content": text[shown.get(index, 0) :]}))
        for body in stream_end(answer, request, usage):
            event(body)
        self.wfile.write(b"0\r\n\r\n")

    def _begin_stream(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
