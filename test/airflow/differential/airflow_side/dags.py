"""Airflow DAGs made of Jobbers' specs: real operators, whose outcome is the one that the scenario states."""

from datetime import datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.latest_only import LatestOnlyOperator
from airflow.providers.standard.operators.python import ShortCircuitOperator
from airflow.sdk import DAG, TaskGroup
from airflow.sdk.bases.branch import BaseBranchOperator
from airflow.sdk.bases.operator import BaseOperator
from airflow.sdk.definitions._internal.expandinput import DictOfListsExpandInput
from airflow.sdk.definitions.taskgroup import MappedTaskGroup
from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException

# The stated outcomes of the scenario that is being played, by task, or by task and map index.
outcomes = {}


def outcome_of(context):
    """Does what the scenario states for this try: the last statement of the list holds for all later tries."""
    ti = context["ti"]
    tries = outcomes.get(f"{ti.task_id}[{ti.map_index}]") or outcomes[ti.task_id]
    stated = tries[min(ti.try_number, len(tries)) - 1]
    match stated["do"]:
        case "return":
            return stated["value"]
        case "fail":
            raise AirflowException("stated")
        case "fail_for_good":
            raise AirflowFailException("stated")
        case "skip":
            raise AirflowSkipException("stated")
    raise ValueError(f"no such outcome: {stated}")


class Step(BaseOperator):
    def __init__(self, *, x=None, y=None, **kwargs):
        super().__init__(**kwargs)
        self.x = x
        self.y = y

    def execute(self, context):
        return outcome_of(context)


class Branch(BaseBranchOperator):
    def __init__(self, *, x=None, y=None, **kwargs):
        super().__init__(**kwargs)

    def choose_branch(self, context):
        return outcome_of(context)


def _ask(**context):
    return outcome_of(context)


class Circuit(ShortCircuitOperator):
    def __init__(self, *, x=None, y=None, **kwargs):
        super().__init__(python_callable=_ask, **kwargs)


OPERATORS = {
    "task": Step,
    "branch": Branch,
    "short_circuit": Circuit,
    "latest_only": LatestOnlyOperator,
    "empty": EmptyOperator,
}


class Builder:
    def __init__(self, spec):
        self.spec = spec
        self.task_specs = {task["task_id"]: task for task in spec["tasks"]}
        self.group_specs = {group["group_id"]: group for group in spec.get("task_groups", [])}
        self.tasks = {}
        self.groups = {}

    def build(self):
        spec = self.spec
        start = spec.get("start_date")
        self.dag = DAG(
            spec["dag_id"],
            schedule=spec.get("schedule"),
            start_date=start and datetime.fromisoformat(start),
            catchup=spec.get("catchup", False),
            fail_fast=spec.get("fail_fast", False),
        )
        for task_id in self.task_specs:
            self.task(task_id)
        for task_id, task in self.task_specs.items():
            for upstream in task.get("upstream_task_ids", []):
                self.tasks[task_id].set_upstream(self.tasks[upstream])
        for group in self.groups.values():
            if isinstance(group, MappedTaskGroup):
                # What leaving its `with` does.
                for feeding, _ in group._expand_input.iter_references():
                    group.set_upstream(feeding)
        self.dag.fileloc = __file__
        self.dag.validate()
        self.dag.validate_setup_teardown()
        self.dag.check_cycle()
        return self.dag

    def source(self, source):
        return source["literal"] if "literal" in source else self.task(source["task_id"]).output

    def kwargs_of(self, expand):
        return {name: self.source(source) for name, source in expand["kwargs"].items()}

    def group(self, group_id):
        if group_id is None:
            return self.dag.task_group
        if group_id not in self.groups:
            group = self.group_specs[group_id]
            given = {"group_id": group_id, "prefix_group_id": False, "dag": self.dag}
            parent = self.group(group.get("parent_group_id"))
            if "expand" in group:
                expand_input = DictOfListsExpandInput(self.kwargs_of(group["expand"]))
                self.groups[group_id] = MappedTaskGroup(parent_group=parent, expand_input=expand_input, **given)
            else:
                self.groups[group_id] = TaskGroup(parent_group=parent, **given)
        return self.groups[group_id]

    def task(self, task_id):
        if task_id in self.tasks:
            return self.tasks[task_id]
        spec = self.task_specs[task_id]
        operator = OPERATORS[spec.get("operator", "task")]
        given = {
            "task_id": task_id,
            "dag": self.dag,
            "task_group": self.group(spec.get("task_group_id")),
            "retries": spec.get("retries", 0),
            "retry_delay": timedelta(0),
        }
        if "trigger_rule" in spec:
            given["trigger_rule"] = spec["trigger_rule"]
        if "ignore_downstream_trigger_rules" in spec:
            given["ignore_downstream_trigger_rules"] = spec["ignore_downstream_trigger_rules"]
        if "expand" in spec:
            task = operator.partial(**given).expand(**self.kwargs_of(spec["expand"]))
        else:
            task = operator(**given)
        if spec.get("is_setup"):
            task.as_setup()
        if spec.get("is_teardown"):
            task.as_teardown(on_failure_fail_dagrun=spec.get("on_failure_fail_dagrun", False))
            if "trigger_rule" in spec:
                task.trigger_rule = spec["trigger_rule"]
        self.tasks[task_id] = task
        return task
