"""Object stores: opens a folder or an S3 prefix, for landing objects and the lake alike."""

from datetime import timedelta
from pathlib import Path

from obstore.store import LocalStore, S3Store

from pinterest_platform.environment import reach_this_machine_directly
from pinterest_platform.errors import ConfigurationError

Store = LocalStore | S3Store

# obstore's default is three silent minutes. 20 s is less than a stopping gateway waits for its
# requests and most clients for a response (30 s), and enough for 8 MiB over 5 Mbit/s.
S3_PATIENCE = timedelta(seconds=20)


def open_store(url: str, *, create: bool = False, patience: timedelta = S3_PATIENCE) -> Store:
    """Open a folder or an ``s3://bucket/prefix`` as an object store.

    S3's endpoint, region and credentials come from the usual AWS_* variables, or from the role of
    the machine or container. ``create`` creates a missing folder. ``patience`` is the timeout of an
    S3 request and of its retries.

    Raises:
        PlatformError: the folder does not exist, cannot be created or is a file.
    """
    if url.startswith("s3://"):
        reach_this_machine_directly()
        return S3Store.from_url(
            url,
            # Allows plain HTTP for a local endpoint; without an endpoint, obstore uses HTTPS.
            client_options={"allow_http": True, "timeout": patience},
            retry_config={"max_retries": 4, "retry_timeout": patience},
        )
    folder = Path(url)
    if create:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"the landing folder {folder} cannot be created ({error.strerror}): "
                "set PINTEREST_LANDING"
            ) from None
    if not folder.exists():
        raise ConfigurationError(
            f"the landing folder {folder} does not exist: post something through the gateway, "
            "or set PINTEREST_LANDING"
        )
    if not folder.is_dir():
        raise ConfigurationError(
            f"the landing place {folder} is a file: set PINTEREST_LANDING to a folder"
        )
    return LocalStore(folder)
