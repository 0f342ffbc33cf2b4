"""The compute of a run on Databricks: its configuration and its Jobs API representation."""

from dataclasses import dataclass
from typing import Any

from databricks.sdk.service import compute, jobs

from pinterest_platform.engines.databricks.wheel import ENTRY_POINT, PACKAGE
from pinterest_platform.errors import ConfigurationError

# Serverless environment 4 has Python 3.12 and Spark 4 (Databricks' serverless release notes).
ENVIRONMENT_VERSION = "4"

_KEY = "pinterest"


@dataclass(frozen=True, kw_only=True)
class Compute:
    """An existing cluster, a new cluster for each run, or serverless compute.

    ``kind`` is existing_cluster, new_cluster or serverless. ``workers`` 0 means a single-node
    cluster.
    """

    kind: str
    cluster_id: str = ""
    node_type: str = ""
    workers: int = 1
    spark_version: str = ""
    instance_profile: str = ""

    def check(self) -> None:
        """Reject an incomplete configuration.

        Raises:
            PlatformError: names the missing setting.
        """
        missing = {
            "existing_cluster": not self.cluster_id and "PINTEREST_DATABRICKS_CLUSTER_ID",
            "new_cluster": not self.node_type and "PINTEREST_DATABRICKS_NODE_TYPE",
            "serverless": "",
        }[self.kind]
        if missing:
            raise ConfigurationError(
                f"PINTEREST_DATABRICKS_COMPUTE is {self.kind}: also set {missing}"
            )


def submission(
    where: Compute, wheel: str, parameters: list[str], name: str, token: str
) -> dict[str, Any]:
    """Arguments of ``WorkspaceClient.jobs.submit`` that run the task once.

    Args:
        where: the compute.
        wheel: the wheel's path in a volume.
        parameters: the task's command-line arguments.
        name: the run's name in Databricks.
        token: the idempotency token; a repeated submission returns the same run.
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
        # Unity Catalog requires an access mode.
        data_security_mode=compute.DataSecurityMode.SINGLE_USER,
    )
    if where.workers == 0:
        # The single-node settings from Databricks' documentation.
        cluster.spark_conf = {
            "spark.databricks.cluster.profile": "singleNode",
            "spark.master": "local[*]",
        }
        cluster.custom_tags = {"ResourceClass": "SingleNode"}
    if where.instance_profile:
        cluster.aws_attributes = compute.AwsAttributes(instance_profile_arn=where.instance_profile)
    return cluster
