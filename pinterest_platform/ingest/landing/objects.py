"""Durable landing objects in a folder or on S3: created atomically, never overwritten.

Their writers, the gateway's log and the sink, decide on the offsets.
"""

import contextlib
import errno
import os
import re
import time
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

import obstore
from obstore.exceptions import (
    AlreadyExistsError,
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)
from obstore.store import LocalStore, S3Store

from pinterest_platform.errors import LandingUnavailable, PlatformError
from pinterest_platform.ingest.landing.layout import LandingKey, partition_prefix
from pinterest_platform.object_store import Store

# Writers and readers keep an object in memory. 10,000 records is a usual flush.size of Confluent's
# S3 sink; 8 MiB is one S3 request well within its timeout.
MAX_OBJECT_RECORDS = 10_000
MAX_OBJECT_BYTES = 8 * 1024 * 1024

# Enough to keep a folder or a bucket busy.
MAX_THREADS = 16

# For files that are not landing objects: readers list only "topics/".
PRIVATE_FOLDER = ".gateway"

# A write takes milliseconds: a file of this age is left over from a killed process.
STALE_SECONDS = 3600

# S3 lists at most 1000 keys in one answer.
PAGE_KEYS = 1000

# obstore's LocalStore writes to <name>#<number> first, and leaves such names out of listings.
_STAGED_BY_OBSTORE = re.compile(r"#[0-9]+$")

Place = Callable[[LandingKey], bool]


class Objects(Protocol):
    """A place for landing objects. Every method blocks, and may raise LandingUnavailable."""

    def stage(self, body: bytes) -> AbstractContextManager[Place]:
        """Prepare one object with this content.

        The context is a function that creates the object at a key. It returns True once the object
        is durable, or False if the key exists; then it may be called with another key.
        """
        ...

    def last(self, topic: str, partition: int) -> LandingKey | None:
        """The object with the largest offset."""
        ...

    def lines(self, key: LandingKey) -> int:
        """The number of lines in an object, at least 1."""
        ...

    def check(self, partitions: Iterable[tuple[str, int]]) -> None:
        """Check, without creating a landing object, that objects can be created."""
        ...


def open_objects(store: Store) -> Objects:
    """The landing objects of a store from ``object_store.open_store``."""
    return LocalObjects(store) if isinstance(store, LocalStore) else S3Objects(store)


class LocalObjects:
    """Landing objects in a folder on a file system with hard links.

    An object is written to a file of another folder, synced, and linked to its name, which fails if
    the name exists; then the folder is synced. (obstore's LocalStore links, too, but does not sync:
    a power failure could lose acknowledged records.)
    """

    def __init__(self, store: LocalStore) -> None:
        self._root = Path(str(store.prefix))
        self._sweep()

    def _sweep(self) -> None:
        oldest = time.time() - STALE_SECONDS
        for path in (self._root / PRIVATE_FOLDER).glob("*.tmp"):
            # Another gateway may delete it at the same time.
            with contextlib.suppress(OSError):
                if path.stat().st_mtime < oldest:
                    path.unlink()

    @contextmanager
    def stage(self, body: bytes) -> Iterator[Place]:
        """See ``Objects``."""
        staged = self._root / PRIVATE_FOLDER / f"{uuid.uuid4().hex}.tmp"
        with _os_errors(PRIVATE_FOLDER):
            try:
                self._make_folder(staged.parent)
                with staged.open("xb", buffering=0) as file:
                    rest = memoryview(body)
                    while rest:
                        rest = rest[file.write(rest) :]
                    os.fsync(file.fileno())
                yield lambda key: self._place(staged, key)
            finally:
                # A later start deletes a file that stays.
                with contextlib.suppress(OSError):
                    staged.unlink()

    def _place(self, staged: Path, key: LandingKey) -> bool:
        target = self._root / str(key)
        with _os_errors(str(key)):
            self._make_folder(target.parent)
            try:
                os.link(staged, target)
            except FileExistsError:
                # On NFS the error may also mean that an earlier answer to our own link was lost.
                if not staged.samefile(target):
                    return False
            _sync_folder(target.parent)
            return True

    def _make_folder(self, folder: Path) -> None:
        if folder.is_dir():
            return
        if folder != self._root:
            self._make_folder(folder.parent)
        try:
            folder.mkdir(exist_ok=True, parents=folder == self._root)
        except FileExistsError:
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR)) from None
        _sync_folder(folder.parent)

    def last(self, topic: str, partition: int) -> LandingKey | None:
        """See ``Objects``. One listing takes 0.5 s for 100,000 objects."""
        prefix = partition_prefix(topic, partition)
        with _os_errors(prefix):
            try:
                with os.scandir(self._root / prefix) as entries:
                    names = [entry.name for entry in entries]
            except FileNotFoundError:
                return None
        keys = (
            LandingKey.parse(f"{prefix}{name}")
            for name in names
            if name.startswith(f"{topic}+{partition}+") and not _STAGED_BY_OBSTORE.search(name)
        )
        return max(keys, default=None)

    def lines(self, key: LandingKey) -> int:
        """See ``Objects``."""
        with _os_errors(str(key)):
            return _count(key, [(self._root / str(key)).read_bytes()])

    def check(self, partitions: Iterable[tuple[str, int]]) -> None:
        """See ``Objects``. Creates missing folders, and a file that it deletes again."""
        for topic, partition in partitions:
            prefix = partition_prefix(topic, partition)
            with _os_errors(prefix):
                self._make_folder(self._root / prefix)
        with self.stage(b"\n"):
            pass


