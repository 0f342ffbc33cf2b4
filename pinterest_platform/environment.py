"""The process's environment; no other module changes it.

Libraries configured by variables (AWS's clients, gRPC, Sail, Spark, Dagster) and child processes
leave no other way. ``settings`` reads the platform's own configuration.
"""

import os
import socket
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager

from pinterest_platform.network import has_proxy

# Both spellings of ::1: urllib compares it with brackets and requests without.
_THIS_MACHINE = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1", "[::1]")


def set_variables(variables: Mapping[str, str]) -> None:
    """Set variables for the rest of the process and its children."""
    os.environ.update(variables)


def set_defaults(variables: Mapping[str, str]) -> None:
    """Set those variables that are unset."""
    for name, value in variables.items():
        os.environ.setdefault(name, value)


@contextmanager
def without(names: Iterable[str]) -> Iterator[None]:
    """Unset variables for the duration of the block."""
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(before)


@contextmanager
def replaced(variables: Mapping[str, str]) -> Iterator[None]:
    """Replace the whole environment with these variables for the duration of the block."""
    before = dict(os.environ)
    try:
        os.environ.clear()
        os.environ.update(variables)
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def reach_this_machine_directly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Exclude this machine's own servers from the environment's proxy.

    A proxy cannot reach them. gRPC, requests, botocore, reqwest (obstore, Sail) and Dagster's
    processes all read the same variables, so the exclusion is set there, once.
    """
    if not has_proxy(environ):
        return
    names = ["no_proxy", "NO_PROXY"]
    names += [name for name in ("no_grpc_proxy", "NO_GRPC_PROXY") if name in environ]
    configured = [
        entry.strip()
        for name in names
        for entry in environ.get(name, "").split(",")
        if entry.strip()
    ]
    direct = ",".join(dict.fromkeys([*configured, *_THIS_MACHINE, socket.gethostname()]))
    environ.update(dict.fromkeys(names, direct))


def forget_users_of_endpoints(environ: MutableMapping[str, str] = os.environ) -> None:
    """Remove user names and passwords from the endpoint URLs of AWS and Databricks.

    The clients do not use them, having other credentials, but quote the URL in errors.
    """
    for name, url in list(environ.items()):
        scheme, slashes, rest = url.partition("://")
        if name.startswith(("AWS_ENDPOINT_URL", "DATABRICKS_HOST")) and slashes and "@" in rest:
            environ[name] = f"{scheme}://{rest.rpartition('@')[2]}"
