"""Plays a scenario on Airflow: the scheduler's own decisions, Airflow's own task runner, its own API for clears and marks.

The scheduler is fast and the tasks are slow: decisions are made until nothing changes any more, then one running task instance
ends, which one says the scenario's salt. Jobbers plays by the same rule, so that both sides see the same order of events.
"""

import os
from uuid import UUID

import dags
from airflow.models.dag import DagModel
from airflow.models.dagbag import DBDagBag
from airflow.models.dagrun import DagRun
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.sdk import timezone
from airflow.sdk.api.client import TaskInstanceOperations, get_hostname, getuser
from airflow.sdk.api.datamodels._generated import TaskInstance as TaskOfWorker
from airflow.sdk.execution_time.comms import OKResponse
from airflow.sdk.execution_time.supervisor import InProcessTestSupervisor, run_task_in_process
from airflow.serialization.definitions.dag import SerializedDAG
from airflow.serialization.serialized_objects import LazyDeserializedDAG
from airflow.ti_deps.dep_context import DepContext
from airflow.ti_deps.deps.mapped_task_upstream_dep import MappedTaskUpstreamDep
from airflow.ti_deps.deps.not_previously_skipped_dep import NotPreviouslySkippedDep
from airflow.utils.session import create_session
from airflow.utils.state import DagRunState, TaskInstanceState
from airflow.utils.types import DagRunTriggeredByType, DagRunType
from sqlalchemy import delete, select

# The fields of a task as they were rendered are shown to users, and cost a call.
TaskInstanceOperations.set_rtif = lambda *_: OKResponse(ok=True)



def _failed_dependencies(self, dep_context=None, *, session):
    """
    As Airflow's own, in a fixed order. Airflow asks the dependencies of a task instance in the order of a set, which is another
    one in each process; the last one that sets a state wins. Here those are asked last that win in Jobbers.
    """
    dep_context = dep_context or DepContext()
    winning = [MappedTaskUpstreamDep, NotPreviouslySkippedDep]
    ranks = {dep: winning.index(type(dep)) if type(dep) in winning else -1 for dep in dep_context.deps | self.task.deps}
    for dep in sorted(ranks, key=lambda dep: (ranks[dep], dep.name)):
        yield from (status for status in dep.get_dep_statuses(self, dep_context, session=session) if not status.passed)


TaskInstance.get_failed_dep_statuses = _failed_dependencies

# More passes of the scheduler than any of these runs needs: it would never come to rest.
MOST_PASSES = 200
# More ends of task instances than any of these runs has.
MOST_ENDS = 2000


def fnv(text):
    """FNV-1a with 32 bits; `order.ts` has the same."""
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