class S3Objects:
    """Landing objects on S3, created with If-None-Match.

    On a store that ignores If-None-Match, two gateways would overwrite each other's objects, so
    ``check`` refuses such a store. Listings rely on the ten digits of an offset: a partition can
    have 10 billion records.
    """

    def __init__(self, store: S3Store, page_keys: int = PAGE_KEYS) -> None:
        self._store = store
        self._page_keys = page_keys

    @contextmanager
    def stage(self, body: bytes) -> Iterator[Place]:
        """See ``Objects``."""
        # S3 may store an object and answer 500; the client's retry then finds that the key exists.
        # This mark shows that the object is our own, so it is not written again at the next offset.
        mark = uuid.uuid4().hex
        yield lambda key: self._create(str(key), body, mark)

    def _create(self, path: str, body: bytes, mark: str) -> bool:
        with _s3_errors(path):
            try:
                obstore.put(
                    self._store,
                    path,
                    body,
                    mode="create",
                    use_multipart=False,
                    attributes={"gateway-write": mark},
                )
            except AlreadyExistsError:
                attributes = obstore.get(self._store, path).attributes
                return attributes.get("gateway-write") == mark
            return True

    def last(self, topic: str, partition: int) -> LandingKey | None:
        """See ``Objects``.

        One request for fewer than 1000 objects. For more, the search doubles its step until nothing
        follows, then halves it: about 25 requests instead of 100 for 100,000 objects, and not many
        more for millions.
        """
        low, high, step = None, None, self._page_keys
        after = -1
        while True:
            keys = self._page(topic, partition, after)
            if keys:
                low = LandingKey.parse(keys[-1])
            elif high is None or after < high:
                high = after
            if low is None or (len(keys) < self._page_keys and (keys or after <= low.offset)):
                return low
            if high is None:
                step = 2 * max(step, low.offset - after)
                after = low.offset + step
            else:
                after = (low.offset + high) // 2

    def _page(self, topic: str, partition: int, after: int) -> list[str]:
        """Up to ``page_keys`` keys with offsets above ``after``, in order."""
        prefix = partition_prefix(topic, partition)
        mine = f"{prefix}{topic}+{partition}+"
        start = mine if after < 0 else str(LandingKey(topic, partition, after))
        with _s3_errors(prefix):
            pages = obstore.list(self._store, prefix, offset=start, chunk_size=self._page_keys)
            page = next(iter(pages), [])
        return [meta["path"] for meta in page if meta["path"].startswith(mine)]

    def lines(self, key: LandingKey) -> int:
        """See ``Objects``."""
        with _s3_errors(str(key)):
            return _count(key, (bytes(part) for part in obstore.get(self._store, str(key))))

    def check(self, partitions: Iterable[tuple[str, int]]) -> None:
        """See ``Objects``. Creates an object that stays, and checks that a second PUT fails."""
        for topic, partition in partitions:
            self._page(topic, partition, -1)
        path = f"{PRIVATE_FOLDER}/health"
        if self._create(path, b"\n", uuid.uuid4().hex) and self._create(
            path, b"\n", uuid.uuid4().hex
        ):
            raise LandingUnavailable(
                "the landing bucket ignores If-None-Match, so two gateways could overwrite each "
                "other's objects: use a store with conditional writes"
            )


def _count(key: LandingKey, parts: Iterable[bytes]) -> int:
    lines, end = 0, b"\n"
    for part in parts:
        lines += part.count(b"\n")
        end = part[-1:] or end
    lines += end != b"\n"
    if not lines:
        raise LandingUnavailable(
            f"the landing object '{key}' is empty, so the next offset is unknown: delete it"
        )
    return lines


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _os_errors(where: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unavailable(where, error.strerror or type(error).__name__) from None


@contextmanager
def _s3_errors(where: str) -> Iterator[None]:
    try:
        yield
    except PlatformError:
        raise
    except PermissionDeniedError:
        raise _unavailable(where, "access denied") from None
    except UnauthenticatedError:
        raise _unavailable(where, "credentials missing or not valid") from None
    except FileNotFoundError:
        raise _unavailable(where, "no such bucket or object") from None
    except (BaseError, ValueError, OSError) as error:
        # Only the end of the first line: further lines may quote an answer with an access key, and
        # the beginning is the request.
        reason = str(error).split("\n", 1)[0].split("<", 1)[0].rsplit(" - ", 1)[-1].strip(" :")
        # Listing a missing bucket does not raise obstore's FileNotFoundError.
        reason = "no such bucket" if "404 Not Found" in reason else reason
        raise _unavailable(where, reason or type(error).__name__) from None


def _unavailable(where: str, reason: str) -> LandingUnavailable:
    return LandingUnavailable(
        f"the landing place cannot be used at '{where}' ({reason}): "
        "repair it, or set PINTEREST_LANDING to another place"
    )
