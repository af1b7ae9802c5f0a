"""Workers that share an account's limit: none too many, and hardly any slot unused, as ODP itself sees it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

from odp.core.exports import USER_PROFILES
from tests.reliability.harness import Pipeline, uploads_to
from tests.reliability.killing import LoadProcess

LIMIT = 10.0


def test_three_processes_keep_to_the_limit_of_profiles_and_use_it(pipeline: Pipeline, odp: Any) -> None:
    paced = replace(pipeline, batch_size=3, limits={"profiles": LIMIT})
    runs = [paced.start(USER_PROFILES) for _ in range(3)]
    for run in runs:
        run.extract()
        run.transform()
    odp.settings(profiles_per_second=LIMIT)

    with LoadProcess(runs[0]) as first, LoadProcess(runs[1]) as second, LoadProcess(runs[2]) as third:
        assert [process.wait() for process in (first, second, third)] == [0, 0, 0]

    requests = uploads_to(odp)
    expected = sum(upload["requests"] for run in runs for upload in run.transformed[0]["uploads"])
    assert Counter(request["status"] for request in requests) == {202: expected}
    assert expected >= 50
    times = [request["received"] for request in requests]
    rate = (len(times) - 1) / (times[-1] - times[0])
    assert 0.95 * LIMIT <= rate <= LIMIT
