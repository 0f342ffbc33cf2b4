"""AWS for the tests: the platform's local AWS, and clients of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3

from pinterest_platform import local_aws

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": local_aws.REGION,
}


@contextmanager
def running_moto() -> Iterator[str]:
    """The endpoint of an empty local AWS, which ends with the block."""
    with local_aws.running() as aws:
        yield aws.endpoint


def client(service: str, endpoint: str) -> Any:
    """A boto3 client of the AWS at the endpoint."""
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=CREDENTIALS["AWS_REGION"],
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
    )
