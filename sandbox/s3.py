"""A local S3 for staging on object storage: moto's server, in a thread of this process."""

from __future__ import annotations

import json
import logging
from types import TracebackType
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

_REGION = "us-east-1"


class S3Server:
    """
    An S3 with one empty bucket, reachable by TCP on 127.0.0.1; as a context manager it runs and stops.

    :param bucket: the bucket's name.
    """

    def __init__(self, bucket: str = "staging") -> None:
        self.bucket = bucket
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)

    def __enter__(self) -> S3Server:
        """Start the server and create the bucket."""
        logging.getLogger("werkzeug").setLevel(logging.WARNING)  # or it logs each request
        self._server.start()
        self.client.create_bucket(Bucket=self.bucket)
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        """Stop the server; what it held is gone."""
        self._server.stop()

    @property
    def url(self) -> str:
        """Address of the server."""
        host, port = self._server.get_host_and_port()
        return f"http://{host}:{port}"

    @property
    def client(self) -> Any:
        """A boto3 client of the server."""
        keys = {"aws_access_key_id": "sandbox", "aws_secret_access_key": "sandbox"}
        return boto3.client("s3", endpoint_url=self.url, region_name=_REGION, **keys)

    @property
    def connection(self) -> str:
        """An Airflow connection to the server, as the environment variable ``AIRFLOW_CONN_AWS_DEFAULT`` holds it."""
        extra = {"endpoint_url": self.url, "region_name": _REGION}
        return json.dumps({"conn_type": "aws", "login": "sandbox", "password": "sandbox", "extra": extra})

    def keys(self, prefix: str = "") -> list[str]:
        """
        Return the keys of the bucket's objects.

        :param prefix: what they start with.
        """
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]
