"""The compute of a step, as submitted to the Jobs API; and days built by two clusters."""

from datetime import timedelta
from typing import Any

import pytest

from pinterest_platform_tests.databricks.submissions import EXISTING_CLUSTER
from pinterest_platform_tests.engines.databricks.site import NOW, TODAY, Site, land
from pinterest_platform_tests.landing import pin
from pinterest_platform_tests.process import Pinterest
from pinterest_platform_tests.s3_lists import S3

PROFILE = "arn:aws:iam::123456789012:instance-profile/posts"
YESTERDAY = (NOW - timedelta(days=1)).date().isoformat()

ON_EXISTING = {
    "PINTEREST_DATABRICKS_COMPUTE": "existing_cluster",
    "PINTEREST_DATABRICKS_CLUSTER_ID": EXISTING_CLUSTER,
}
ON_NEW = {
    "PINTEREST_DATABRICKS_COMPUTE": "new_cluster",
    "PINTEREST_DATABRICKS_NODE_TYPE": "m5d.large",
    "PINTEREST_DATABRICKS_WORKERS": "2",
    "PINTEREST_DATABRICKS_SPARK_VERSION": "16.4.x-scala2.13",
    "PINTEREST_DATABRICKS_INSTANCE_PROFILE": PROFILE,
}
OF_ONE_MACHINE = {
    "PINTEREST_DATABRICKS_COMPUTE": "new_cluster",
    "PINTEREST_DATABRICKS_NODE_TYPE": "m5d.large",
    "PINTEREST_DATABRICKS_WORKERS": "0",
}


def run(site: Site, s3: S3, pinterest: Pinterest, *arguments: str, **settings: str) -> list[Any]:
    """Run, and return the submitted payloads."""
    before = len(site.workspace.submitted)
    ran = pinterest("run", *arguments, **s3.environment, **settings)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return site.workspace.submitted[before:]


def test_an_existing_cluster_builds_days_and_a_new_one_rebuilds_one_of_them(
    site: Site, s3: S3
) -> None:
    pinterest = site.pinterest()
    land(s3, pinterest, *map(pin, range(5)), arrived_at=NOW - timedelta(days=1))
    land(s3, pinterest, *map(pin, range(5, 9)), offset=5)
    select = ("--select", "raw/pin,cleaned/pins")

    both = ("--from", YESTERDAY, "--to", TODAY)
    on_existing = run(site, s3, pinterest, *both, *select, **ON_EXISTING)
    assert by_day(site, pinterest) == {YESTERDAY: 5, TODAY: 4}
    yesterday = files_of(site, pinterest, YESTERDAY)
    land(s3, pinterest, *map(pin, range(9, 12)), offset=9)
    on_new = run(site, s3, pinterest, "--day", TODAY, *select, **ON_NEW)

    assert by_day(site, pinterest) == {YESTERDAY: 5, TODAY: 7}
    assert files_of(site, pinterest, YESTERDAY) == yesterday
    assert len(site.rows(pinterest, "raw.pin")) == 12
    for submitted in on_existing:
        (task,) = submitted["tasks"]
        assert task["existing_cluster_id"] == EXISTING_CLUSTER
        assert not {"new_cluster", "environment_key"} & set(task)
        assert [list(library) for library in task["libraries"]] == [["whl"]]
    for submitted in on_new:
        (task,) = submitted["tasks"]
        assert task["new_cluster"] == {
            "node_type_id": "m5d.large",
            "num_workers": 2,
            "spark_version": "16.4.x-scala2.13",
            "data_security_mode": "SINGLE_USER",
            "aws_attributes": {"instance_profile_arn": PROFILE},
        }
        assert [list(library) for library in task["libraries"]] == [["whl"]]
    assert len(on_existing) == len(on_new) == 2


def by_day(site: Site, pinterest: Pinterest) -> dict[str, int]:
    """The number of cleaned pins of each day."""
    days = [str(row["day"]) for row in site.rows(pinterest, "cleaned.pins")]
    return {day: days.count(day) for day in days}


def files_of(site: Site, pinterest: Pinterest, day: str) -> list[str]:
    """The files with a day of the cleaned pins."""
    table = site.table(pinterest, "cleaned.pins")
    return sorted(table.file_uris(partition_filters=[("day", "=", day)]))


def test_a_new_cluster_without_workers_is_a_single_node_and_needs_no_instance_profile(
    site: Site, s3: S3
) -> None:
    pinterest = site.pinterest()
    land(s3, pinterest, pin(1))

    (submitted,) = run(site, s3, pinterest, "--day", TODAY, "--select", "raw/pin", **OF_ONE_MACHINE)

    (task,) = submitted["tasks"]
    cluster = task["new_cluster"]
    assert cluster["num_workers"] == 0
    assert cluster["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
    assert cluster["custom_tags"] == {"ResourceClass": "SingleNode"}
    assert "aws_attributes" not in cluster
    assert [row["source"] is not None for row in site.rows(pinterest, "raw.pin")] == [True]


def test_serverless_installs_the_wheel_into_its_environment(site: Site, s3: S3) -> None:
    pinterest = site.pinterest()
    land(s3, pinterest, pin(1), b"not json", b"\xff")

    (submitted,) = run(site, s3, pinterest, "--day", TODAY, "--select", "raw/pin")

    (task,) = submitted["tasks"]
    (environment,) = submitted["environments"]
    (wheel,) = environment["spec"]["dependencies"]
    assert task["environment_key"] == environment["environment_key"]
    assert environment["spec"]["environment_version"] == "4"
    assert wheel.startswith("/Volumes/main/")
    assert wheel.endswith("-py3-none-any.whl")
    assert not {"libraries", "new_cluster", "existing_cluster_id"} & set(task)
    rows = site.rows(pinterest, "raw.pin")
    assert sorted(row["value_bytes"] or b"" for row in rows) == [b"", b"", b"\xff"]


@pytest.mark.parametrize(
    ("compute", "missing"),
    [
        ("existing_cluster", "PINTEREST_DATABRICKS_CLUSTER_ID"),
        ("new_cluster", "PINTEREST_DATABRICKS_NODE_TYPE"),
    ],
)
def test_an_incomplete_compute_names_the_missing_setting(
    site: Site, compute: str, missing: str
) -> None:
    before = len(site.workspace.requests)
    pinterest = site.pinterest(PINTEREST_DATABRICKS_COMPUTE=compute)

    ended = pinterest("run", "--day", TODAY, "--select", "raw/pin")

    assert ended.returncode == 1
    assert ended.stderr.splitlines() == [
        f"Error: PINTEREST_DATABRICKS_COMPUTE is {compute}: also set {missing}"
    ]
    assert len(site.workspace.requests) == before
