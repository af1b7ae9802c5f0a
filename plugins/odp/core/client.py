"""
The client of ODP's REST API: uploads with retries and isolation of bad items, and the reads that schema checks need.

Sorting of answers (ODP documents 202, 400, 403 and 404; the rest is what API gateways of its kind give):

* any 2xx: accepted, which means queued;
* 400 naming items: those items are rejected, the others sent again; 400 naming none, and 413: the body is halved;
* 403 and 404: fail at once, a retry cannot help;
* 429, 5xx, timeouts and dropped connections: retried with growing, jittered waits (``Retry-After`` is honoured) until the
  retry budget ends; then a circuit opens, and requests that wait give up at once instead of hammering an ODP that is down;
* a lost answer, 500, 502 or 504 to a request that must not be sent twice: reported as unknown.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
import tenacity
import urllib3

from odp.core.bodies import Body
from odp.core.exceptions import OdpApiError, OdpForbiddenError, OdpNotFoundError, OdpUnavailableError, OdpUnknownOutcomeError
from odp.core.odp_answers import Answer, named_items, retry_after_of, words_of
from odp.core.pacing import REQUESTS_PER_SECOND, LocalPacer, Pacer

log = logging.getLogger(__name__)

Result = TypeVar("Result")

LONGEST_WAIT_SECONDS = 30.0

_backoff = tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_WAIT_SECONDS)

_READ_AHEAD = 4
"""Bodies, up to 1 MB each, that wait for a connection while all are in use."""

_MAY_HAVE_STORED = (500, 502, 504)
"""Errors of a server that had the request in hand; 429 and 503 say that it was not taken."""


@dataclass(frozen=True, kw_only=True)
class ClientOptions:
    """
    How requests are sent; read from the connection's extra.

    :param batch_size: items in a request, 1 to 500.
    :param concurrency: requests under way at the same time.
    :param timeout: seconds to wait for a connection or for an answer.
    :param retry_budget: seconds in which a request is retried before the task fails.
    :param requests_per_second: rate limit by API family (``profiles``, ``objects``, ``events``); 0 is no limit.
    """

    batch_size: int = 500
    concurrency: int = 32
    timeout: float = 30.0
    retry_budget: float = 300.0
    requests_per_second: Mapping[str, float] = field(default_factory=lambda: dict(REQUESTS_PER_SECOND))


@dataclass(frozen=True)
class RejectedItem:
    """
    An item that ODP refused.

    :param position: its position in the body.
    :param item: the item as it was sent.
    :param reason: ODP's words.
    """

    position: int
    item: Any
    reason: str


class _TryAgainError(Exception):
    """A request that may succeed later."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


