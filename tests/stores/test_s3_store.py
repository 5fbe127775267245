"""A FileStore in an S3 bucket, over HTTP: the whole kit, and several processes that write at once.

The server is moto's, on loopback; it simulates Amazon's, conditional writes ("only if there is none") included.
``make peer-s3`` installs it with s3fs beside this environment and runs this file.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Thread
from typing import Any
from uuid import uuid4

import numpy
import pytest

from paragrad import stores
from paragrad.errors import StoreError
from paragrad.testing.stores import check_store

pytest.importorskip("s3fs", reason="s3fs and moto[server] are not installed: make peer-s3 installs them beside this environment")
boto3: Any = pytest.importorskip("boto3")
moto: Any = pytest.importorskip("moto.moto_server.werkzeug_app", reason="moto[server] is not installed: make peer-s3 installs it")
serving: Any = pytest.importorskip("werkzeug.serving")

BUCKET = "prompts"
PUSHES, WRITERS = 25, 3

WRITER = """
import sys
from paragrad import stores
store = stores.open(sys.argv[1])
for n in range(int(sys.argv[2])):
    store.increment_gradient("w", [1.0, 2.0], token=f"{sys.argv[3]}-{n}")
    while True:
        entry = store.get_entry("n")
        try:
            store.set_parameter_value("n", entry.value + 1.0, expect=entry.version)
            break
        except stores.Conflict:
            pass
"""


@contextmanager
def s3_server() -> Iterator[str]:
    """The address of a server. It looks and writes in two steps, so requests take turns: Amazon's conditional write is one step."""
    app, turn = moto.DomainDispatcherApplication(moto.create_backend_app), Lock()

    def in_turn(environ: Any, start_response: Any) -> list[bytes]:
        with turn:
            return list(app(environ, start_response))

    server = serving.make_server("127.0.0.1", 0, in_turn, threaded=True, request_handler=moto.MotoRequestHandler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()


@pytest.fixture(scope="module")
def bucket() -> Iterator[str]:
    """An empty bucket; the environment says where its server is, as it does for every S3 client."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with s3_server() as address, pytest.MonkeyPatch.context() as patched:
        patched.setenv("AWS_ENDPOINT_URL", address)
        patched.setenv("AWS_ACCESS_KEY_ID", "simulated")
        patched.setenv("AWS_SECRET_ACCESS_KEY", "simulated")
        patched.setenv("AWS_DEFAULT_REGION", "us-east-1")
        boto3.client("s3").create_bucket(Bucket=BUCKET)
        yield f"s3://{BUCKET}"


def test_the_kit_accepts_it(bucket: str) -> None:
    assert len(check_store(lambda: stores.open(f"{bucket}/{uuid4().hex}"))) > 75


def test_processes_that_write_at_once_lose_nothing(bucket: str) -> None:
    url = f"{bucket}/{uuid4().hex}"
    store = stores.open(url)
    store.init_parameter("n", 0.0)
    store.init_parameter("w", numpy.zeros(2))
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, url, str(PUSHES), str(each)]) for each in range(WRITERS)]
    assert [writer.wait(300) for writer in writers] == [0] * WRITERS
    assert store.get_parameter_value("n") == PUSHES * WRITERS
    assert store.get_gradient("w").tolist() == [PUSHES * WRITERS, 2.0 * PUSHES * WRITERS]


def test_a_bucket_that_is_not_there_is_one_clear_error(bucket: str) -> None:
    with pytest.raises(StoreError, match="s3://nowhere"):
        stores.open("s3://nowhere/at-all")


def test_a_prefix_with_other_files_is_left_alone(bucket: str) -> None:
    boto3.client("s3").put_object(Bucket=BUCKET, Key="mine/notes.txt", Body=b"mine")
    with pytest.raises(StoreError, match="holds other files"):
        stores.open(f"{bucket}/mine")
    assert boto3.client("s3").get_object(Bucket=BUCKET, Key="mine/notes.txt")["Body"].read() == b"mine"
