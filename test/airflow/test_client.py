"""Airflow's own Python client at work on Jobbers."""

import json

import airflow_client.client as airflow
import pytest
from airflow_client.client import exceptions
from conftest import KEY, URL, client_with, eventually, http, now, send, states

# ── who may call ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_client_without_a_token_and_one_with_a_wrong_one_are_unauthorized():
    for token in (None, "no-such-key", "aaaa.bbbb.cccc"):
        with pytest.raises(exceptions.UnauthorizedException):
            airflow.DAGApi(client_with(token)).get_dags()


def test_a_wrong_password_gets_no_token():
    answer = http.request("POST", URL + "/auth/token", json={"username": "ada", "password": "wrong"})
    assert answer.status == 401
    assert "detail" in json.loads(answer.data)


def test_a_viewer_may_read_and_not_write(viewer, greeted):
    dags = airflow.DAGApi(viewer)
    assert dags.get_dag("py_greetings").dag_id == "py_greetings"
    with pytest.raises(exceptions.ForbiddenException):
        dags.patch_dag("py_greetings", airflow.DAGPatchBody(is_paused=True))
    with pytest.raises(exceptions.ForbiddenException):
        airflow.DagRunApi(viewer).delete_dag_run("py_greetings", "greeted")


def test_the_api_key_itself_is_taken_as_a_token():
    assert airflow.DAGApi(client_with(KEY)).get_dags().total_entries >= 3


# ── what is there ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_version_and_health(client):
    assert airflow.VersionApi(client).get_version().version
    health = airflow.MonitorApi(client).get_health()
    assert health.metadatabase.status == "healthy"
    assert health.scheduler.status == "healthy"


def test_dags_are_listed_with_pages_orders_and_filters(dags):
    every = dags.get_dags(order_by=["dag_id"])
    ids = [dag.dag_id for dag in every.dags]
    assert ids == sorted(ids)
    assert {"flights_etl", "py_greetings", "py_broken", "py_slow"} <= set(ids)
    assert every.total_entries == len(ids)

    page = dags.get_dags(limit=1, offset=1, order_by=["dag_id"])
    assert ([dag.dag_id for dag in page.dags], page.total_entries) == (ids[1:2], len(ids))
    assert [dag.dag_id for dag in dags.get_dags(order_by=["-dag_id"]).dags] == ids[::-1]

    def found(**filters):
        return {dag.dag_id for dag in dags.get_dags(**filters).dags}

    assert found(dag_id_pattern="py_gree") == {"py_greetings"}
    assert found(tags=["greeting", "python"], tags_match_mode="all") == {"py_greetings"}
    assert {"py_greetings", "py_broken", "py_slow"} <= found(tags=["greeting", "python"], tags_match_mode="any")
    assert found(owners=["tests"]) == {"py_greetings"}
    assert "py_greetings" in found(paused=False)


def test_a_dag_is_got_with_its_details(dags):
    dag = dags.get_dag("py_greetings")
    assert (dag.description, dag.owners) == ("Greets three people by name", ["tests"])
    assert {tag.name for tag in dag.tags} == {"python", "greeting"}
    details = dags.get_dag_details("py_greetings")
    assert details.dag_id == "py_greetings"
    assert details.latest_dag_version.version_number == 2
    assert "year" in details.params


def test_tags_of_all_dags_are_listed(dags):
    tags = dags.get_dag_tags(limit=100)
    assert {"python", "greeting"} <= set(tags.tags)


def test_tasks_are_listed_and_got(client):
    tasks = airflow.TaskApi(client)
    listed = tasks.get_tasks("py_greetings", order_by="task_id")
    assert [one.task_id for one in listed.tasks] == ["collect", "greet", "start"]
    start = tasks.get_task("py_greetings", "start")
    assert (start.downstream_task_ids, start.is_mapped, start.retries) == (["greet"], False, 2)
    assert tasks.get_task("py_greetings", "greet").is_mapped is True


def test_versions_are_listed_and_got(client):
    versions = airflow.DagVersionApi(client)
    listed = versions.get_dag_versions("py_greetings", order_by=["-version_number"])
    assert [one.version_number for one in listed.dag_versions] == [2, 1]
    assert versions.get_dag_version("py_greetings", 1).version_number == 1


