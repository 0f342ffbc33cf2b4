"""What a run on Databricks works on: as it is configured, and in the terms of the Jobs API."""

from dataclasses import dataclass
from typing import Any

from databricks.sdk.service import compute, jobs

from pinterest_platform.engines.databricks.wheel import ENTRY_POINT, PACKAGE
from pinterest_platform.errors import PlatformError

# Serverless environment 4 has Python 3.12 and Spark 4 (release notes of serverless environments).
ENVIRONMENT_VERSION = "4"

_KEY = "pinterest"


@dataclass(frozen=True)
class Compute:
    """A cluster that exists, one that is made for each run, or serverless.

    ``kind`` is existing_cluster, new_cluster or serverless. ``workers`` 0 is a cluster of one
    machine.
    """

    kind: str
    cluster_id: str = ""
    node_type: str = ""
    workers: int = 1
    spark_version: str = ""
    instance_profile: str = ""

    def check(self) -> None:
        """Refuse what cannot be submitted.

        Raises:
            PlatformError: names the setting that is missing.
        """
        missing = {
            "existing_cluster": not self.cluster_id and "PINTEREST_DATABRICKS_CLUSTER_ID",
            "new_cluster": not self.node_type and "PINTEREST_DATABRICKS_NODE_TYPE",
            "serverless": "",
        }[self.kind]
        if missing:
            raise PlatformError(f"PINTEREST_DATABRICKS_COMPUTE is {self.kind}: set {missing}, too")


def submission(
    where: Compute, wheel: str, parameters: list[str], name: str, token: str
) -> dict[str, Any]:
    """What ``WorkspaceClient.jobs.submit`` takes to run the task once.

    Args:
        where: the compute.
        wheel: path of the wheel in a volume.
        parameters: the task's command line.
        name: of the run, as Databricks shows it.
        token: submitting the same again is answered with the same run.
    """
    task = jobs.SubmitTask(
        task_key=_KEY,
        python_wheel_task=jobs.PythonWheelTask(PACKAGE, ENTRY_POINT, parameters=parameters),
    )
    submitted: dict[str, Any] = {"run_name": name, "idempotency_token": token, "tasks": [task]}
    libraries = [compute.Library(whl=wheel)]
    match where.kind:
        case "existing_cluster":
            task.existing_cluster_id, task.libraries = where.cluster_id, libraries
        case "new_cluster":
            task.new_cluster, task.libraries = _new_cluster(where), libraries
        case "serverless":
            task.environment_key = _KEY
            spec = compute.Environment(
                environment_version=ENVIRONMENT_VERSION, dependencies=[wheel]
            )
            submitted["environments"] = [jobs.JobEnvironment(_KEY, spec)]
    return submitted


def _new_cluster(where: Compute) -> compute.ClusterSpec:
    cluster = compute.ClusterSpec(
        spark_version=where.spark_version,
        node_type_id=where.node_type,
        num_workers=where.workers,
        # Unity Catalog wants a mode that says who may see what.
        data_security_mode=compute.DataSecurityMode.SINGLE_USER,
    )
    if where.workers == 0:
        # As Databricks' own documentation writes a cluster of one machine.
        cluster.spark_conf = {
            "spark.databricks.cluster.profile": "singleNode",
            "spark.master": "local[*]",
        }
        cluster.custom_tags = {"ResourceClass": "SingleNode"}
    if where.instance_profile:
        cluster.aws_attributes = compute.AwsAttributes(instance_profile_arn=where.instance_profile)
    return cluster
