"""The import bucket, against moto's S3 and against servers that do not answer."""

from __future__ import annotations

import io
import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from odp.core.exceptions import BucketError, BucketRefusedError, BucketUnknownOutcomeError, CannotSucceedError
from odp.core.settings import CsvImport
from odp.hooks.import_bucket import OdpImportBucket
from sandbox.s3 import S3Server
from sandbox.world import PROJECT


@pytest.fixture
def settings(s3: S3Server, tmp_path: Path) -> CsvImport:
    return CsvImport(bucket=s3.bucket, tracker_id=tmp_path.name)


@pytest.fixture
def bucket(settings: CsvImport) -> OdpImportBucket:
    return OdpImportBucket(settings)


def connect(monkeypatch: pytest.MonkeyPatch, url: str, **config: Any) -> None:
    extra = {"endpoint_url": url, "region_name": "us-east-1", "config_kwargs": config}
    connection = {"conn_type": "aws", "login": "sandbox", "password": "sandbox", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", json.dumps(connection))


@contextmanager
def server(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that answers each request with the same bytes, or closes the connection; yields its address and the requests."""
    requests: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                requests.append(connection.recv(65536))
                connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", requests
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def answer(status: int, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
    return b"HTTP/1.1 %d no\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("size", [10, 9_000_000])
def test_a_file_lies_in_the_account_s_folder(
    s3: S3Server, tmp_path: Path, bucket: OdpImportBucket, size: int, repeatable: bool
) -> None:
    assert not bucket.has("zaius_products_1.csv")
    for _ in range(2):  # a repeat replaces it
        bucket.put("zaius_products_1.csv", io.BytesIO(b"x" * size), repeatable=repeatable)
    assert bucket.has("zaius_products_1.csv")
    key = f"{tmp_path.name}/zaius_products_1.csv"
    assert s3.keys(f"{tmp_path.name}/") == [key]
    assert s3.client.head_object(Bucket=s3.bucket, Key=key)["ContentLength"] == size
    assert bucket.location("zaius_products_1.csv") == f"s3://{s3.bucket}/{key}"


def test_a_bucket_that_is_not_there_is_named_with_the_setting(s3: S3Server) -> None:
    bucket = OdpImportBucket(CsvImport(bucket="nobodys-bucket", tracker_id="t"))
    with pytest.raises(BucketRefusedError, match=r"s3://nobodys-bucket/t/a\.csv cannot be written: .*Check csv in odp_settings"):
        bucket.put("a.csv", io.BytesIO(b"x"), repeatable=True)
    assert issubclass(BucketRefusedError, CannotSucceedError)
    assert not bucket.has("a.csv")
    assert s3.keys("t/") == []


@pytest.mark.parametrize("status", [403, 503])
def test_a_refusal_is_final_and_trouble_of_the_server_is_not(
    monkeypatch: pytest.MonkeyPatch, settings: CsvImport, status: int
) -> None:
    with server(answer(status, "AccessDenied" if status == 403 else "SlowDown")) as (url, requests):
        connect(monkeypatch, url)
        bucket = OdpImportBucket(settings)
        with pytest.raises(BucketRefusedError if status == 403 else BucketUnknownOutcomeError) as error:
            bucket.put("a.csv", io.BytesIO(b"secret,ana@example.com"), repeatable=False)
        assert len(requests) == 1
        assert "ana@example.com" not in str(error.value)
        with pytest.raises(BucketError, match="It cannot be seen whether"):
            bucket.has("a.csv")


def test_an_upload_whose_answer_is_lost_is_not_tried_again_unless_it_is_repeatable(
    monkeypatch: pytest.MonkeyPatch, settings: CsvImport
) -> None:
    with server(b"") as (url, requests):
        connect(monkeypatch, url, retries={"max_attempts": 1})
        bucket = OdpImportBucket(settings)
        with pytest.raises(BucketUnknownOutcomeError, match="The answer to the upload of s3://"):
            bucket.put("a.csv", io.BytesIO(b"x"), repeatable=False)
        assert len(requests) == 1
        with pytest.raises(BucketUnknownOutcomeError):
            bucket.put("a.csv", io.BytesIO(b"x"), repeatable=True)
        assert len(requests) == 3


def test_a_server_that_is_not_there_has_stored_nothing(monkeypatch: pytest.MonkeyPatch, settings: CsvImport) -> None:
    connect(monkeypatch, "http://127.0.0.1:9", retries={"max_attempts": 0})
    with pytest.raises(BucketError, match="could not be reached") as error:
        OdpImportBucket(settings).put("a.csv", io.BytesIO(b"x"), repeatable=False)
    assert not isinstance(error.value, BucketUnknownOutcomeError)


def test_without_the_amazon_provider_it_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['airflow.providers.amazon.aws.hooks.s3'] = None\n"
        "from odp.core.settings import CsvImport\n"
        "from odp.hooks.import_bucket import OdpImportBucket\n"
        "OdpImportBucket(CsvImport(bucket='b', tracker_id='t')).has('a')"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=False)
    assert "SettingsError: The transport csv needs Airflow's Amazon provider" in result.stderr
    assert "requirements-s3.txt" in result.stderr
