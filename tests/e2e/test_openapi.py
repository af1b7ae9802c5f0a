"""Each request of the exports against the facts of ODP's published OpenAPI, checked by a proxy that they go through."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jsonschema
import pytest
import urllib3

from odp.core.exports import EXPORTS
from sandbox.odp.server import SandboxOdp
from tests.e2e.conftest import Configure, RunExport
from tests.e2e.odp_openapi_facts import OPERATIONS

VALIDATORS = {
    operation: jsonschema.Draft202012Validator(operation.body) for operation in OPERATIONS if operation.body is not None
}


class Checker:
    """Notes which operations requests use, and what is wrong with them."""

    def __init__(self) -> None:
        self.violations: list[str] = []
        self.seen: Counter[tuple[str, str]] = Counter()

    def check(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        """Check one request."""
        parts = urlsplit(target)
        path = parts.path.removeprefix("/v3")
        operation = next((operation for operation in OPERATIONS if operation.matches(method, path)), None)
        if operation is None or not parts.path.startswith("/v3/"):
            self.violations.append(f"{method} {parts.path}: no such operation")
            return
        self.seen[method, operation.path] += 1
        wrong = [] if _header(headers, "x-api-key") else ["header x-api-key is missing"]
        if len(parse_qsl(parts.query, keep_blank_values=True)) != operation.query:
            wrong.append(f"takes {operation.query} query parameters")
        if operation in VALIDATORS:
            wrong += self._check_body(VALIDATORS[operation], headers, body)
        elif body:
            wrong.append("takes no body")
        self.violations += [f"{method} {parts.path}: {problem}" for problem in wrong]

    @staticmethod
    def _check_body(validator: Any, headers: dict[str, str], body: bytes) -> list[str]:
        if _header(headers, "content-type").partition(";")[0] != "application/json":
            return ["the body is not declared as JSON"]
        try:
            content = json.loads(body)
        except ValueError:
            return ["the body is not JSON"]
        return [f"{error.json_path}: {error.message[-200:]}" for error in validator.iter_errors(content)]


class ValidatingProxy(Checker):
    """
    A server that checks requests and passes them on.

    :param target: address of the real server.
    """

    def __init__(self, target: str) -> None:
        super().__init__()
        pool = urllib3.PoolManager(maxsize=16, retries=False)
        check = self.check

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one segment, or each answer waits for an acknowledgement

            def serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                check(self.command, self.path, dict(self.headers.items()), body)
                headers = {name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")}
                answer = pool.request(self.command, target + self.path, body=body or None, headers=headers)
                self.send_response(answer.status)
                self.send_header("Content-Type", answer.headers.get("Content-Type", "application/json"))
                self.send_header("Content-Length", str(len(answer.data)))
                self.end_headers()
                self.wfile.write(answer.data)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve  # noqa: N815 - the names that the base class calls

            def log_message(self, *_: Any) -> None:
                """Keep quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> ValidatingProxy:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


def _header(headers: dict[str, str], name: str) -> str:
    return next((value for key, value in headers.items() if key.lower() == name), "")


@pytest.fixture
def proxy(account: SandboxOdp, monkeypatch: pytest.MonkeyPatch) -> Iterator[ValidatingProxy]:
    """A proxy in front of the test's account; the connection leads through it."""
    with ValidatingProxy(account.url) as running:
        connection = {"conn_type": "odp", "host": running.url, "password": account.key}
        monkeypatch.setenv("AIRFLOW_CONN_ODP_DEFAULT", json.dumps(connection))
        yield running


HEADERS = {"X-Api-Key": "k", "Content-Type": "application/json"}
ORDER = {"type": "order", "action": "purchase", "identifiers": {"email": "a@b.c"}, "data": {"ts": 1, "order": {"order_id": "1"}}}