class Player:
    def __init__(self, scenario, api):
        self.scenario = scenario
        self.api = api
        self.dag_id = scenario["spec"]["dag_id"]

    def play(self):
        """What came of each phase, or why Airflow refuses the DAG."""
        dags.outcomes = self.scenario["outcomes"]
        try:
            self.dag = dags.Builder(self.scenario["spec"]).build()
            lazy = LazyDeserializedDAG.from_dag(self.dag)
        except Exception as error:
            return {"refused": f"{type(error).__name__}: {error}"}
        with create_session() as session:
            SerializedDAG.bulk_write_to_db("scenarios", None, [lazy], session=session)
            SerializedDagModel.write_dag(lazy, bundle_name="scenarios", session=session)
            session.get(DagModel, self.dag_id).is_paused = False
        self.bag = DBDagBag()
        self.client = InProcessTestSupervisor._api_client(self.dag)
        self.create_runs()
        phases = []
        try:
            for phase in self.scenario["phases"]:
                statuses = [self.act(action) for action in phase["actions"]]
                self.run_to_the_end()
                phases.append({"statuses": statuses, "runs": self.snapshot()})
        finally:
            self.remove_runs()
        return {"phases": phases}

    def remove_runs(self):
        """Leaves nothing behind: a mark with include_past passes over runs that share their id with one of another DAG."""
        with create_session() as session:
            for run in session.scalars(select(DagRun).where(DagRun.dag_id == self.dag_id)):
                session.delete(run)

    def create_runs(self):
        with create_session() as session:
            scheduler_dag = self.bag.get_latest_version_of_dag(self.dag_id, session=session)
            for run in self.scenario["runs"]:
                dates = {name: _date(run[name]) for name in ("logical_date", "data_interval_start", "data_interval_end")}
                interval = (dates["data_interval_start"], dates["data_interval_end"])
                scheduler_dag.create_dagrun(
                    run_id=run["dag_run_id"],
                    logical_date=dates["logical_date"],
                    data_interval=None if interval[0] is None else interval,
                    run_after=_date(run["run_after"]),
                    run_type=DagRunType(run["run_type"]),
                    triggered_by=DagRunTriggeredByType.TEST,
                    state=DagRunState.QUEUED,
                    session=session,
                )

    def act(self, action):
        path = f"/api/v2/dags/{self.dag_id}{action['path']}"
        answer = self.api.request(action["method"], path, json=action["body"])
        return answer.status_code

    def run_to_the_end(self):
        for _ in range(MOST_ENDS):
            running = self.settle()
            if not running:
                return
            self.finish(min(running, key=self.turn))
        raise RuntimeError(f"expected the runs to end, they did not in {MOST_ENDS} steps")

    def turn(self, ti):
        name = f"{ti.run_id}|{ti.task_id}|{ti.map_index}|{ti.try_number}"
        return fnv(f"{self.scenario['salt']}|{name}"), name

    def settle(self):
        """Schedules until nothing changes. Gives what runs then."""
        before, _ = self.look()
        for _ in range(MOST_PASSES):
            self.schedule()
            now, running = self.look()
            if now == before:
                return running
            before = now
        raise RuntimeError(f"expected the scheduler to come to rest, it did not in {MOST_PASSES} passes")

    def look(self):
        """All states, to be compared with those of another time, and the task instances that run."""
        with create_session() as session:
            tis = session.scalars(select(TaskInstance).where(TaskInstance.dag_id == self.dag_id)).all()
            runs = session.execute(select(DagRun.run_id, DagRun.state).where(DagRun.dag_id == self.dag_id)).all()
            session.expunge_all()
        states = sorted((t.run_id, t.task_id, t.map_index, str(t.state), t.try_number, str(t.id)) for t in tis)
        return (states, sorted(map(str, runs))), [ti for ti in tis if ti.state == TaskInstanceState.RUNNING]

    def schedule(self):
        """One pass of the scheduler: starts queued runs, decides, schedules; what is scheduled starts at once."""
        with create_session() as session:
            runs = session.scalars(select(DagRun).where(DagRun.dag_id == self.dag_id)).all()
            for run in runs:
                if run.state == DagRunState.QUEUED:
                    # As SchedulerJobRunner._start_queued_dagruns does.
                    run.state = DagRunState.RUNNING
                    run.start_date = timezone.utcnow()
                if run.state == DagRunState.RUNNING:
                    # As SchedulerJobRunner._schedule_dag_run does.
                    run.dag = self.bag.get_dag_for_run(dag_run=run, session=session)
                    ready, _ = run.update_state(session=session, execute_callbacks=False)
                    run.schedule_tis(ready, session=session)
        with create_session() as session:
            scheduled = session.scalars(
                select(TaskInstance).where(
                    TaskInstance.dag_id == self.dag_id, TaskInstance.state == TaskInstanceState.SCHEDULED
                )
            ).all()
            for ti in scheduled:
                self.start(ti, session)
            session.flush()
            session.expunge_all()
        for ti in scheduled:
            # Jobbers does not execute it, but decides at once.
            if self.dag.get_task(ti.task_id).task_type == "LatestOnlyOperator":
                self.finish(ti)

    def start(self, ti, session):
        """What a worker's first call does; its second one, when the task runner goes to work, is then a repetition."""
        ti.state = TaskInstanceState.RUNNING
        ti.start_date = timezone.utcnow()
        ti.end_date = None
        ti.hostname, ti.unixname, ti.pid = get_hostname(), getuser(), os.getpid()
        session.execute(
            delete(XComModel).where(
                XComModel.dag_id == ti.dag_id,
                XComModel.run_id == ti.run_id,
                XComModel.task_id == ti.task_id,
                XComModel.map_index == ti.map_index,
            )
        )

    def finish(self, ti):
        """Lets the task runner execute a task instance and report."""
        worker_ti = TaskOfWorker(
            id=UUID(str(ti.id)),
            task_id=ti.task_id,
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            try_number=ti.try_number,
            map_index=ti.map_index,
            dag_version_id=UUID(str(ti.dag_version_id)),
        )
        run_task_in_process(ti=worker_ti, task=self.dag.get_task(ti.task_id), client=self.client)

    def snapshot(self):
        with create_session() as session:
            runs = session.scalars(select(DagRun).where(DagRun.dag_id == self.dag_id)).all()
            tis = session.scalars(select(TaskInstance).where(TaskInstance.dag_id == self.dag_id)).all()
            return {
                run.run_id: {
                    "state": _text(run.state),
                    "tis": {
                        ti.task_id if ti.map_index < 0 else f"{ti.task_id}[{ti.map_index}]": [
                            _text(ti.state),
                            ti.try_number,
                            ti.max_tries,
                        ]
                        for ti in tis
                        if ti.run_id == run.run_id
                    },
                }
                for run in runs
            }


def _date(text):
    return None if text is None else timezone.parse(text)


def _text(state):
    return None if state is None else str(getattr(state, "value", state))
