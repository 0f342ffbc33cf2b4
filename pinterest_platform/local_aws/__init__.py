"""AWS on this machine, for the demo, the live mode and the tests: moto in its own process.

It serves Kinesis and S3 from memory and loses everything when it ends. The process is in
``server``, corrections of moto's Kinesis in ``moto_kinesis``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pinterest_platform import processes
from pinterest_platform.environment import reach_this_machine_directly
from pinterest_platform.errors import PlatformError
from pinterest_platform.gateway.stream_client import Kinesis
from pinterest_platform.settings import Settings

REGION = "us-east-1"


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS."""

    process: processes.Process
    endpoint: str
    """``http://127.0.0.1:<port>``"""

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which boto3, obstore and the platform find it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def instead_of_aws(self, environ: Mapping[str, str]) -> dict[str, str]:
        """An environment from which only this AWS can be reached.

        Endpoints of single services, profiles, roles and the files of the AWS command line would
        override or extend ``environment``.
        """
        others = _without_aws(environ)
        reach_this_machine_directly(others)
        return (
            others
            | {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
            | self.environment
        )


@contextmanager
def running(log: Path | None = None) -> Iterator[LocalAws]:
    """A local AWS that ends with the block, or with this process, even if that is killed.

    Args:
        log: the file for its output, which consists of errors only.

    Raises:
        PlatformError: it does not start.
    """
    with processes.running(
        "the local AWS",
        "pinterest_platform.local_aws",
        log=log,
        # moto opens a boto3 session, which fails if AWS_PROFILE names a missing profile.
        environment=_without_aws(os.environ),
    ) as process:
        yield LocalAws(process, process.url())


def _without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("AWS_")}


def require_folders(settings: Settings) -> None:
    """Check that the lake and the landing objects are in folders.

    A process with a local AWS cannot reach buckets of the real one.

    Raises:
        PlatformError: one of the two is on S3.
    """
    for name, place in (("PINTEREST_LAKE", settings.lake), ("PINTEREST_LANDING", settings.landing)):
        if place.startswith("s3://"):
            raise PlatformError(
                f"{name} is on S3, but this command runs its own AWS, which ends with it: "
                f"unset {name}, or set it to a folder"
            )


def create_streams(names: Iterable[str], shards: int) -> None:
    """Create streams in the AWS of the environment, and wait until they are active.

    Raises:
        StreamError: a stream exists already, or AWS does not answer.
    """
    kinesis = Kinesis(REGION)
    for name in names:
        kinesis.create(name, shards)
    for name in names:
        kinesis.wait_until_active(name)
