"""AWS on this machine, for the demo, the live mode and the tests: moto in a process of its own.

It knows Kinesis and S3, keeps everything in memory and forgets it when it ends. What the process
does is in ``server``, where it is truer to Kinesis than moto in ``kinesis``.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from pinterest_platform import processes
from pinterest_platform.environment import reach_this_machine_directly
from pinterest_platform.errors import PlatformError
from pinterest_platform.gateway.stream_client import Kinesis
from pinterest_platform.settings import Settings

REGION = "us-east-1"

# What the extra installs and the server imports.
_MODULES = ("moto", "flask", "flask_cors", "werkzeug")


@dataclass(frozen=True)
class LocalAws:
    """A running local AWS."""

    process: processes.Process
    endpoint: str
    """``http://127.0.0.1:<port>``"""

    @property
    def environment(self) -> dict[str, str]:
        """The variables with which boto3, obstore and all that is ours find it."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
        }

    def instead_of_aws(self, environ: Mapping[str, str]) -> dict[str, str]:
        """An environment from which nothing but this AWS can be reached.

        Endpoints of single services, profiles, roles and the files of the AWS command line would
        win over ``environment`` or add to it.
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
    """A local AWS that ends with the block, or with this process however that ends.

    Args:
        log: the file that what it says goes to; it says only what went wrong.

    Raises:
        PlatformError: moto is not installed, or does not start.
    """
    if any(find_spec(module) is None for module in _MODULES):
        raise PlatformError(
            "the local AWS needs moto, which is not installed: "
            "pip install 'pinterest_platform[local-aws]'"
        )
    with processes.running(
        "the local AWS",
        "pinterest_platform.local_aws",
        log=log,
        # moto makes a boto3 session, which a profile that is not there would end.
        environment=_without_aws(os.environ),
    ) as process:
        yield LocalAws(process, process.url())


def _without_aws(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environ.items() if not name.startswith("AWS_")}


def require_folders(settings: Settings) -> None:
    """See that the lake and the landing objects lie in folders.

    Who uses this AWS has no other: it would look here for buckets that are in AWS.

    Raises:
        PlatformError: one of the two is on S3.
    """
    for name, place in (("PINTEREST_LAKE", settings.lake), ("PINTEREST_LANDING", settings.landing)):
        if place.startswith("s3://"):
            raise PlatformError(
                f"{name} is on S3, but this command brings an AWS of its own, which ends with it: "
                f"unset {name}, or set it to a folder"
            )


def create_streams(names: Iterable[str], shards: int) -> None:
    """Make streams in the AWS of the environment and wait until they can be used.

    Raises:
        StreamError: one is there already, or AWS is not.
    """
    kinesis = Kinesis(REGION)
    for name in names:
        kinesis.create(name, shards)
    for name in names:
        kinesis.wait_until_active(name)
