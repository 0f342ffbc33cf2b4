"""A site shared by tests, each with its own home, landing objects and tables."""

from collections.abc import Iterator

import pytest

from pinterest_platform_tests.engines.databricks.site import Site, running_site
from pinterest_platform_tests.s3_lists import S3, running_s3


@pytest.fixture(scope="session")
def s3() -> Iterator[S3]:
    """An S3 whose landing objects have the arrivals that tests set."""
    with running_s3() as s3:
        yield s3


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, s3: S3) -> Iterator[Site]:
    """A workspace that reads them; a test that breaks it must repair it."""
    with running_site(tmp_path_factory.mktemp("site"), s3.environment) as site:
        yield site