def test_the_source_of_a_dag_is_its_spec(client):
    source = airflow.DagSourceApi(client).get_dag_source("py_greetings")
    assert source.version_number == 2
    assert json.loads(source.content)["dag_id"] == "py_greetings"


def test_a_dag_is_paused_and_unpaused(dags):
    for is_paused in (True, False):
        assert dags.patch_dag("py_broken", airflow.DAGPatchBody(is_paused=is_paused)).is_paused is is_paused
        assert dags.get_dag("py_broken").is_paused is is_paused
    masked = dags.patch_dag("py_broken", airflow.DAGPatchBody(is_paused=True), update_mask=["is_paused"])
    assert masked.is_paused is True
    many = dags.patch_dags(airflow.DAGPatchBody(is_paused=False), dag_id_pattern="py_broken")
    assert [(dag.dag_id, dag.is_paused) for dag in many.dags] == [("py_broken", False)]


# ── runs ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_run_is_triggered_and_polled_to_its_end(greeted):
    assert (greeted.state, greeted.run_type, greeted.triggered_by) == ("success", "manual", "rest_api")
    assert (greeted.note, greeted.conf) == ("the first", {"year": 2025})
    assert greeted.logical_date is None
    assert greeted.start_date <= greeted.end_date
    assert greeted.dag_versions[0].version_number == 2


def test_a_run_of_a_logical_date_has_its_interval(trigger):
    start, end = "2026-01-30T06:00:00+00:00", "2026-01-31T06:00:00+00:00"
    run = trigger(
        "py_greetings",
        until="success",
        logical_date=start,
        data_interval_start=start,
        data_interval_end=end,
        dag_run_id="of_a_date",
    )
    assert [date.isoformat() for date in (run.logical_date, run.data_interval_end)] == [start, end]


def test_runs_are_listed_with_filters(runs, greeted, broken):
    every = runs.get_dag_runs("~", limit=100)
    assert {"greeted", "broken"} <= {run.dag_run_id for run in every.dag_runs}
    assert every.total_entries >= 2

    def found(dag_id="py_greetings", **filters):
        return {run.dag_run_id for run in runs.get_dag_runs(dag_id, **filters).dag_runs}

    assert "greeted" in found(state=["success"], run_type=["manual"])
    assert found(state=["failed"]) == set()
    assert found("~", state=["failed"], dag_id_pattern="py_broken") >= {"broken"}
    assert found(run_id_pattern="greet%") == {"greeted"}
    assert found(start_date_gte=greeted.start_date, end_date_lte=greeted.end_date) == {"greeted"}
    assert found(run_after_gt=now()) == set()
    assert found(conf_contains="2025") == {"greeted"}


def test_runs_are_listed_by_a_body(runs, greeted, broken):
    body = airflow.DAGRunsBatchBody(dag_ids=["py_greetings", "py_broken"], states=["failed"], order_by="-run_after")
    page = runs.get_list_dag_runs_batch("~", body)
    assert {(run.dag_id, run.state) for run in page.dag_runs} == {("py_broken", "failed")}


def test_a_run_is_waited_for(runs, greeted):
    at = {"dag_id": "py_greetings", "dag_run_id": "greeted", "interval": 0.5}
    last = runs.wait_dag_run_until_finished(**at, result=["start", "greet"])
    assert last["state"] == "success"
    assert last["results"]["greet"] == [{"greeting": f"Hello, {name}!"} for name in ("Ada", "Grace", "Edsger")]


def test_a_run_that_goes_on_is_waited_for_line_by_line(runs, trigger):
    body = airflow.TriggerDAGRunPostBody(logical_date=None, dag_run_id="waited_for")
    runs.trigger_dag_run("py_greetings", body)
    answer = runs.wait_dag_run_until_finished_without_preload_content("py_greetings", "waited_for", interval=0.5)
    states_told = [json.loads(line)["state"] for line in answer.data.splitlines()]
    assert states_told[-1] == "success"
    assert set(states_told[:-1]) <= {"queued", "running"}


