"""The Files API: files and directories of volumes, which are folders on this machine."""

import shutil
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pinterest_platform_tests.databricks.api import (
    Answer,
    ApiError,
    Request,
    Route,
    invalid,
    missing,
)

_FILES = "/api/2.0/fs/files"
_DIRECTORIES = "/api/2.0/fs/directories"
# The API's page size.
_PAGE = 1000
_DONE = Answer(204)


class Files:
    """Files below ``volumes``, which stands for /Volumes; Unity Catalog creates the volumes.

    ``hidden`` returns whether files of tasks are still invisible to the API.
    """

    def __init__(self, volumes: Path, hidden: Callable[[], bool]) -> None:
        self._volumes = volumes
        self._hidden = hidden
        self._uploaded: set[Path] = set()

    @property
    def routes(self) -> list[Route]:
        """The routes of this API."""
        files, directories = f"{_FILES}/Volumes/", f"{_DIRECTORIES}/Volumes/"
        return [
            ("PUT", files, self._upload),
            ("GET", files, self._download),
            ("HEAD", files, self._download),
            ("DELETE", files, self._delete),
            ("PUT", directories, self._make),
            ("GET", directories, self._list),
            ("HEAD", directories, self._look),
            ("DELETE", directories, self._remove),
        ]

    def _upload(self, request: Request) -> Answer:
        path = self._path(request, _FILES)
        if path.is_dir() or (self._is_file(path) and request.query.get("overwrite") == "false"):
            raise ApiError(409, "ALREADY_EXISTS", f"{_named(request, _FILES)} already exists.")
        path.parent.mkdir(parents=True, exist_ok=True)
        self._uploaded.add(path)
        # Atomic, as in an object store.
        part = self._volumes / f".{uuid.uuid4()}"
        part.write_bytes(request.body)
        part.replace(path)
        return _DONE

    def _download(self, request: Request) -> Answer:
        path = self._file(request)
        headers = {
            "Content-Type": "application/octet-stream",
            "Last-Modified": _changed(path).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        }
        return Answer(content=path.read_bytes(), headers=headers)

    def _delete(self, request: Request) -> Answer:
        self._file(request).unlink()
        return _DONE

    def _make(self, request: Request) -> Answer:
        path = self._path(request, _DIRECTORIES)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            named = _named(request, _DIRECTORIES)
            raise ApiError(409, "ALREADY_EXISTS", f"{named} is a file.") from None
        return _DONE

    def _list(self, request: Request) -> Answer:
        path = self._directory(request)
        start = int(request.query.get("page_token") or 0)
        end = start + min(int(request.query.get("page_size") or _PAGE), _PAGE)
        found = self._content(path)
        more = {"next_page_token": str(end)} if end < len(found) else {}
        entries = [self._entry(child) for child in found[start:end]]
        return Answer(json={"contents": entries} | more)

    def _look(self, request: Request) -> Answer:
        self._directory(request)
        return Answer()

    def _remove(self, request: Request) -> Answer:
        path = self._directory(request)
        if self._content(path):
            named = _named(request, _DIRECTORIES)
            raise ApiError(400, "FILES_API_DIRECTORY_IS_NOT_EMPTY", f"{named} is not empty.")
        # Hidden files in it never appear.
        shutil.rmtree(path)
        return _DONE

    def _content(self, path: Path) -> list[Path]:
        return sorted(child for child in path.iterdir() if child.is_dir() or self._is_file(child))

    def _entry(self, path: Path) -> dict[str, Any]:
        entry = {
            "path": f"/Volumes/{path.relative_to(self._volumes)}",
            "name": path.name,
            "is_directory": path.is_dir(),
            "last_modified": int(_changed(path).timestamp() * 1000),
        }
        return entry if path.is_dir() else entry | {"file_size": path.stat().st_size}

    def _is_file(self, path: Path) -> bool:
        return path.is_file() and (path in self._uploaded or not self._hidden())

    def _file(self, request: Request) -> Path:
        path = self._path(request, _FILES)
        if not self._is_file(path):
            raise missing(f"The file {_named(request, _FILES)} does not exist.", "NOT_FOUND")
        return path

    def _directory(self, request: Request) -> Path:
        path = self._path(request, _DIRECTORIES)
        if not path.is_dir():
            named = _named(request, _DIRECTORIES)
            raise missing(f"The directory {named} does not exist.", "NOT_FOUND")
        return path

    def _path(self, request: Request, api: str) -> Path:
        named = _named(request, api)
        catalog, schema, volume, *inside = named.removeprefix("/Volumes/").rstrip("/").split("/")
        if {"", ".", ".."} & {catalog, schema, volume, *inside}:
            raise invalid(f"{named} is not an absolute path.")
        root = self._volumes / catalog / schema / volume
        if not root.is_dir():
            raise missing(f"Volume '{catalog}.{schema}.{volume}' does not exist.", "NOT_FOUND")
        return root.joinpath(*inside)


def _named(request: Request, api: str) -> str:
    return request.path.removeprefix(api)


def _changed(path: Path) -> datetime:
    return datetime.fromtimestamp(path.stat().st_mtime, UTC)
