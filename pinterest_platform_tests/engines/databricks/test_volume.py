"""The volume of the wheel and the runs, created by the first step that needs it."""

from concurrent.futures import ThreadPoolExecutor

from pinterest_platform.engines.databricks.volume import Volume
from pinterest_platform_tests.engines.databricks.site import Site

STEPS = 8


def test_concurrent_steps_create_schema_and_volume_once(site: Site) -> None:
    path = "/Volumes/main/at_once/files"

    with ThreadPoolExecutor(STEPS) as steps:
        list(steps.map(lambda _: Volume(site.client, path).make(), range(STEPS)))

    assert site.client.volumes.read("main.at_once.files").full_name == "main.at_once.files"