def test_a_run_is_patched(runs, trigger):
    run_id = trigger("py_greetings", until="success").dag_run_id
    noted = runs.patch_dag_run("py_greetings", run_id, airflow.DAGRunPatchBody(note="later"))
    assert (noted.note, noted.state) == ("later", "success")
    failed = runs.patch_dag_run("py_greetings", run_id, airflow.DAGRunPatchBody(state="failed"), update_mask=["state"])
    assert (failed.note, failed.state) == ("later", "failed")


def test_runs_are_patched_and_deleted_in_bulk(runs, trigger):
    first, second = (trigger("py_greetings", until="success").dag_run_id for _ in range(2))
    entities = [airflow.BulkDAGRunBody(dag_run_id=run_id, note="bulk") for run_id in (first, "no_such_run")]
    update = airflow.BulkUpdateActionBulkDAGRunBody(action="update", entities=entities)
    delete = airflow.BulkDeleteActionBulkDAGRunBody(action="delete", entities=[airflow.EntitiesInner(second)])
    actions = [airflow.ActionsInner(update), airflow.ActionsInner(delete)]
    answer = runs.bulk_dag_runs("py_greetings", airflow.BulkBodyBulkDAGRunBody(actions=actions))
    assert (len(answer.update.success), len(answer.delete.success)) == (1, 1)
    assert [error["status_code"] for error in answer.update.errors] == [404]
    assert runs.get_dag_run("py_greetings", first).note == "bulk"


def test_a_run_is_deleted(runs, trigger):
    run_id = trigger("py_greetings", until="success").dag_run_id
    assert runs.delete_dag_run("py_greetings", run_id) is None
    with pytest.raises(exceptions.NotFoundException):
        runs.get_dag_run("py_greetings", run_id)


def test_the_runs_of_dags_are_counted(client, greeted, broken):
    stats = airflow.DagStatsApi(client).get_dag_stats(dag_ids=["py_greetings", "py_broken"])
    counts = {dag.dag_id: {one.state.value: one.count for one in dag.stats} for dag in stats.dags}
    assert counts["py_greetings"]["success"] >= 1
    assert counts["py_broken"]["failed"] >= 1


# ── task instances ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_task_instances_are_listed_and_got(instances, greeted):
    assert states(instances, "py_greetings", "greeted") == {
        "start": "success",
        "greet[0]": "success",
        "greet[1]": "success",
        "greet[2]": "success",
        "collect": "success",
    }
    start = instances.get_task_instance("py_greetings", "greeted", "start")
    assert (start.try_number, start.state) == (2, "success")
    assert start.duration >= 0
    filtered = instances.get_task_instances("py_greetings", "greeted", map_index=[1, 2], state=["success"])
    assert [(one.task_id, one.map_index) for one in filtered.task_instances] == [("greet", 1), ("greet", 2)]
    page = instances.get_task_instances("py_greetings", "greeted", limit=2, order_by=["-map_index"])
    assert [one.map_index for one in page.task_instances] == [2, 1]
    assert page.total_entries == 5
    assert instances.get_task_instances("~", "~", state=["failed"]).total_entries >= 0


def test_mapped_task_instances_are_listed_and_got(instances, greeted):
    mapped = instances.get_mapped_task_instances("py_greetings", "greeted", "greet", order_by=["map_index"])
    assert [one.map_index for one in mapped.task_instances] == [0, 1, 2]
    one = instances.get_mapped_task_instance("py_greetings", "greeted", "greet", 1)
    assert (one.map_index, one.rendered_map_index) == (1, "1")
    with pytest.raises(exceptions.NotFoundException):
        instances.get_task_instance("py_greetings", "greeted", "greet")


def test_task_instances_are_listed_by_a_body(instances, greeted):
    body = airflow.TaskInstancesBatchBody(dag_ids=["py_greetings"], dag_run_ids=["greeted"], task_ids=["greet"])
    assert instances.get_task_instances_batch("~", "~", body).total_entries == 3


