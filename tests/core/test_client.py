"""The client against the sandbox ODP: every kind of answer, and no answer at all."""

from __future__ import annotations

import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import orjson
import pytest
import tenacity

from odp.core import client as client_module
from odp.core import odp_answers
from odp.core.bodies import Body
from odp.core.client import LONGEST_WAIT_SECONDS, ClientOptions, OdpClient
from odp.core.exceptions import (
    CannotSucceedError,
    OdpApiError,
    OdpForbiddenError,
    OdpNotFoundError,
    OdpUnavailableError,
    OdpUnknownOutcomeError,
)
from sandbox.odp.server import SandboxOdp

PRODUCTS = "/objects/products"
NAMELESS_400 = {"title": "Bad Request", "status": 400, "detail": {"message": "Something in it is wrong"}}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait little between tries; TestWaits looks at the real waits."""
    monkeypatch.setattr(client_module, "_backoff", lambda state: 0.02)


@pytest.fixture
def client(odp: SandboxOdp) -> OdpClient:
    return OdpClient(odp.url, odp.key, ClientOptions(retry_budget=20, timeout=10))


def impatient(odp: SandboxOdp, **options: Any) -> OdpClient:
    return OdpClient(odp.url, odp.key, ClientOptions(**{"retry_budget": 0.3, "timeout": 5, **options}))


def product(number: int) -> dict[str, Any]:
    return {"product_id": f"p-{number}", "name": f"Product {number}"}


def body_of(items: Sequence[Any]) -> Body:
    return Body(len(items), orjson.dumps(list(items)))


def products(count: int, first: int = 0) -> Body:
    return body_of([product(number) for number in range(first, first + count)])


def stored(odp: SandboxOdp) -> list[str]:
    return sorted((row["product_id"] for row in odp.dump("objects/products")), key=lambda key: int(key[2:]))


def sizes(odp: SandboxOdp) -> list[int | None]:
    return [entry["items"] for entry in odp.requests()]


def statuses(odp: SandboxOdp) -> list[int | None]:
    return [entry["status"] for entry in odp.requests()]


class TestAccepted:
    def test_a_body_is_sent_once_and_stored(self, odp: SandboxOdp, client: OdpClient) -> None:
        assert client.deliver(PRODUCTS, products(500)) == []
        assert stored(odp) == [f"p-{number}" for number in range(500)]
        assert statuses(odp) == [202]

    @pytest.mark.parametrize("status", [200, 201, 202, 204])
    def test_any_2xx_is_acceptance(self, odp: SandboxOdp, client: OdpClient, status: int) -> None:
        odp.faults(status=status, body="")
        assert client.deliver(PRODUCTS, products(2)) == []
        assert len(odp.requests()) == 1

    @pytest.mark.parametrize("suffix", ["", "/", "/v3", "/v3/"])
    def test_the_version_may_be_part_of_the_address(self, odp: SandboxOdp, suffix: str) -> None:
        assert OdpClient(odp.url + suffix, odp.key).deliver(PRODUCTS, products(1)) == []

    def test_profiles_and_events_have_their_own_paths(self, odp: SandboxOdp, client: OdpClient) -> None:
        assert client.deliver("/profiles", body_of([{"attributes": {"email": "ana@example.com", "first_name": "Ana"}}])) == []
        event = {
            "type": "product",
            "action": "detail",
            "identifiers": {"email": "ana@example.com"},
            "data": {"product_id": "p-1"},
        }
        assert client.deliver("/events", body_of([event])) == []
        assert [profile["attributes"]["first_name"] for profile in odp.dump("profiles")] == ["Ana"]
        assert len(odp.dump("events")) == 1

    def test_a_read_carries_its_query_and_returns_what_odp_says(self, odp: SandboxOdp, client: OdpClient) -> None:
        client.deliver("/profiles", body_of([{"attributes": {"email": "a+b&c@example.com", "first_name": "Ana"}}]))
        answer = client.request("GET", "/profiles", query={"email": "a+b&c@example.com"})
        assert orjson.loads(answer.data)["attributes"]["first_name"] == "Ana"
        assert client.request("GET", "/profiles", query={"email": "nobody@example.com"}).status == 404


@pytest.mark.parametrize("keep_good_items", [False, True])
class TestNamedItems:
    """A 400 that names the bad items; whether ODP keeps the good ones of it is not documented."""

    def test_they_are_rejected_with_odps_words_and_the_others_arrive(
        self, odp: SandboxOdp, client: OdpClient, keep_good_items: bool
    ) -> None:
        odp.settings(keep_good_items=keep_good_items)
        items = [product(0), {"name": "keyless"}, product(2), {"product_id": "", "name": "blank"}, product(4)]
        rejected = client.deliver(PRODUCTS, body_of(items))
        assert [(item.position, item.item, item.reason) for item in rejected] == [
            (1, items[1], "Missing required field `product_id`"),
            (3, items[3], "Missing required field `product_id`"),
        ]
        assert stored(odp) == ["p-0", "p-2", "p-4"]
        assert sizes(odp) == [5, 3]

    def test_a_body_of_nothing_else_is_sent_once(self, odp: SandboxOdp, client: OdpClient, keep_good_items: bool) -> None:
        odp.settings(keep_good_items=keep_good_items)
        assert [item.position for item in client.deliver(PRODUCTS, body_of([{"name": "a"}, {"name": "b"}]))] == [0, 1]
        assert len(odp.requests()) == 1

    def test_positions_are_those_of_the_body_over_several_rounds(
        self, odp: SandboxOdp, client: OdpClient, keep_good_items: bool
    ) -> None:
        odp.settings(keep_good_items=keep_good_items)
        for position in (1, 1, 0):
            odp.faults(status=400, body={"detail": {"invalids": [{"event": position, "message": f"bad {position}"}]}})
        rejected = client.deliver(PRODUCTS, products(5))
        assert [(item.position, item.item["product_id"]) for item in rejected] == [(1, "p-1"), (2, "p-2"), (0, "p-0")]
        assert stored(odp) == ["p-3", "p-4"]

    def test_500_bad_items_named_one_by_one_do_not_end_it(
        self, odp: SandboxOdp, client: OdpClient, keep_good_items: bool
    ) -> None:
        odp.settings(keep_good_items=keep_good_items)
        odp.faults(status=400, body={"detail": {"invalids": [{"event": 0, "message": "bad"}]}}, count=500)
        rejected = client.deliver(PRODUCTS, products(500))
        assert [item.position for item in rejected] == list(range(500))


class TestNamelessRefusals:
    def test_a_400_without_positions_is_halved_down_to_the_bad_item(self, odp: SandboxOdp, client: OdpClient) -> None:
        odp.faults(status=400, body=NAMELESS_400, count=4)
        rejected = client.deliver(PRODUCTS, products(8))
        assert [(item.position, item.item) for item in rejected] == [(0, product(0))]
        assert rejected[0].reason == "ODP answered 400: Something in it is wrong"
        assert stored(odp) == [f"p-{number}" for number in range(1, 8)]
        assert [entry["items"] for entry in odp.requests() if entry["fault"] is None] == [1, 2, 4]

    def test_a_bad_item_in_the_middle_is_found(self, odp: SandboxOdp, client: OdpClient) -> None:
        # The whole, its second half, the first half of that, and of that the second item.
        for after, count in ((0, 1), (1, 2), (1, 1)):
            odp.faults(status=400, body=NAMELESS_400, after=after, count=count)
        rejected = client.deliver(PRODUCTS, products(8))
        assert [item.position for item in rejected] == [5]
        assert stored(odp) == [f"p-{number}" for number in (0, 1, 2, 3, 4, 6, 7)]

    def test_once_in_pieces_a_400_may_be_gone(self, odp: SandboxOdp, client: OdpClient) -> None:
        odp.faults(status=400, body=NAMELESS_400)
        assert client.deliver(PRODUCTS, products(5)) == []
        assert stored(odp) == [f"p-{number}" for number in range(5)]

    @pytest.mark.parametrize(
        "body",
        [
            {"detail": {"invalids": []}},
            {"detail": {"invalids": None}},
            {"detail": {"invalids": "none"}},
            {"detail": {"invalids": [{"event": 2, "message": "beyond the end"}]}},
            {"detail": {"invalids": [{"event": -1, "message": "before the start"}]}},
            {"detail": {"invalids": [{"event": "0", "message": "text"}]}},
            {"detail": {"invalids": [{"event": None}]}},
            {"detail": {"invalids": [{"event": {}}]}},
            {"detail": {"invalids": ["event 0"]}},
            {"detail": {"invalids": [{"field": "delimiter", "reason": "Unrecognized delimiter"}]}},
            {"detail": None},
            {"message": "Bad Request"},
            {},
            [],
            "plain text",
            "",
            "<html><body>400 Bad Request</body></html>",
            '{"detail": {"invalids": [{"event": 0',
        ],
        ids=str,
    )
    def test_positions_that_cannot_be_trusted_are_not_used(self, odp: SandboxOdp, client: OdpClient, body: Any) -> None:
        odp.faults(status=400, body=body, count=2)
        rejected = client.deliver(PRODUCTS, products(2))
        assert [item.position for item in rejected] == [0]
        assert rejected[0].reason.startswith("ODP answered 400: ")
        assert len(rejected[0].reason) > len("ODP answered 400: ")
        assert stored(odp) == ["p-1"]

    def test_a_body_that_is_too_large_is_halved(self, odp: SandboxOdp, client: OdpClient) -> None:
        items = [{**product(number), "padding": "x" * 3_000_000} for number in range(4)]
        assert client.deliver(PRODUCTS, body_of(items)) == []
        assert statuses(odp) == [413, 202, 202]
        assert stored(odp) == ["p-0", "p-1", "p-2", "p-3"]

    def test_an_item_that_is_too_large_by_itself_is_rejected(self, odp: SandboxOdp, client: OdpClient) -> None:
        items = [product(0), {**product(1), "padding": "x" * 11_000_000}]
        (rejected,) = client.deliver(PRODUCTS, body_of(items))
        assert (rejected.position, rejected.reason) == (1, "ODP answered 413: Request Too Long")
        assert stored(odp) == ["p-0"]


class TestHopeless:
    @pytest.mark.parametrize("key", ["wrong", "wrong.key", "sandbox.other"])
    def test_a_403_fails_at_once_naming_the_possible_causes(self, odp: SandboxOdp, key: str) -> None:
        with pytest.raises(OdpForbiddenError) as error:
            OdpClient(odp.url, key).deliver(PRODUCTS, products(2))
        for words in ("403", f"POST {PRODUCTS}", "key", "usage plan", "region", odp.url, "path", "private key"):
            assert words in str(error.value)
        assert isinstance(error.value, CannotSucceedError)
        assert len(odp.requests()) == 1

    def test_the_public_key_may_upload_but_not_read(self, odp: SandboxOdp) -> None:
        client = OdpClient(odp.url, odp.public_key)
        assert client.deliver(PRODUCTS, products(1)) == []
        with pytest.raises(OdpForbiddenError, match="GET /schema/objects"):
            client.request("GET", "/schema/objects")

    def test_a_404_fails_at_once_naming_the_object(self, odp: SandboxOdp, client: OdpClient) -> None:
        with pytest.raises(
            OdpNotFoundError, match="no object 'warehouses': Object warehouses does not exist.*create_schema"
        ) as error:
            client.deliver("/objects/warehouses", body_of([{"warehouse_id": "w-1"}]))
        assert isinstance(error.value, CannotSucceedError)
        assert len(odp.requests()) == 1

    @pytest.mark.parametrize("status", [301, 401, 405, 409, 415, 422])
    def test_any_other_status_fails_at_once_with_odps_words(self, odp: SandboxOdp, client: OdpClient, status: int) -> None:
        odp.faults(status=status, body={"detail": {"message": "Not today"}}, count=5)
        with pytest.raises(OdpApiError, match=f"ODP answered {status} to POST {PRODUCTS}: Not today"):
            client.deliver(PRODUCTS, products(2))
        assert len(odp.requests()) == 1

    def test_a_certificate_that_cannot_be_verified_is_no_matter_of_retries(self, odp: SandboxOdp) -> None:
        client = OdpClient(odp.url.replace("http://", "https://"), odp.key)
        with pytest.raises(OdpApiError, match="TLS certificate of https://127.0.0.1"):
            client.deliver(PRODUCTS, products(1))


class TestRetries:
    @pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 599])
    def test_a_busy_odp_is_asked_again(self, odp: SandboxOdp, client: OdpClient, status: int) -> None:
        odp.faults(status=status, count=3)
        assert client.deliver(PRODUCTS, products(3)) == []
        assert statuses(odp) == [status, status, status, 202]
        assert stored(odp) == ["p-0", "p-1", "p-2"]

    @pytest.mark.parametrize(
        "body", ["", "upstream connect error", "<html>502</html>", [], {"message": None}, {"detail": "x"}], ids=str
    )
    def test_the_body_of_an_error_may_be_anything(self, odp: SandboxOdp, client: OdpClient, body: Any) -> None:
        odp.faults(status=502, body=body, count=2)
        assert client.deliver(PRODUCTS, products(1)) == []

    @pytest.mark.parametrize("mode", ["drop", "store_then_drop", "store_then_fail"])
    def test_a_lost_answer_leads_to_another_try_and_one_row(self, odp: SandboxOdp, client: OdpClient, mode: str) -> None:
        odp.faults(mode=mode, count=2)
        assert client.deliver(PRODUCTS, products(2)) == []
        assert stored(odp) == ["p-0", "p-1"]
        assert len(odp.requests()) == 3

    def test_an_answer_that_takes_too_long_is_not_waited_for(self, own_odp: SandboxOdp) -> None:
        own_odp.faults(delay=2)
        started = time.monotonic()
        assert impatient(own_odp, timeout=0.3, retry_budget=10).deliver(PRODUCTS, products(1)) == []
        assert time.monotonic() - started < 1.5

    def test_each_try_is_logged_with_its_cause(
        self, odp: SandboxOdp, client: OdpClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        odp.faults(status=503)
        with caplog.at_level(logging.WARNING):
            client.deliver(PRODUCTS, products(1))
        assert [message.partition("; trying")[0] for message in caplog.messages] == [
            "POST /objects/products: ODP answered 503: Service Unavailable"
        ]

    def test_reads_are_repeated_too(self, odp: SandboxOdp, client: OdpClient) -> None:
        odp.faults(status=500, count=2)
        assert client.request("GET", "/schema/objects/products").status == 200


class TestWaits:
    @pytest.mark.parametrize("seconds", [1, 2])
    def test_a_retry_after_is_honoured(self, odp: SandboxOdp, client: OdpClient, seconds: int) -> None:
        odp.faults(status=429, retry_after=seconds)
        started = time.monotonic()
        client.deliver(PRODUCTS, products(1))
        assert seconds <= time.monotonic() - started < seconds + 1

    @pytest.mark.parametrize("value", ["soon", "Wed, 21 Oct 2026 07:28:00 GMT", "-5", "1.5", ""])
    def test_a_retry_after_that_cannot_be_read_is_as_none(self, value: str) -> None:
        class Answer:
            headers = {"Retry-After": value}

        assert odp_answers.retry_after_of(Answer()) is None  # type: ignore[arg-type]

    @pytest.mark.parametrize(("attempt", "longest"), [(1, 0.5), (2, 1.0), (4, 4.0), (7, LONGEST_WAIT_SECONDS), (500, 30.0)])
    def test_waits_grow_with_jitter_up_to_a_bound(self, monkeypatch: pytest.MonkeyPatch, attempt: int, longest: float) -> None:
        monkeypatch.undo()
        client = OdpClient("http://127.0.0.1:1", "key")
        state = tenacity.RetryCallState(tenacity.Retrying(), None, (), {})
        state.attempt_number = attempt
        state.start_time = time.monotonic()
        waits = [client._wait_time(state) for _ in range(300)]
        assert max(waits) <= longest
        assert max(waits) > 0.8 * longest
        assert min(waits) < 0.3 * longest


class TestBudget:
    def test_a_retry_after_beyond_the_budget_ends_the_attempts_at_once(self, odp: SandboxOdp) -> None:
        odp.faults(status=429, retry_after=3600, count=10)
        with pytest.raises(OdpUnavailableError):
            impatient(odp).deliver(PRODUCTS, products(1))
        assert len(odp.requests(path="/v3" + PRODUCTS)) == 1

    def test_an_odp_that_stays_down_is_an_error_naming_the_last_cause(self, odp: SandboxOdp) -> None:
        odp.faults(status=503, count=10_000)
        with pytest.raises(OdpUnavailableError) as error:
            impatient(odp).deliver(PRODUCTS, products(1))
        for words in (
            f"POST {PRODUCTS}",
            "attempts",
            "503",
            "Service Unavailable",
            odp.url,
            "what was acknowledged stays delivered",
        ):
            assert words in str(error.value)
        assert not isinstance(error.value, CannotSucceedError)
        assert len(odp.requests()) > 3

    def test_after_it_nothing_more_is_tried(self, odp: SandboxOdp) -> None:
        odp.faults(status=503, count=10_000)
        client = impatient(odp)
        with pytest.raises(OdpUnavailableError):
            client.deliver(PRODUCTS, products(1))
        tried = len(odp.requests())
        with pytest.raises(OdpUnavailableError, match="was down for the whole retry budget of another request"):
            client.deliver(PRODUCTS, products(1))
        assert len(odp.requests()) == tried

    def test_a_request_that_waits_gives_up_when_another_has_used_up_its_budget(self, odp: SandboxOdp) -> None:
        odp.faults(status=429, retry_after=60)
        odp.faults(status=503, count=10_000)
        client = impatient(odp, concurrency=2, retry_budget=0.3)
        started = time.monotonic()
        with pytest.raises(OdpUnavailableError):
            list(client.each((products(1, number) for number in range(2)), lambda body: client.deliver(PRODUCTS, body)))
        assert time.monotonic() - started < 5

    def test_nobody_listening_is_named(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        client = OdpClient(f"http://127.0.0.1:{port}", "pub.secret", ClientOptions(retry_budget=0.2))
        with pytest.raises(OdpUnavailableError, match=f"no connection to http://127.0.0.1:{port}.*Connection refused"):
            client.deliver(PRODUCTS, products(1))

    def test_a_name_that_does_not_resolve_is_named(self) -> None:
        client = OdpClient("http://odp.invalid", "pub.secret", ClientOptions(retry_budget=0.2))
        with pytest.raises(OdpUnavailableError, match=r"http://odp\.invalid"):
            client.deliver(PRODUCTS, products(1))


class TestWhatMustNotBeSentTwice:
    def send(self, client: OdpClient) -> Any:
        event = {"type": "order", "action": "cancel", "identifiers": {"email": "a@b.c"}, "data": {"order": {"order_id": "1"}}}
        return client.upload("/events", orjson.dumps([event]), repeatable=False)

    @pytest.mark.parametrize("fault", [{"mode": "drop"}, {"mode": "store_then_drop"}, {"status": 504}])
    def test_a_lost_answer_is_reported_as_unknown_after_one_try(
        self, odp: SandboxOdp, client: OdpClient, fault: dict[str, Any]
    ) -> None:
        odp.faults(**fault)
        with pytest.raises(OdpUnknownOutcomeError):
            self.send(client)
        assert len(odp.requests()) == 1

    def test_an_answer_that_takes_too_long_is_unknown(self, own_odp: SandboxOdp) -> None:
        own_odp.faults(delay=1)
        with pytest.raises(OdpUnknownOutcomeError, match="no answer from"):
            self.send(impatient(own_odp, timeout=0.2))

    @pytest.mark.parametrize("status", [429, 503])
    def test_a_refusal_for_now_is_tried_again(self, odp: SandboxOdp, client: OdpClient, status: int) -> None:
        odp.faults(status=status, count=2)
        assert self.send(client).status == 202
        assert len(odp.dump("events")) == 1

    def test_without_a_connection_nothing_was_sent(self) -> None:
        with pytest.raises(OdpUnavailableError):
            self.send(OdpClient("http://127.0.0.1:9", "pub.secret", ClientOptions(retry_budget=0.2)))


class TestConcurrency:
    def test_all_bodies_arrive_though_odp_stumbles(self, odp: SandboxOdp, client: OdpClient) -> None:
        for fault in (
            {"status": 503},
            {"mode": "drop"},
            {"status": 429},
            {"mode": "store_then_drop"},
            {"status": 400, "body": ""},
        ):
            odp.faults(**fault, count=3, after=2)
        bodies = [products(25, 25 * number) for number in range(40)]
        refused = list(client.each(bodies, lambda body: client.deliver(PRODUCTS, body)))
        assert len(refused) == 40
        assert [item for items in refused for item in items] == []
        assert stored(odp) == [f"p-{number}" for number in range(1_000)]

    def test_requests_are_under_way_at_the_same_time_and_no_more_than_set(self, odp: SandboxOdp) -> None:
        client = impatient(odp, concurrency=3)
        lock, running, most = threading.Lock(), 0, 0

        def work(body: Body) -> None:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.05)
            with lock:
                running -= 1

        assert len(list(client.each((products(1) for _ in range(12)), work))) == 12
        assert most == 3

    def test_bodies_are_read_only_as_fast_as_they_are_sent(self, odp: SandboxOdp) -> None:
        client = impatient(odp, concurrency=2)
        read = done = 0
        ahead: list[int] = []

        def bodies() -> Iterator[Body]:
            nonlocal read
            for _ in range(50):
                read += 1
                ahead.append(read - done)
                yield products(1)

        for _ in client.each(bodies(), lambda body: time.sleep(0.002)):
            done += 1
        assert done == 50
        assert max(ahead) <= 2 * 2 + 2

    def test_the_first_error_ends_it_without_reading_on(self, odp: SandboxOdp) -> None:
        client = OdpClient(odp.url, "wrong", ClientOptions(concurrency=2))
        read = 0

        def bodies() -> Iterator[Body]:
            nonlocal read
            for number in range(1_000):
                read += 1
                yield products(1, number)

        with pytest.raises(OdpForbiddenError):
            list(client.each(bodies(), lambda body: client.deliver(PRODUCTS, body)))
        assert read < 20

    def test_no_bodies_are_no_requests(self, odp: SandboxOdp, client: OdpClient) -> None:
        assert list(client.each([], lambda body: client.deliver(PRODUCTS, body))) == []
        assert odp.requests() == []

    def test_connections_are_kept(self, odp: SandboxOdp) -> None:
        client = impatient(odp, concurrency=1)
        for number in range(5):
            client.deliver(PRODUCTS, products(1, number))
        (pool,) = [client._pool.pools[key] for key in client._pool.pools.keys()]  # noqa: SIM118 - no mapping
        assert pool.num_connections == 1


class TestSecrecy:
    def test_the_key_is_in_no_text(self, odp: SandboxOdp, caplog: pytest.LogCaptureFixture) -> None:
        secret = odp.key.rpartition(".")[2]
        client = impatient(odp)
        texts = [repr(client), str(client), repr(client.options), str(vars(client)).replace(repr(client._pool), "")]
        with caplog.at_level(logging.DEBUG):
            client.deliver(PRODUCTS, body_of([product(1), {"name": "keyless"}]))
            for fault in (
                {"status": 403, "body": {"message": "Forbidden"}},
                {"status": 404, "body": {}},
                {"status": 409},
                {"status": 503, "count": 10_000},
            ):
                odp.faults(**fault)
                with pytest.raises(OdpApiError) as error:
                    impatient(odp).deliver(PRODUCTS, products(1))
                texts += [str(error.value), repr(error.value), repr(error.value.__cause__), repr(error.value.__dict__)]
                odp.reset()
            with pytest.raises(OdpApiError) as refused:
                OdpClient("http://127.0.0.1:9", odp.key, ClientOptions(retry_budget=0.1)).deliver(PRODUCTS, products(1))
            texts.append(str(refused.value))
        assert caplog.records
        texts += caplog.messages
        assert [text for text in texts if secret in text] == []

    def test_an_item_of_odps_error_is_shortened(self, odp: SandboxOdp, client: OdpClient) -> None:
        odp.faults(status=400, body={"detail": {"message": "x" * 5_000}})
        (rejected,) = client.deliver(PRODUCTS, products(1))
        assert len(rejected.reason) < 350