@pytest.mark.parametrize(
    ("method", "path", "body", "violation"),
    [
        ("POST", "/v3/orders", [], "no such operation"),
        ("PUT", "/v3/events", [ORDER], "no such operation"),
        ("POST", "/events", [ORDER], "no such operation"),
        ("POST", "/v3/events", ORDER, "is not of type 'array'"),
        ("POST", "/v3/events", [{**ORDER, "identifiers": {}}], "identifiers"),
        ("POST", "/v3/events", [{**ORDER, "identifiers": {"email": 1}}], "is not of type 'string'"),
        ("POST", "/v3/events", [{name: ORDER[name] for name in ("type", "identifiers", "data")}], "'action' is a required"),
        ("POST", "/v3/events", [{**ORDER, "action": "sale"}], "is not one of"),
        ("POST", "/v3/events", [{**ORDER, "data": {"order": {"total": 1}}}], "'order_id' is a required"),
        ("POST", "/v3/events", [{**ORDER, "data": {"order": {"order_id": "1", "total": "1"}}}], "is not of type 'number'"),
        ("POST", "/v3/events", [{**ORDER, "data": {"order": {"order_id": "1", "items": [{"price": 1}]}}}], "'product_id'"),
        ("POST", "/v3/events", [ORDER] * 501, "is too long"),
        ("POST", "/v3/profiles", [{"email": "a@b.c"}], "'attributes' is a required"),
        ("POST", "/v3/profiles", [{"attributes": {"email": None}}], "None is not of type"),
        ("GET", "/v3/profiles?email=a&vuid=b", None, "takes 1 query parameters"),
        ("POST", "/v3/objects/products", [{"product_id": 1}], "is not of type 'string'"),
        ("POST", "/v3/objects/products", [{"name": "x"}], "'product_id' is a required"),
        ("POST", "/v3/objects/warehouses", [{"warehouse_id": "1", "tags": ["a"]}], "is not of type"),
        ("POST", "/v3/schema/objects/orders/fields", {"name": "x", "display_name": "X", "type": "text"}, "is not one of"),
        ("POST", "/v3/schema/objects/orders/relations", {"name": "x", "display_name": "X", "child_object": "y"}, "'join_fields'"),
        ("POST", "/v3/schema/identifiers", {"name": "x_id", "display_name": "X ID"}, "'merge_confidence' is a required"),
        ("GET", "/v3/schema/objects", {}, "takes no body"),
    ],
)
def test_the_checks_notice_what_is_wrong(method: str, path: str, body: Any, violation: str) -> None:
    checker = Checker()
    checker.check(method, path, HEADERS, b"" if body is None else json.dumps(body).encode())
    assert any(violation in found for found in checker.violations), checker.violations


@pytest.mark.parametrize(
    ("headers", "body", "violation"),
    [
        ({"Content-Type": "application/json"}, b"[]", "header x-api-key is missing"),
        ({"x-api-key": "k"}, b"[]", "not declared as JSON"),
        ({"x-api-key": "k", "Content-Type": "application/json"}, b"[", "is not JSON"),
    ],
)
def test_the_checks_notice_wrong_headers_and_broken_bodies(headers: dict[str, str], body: bytes, violation: str) -> None:
    checker = Checker()
    checker.check("POST", "/v3/events", headers, body)
    assert any(violation in found for found in checker.violations)


def test_the_checks_accept_the_examples_that_odp_publishes() -> None:
    line = {"product_id": "2045", "price": 19, "quantity": 5, "discount": 0, "subtotal": 95}
    order = {"order_id": "OR345", "total": 109.65, "discount": 5, "subtotal": 103, "coupon_code": "5OFF", "items": [line]}
    examples: dict[str, list[dict[str, Any]]] = {
        "/v3/events": [
            {**ORDER, "data": {"ts": 123456789, "order": order}},
            {"type": "product", "action": "add_to_cart", "identifiers": {"email": "a@b.c"}, "data": {"product_id": "123"}},
            {**ORDER, "action": "refund", "data": {"order": {"order_id": "ABC", "total": 10, "subtotal": 10}}},
        ],
        "/v3/objects/any": [{"primary_key": 123, "field_example": True}],
        "/v3/profiles": [{"attributes": {"email": "sample@test.com", "zip": "02101"}}],
    }
    checker = Checker()
    for path, body in examples.items():
        checker.check("POST", path, HEADERS, json.dumps(body).encode())
    assert checker.violations == []
    assert sum(checker.seen.values()) == len(examples)


def test_every_request_of_the_exports_is_one_that_odp_documents(
    run_export: RunExport, proxy: ValidatingProxy, account: SandboxOdp, configure: Configure
) -> None:
    configure(read_back_sample=2)
    for export in EXPORTS:
        assert run_export(export.dag_id).state == "success", export.dag_id
    # Orders that were sent before go to the orders object.
    assert run_export("order_odp_export", Resend=True, LookBackDays=20).state == "success"
    assert proxy.violations == []
    assert sum(proxy.seen.values()) == len(account.requests())
    used = {
        *(("POST", path) for path in ("/objects/products", "/objects/{object_name}", "/events", "/profiles")),
        *(("POST", path) for path in ("/schema/objects", "/schema/objects/{object_name}/fields", "/schema/identifiers")),
        ("POST", "/schema/objects/{object_name}/relations"),
        *(("GET", path) for path in ("/schema/objects", "/profiles")),
    }
    assert used <= set(proxy.seen)


def test_so_are_the_requests_where_people_share_addresses(
    run_export: RunExport, proxy: ValidatingProxy, configure: Configure
) -> None:
    configure(email_mode="non_unique", read_back_sample=2)
    for dag_id in ("user_profile_odp_export", "customer_to_user_mapping_odp_export", "order_odp_export"):
        assert run_export(dag_id, LookBackDays=20).state == "success"
    assert proxy.violations == []
    assert {("POST", "/profiles"), ("POST", "/events"), ("POST", "/objects/{object_name}")} <= set(proxy.seen)