def test_tries_are_listed_and_got(instances, greeted):
    tries = instances.get_task_instance_tries("py_greetings", "greeted", "start")
    assert [(one.try_number, one.state) for one in tries.task_instances] == [(1, "failed"), (2, "success")]
    assert instances.get_task_instance_try_details("py_greetings", "greeted", "start", 1).try_number == 1
    mapped = instances.get_mapped_task_instance_tries("py_greetings", "greeted", "greet", 2)
    assert [one.map_index for one in mapped.task_instances] == [2]
    one = instances.get_mapped_task_instance_try_details(
        "py_greetings", "greeted", "greet", map_index=2, task_try_number=1
    )
    assert (one.map_index, one.try_number) == (2, 1)


def test_a_log_is_read(instances, greeted):
    log = instances.get_log("py_greetings", "greeted", "greet", 1, map_index=1)
    events = [line.event for line in log.content.actual_instance]
    assert "greeting" in events
    whole = instances.get_log("py_greetings", "greeted", "greet", 1, map_index=1, full_content=True)
    assert len(whole.content.actual_instance) >= len(events)


def test_what_a_task_instance_waits_for_is_told(instances, greeted):
    told = instances.get_task_instance_dependencies("py_greetings", "greeted", "start")
    assert isinstance(told.dependencies, list)


def test_a_running_task_has_a_job_and_is_stopped_by_marking_it(client, instances, trigger):
    run_id = trigger("py_slow").dag_run_id
    jobs = airflow.JobApi(client)

    def running():
        return states(instances, "py_slow", run_id)["long"] == "running" and any(
            job.dag_id == "py_slow" for job in jobs.get_jobs(is_alive=True).jobs
        )

    eventually("the long task to have a living job", running)
    body = airflow.PatchTaskInstanceBody(new_state="success")
    marked = instances.patch_task_instance("py_slow", run_id, "long", body)
    assert [(one.task_id, one.state) for one in marked.task_instances] == [("long", "success")]
    trigger.await_state("py_slow", run_id, "success")
    assert states(instances, "py_slow", run_id) == {"long": "success", "after": "success"}


def test_a_task_instance_is_marked_with_a_dry_run_before(instances, trigger):
    run_id = trigger("py_greetings", until="success").dag_run_id
    body = airflow.PatchTaskInstanceBody(new_state="failed", include_downstream=True)
    dry = instances.patch_task_instance_dry_run("py_greetings", run_id, "greet", body)
    assert {one.task_id for one in dry.task_instances} == {"greet", "collect"}
    assert set(states(instances, "py_greetings", run_id).values()) == {"success"}
    wet = instances.patch_task_instance("py_greetings", run_id, "greet", body)
    assert {one.task_id for one in wet.task_instances} == {"greet"}
    # Airflow marks what is below, and then clears what is failed there, which so finds its upstream failed.
    after = states(instances, "py_greetings", run_id)
    assert {name: after[name] for name in ("start", "greet[1]", "collect")} == {
        "start": "success",
        "greet[1]": "failed",
        "collect": "upstream_failed",
    }
    one = instances.patch_task_instance_by_map_index(
        "py_greetings", run_id, "greet", 1, airflow.PatchTaskInstanceBody(new_state="skipped")
    )
    assert [(ti.map_index, ti.state) for ti in one.task_instances] == [(1, "skipped")]


def test_a_note_of_a_task_instance_is_set(instances, greeted):
    body = airflow.PatchTaskInstanceBody(note="well done")
    noted = instances.patch_task_instance("py_greetings", "greeted", "collect", body)
    assert [one.note for one in noted.task_instances] == ["well done"]
    assert instances.get_task_instance("py_greetings", "greeted", "collect").note == "well done"


def test_task_instances_are_patched_and_deleted_in_bulk(instances, trigger):
    run_id = trigger("py_greetings", until="success").dag_run_id
    entities = [airflow.BulkTaskInstanceBody(task_id=name, new_state="failed") for name in ("collect", "no_such_task")]
    update = airflow.BulkUpdateActionBulkTaskInstanceBody(action="update", entities=entities)
    body = airflow.BulkBodyBulkTaskInstanceBody(actions=[airflow.ActionsInner1(update)])
    answer = instances.bulk_task_instances("py_greetings", run_id, body)
    assert len(answer.update.success) == 1
    assert [error["status_code"] for error in answer.update.errors] == [404]
    assert states(instances, "py_greetings", run_id)["collect"] == "failed"


