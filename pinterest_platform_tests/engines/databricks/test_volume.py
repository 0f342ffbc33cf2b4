"""The volume of the wheel and the runs: made when it is needed, whoever needs it first."""

from concurrent.futures import ThreadPoolExecutor

from pinterest_platform.engines.databricks.volume import Volume
from pinterest_platform_tests.engines.databricks.site import Site

STEPS = 8


def test_steps_that_begin_at_once_make_schema_and_volume_once(site: Site) -> None:
    path = "/Volumes/main/at_once/files"

    with ThreadPoolExecutor(STEPS) as steps:
        list(steps.map(lambda _: Volume(site.client, path).make(), range(STEPS)))

    assert site.client.volumes.read("main.at_once.files").full_name == "main.at_once.files"
