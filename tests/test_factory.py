"""The DAG that the factory builds from an export."""

from __future__ import annotations

from datetime import timedelta

import pytest
from airflow.sdk import DAG, CronDataIntervalTimetable, TaskGroup

from odp.core.exports import EXPORTS, PRODUCTS, Export
from odp.core.parameters import PARAMETERS
from odp.factory import build_export_dag
from odp.operation_dags import build_consistency_dag, build_initial_load_dag, build_preflight_dag
from odp.operators.consistency import CONSISTENCY_PARAMETERS
from sandbox.world import PROJECT


@pytest.fixture(params=EXPORTS, ids=lambda export: export.dag_id)
def built(request: pytest.FixtureRequest) -> tuple[Export, DAG]:
    """An export and its DAG."""
    return request.param, build_export_dag(request.param)


def test_the_dag_says_what_it_is(built: tuple[Export, DAG]) -> None:
    export, dag = built
    assert (dag.dag_id, dag.dag_display_name, dag.description) == (export.dag_id, export.title, export.summary)
    assert dag.tags == {"odp", "commerce"}
    assert dag.task_dict["extract"].owner == "commerce"


def test_the_tasks_and_their_order(built: tuple[Export, DAG]) -> None:
    _, dag = built
    edges = {task.task_id: (task.upstream_task_ids, task.downstream_task_ids) for task in dag.tasks}
    assert edges == {
        "extract": (set(), {"transform"}),
        "transform": ({"extract"}, {"load", "reconcile"}),
        "load": ({"transform"}, {"reconcile"}),
        "reconcile": ({"transform", "load"}, set()),
    }
    assert [task.is_mapped for task in dag.topological_sort()] == [False, True, True, False]
    # So that reconcile runs when the window was empty and no task was mapped.
    assert dag.task_dict["reconcile"].trigger_rule == "none_failed"


def test_runs_come_one_at_a_time_for_a_calendar_day_each(built: tuple[Export, DAG]) -> None:
    export, dag = built
    assert dag.catchup is False
    assert dag.max_active_runs == 1
    assert isinstance(dag.timetable, CronDataIntervalTimetable)
    assert dag.timetable.expression == export.schedule == "0 0 * * *"
    assert str(dag.timetable.timezone) == "UTC"
    assert dag.start_date is not None


def test_tasks_are_tried_again(built: tuple[Export, DAG]) -> None:
    _, dag = built
    for task in dag.tasks:
        assert (task.retries, task.retry_delay) == (3, timedelta(minutes=1))


def test_the_parameters_are_those_of_the_registry(built: tuple[Export, DAG]) -> None:
    _, dag = built
    assert list(dag.params) == [parameter.name for parameter in PARAMETERS]
    assert len(PARAMETERS) >= 6
    for parameter in PARAMETERS:
        param = dag.params.get_param(parameter.name)
        assert param.value == parameter.default
        assert param.schema == {**parameter.schema, "title": parameter.title}
        assert param.description == parameter.description
        assert parameter.description.endswith(".")
        param.resolve()  # the default itself is valid


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LookBackDays", 0),
        ("LookBackDays", "7"),
        ("LookBackDays", 1.5),
        ("StartDate", 20261101),
        ("Ids", "1001"),
        ("DryRun", "no"),
    ],
)
def test_airflow_refuses_a_value_of_the_wrong_type(name: str, value: object) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    with pytest.raises(ParamValidationError):
        build_export_dag(PRODUCTS).params.get_param(name).resolve(value)


def test_the_documentation_is_about_this_export(built: tuple[Export, DAG]) -> None:
    export, dag = built
    text = dag.doc_md or ""
    assert text.startswith(f"### {export.title}\n\n{export.summary}\n")
    for fact in (export.post_processor, f"include/sql/{export.sql}", f"POST /v3{export.path}", f"--dag-id {export.dag_id}"):
        assert fact in text
    for key in export.contract.key:
        assert f"| `{key}` |" in text
    for parameter in PARAMETERS:
        assert f"| `{parameter.name}` | {parameter.description} |" in text


def test_the_mapping_file_is_found_and_resolved_for_the_task(built: tuple[Export, DAG]) -> None:
    export, dag = built
    extract = dag.task_dict["extract"]
    assert (extract.sql, dict(extract.lookups)) == (export.sql, dict(export.lookups))
    environment = dag.get_template_env()
    assert extract.render_template(extract.sql, {}, environment) == (PROJECT / "include" / "sql" / export.sql).read_text().strip()
    lookups = extract.render_template(extract.lookups, {}, environment)
    for name, file in export.lookups.items():
        assert lookups[name] == (PROJECT / "include" / "sql" / file).read_text().strip()