def test_a_task_instance_is_deleted(instances, trigger):
    run_id = trigger("py_greetings", until="success").dag_run_id
    instances.delete_task_instance("py_greetings", run_id, "collect")
    with pytest.raises(exceptions.NotFoundException):
        instances.get_task_instance("py_greetings", run_id, "collect")


# ── clearing ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_task_instances_are_cleared_with_a_dry_run_before(instances, trigger, runs):
    run_id = trigger("py_greetings", until="success").dag_run_id
    fields = {"dag_run_id": run_id, "only_failed": False, "include_downstream": True}
    ids = [airflow.ClearTaskInstancesBodyTaskIdsInner("greet")]
    dry = instances.post_clear_task_instances(
        "py_greetings", airflow.ClearTaskInstancesBody(task_ids=ids, dry_run=True, **fields)
    )
    assert dry.total_entries == 4
    assert runs.get_dag_run("py_greetings", run_id).state == "success"
    wet = instances.post_clear_task_instances(
        "py_greetings", airflow.ClearTaskInstancesBody(task_ids=ids, dry_run=False, **fields)
    )
    assert wet.total_entries == 4
    trigger.await_state("py_greetings", run_id, "success")
    tries = instances.get_mapped_task_instance_tries("py_greetings", run_id, "greet", 0)
    assert [one.try_number for one in tries.task_instances] == [1, 2]


def test_one_mapped_task_instance_is_cleared(instances, trigger):
    run_id = trigger("py_greetings", until="success").dag_run_id
    pair = airflow.ClearTaskInstancesBodyTaskIdsInner(["greet", 1])
    body = airflow.ClearTaskInstancesBody(dag_run_id=run_id, only_failed=False, dry_run=False, task_ids=[pair])
    cleared = instances.post_clear_task_instances("py_greetings", body)
    assert [(one.task_id, one.map_index) for one in cleared.task_instances] == [("greet", 1)]
    trigger.await_state("py_greetings", run_id, "success")


def test_a_run_is_cleared(instances, runs, trigger):
    run_id = trigger("py_broken", until="failed").dag_run_id
    # The client itself cannot tell a task instance from one of its other models in the answer of a dry run.
    dry = runs.clear_dag_run_without_preload_content("py_broken", run_id, airflow.DAGRunClearBody())
    assert {one["task_id"] for one in json.loads(dry.data)["task_instances"]} >= {"count", "after"}
    assert runs.get_dag_run("py_broken", run_id).state == "failed"
    cleared = runs.clear_dag_run("py_broken", run_id, airflow.DAGRunClearBody(dry_run=False))
    assert cleared.actual_instance.dag_run_id == run_id
    trigger.await_state("py_broken", run_id, "failed")
    assert [one.try_number for one in instances.get_task_instance_tries("py_broken", run_id, "count").task_instances] == [
        1,
        2,
    ]


# ── values ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_values_are_listed_and_got(xcoms, greeted):
    listed = xcoms.get_xcom_entries(dag_id="py_greetings", dag_run_id="greeted", task_id="greet")
    assert {entry.key for entry in listed.xcom_entries} == {"return_value"}
    every = xcoms.get_xcom_entries("~", "~", "~", xcom_key_pattern="return", limit=100)
    assert every.total_entries >= 5
    at = {"dag_id": "py_greetings", "dag_run_id": "greeted", "task_id": "greet", "xcom_key": "return_value"}
    native = xcoms.get_xcom_entry(**at, map_index=1)
    assert native.actual_instance.value == {"greeting": "Hello, Grace!"}
    text = xcoms.get_xcom_entry(**at, map_index=1, stringify=True)
    assert "Grace" in text.actual_instance.value


