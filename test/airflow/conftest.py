"""What the tests share: the client of the server that `npm run test:airflow` started, and the DAGs they run.

The client is Airflow's own, unchanged. It raises if an answer lacks a field, has null where Airflow never has, or has
another type, so whatever it returns agrees with Airflow's models.
"""

import json
import os
import time
from datetime import datetime, timezone

import airflow_client.client as airflow
import pytest
import urllib3

URL = os.environ["JOBBERS_URL"]
KEY = os.environ["JOBBERS_KEY"]
# Name and password of an administrator; a viewer has the same password.
USER = os.environ["JOBBERS_TEST_USER"]
VIEWER = os.environ["JOBBERS_TEST_VIEWER"]
PASSWORD = os.environ["JOBBERS_TEST_PASSWORD"]

PATIENCE_SECONDS = 240
POLL_SECONDS = 0.05

http = urllib3.PoolManager()


def client_with(token):
    """Airflow's client with a bearer token, or with none."""
    return airflow.ApiClient(airflow.Configuration(host=URL, access_token=token))


def send(method, path, body=None, token=KEY):
    """A plain call, for what Airflow's client has no method for. Gives status and answer."""
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = http.request(method, URL + path, body=None if body is None else json.dumps(body), headers=headers)
    return answer.status, json.loads(answer.data) if answer.data else None


def task(task_id, handler, **fields):
    return {"task_id": task_id, "handler": handler, **fields}


# One task that fails its first try, one mapped over three names, one that takes what those returned.
GREETINGS = {
    "dag_id": "py_greetings",
    "description": "Greets three people",
    "tags": ["python", "greeting"],
    "owner": "tests",
    "params": {"year": {"default": 2026, "schema": {"type": "integer"}}},
    "tasks": [
        task("start", "flaky", input={"failures": 1}, retries=2, retry_delay=0.1),
        task(
            "greet",
            "hello",
            upstream_task_ids=["start"],
            input={"name": {"$ref": "map", "path": ["name"]}},
            expand={"type": "expand", "kwargs": {"name": {"literal": ["Ada", "Grace", "Edsger"]}}},
        ),
        task("collect", "noop", input={"all": {"$ref": "xcom", "task_id": "greet"}}),
    ],
}
# A task that fails for good, because it is given no text, and one that therefore never runs.
BROKEN = {
    "dag_id": "py_broken",
    "tags": ["python"],
    "tasks": [task("count", "word_count", input={}), task("after", "noop", upstream_task_ids=["count"])],
}
# A task that goes on for longer than any test.
SLOW = {
    "dag_id": "py_slow",
    "tags": ["python"],
    "tasks": [
        task("long", "countdown", input={"seconds": 600}, heartrate=0.2),
        task("after", "noop", upstream_task_ids=["long"]),
    ],
}


@pytest.fixture(scope="session", autouse=True)
def registered():
    """The three DAGs, by our own call; a second version of the first."""
    for spec in (GREETINGS, BROKEN, SLOW, {**GREETINGS, "description": "Greets three people by name"}):
        status, answer = send("PUT", f"/api/v2/dags/{spec['dag_id']}", spec)
        assert status in (200, 201), answer


def logged_in(name):
    """A client with a token that was given for name and password, as scripts for Airflow get theirs."""
    answer = http.request("POST", URL + "/auth/token", json={"username": name, "password": PASSWORD})
    assert answer.status == 201, answer.data
    return client_with(json.loads(answer.data)["access_token"])


@pytest.fixture(scope="session")
def client():
    return logged_in(USER)


@pytest.fixture(scope="session")
def viewer():
    return logged_in(VIEWER)


@pytest.fixture(scope="session")
def dags(client):
    return airflow.DAGApi(client)


@pytest.fixture(scope="session")
def runs(client):
    return airflow.DagRunApi(client)


@pytest.fixture(scope="session")
def instances(client):
    return airflow.TaskInstanceApi(client)


@pytest.fixture(scope="session")
def xcoms(client):
    return airflow.XComApi(client)


def eventually(what, look):
    """Polls until `look` gives something. Fails, saying what was waited for, if it does not come."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        found = look()
        if found:
            return found
        time.sleep(POLL_SECONDS)
    pytest.fail(f"expected {what} within {PATIENCE_SECONDS} seconds, it did not come")


@pytest.fixture(scope="session")
def trigger(runs):
    """Triggers a run; with `until` polls until it is in that state."""

    def do(dag_id, until=None, **fields):
        body = airflow.TriggerDAGRunPostBody(**{"logical_date": None, **fields})
        run = runs.trigger_dag_run(dag_id, body)
        return run if until is None else await_state(dag_id, run.dag_run_id, until)

    def await_state(dag_id, run_id, state):
        def look():
            run = runs.get_dag_run(dag_id, run_id)
            return run if run.state == state else None

        return eventually(f"run {run_id} of {dag_id} to be {state}", look)

    do.await_state = await_state
    return do


@pytest.fixture(scope="session")
def greeted(trigger):
    """A run of the greetings that has succeeded."""
    return trigger("py_greetings", until="success", dag_run_id="greeted", note="the first", conf={"year": 2025})


@pytest.fixture(scope="session")
def broken(trigger):
    """A run that has failed."""
    return trigger("py_broken", until="failed", dag_run_id="broken")


def now():
    return datetime.now(timezone.utc)


def states(instances_api, dag_id, run_id):
    """States of a run's task instances by name, e.g. `{"start": "success", "greet[0]": "failed"}`."""
    page = instances_api.get_task_instances(dag_id, run_id)
    return {
        one.task_id if one.map_index < 0 else f"{one.task_id}[{one.map_index}]": one.state and one.state.value
        for one in page.task_instances
    }
