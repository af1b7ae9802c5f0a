"""Customers: matching, merging, reading one, and the rate limit."""

from __future__ import annotations

import time
from typing import Any

import jsonschema
import pytest

from sandbox.odp.server import SandboxOdp
from tests.sandbox.odp.odp_client import BAD_REQUEST, NOT_FOUND, Client

ERP_NUMBER = {"name": "erp_customer_number", "display_name": "ERP Customer Number", "merge_confidence": "high"}
DEVICE = {"name": "device_token", "display_name": "Device Token", "merge_confidence": "low"}


def profile(**attributes: Any) -> dict[str, Any]:
    return {"attributes": attributes}


def stored(server: SandboxOdp) -> list[dict[str, Any]]:
    return [line["attributes"] for line in server.dump("profiles")]


class TestUpload:
    def test_merges_by_email_regardless_of_case(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/profiles", [profile(email="Ana@Example.com", first_name="Ana", city="Leeds")])
        api.accept("/profiles", [profile(email="ana@example.COM", city=None, last_name="Ruiz")])
        assert stored(server) == [{"email": "ana@example.COM", "first_name": "Ana", "last_name": "Ruiz"}]
        assert server.counts()["profiles"] == 1

    @pytest.mark.parametrize(
        "bad",
        [
            {},
            {"attributes": None},
            {"attributes": "x"},
            profile(),
            profile(first_name="x"),
            profile(email=""),
            profile(email=None),
        ],
    )
    def test_needs_an_identifier(self, api: Client, server: SandboxOdp, bad: dict[str, Any]) -> None:
        found = api.refuse("/profiles", [profile(email="a@example.com"), bad])
        assert [position for position, _ in found] == [1]
        assert found[0][1].startswith("Missing required")
        assert stored(server) == []

    def test_phone_alone_is_no_identifier(self, api: Client) -> None:
        # A switchboard number is shared by everybody in a company: it must not join people.
        assert api.refuse("/profiles", profile(phone="+15550100"))
        api.accept("/profiles", [profile(email=f"{name}@example.com", phone="+15550100") for name in "ab"])

    def test_identifiers_outside_attributes_do_not_count(self, api: Client) -> None:
        assert api.refuse("/profiles", {"identifiers": {"email": "a@example.com"}})

    def test_drops_what_no_field_holds(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/profiles", profile(email="a@example.com", loyalty="gold", zip=2101))
        assert stored(server) == [{"email": "a@example.com"}]
        assert server.counts()["dropped_fields"] == {"customers.loyalty": 1, "customers.zip": 1}


class TestIdentifiers:
    def test_a_new_identifier_matches_too(self, api: Client, server: SandboxOdp) -> None:
        api.create("identifiers", ERP_NUMBER, status=201)
        api.accept("/profiles", [profile(erp_customer_number="C-1", first_name="Ana")])
        api.accept("/profiles", [profile(erp_customer_number="C-1", email="ana@example.com")])
        api.accept("/profiles", [profile(email="ana@example.com", city="Leeds")])
        assert stored(server) == [
            {"erp_customer_number": "C-1", "first_name": "Ana", "email": "ana@example.com", "city": "Leeds"}
        ]

    def test_a_high_confidence_conflict_merges_two_customers(self, api: Client, server: SandboxOdp) -> None:
        api.create("identifiers", ERP_NUMBER, status=201)
        api.accept("/profiles", [profile(email="a@example.com", first_name="A", city="Leeds")])
        api.accept("/profiles", [profile(erp_customer_number="C-1", first_name="B", state="MA")])
        assert server.counts()["profiles"] == 2
        api.accept("/profiles", [profile(email="a@example.com", erp_customer_number="C-1", zip="02101")])
        assert stored(server) == [
            {
                "email": "a@example.com",
                "erp_customer_number": "C-1",
                "first_name": "A",
                "city": "Leeds",
                "state": "MA",
                "zip": "02101",
            }
        ]
        for query in ({"email": "a@example.com"}, {"erp_customer_number": "C-1"}):
            assert api.get("/profiles", params=query).json()["attributes"]["zip"] == "02101"

    def test_a_second_email_stays_with_the_customer(self, api: Client, server: SandboxOdp) -> None:
        api.create("identifiers", ERP_NUMBER, status=201)
        api.accept("/profiles", [profile(email="old@example.com", erp_customer_number="C-1")])
        api.accept("/profiles", [profile(email="new@example.com", erp_customer_number="C-1")])
        assert stored(server) == [{"email": "new@example.com", "erp_customer_number": "C-1"}]
        assert api.get("/profiles", params={"email": "old@example.com"}).json()["attributes"]["email"] == "new@example.com"

    def test_a_low_confidence_identifier_moves(self, api: Client, server: SandboxOdp) -> None:
        api.create("identifiers", DEVICE, status=201)
        api.accept("/profiles", [profile(email="a@example.com", device_token="d1", city="Leeds")])
        api.accept("/profiles", [profile(email="b@example.com", device_token="d1")])
        assert stored(server) == [
            {"email": "a@example.com", "city": "Leeds"},
            {"email": "b@example.com", "device_token": "d1"},
        ]
        assert api.get("/profiles", params={"device_token": "d1"}).json()["attributes"]["email"] == "b@example.com"

    def test_an_anonymous_device_becomes_the_person(self, api: Client, server: SandboxOdp) -> None:
        api.accept("/profiles", [profile(vuid="v1", city="Leeds"), profile(vuid="v1", email="a@example.com")])
        assert stored(server) == [{"vuid": "v1", "city": "Leeds", "email": "a@example.com"}]

    def test_clearing_an_identifier_releases_it(self, api: Client, server: SandboxOdp) -> None:
        api.create("identifiers", ERP_NUMBER, status=201)
        api.accept("/profiles", [profile(email="a@example.com", erp_customer_number="C-1")])
        api.accept("/profiles", [profile(email="a@example.com", erp_customer_number=None)])
        assert stored(server) == [{"email": "a@example.com"}]
        assert api.get("/profiles", params={"erp_customer_number": "C-1"}).status_code == 404


class TestRead:
    def test_found(self, api: Client, server: SandboxOdp) -> None:
        attributes = {"email": "sample@test.com", "first_name": "Johnny", "country": "USA"}
        api.accept("/profiles", [profile(**attributes)])
        answer = api.get("/profiles", params={"email": "Sample@test.com"})
        assert (answer.status_code, answer.json()) == (202, {"attributes": attributes})
        server.settings(profile_read_status=200)
        assert api.get("/profiles", params={"email": "sample@test.com"}).status_code == 200

    def test_not_found(self, api: Client) -> None:
        answer = api.get("/profiles", params={"email": "nobody@example.com"})
        assert answer.status_code == 404
        jsonschema.validate(answer.json(), NOT_FOUND)

    @pytest.mark.parametrize("params", [{}, {"city": "Leeds"}, {"phone": "1"}, {"email": ""}, {"email": "a", "vuid": "b"}])
    def test_not_one_identifier(self, api: Client, params: dict[str, str]) -> None:
        answer = api.get("/profiles", params=params)
        assert answer.status_code == 400
        jsonschema.validate(answer.json(), BAD_REQUEST)


class TestRateLimit:
    def test_holds_one_seconds_requests_and_refills_evenly(self, api: Client, server: SandboxOdp) -> None:
        server.settings(profiles_per_second=10)
        answers = [api.send_items("/profiles", profile(email="a@example.com")) for _ in range(30)]
        statuses = [answer.status_code for answer in answers]
        assert statuses[:10] == [202] * 10
        assert 429 in statuses[10:]
        refused = answers[statuses.index(429)]
        assert refused.json() == {"message": "Too Many Requests"}
        assert "retry-after" not in refused.headers
        time.sleep(0.25)
        again = [api.send_items("/profiles", profile(email="a@example.com")).status_code for _ in range(30)]
        assert again[0] == 202
        assert 429 in again
        assert server.counts()["requests"]["429"] == (statuses + again).count(429)

    def test_retry_after_by_switch(self, api: Client, server: SandboxOdp) -> None:
        server.settings(profiles_per_second=0.5, retry_after=True)
        answers = [api.get("/profiles", params={"email": "a@example.com"}) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [404, 429]
        assert float(answers[1].headers["retry-after"]) >= 1

    def test_requests_paced_at_the_limit_all_pass(self, api: Client, server: SandboxOdp) -> None:
        server.settings(profiles_per_second=50)
        start = time.monotonic()
        for number in range(60):
            time.sleep(max(0, start + number / 50 - time.monotonic()))
            assert api.send_items("/profiles", profile(email="a@example.com")).status_code == 202

    def test_other_calls_have_no_limit(self, api: Client, server: SandboxOdp) -> None:
        server.settings(profiles_per_second=1)
        for _ in range(15):
            api.accept("/objects/products", {"product_id": "1"})
            api.accept("/events", {"type": "pageview", "identifiers": {"vuid": "a"}})
