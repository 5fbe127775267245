"""Private Redis and PostgreSQL servers on loopback, for tests: started on a free port, stopped and removed afterwards.

A machine without them skips these tests and says why; with ``PARAGRAD_SERVERS=required`` that is a failure.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

PASSWORD = "s3cret-of-the-tests"
START_SECONDS = 30.0


def free_port() -> int:
    """A port of loopback nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server(ABC):
    """One server process with a folder of its own.

    Attributes:
        port: on 127.0.0.1; stays the same over restarts.
        process: the running process, or None.
    """

    account: str | None = None
    gently = signal.SIGTERM

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @abstractmethod
    def command(self) -> list[str]:
        """What starts it."""

    @abstractmethod
    def fresh(self) -> str:
        """The URL of an empty store on it."""

    @abstractmethod
    def ready(self) -> bool:
        """Whether it answers."""

    def start(self) -> None:
        """Start and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.command(), stdout=log, stderr=log, cwd=self.folder, **self.as_account())
        deadline = time.monotonic() + START_SECONDS
        while not self.ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop(signal.SIGKILL)
                raise RuntimeError(f"{self.command()[0]} did not start:\n{(self.folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)

    def stop(self, how: int | None = None) -> None:
        """Stop it; with SIGKILL (PostgreSQL: SIGQUIT) as a crash."""
        if self.process is not None:
            self.process.send_signal(how or self.gently)
            self.process.wait(START_SECONDS)
            self.process = None

    def as_account(self) -> dict[str, Any]:
        """Options of Popen that run it under ``account``."""
        return {} if self.account is None else {"user": self.account, "group": pwd.getpwnam(self.account).pw_gid, "extra_groups": []}


class RedisServer(Server):
    """Redis that has written to the disk what it acknowledges."""

    def command(self) -> list[str]:
        return [
            "redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--requirepass", PASSWORD, "--save", "",
            "--appendonly", "yes", "--appendfsync", "always",
        ]  # fmt: skip

    def fresh(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0?prefix={uuid4().hex[:8]}"

    def ready(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1.0) as link:
                link.sendall(f"AUTH {PASSWORD}\r\nPING\r\n".encode())
                with link.makefile("rb") as lines:
                    return b"OK" in lines.readline() and b"PONG" in lines.readline()
        except OSError:
            return False


class PostgresServer(Server):
    """PostgreSQL with the settings it comes with."""

    gently = signal.SIGINT  # SIGTERM would wait for its clients

    def __init__(self, folder: Path, programs: Path) -> None:
        super().__init__(folder)
        self.programs = programs
        if os.geteuid() == 0:
            self.account = "postgres" if any(entry.pw_name == "postgres" for entry in pwd.getpwall()) else "nobody"
            shutil.chown(folder, self.account)
        (folder / "password").write_text(PASSWORD)
        command = [str(programs / "initdb"), "-D", str(folder / "data"), "-U", "paragrad", "-E", "UTF8", "--locale=C", "--no-sync"]
        command += ["-A", "scram-sha-256", f"--pwfile={folder / 'password'}"]
        subprocess.run(command, check=True, capture_output=True, cwd=folder, **self.as_account())

    def command(self) -> list[str]:
        place = ["-D", str(self.folder / "data"), "-p", str(self.port), "-k", str(self.folder)]
        return [str(self.programs / "postgres"), *place, "-c", "listen_addresses=127.0.0.1", "-c", "max_connections=60"]

    def fresh(self) -> str:
        return f"postgresql://paragrad:{PASSWORD}@127.0.0.1:{self.port}/postgres?schema=s{uuid4().hex[:8]}"

    def ready(self) -> bool:
        asked = [str(self.programs / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(asked, check=False).returncode == 0


def postgres_programs() -> Path | None:
    """Where the newest PostgreSQL's programs are."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: float(path.parent.parent.name))
    on_path = shutil.which("postgres")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


def missing(name: str, package: str) -> None:
    """Skip the test; where servers are required, fail it."""
    reason = f"no {name} on this machine; apt-get install {package} (tools/servers.sh does)"
    if os.environ.get("PARAGRAD_SERVERS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@contextmanager
def running(make: Any) -> Iterator[Any]:
    """The server that ``make(folder)`` gives, started; stopped and its folder removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="paragrad-server-"))
    try:
        server = make(folder)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def redis_server() -> Iterator[RedisServer]:
    """A private Redis; a skipped test where there is none."""
    if shutil.which("redis-server") is None:
        missing("redis-server", "redis-server")
    with running(RedisServer) as server:
        yield server


@contextmanager
def postgres_server() -> Iterator[PostgresServer]:
    """A private PostgreSQL; a skipped test where there is none."""
    programs = postgres_programs()
    if programs is None:
        missing("PostgreSQL", "postgresql")
    with running(lambda folder: PostgresServer(folder, programs)) as server:
        yield server


@pytest.fixture(scope="session")
def redis() -> Iterator[RedisServer]:
    """One Redis for all tests of this process; each takes a store of its own with ``fresh()``."""
    with redis_server() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """One PostgreSQL for all tests of this process; each takes a store of its own with ``fresh()``."""
    with postgres_server() as server:
        yield server