def test_a_value_is_created_updated_and_deleted(xcoms, greeted):
    at = {"dag_id": "py_greetings", "dag_run_id": "greeted", "task_id": "collect"}

    def create(value):
        return xcoms.create_xcom_entry(**at, x_com_create_body=airflow.XComCreateBody(key="mine", value=value))

    created = create({"a": [1, None]})
    assert (created.key, created.value) == ("mine", {"a": [1, None]})
    with pytest.raises(exceptions.ConflictException):
        create(2)
    updated = xcoms.update_xcom_entry(**at, xcom_key="mine", x_com_update_body=airflow.XComUpdateBody(value="two"))
    assert updated.value == "two"
    assert xcoms.delete_xcom_entry(**at, xcom_key="mine") is None
    with pytest.raises(exceptions.NotFoundException):
        xcoms.get_xcom_entry(**at, xcom_key="mine")


# ── pools ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_pool_is_made_got_changed_and_deleted(client):
    pools = airflow.PoolApi(client)
    made = pools.post_pool(airflow.PoolBody(name="py_pool", slots=3, description="of the tests", include_deferred=True))
    assert (made.name, made.slots, made.open_slots, made.include_deferred) == ("py_pool", 3, 3, True)
    with pytest.raises(exceptions.ConflictException):
        pools.post_pool(airflow.PoolBody(name="py_pool", slots=1))

    body = airflow.PoolPatchBody(pool="py_pool", slots=-1, include_deferred=False, description="changed")
    assert pools.patch_pool("py_pool", body).open_slots == -1
    masked = pools.patch_pool("py_pool", airflow.PoolPatchBody(slots=2, description="no"), update_mask=["slots"])
    assert (masked.slots, masked.description, masked.include_deferred) == (2, "changed", False)
    assert pools.get_pool("py_pool") == masked

    pools.delete_pool("py_pool")
    for call in (pools.get_pool, pools.delete_pool):
        with pytest.raises(exceptions.NotFoundException):
            call("py_pool")


def test_the_default_pool_is_there_and_stays(client):
    pools = airflow.PoolApi(client)
    pool = pools.get_pool("default_pool")
    assert (pool.slots, pool.open_slots) == (128, 128)
    with pytest.raises(exceptions.BadRequestException):
        pools.delete_pool("default_pool")
    with pytest.raises(exceptions.BadRequestException):
        pools.patch_pool("default_pool", airflow.PoolPatchBody(description="mine"))
    mask = ["slots", "include_deferred"]
    for slots in (64, 128):
        body = airflow.PoolPatchBody(slots=slots, include_deferred=False)
        assert pools.patch_pool("default_pool", body, update_mask=mask).slots == slots


def test_pools_are_made_changed_and_deleted_in_bulk_and_listed(client):
    pools = airflow.PoolApi(client)
    first, second = (airflow.PoolBody(name=name, slots=1) for name in ("py_bulk_1", "py/bulk 2"))
    create = airflow.BulkCreateActionPoolBody(action="create", entities=[first, second])
    answer = pools.bulk_pools(airflow.BulkBodyPoolBody(actions=[airflow.ActionsInner3(create)]))
    assert answer.create.success == ["py_bulk_1", "py/bulk 2"]

    listed = pools.get_pools(pool_name_pattern="py_bulk|py/", order_by=["-name"])
    assert ([pool.name for pool in listed.pools], listed.total_entries) == (["py_bulk_1", "py/bulk 2"], 2)
    page = pools.get_pools(limit=1, offset=1, order_by=["id"])
    assert [pool.name for pool in page.pools] == ["py_bulk_1"]
    assert page.total_entries >= 3

    again = airflow.BulkCreateActionPoolBody(action="create", entities=[first], action_on_existence="fail")
    update = airflow.BulkUpdateActionPoolBody(
        action="update", entities=[airflow.PoolBody(name="py/bulk 2", slots=7)], update_mask=["slots"]
    )
    delete = airflow.BulkDeleteActionPoolBody(
        action="delete", entities=[airflow.EntitiesInner3("py_bulk_1"), airflow.EntitiesInner3("py_nope")]
    )
    actions = [airflow.ActionsInner3(action) for action in (again, update, delete)]
    answer = pools.bulk_pools(airflow.BulkBodyPoolBody(actions=actions))
    assert [error["status_code"] for error in answer.create.errors] == [409]
    assert (answer.update.success, answer.delete.success) == (["py/bulk 2"], ["py_bulk_1"])
    assert [error["status_code"] for error in answer.delete.errors] == [404]
    assert pools.get_pool("py/bulk 2").slots == 7
    pools.delete_pool("py/bulk 2")


