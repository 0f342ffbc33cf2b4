"""What holds of every address: this machine is reached without a proxy, and no URL shows a user."""

import ipaddress
import os
import re
import socket
from collections.abc import Mapping, MutableMapping

# Both spellings of ::1, because urllib compares it with its brackets and requests without them.
_THIS_MACHINE = ("localhost", "127.0.0.1", "127.0.0.0/8", "::1", "[::1]")

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "grpc_proxy")

# What stands before an @ in the authority of a URL; of several @, the last ends it. Not the form
# that messages ask for, nor what hides its password itself.
_USER = re.compile(r"(?<=://)(?!USER:PASSWORD@|[^/\s:@]*:\*\*\*@)[^/?#\s'\"<>]*@")


def is_this_machine(host: str) -> bool:
    """Whether a host's name or address is this machine's own loopback."""
    name = host.strip("[]").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def has_proxy(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether the environment names a proxy."""
    return any(environ.get(name) or environ.get(name.upper()) for name in _PROXIES)


def reach_this_machine_directly(environ: MutableMapping[str, str] = os.environ) -> None:
    """Keep requests to this machine's own servers away from the proxy of the environment.

    A proxy knows no way back to them. gRPC, requests, botocore, reqwest (obstore, Sail) and
    Dagster's processes all read the same variables, so the rule is set there, once.
    """
    if not has_proxy(environ):
        return
    names = ["no_proxy", "NO_PROXY"]
    names += [name for name in ("no_grpc_proxy", "NO_GRPC_PROXY") if name in environ]
    given = [
        entry.strip()
        for name in names
        for entry in environ.get(name, "").split(",")
        if entry.strip()
    ]
    direct = ",".join(dict.fromkeys([*given, *_THIS_MACHINE, socket.gethostname()]))
    environ.update(dict.fromkeys(names, direct))


def without_users(text: str) -> str:
    """The text with ``http://host`` in place of each ``http://user:password@host``."""
    return _USER.sub("", text)


def forget_users_of_endpoints(environ: MutableMapping[str, str] = os.environ) -> None:
    """Take user names and passwords out of the URLs of AWS endpoints and of Databricks.

    Their clients have other credentials and make no use of these, but quote the URL in errors.
    """
    for name, url in list(environ.items()):
        scheme, slashes, rest = url.partition("://")
        if name.startswith(("AWS_ENDPOINT_URL", "DATABRICKS_HOST")) and slashes and "@" in rest:
            environ[name] = f"{scheme}://{rest.rpartition('@')[2]}"