def test_the_window_is_a_template(built: tuple[Export, DAG]) -> None:
    _, dag = built
    extract = dag.task_dict["extract"]
    assert extract.window_start == "{{ macros.odp.window_start(dag_run, params, task) }}"
    assert extract.window_end == "{{ macros.odp.window_end(dag_run, params) }}"
    assert {"window_start", "window_end", "sql", "lookups"} <= set(extract.template_fields)


def test_the_preflight_is_one_task_by_hand() -> None:
    dag = build_preflight_dag()
    assert (dag.dag_id, dag.schedule, list(dag.task_dict)) == ("odp_preflight", None, ["preflight"])
    assert dag.task_dict["preflight"].needs_unpaused is False


def test_the_initial_load_runs_each_export_after_the_one_before_it() -> None:
    dag = build_initial_load_dag()
    assert (dag.dag_id, dag.schedule, dag.max_active_runs) == ("odp_initial_load", None, 1)
    order = ["preflight", *(export.dag_id for export in EXPORTS)]
    assert [task.task_id for task in dag.topological_sort()] == order
    assert [task.upstream_task_ids for task in dag.topological_sort()] == [set(), *({task_id} for task_id in order[:-1])]
    assert dag.task_dict["preflight"].needs_unpaused is True
    for export in EXPORTS:
        step = dag.task_dict[export.dag_id]
        assert (step.export_id, step.task_display_name, step.trigger_rule) == (export.dag_id, export.title, "all_success")


def test_a_step_of_the_initial_load_has_one_run_of_its_own() -> None:
    step = build_initial_load_dag().task_dict["product_odp_export"]
    run_id = step.render_template(step.trigger_run_id, {"run_id": "manual__2026-11-03T05:00:00+00:00"})
    assert (run_id, step.passed_params) == ("initial_load__manual__2026-11-03T05:00:00+00:00", ["DryRun"])


class TestConsistency:
    @pytest.fixture
    def dag(self) -> DAG:
        """The DAG odp_consistency."""
        return build_consistency_dag()

    def test_it_runs_weekly_one_run_at_a_time(self, dag: DAG) -> None:
        assert isinstance(dag.timetable, CronDataIntervalTimetable)
        assert dag.timetable.expression == "0 6 * * 0"
        assert (dag.catchup, dag.max_active_runs) == (False, 1)

    @pytest.mark.parametrize("export", EXPORTS, ids=lambda export: export.dag_id)
    def test_each_export_has_its_own_stages(self, dag: DAG, export: Export) -> None:
        group = dag.task_group.children[export.dag_id]
        assert isinstance(group, TaskGroup)
        edges = {
            task.label: {dag.task_dict[upstream].label for upstream in task.upstream_task_ids} for task in group.children.values()
        }
        assert edges == {
            "compare": set(),
            "wait_for_export": {"compare"},
            "extract": {"wait_for_export"},
            "transform": {"extract"},
            "load": {"transform"},
            "reconcile": {"extract", "transform", "load"},
            "deactivate": {"compare"},
        }
        tasks = {task.label: task for task in group.children.values()}
        # Without a repair all its stages are skipped; one that finds nothing to send any more is still reconciled.
        assert tasks["reconcile"].trigger_rule == "none_failed_min_one_success"
        assert (tasks["compare"].sql, tasks["extract"].sql) == (export.sql, export.sql)
        assert {task.export_id for task in tasks.values() if not task.is_mapped} == {export.dag_id}

    def test_the_verdict_comes_last_whatever_happened(self, dag: DAG) -> None:
        verdict = dag.task_dict["verdict"]
        assert verdict.trigger_rule == "all_done"
        stages = ("compare", "reconcile", "deactivate")
        assert verdict.upstream_task_ids == {f"{export.dag_id}.{stage}" for export in EXPORTS for stage in stages}
        assert verdict.exports == [export.dag_id for export in EXPORTS]

    def test_its_parameters(self, dag: DAG) -> None:
        from airflow.sdk.exceptions import ParamValidationError

        assert list(dag.params) == list(CONSISTENCY_PARAMETERS)
        for name in dag.params:
            assert dag.params.get_param(name).resolve() is None
        assert dag.params.get_param("Exports").resolve([EXPORTS[0].dag_id]) == [EXPORTS[0].dag_id]
        with pytest.raises(ParamValidationError):
            dag.params.get_param("Exports").resolve(["products"])

    def test_the_scheduler_can_read_it(self, dag: DAG) -> None:
        from airflow.serialization.serialized_objects import DagSerialization

        read = DagSerialization.deserialize_dag(DagSerialization.serialize_dag(dag))
        assert set(read.task_dict) == set(dag.task_dict)
        assert read.max_active_tasks == 2

    def test_its_documentation(self, dag: DAG) -> None:
        for words in (*CONSISTENCY_PARAMETERS, "max_difference_ratio", "max_deactivate_ratio", "since_last_success"):
            assert f"`{words}`" in (dag.doc_md or "")