def test_negative_slots_are_unprocessable():
    assert send("POST", "/api/v2/pools", {"name": "py_negative", "slots": -2})[0] == 422


def test_a_viewer_may_see_pools_and_not_make_them(viewer):
    pools = airflow.PoolApi(viewer)
    assert pools.get_pools().total_entries >= 1
    with pytest.raises(exceptions.ForbiddenException):
        pools.post_pool(airflow.PoolBody(name="py_forbidden", slots=1))


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_there_is_not_found(dags, runs, instances, xcoms, client, greeted):
    for look in (
        lambda: dags.get_dag("no_such_dag"),
        lambda: dags.get_dag_details("no_such_dag"),
        lambda: runs.get_dag_runs("no_such_dag"),
        lambda: runs.get_dag_run("py_greetings", "no_such_run"),
        lambda: instances.get_task_instances("py_greetings", "no_such_run"),
        lambda: instances.get_task_instance("py_greetings", "greeted", "no_such_task"),
        lambda: instances.get_task_instance_try_details("py_greetings", "greeted", "start", 9),
        lambda: instances.get_log("py_greetings", "greeted", "no_such_task", 1),
        lambda: xcoms.get_xcom_entry(
            dag_id="py_greetings", dag_run_id="greeted", task_id="start", xcom_key="no_such_key"
        ),
        lambda: airflow.TaskApi(client).get_task("py_greetings", "no_such_task"),
        lambda: airflow.DagVersionApi(client).get_dag_version("py_greetings", 99),
        lambda: runs.delete_dag_run("py_greetings", "no_such_run"),
        lambda: runs.trigger_dag_run("no_such_dag", airflow.TriggerDAGRunPostBody(logical_date=None)),
    ):
        with pytest.raises(exceptions.NotFoundException) as refused:
            look()
        assert isinstance(json.loads(refused.value.body)["detail"], str)


def test_what_is_taken_is_a_conflict(runs, greeted):
    with pytest.raises(exceptions.ConflictException):
        runs.trigger_dag_run("py_greetings", airflow.TriggerDAGRunPostBody(logical_date=None, dag_run_id="greeted"))


def test_what_does_not_fit_is_unprocessable(runs, dags, instances, greeted):
    naive = "2026-01-31T06:00:00"
    for body in ({}, {"logical_date": naive}, {"logical_date": None, "colour": "red"}, {"logical_date": None, "conf": 3}):
        status, answer = send("POST", "/api/v2/dags/py_greetings/dagRuns", body)
        assert status == 422, (body, answer)
        assert {"loc", "msg", "type"} <= set(answer["detail"][0])
    with pytest.raises(exceptions.UnprocessableEntityException):
        instances.patch_task_instance(
            "py_greetings", "greeted", "collect", airflow.PatchTaskInstanceBody(new_state="running")
        )


def test_a_conf_that_violates_the_params_is_a_bad_request(runs):
    body = airflow.TriggerDAGRunPostBody(logical_date=None, conf={"year": "this one"})
    with pytest.raises(exceptions.BadRequestException):
        runs.trigger_dag_run("py_greetings", body)


def test_an_order_by_what_is_no_field_and_a_mask_of_what_is_no_field_are_bad_requests(dags, runs):
    with pytest.raises(exceptions.BadRequestException):
        runs.get_dag_runs("py_greetings", order_by=["colour"])
    with pytest.raises(exceptions.BadRequestException):
        dags.patch_dag("py_greetings", airflow.DAGPatchBody(is_paused=True), update_mask=["colour"])


def test_a_dag_is_deleted(dags):
    spec = {"dag_id": "py_short_lived", "tasks": [{"task_id": "only", "handler": "noop"}]}
    status, answer = send("PUT", "/api/v2/dags/py_short_lived", spec)
    assert status in (200, 201), answer
    assert dags.get_dag("py_short_lived").dag_id == "py_short_lived"
    dags.delete_dag("py_short_lived")
    with pytest.raises(exceptions.NotFoundException):
        dags.get_dag("py_short_lived")
