"""The hook for Optimizely Data Platform."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import urlsplit

from airflow.providers.http.hooks.http import HttpHook

from odp.core.bodies import MAX_ITEMS
from odp.core.client import ClientOptions, OdpClient
from odp.core.exceptions import SettingsError
from odp.core.ledger import Ledger, account_name
from odp.core.pacing import REQUESTS_PER_SECOND, LedgerPacer
from odp.core.preflight_account import Account, check_account, summarise

REGION_HOSTS = {region: f"https://api.{region}.odp.optimizely.com" for region in ("us1", "eu1", "au1")}
"""Addresses of ODP's regions (servers of ODP's published OpenAPI documents)."""

LOOPBACK_HOSTS = frozenset({"localhost", "127.0.0.1", "::1"})

_TEST_SECONDS = 10.0
"""Longest time a check of the connection waits for an answer."""


class OdpHook(HttpHook):
    """
    Interact with the REST API of Optimizely Data Platform (ODP).

    The connection holds the API key as password. Its host is the API's address or a region (``us1``, ``eu1``, ``au1``);
    without a host the key's suffix gives the region. Its extra may hold ``batch_size`` (1 to 500), ``concurrency``,
    ``timeout`` and ``retry_budget`` (seconds), ``profiles_per_second``, ``objects_per_second`` and ``events_per_second``
    (0: no limit), and ``allow_http`` (plain http to other hosts than this machine).

    :param odp_conn_id: the :ref:`connection <howto/connection>` to an ODP account.
    """

    conn_name_attr = "odp_conn_id"
    default_conn_name = "odp_default"
    conn_type = "odp"
    hook_name = "Optimizely Data Platform"

    def __init__(self, odp_conn_id: str = default_conn_name, **kwargs: Any) -> None:
        super().__init__(http_conn_id=odp_conn_id, **kwargs)
        self.odp_conn_id = odp_conn_id

    @cached_property
    def _connection(self) -> Any:
        return self.get_connection(self.odp_conn_id)

    @cached_property
    def options(self) -> ClientOptions:
        """
        How requests are sent, from the connection's extra.

        :raises SettingsError: if a value is out of range.
        """
        extra = self._connection.extra_dejson
        defaults = ClientOptions()
        return ClientOptions(
            batch_size=int(self._number(extra, "batch_size", defaults.batch_size, 1, MAX_ITEMS)),
            concurrency=int(self._number(extra, "concurrency", defaults.concurrency, 1, 64)),
            timeout=self._number(extra, "timeout", defaults.timeout, 0.1, 3600),
            retry_budget=self._number(extra, "retry_budget", defaults.retry_budget, 0, 86_400),
            requests_per_second={
                family: self._number(extra, f"{family}_per_second", REQUESTS_PER_SECOND.get(family, 0.0), 0, 100_000)
                for family in ("profiles", "objects", "events")
            },
        )

    def _number(self, extra: dict[str, Any], name: str, default: float, low: float, high: float) -> float:
        value = extra.get(name)
        if value is None or value == "":
            return default
        try:
            number = float(value)
        except (TypeError, ValueError):
            number = math.nan
        if not low <= number <= high:
            raise SettingsError(
                f"Connection {self.odp_conn_id}: {name} in its extra must be a number from {low:g} to {high:g}, not {value!r}."
            )
        return number

    @cached_property
    def address(self) -> str:
        """
        Address of the API, without the version.

        :raises SettingsError: if it cannot be read, or is plain http to another machine.
        """
        connection = self._connection
        host = (connection.host or "").strip().rstrip("/")
        if not host or host.lower() in REGION_HOSTS:
            return REGION_HOSTS[host.lower() or region_of_key((connection.password or "").strip())]
        if "://" not in host:
            if host.count(":") > 1 and not host.startswith("["):  # an IPv6 address, which a URL writes in brackets
                host = f"[{host}]"
            local = urlsplit(f"//{host}").hostname in LOOPBACK_HOSTS
            scheme = connection.schema if connection.schema in ("http", "https") else "http" if local else "https"
            host = f"{scheme}://{host}"
        parts = urlsplit(host)
        try:
            readable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            readable = False
        if not readable or re.search(r"\s", host):
            raise SettingsError(
                f"Connection {self.odp_conn_id}: host {host!r} is no address. Write a region (us1, eu1, au1) or an address such "
                "as https://api.eu1.odp.optimizely.com, or leave it empty to take the key's region."
            )
        if connection.port and not parts.port:
            host = f"{parts.scheme}://{parts.netloc}:{connection.port}{parts.path}"
        allowed = parts.hostname in LOOPBACK_HOSTS or str(connection.extra_dejson.get("allow_http")).lower() == "true"
        if parts.scheme == "http" and not allowed:
            raise SettingsError(
                f"Connection {self.odp_conn_id}: {host} is plain http, which would send the API key unencrypted. Use https, or "
                'set {"allow_http": true} in the connection\'s extra.'
            )
        return host.removesuffix("/v3")

    @property
    def account(self) -> str:
        """Name of the ODP account in the ledger."""
        return account_name(self.address, self._key())

    def get_client(self, ledger: Ledger | None = None) -> OdpClient:
        """
        Return a client of the connection's account.

        :param ledger: shares the account's rate limits with all tasks and workers; without it they hold for this client alone.
        :raises SettingsError: if the connection holds no API key, or one that cannot be sent.
        """
        rates = self.options.requests_per_second
        pacers = {family: LedgerPacer(ledger, family, rate) for family, rate in rates.items() if rate} if ledger else None
        return OdpClient(self.address, self._key(), self.options, pacers)

    def _key(self) -> str:
        key = (self._connection.password or "").strip()
        remedy = "Put the private key from ODP (Settings > APIs) in its password."
        if not key:
            raise SettingsError(f"Connection {self.odp_conn_id} has no API key. {remedy}")
        # Such a key would be refused by the HTTP library, in words that quote it.
        if not re.fullmatch(r"[!-~]+", key):
            raise SettingsError(
                f"Connection {self.odp_conn_id}: the API key holds characters that no key has (a space, a line break or a "
                f"letter that is not ASCII). {remedy}"
            )
        return key

    def get_account_to_check(self, *, retry_budget: float = 0.0, timeout: float = _TEST_SECONDS) -> Account:
        """
        Return the account as a preflight checks it: with a client that gives up early.

        :param retry_budget: longest time in seconds in which a request is tried again.
        :param timeout: longest time in seconds to wait for an answer; that of the connection, if it is shorter.
        :raises SettingsError: if the connection holds no API key or no usable address.
        """
        options = replace(self.options, retry_budget=retry_budget, timeout=min(self.options.timeout, timeout))
        key = self._key()
        return Account(
            client=OdpClient(self.address, key, options),
            is_private="." in key,
            key_region=region_of_key(key),
            region={address: region for region, address in REGION_HOSTS.items()}.get(self.address),
        )

    def test_connection(self) -> tuple[bool, str]:
        """
        Check the address, the key and the APIs it may use, without writing anything; for the Test button of Airflow's form.

        :return: whether the exports can work with it, and what was found, or what to do.
        """
        try:
            return summarise(check_account(self.get_account_to_check(), create_schema=True))
        except SettingsError as error:
            return False, str(error)


def region_of_key(key: str) -> str:
    """
    Return the region that an API key names: its public part ends in ``-eu1`` or ``-au1``, or in nothing for the US.

    :param key: public key, or private key ``<public>.<secret>``.
    """
    match = re.search(r"-(eu1|au1)$", key.rsplit(".", 1)[0])
    return match.group(1) if match else "us1"
