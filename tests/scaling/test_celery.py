"""Exports on Celery workers: Redis, two workers, staging on S3, all of it real but S3, which is moto's server."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from sandbox.cluster import Cluster
from sandbox.odp.pacing import RateLimit
from sandbox.odp.server import SandboxOdp
from sandbox.world import SANDBOX_KEY, Sizes, World
from tests.e2e.expected import Source, held_order_events
from tests.reliability.harness import uploads_to

pytestmark = [pytest.mark.scheduler, pytest.mark.timeout(600)]

PROFILES, ORDERS = "user_profile_odp_export", "order_odp_export"
PROFILE_REQUESTS_PER_SECOND = 10  # ODP's own limit, which the sandbox enforces
EVENT_REQUESTS_PER_SECOND = 8  # so that a worker can be killed in the middle
RUN_SECONDS = 240

# A task whose worker is lost is found out in seconds, not in Airflow's five minutes; waiting for a lost worker likewise.
QUICK = {
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "8",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "1",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "30",
    "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "5",
}


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Two workers of two tasks each."""
    with World(tmp_path_factory.mktemp("celery")) as world:
        world.fill_replica(Sizes(customers=4_000, orders=6_000))
        account = {
            **{"conn_type": "odp", "host": world.odp_url, "password": SANDBOX_KEY},
            "extra": {"batch_size": 100, "events_per_second": EVENT_REQUESTS_PER_SECOND},
        }
        with Cluster(
            world,
            dags=Path(__file__).parent / "dags",
            # The sandbox shows events at once, so "not there" is certain at once.
            settings={"part_rows": 1_000, "read_back_sample": 0, "visibility_delay_minutes": 0},
            environment={"AIRFLOW_CONN_ODP_DEFAULT": json.dumps(account), **QUICK},
        ) as running:
            yield running


@pytest.fixture(scope="module")
def source(cluster: Cluster) -> Iterator[Source]:
    """The replica."""
    dsn = f"{cluster.world.dsn('commerce')}?options=-c%20search_path%3Ddbo"
    with psycopg.connect(dsn, autocommit=True, row_factory=dict_row) as connection:
        yield Source(connection)


@pytest.fixture(scope="module")
def odp(cluster: Cluster) -> SandboxOdp:
    """The sandbox ODP."""
    return SandboxOdp(port=cluster.world.ports["odp"])


def until(check: Callable[[], Any], what: str) -> Any:
    """Wait until a check gives something true, and return that."""
    deadline = time.monotonic() + RUN_SECONDS
    while not (found := check()):
        assert time.monotonic() < deadline, f"{what} did not come within {RUN_SECONDS} s"
        time.sleep(0.3)
    return found


def finish(cluster: Cluster, dag_id: str, run_id: str) -> dict[str, Any]:
    """Wait for the end of a run and return its summary."""
    until(lambda: cluster.state(dag_id, run_id) in ("success", "failed"), f"the end of {dag_id}")
    states = {(task["task_id"], task["map_index"]): task["state"] for task in cluster.tasks(dag_id, run_id)}
    assert set(states.values()) == {"success"}, states
    return cluster.summary(dag_id, run_id)


def test_two_workers_share_an_export_and_the_limit_of_profiles(cluster: Cluster, source: Source, odp: SandboxOdp) -> None:
    run_id = cluster.trigger(PROFILES)
    summary = finish(cluster, PROFILES, run_id)

    # Both worked on the parts.
    tasks = cluster.tasks(PROFILES, run_id)
    for stage in ("transform", "load"):
        workers = Counter(task["hostname"] for task in tasks if task["task_id"] == stage)
        assert set(workers) == {"worker-1", "worker-2"}
        assert workers.total() >= 4
    # Every row is accounted for, and ODP holds what the replica holds.
    rows, expected = len(source.rows("UserProfile")), source.profiles()
    assert summary["extracted"] == rows == summary["delivered"] + summary["skipped"]
    assert {profile["attributes"]["email"] for profile in odp.dump("profiles")} == set(expected)
    # ODP enforces its limit, and never had to.
    requests = uploads_to(odp)
    assert {request["path"] for request in requests} == {"/v3/profiles"}
    assert set(Counter(request["status"] for request in requests)) == {202}
    assert len(requests) >= 35
    # What the tasks handed on lies on S3, and nowhere else.
    staged = [key.rpartition("/")[2] for key in cluster.s3.keys(f"odp/{PROFILES}/{run_id}/")]
    assert {"extract.json", "summary.json", "part-00000.csv.zst", "bodies-00000-profiles.jsonl.zst"} <= set(staged)
    assert not (cluster.world.airflow_home / "odp_staging").exists()


def test_a_worker_that_is_killed_loses_nothing_and_doubles_nothing(cluster: Cluster, source: Source, odp: SandboxOdp) -> None:
    odp.reset()
    run_id = cluster.trigger(ORDERS)

    def loading() -> list[dict[str, Any]]:
        return [task for task in cluster.tasks(ORDERS, run_id) if (task["task_id"], task["state"]) == ("load", "running")]

    until(lambda: len(uploads_to(odp)) >= 20, "the first events")
    until(lambda: {"worker-1", "worker-2"} == {task["hostname"] for task in loading()}, "load on both workers")
    cluster.workers["worker-1"].kill()
    lost = {task["map_index"] for task in loading() if task["hostname"] == "worker-1"}
    sent_before = len(odp.dump("events"))
    summary = finish(cluster, ORDERS, run_id)

    # The other worker did again what the killed one was doing.
    loads = {task["map_index"]: task for task in cluster.tasks(ORDERS, run_id) if task["task_id"] == "load"}
    assert lost
    for part in lost:
        assert (loads[part]["hostname"], loads[part]["try_number"]) == ("worker-2", 2)
    # Each event is there once, with the replica's values; an order's rows are counted once, too.
    expected = source.order_events()
    assert 0 < sent_before < len(expected)
    assert held_order_events(odp.dump("events")) == expected
    assert (summary["extracted"], summary["uncertain"], summary["rejected"]) == (len(source.rows("CustomerOrder")), 0, 0)
    assert summary["extracted"] == summary["delivered"] + summary["skipped"]
    assert summary["delivered"] == len({order for order, _ in expected})
    # The workers together kept to the limit, as a gateway judges it.
    gateway = RateLimit()
    times = [request["received"] for request in uploads_to(odp) if request["path"] == "/v3/events"]
    assert all(gateway.admit(moment, EVENT_REQUESTS_PER_SECOND) for moment in times)