class OdpClient:
    """
    Sends requests to one ODP account. Thread-safe.

    :param base_url: address of the API without the version, such as ``https://api.us1.odp.optimizely.com``.
    :param api_key: the account's API key; it is sent as a header and kept nowhere else.
    :param options: how requests are sent.
    :param pacers: pacers by API family; by default each holds for this client alone.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str,
        options: ClientOptions | None = None,
        pacers: Mapping[str, Pacer] | None = None,
    ) -> None:
        self.options = options or ClientOptions()
        self.base_url = base_url.rstrip("/").removesuffix("/v3")
        self._pool = urllib3.PoolManager(
            maxsize=self.options.concurrency,
            block=True,
            timeout=urllib3.Timeout(self.options.timeout),
            retries=False,
            headers={"x-api-key": api_key, "Content-Type": "application/json"},
        )
        self._down = threading.Event()
        limits = self.options.requests_per_second
        self._pacers: Mapping[str, Pacer] = pacers or {family: LocalPacer(rate) for family, rate in limits.items()}

    def __repr__(self) -> str:
        return f"OdpClient({self.base_url!r})"

    def each(self, bodies: Iterable[Body], work: Callable[[Body], Result], *, at_most: int | None = None) -> Iterator[Result]:
        """
        Deal with bodies over several connections; results come in the order in which they are complete.

        :param bodies: read only as fast as they are dealt with.
        :param work: called for each body, in as many threads as requests may be under way.
        :param at_most: fewer threads than the options allow, where each needs more than a connection to ODP.
        """
        threads = min(self.options.concurrency, at_most or self.options.concurrency)
        limit = threads + _READ_AHEAD
        with ThreadPoolExecutor(threads, thread_name_prefix="odp") as executor:
            under_way: set[Future[Result]] = set()
            try:
                for body in bodies:
                    under_way.add(executor.submit(work, body))
                    if len(under_way) >= limit:
                        done, under_way = wait(under_way, return_when=FIRST_COMPLETED)
                        yield from [future.result() for future in done]
                for future in list(under_way):
                    yield future.result()
            finally:
                executor.shutdown(wait=True, cancel_futures=True)

    def upload(self, path: str, content: bytes, *, repeatable: bool = True) -> Answer:
        """
        Upload one body as it is.

        :param path: upload path under ``/v3``.
        :param content: a JSON array of at most 500 items.
        :param repeatable: whether sending it twice does no harm; if not, a lost answer ends the attempt.
        :raises OdpUnknownOutcomeError: if it is not repeatable and its answer was lost.
        """
        answer = self.request("POST", path, content, repeatable=repeatable)
        if answer.status < 300:
            return Answer(answer.status, "", {})
        if answer.status not in (400, 413):
            raise OdpApiError(f"ODP answered {answer.status} to POST {path}: {words_of(answer)}.")
        named = named_items(answer, len(orjson.loads(content))) if answer.status == 400 else {}
        return Answer(answer.status, f"ODP answered {answer.status}: {words_of(answer)}", named)

    def deliver(self, path: str, body: Body) -> list[RejectedItem]:
        """
        Upload one body whose items may be sent again, isolating those that ODP refuses.

        :param path: upload path under ``/v3``.
        :param body: at most 500 items.
        :return: the refused items; ODP has acknowledged all others.
        """
        answer = self.upload(path, body.content)
        if answer.status < 300:
            return []
        return self._isolate(path, list(enumerate(orjson.loads(body.content))), answer)

    def _isolate(self, path: str, items: list[tuple[int, Any]], answer: Answer) -> list[RejectedItem]:
        if not answer.named and len(items) == 1:
            return [RejectedItem(*items[0], answer.words)]
        rejected = [RejectedItem(*items[at], reason) for at, reason in answer.named.items()]
        rest = [item for at, item in enumerate(items) if at not in answer.named]
        middle = len(rest) if answer.named else len(rest) // 2
        for part in filter(None, (rest[:middle], rest[middle:])):
            again = self.upload(path, orjson.dumps([item for _, item in part]))
            if again.status >= 300:
                rejected += self._isolate(path, part, again)
        return rejected

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        *,
        query: Mapping[str, str] | None = None,
        repeatable: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """
        Send one request, paced and with retries.

        :param method: HTTP method.
        :param path: path under ``/v3``.
        :param body: JSON.
        :param query: query parameters.
        :param repeatable: whether sending it twice does no harm.
        :return: an answer that is neither 403, 404 on an upload, nor worth a retry.
        :raises OdpForbiddenError: on 403.
        :raises OdpNotFoundError: on 404 to an upload.
        :raises OdpUnavailableError: when the retry budget is used up.
        :raises OdpUnknownOutcomeError: if the request is not repeatable and its answer was lost.
        """
        if self._down.is_set():
            raise OdpUnavailableError(
                f"{self.base_url} was down for the whole retry budget of another request; not tried: {path}."
            )
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(_TryAgainError),
            wait=self._wait_time,
            stop=lambda state: self._down.is_set() or self._is_budget_used(state),
            sleep=tenacity.sleep_using_event(self._down),
            before_sleep=lambda state: log.warning(
                "%s %s: %s; trying again in %.1f s", method, path, _cause(state), state.upcoming_sleep
            ),
        )
        try:
            return retrying(self._send_once, method, path, body, query, repeatable)
        except tenacity.RetryError as error:
            self._down.set()
            attempts = error.last_attempt.attempt_number
            raise OdpUnavailableError(
                f"ODP did not accept {method} {path} in {self.options.retry_budget:.0f} s and {attempts} attempts. Last: "
                f"{error.last_attempt.exception()}.",
                f"Check that {self.base_url} can be reached and is up; what was acknowledged stays delivered.",
            ) from None

    def _wait_time(self, state: tenacity.RetryCallState) -> float:
        asked = getattr(_cause(state), "retry_after", None)
        if asked is not None:
            return max(float(asked), 0.1)
        # The last attempt comes at the end of the budget, not after it.
        return min(float(_backoff(state)), max(self.options.retry_budget - (state.seconds_since_start or 0.0), 0.05))

    def _is_budget_used(self, state: tenacity.RetryCallState) -> bool:
        asked = getattr(_cause(state), "retry_after", None) or 0.0
        return (state.seconds_since_start or 0.0) + asked >= self.options.retry_budget

    def _send_once(
        self, method: str, path: str, body: bytes | None, query: Mapping[str, str] | None, repeatable: bool
    ) -> urllib3.BaseHTTPResponse:
        if method == "POST" and (pacer := self._pacers.get(path.split("/")[1])):
            pacer.wait()
        try:
            answer = self._pool.request(method, f"{self.base_url}/v3{path}", body=body, fields=query)
        except urllib3.exceptions.SSLError as error:
            raise OdpApiError(f"The TLS certificate of {self.base_url} cannot be verified: {error}.") from None
        except (urllib3.exceptions.NewConnectionError, urllib3.exceptions.ConnectTimeoutError) as error:
            raise _TryAgainError(f"no connection to {self.base_url} ({type(error).__name__}: {error})") from None
        except urllib3.exceptions.HTTPError as error:
            reason = f"no answer from {self.base_url} ({type(error).__name__}: {error})"
            raise (_TryAgainError(reason) if repeatable else OdpUnknownOutcomeError(reason)) from None
        if answer.status in _MAY_HAVE_STORED and not repeatable:
            reason = f"{self.base_url} answered {answer.status}: the request may have been stored"
            raise OdpUnknownOutcomeError(reason, answered=answer.status != 504)
        if answer.status == 429 or answer.status >= 500:
            raise _TryAgainError(f"ODP answered {answer.status}: {words_of(answer)}", retry_after_of(answer))
        if answer.status == 403:
            raise OdpForbiddenError(
                f"ODP answered 403 to {method} {path}. The API key may be wrong or revoked, its usage plan may exclude this "
                f"API, the account may live in another region than {self.base_url}, or the path may not exist. "
                "Reads and schema changes need the private key.",
                "Check the key and its plan in ODP under Settings > APIs.",
            )
        if answer.status == 404 and method == "POST" and path.startswith("/objects/"):
            raise OdpNotFoundError(
                f"ODP has no object {path.rsplit('/', 1)[1]!r}: {words_of(answer)}. Create it in ODP, or let the export create "
                "it by the create_schema setting."
            )
        return answer


def _cause(state: tenacity.RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
