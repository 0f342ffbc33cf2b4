"""Shared components of the emulator's tests: a seeded SQLite file and a gateway."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine

from pinterest_platform.emulator.seeding import seed_database
from pinterest_platform_tests.emulator.recording_gateway import RecordingGateway


@pytest.fixture(scope="session")
def seeded_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with 300 sample posts, which tests copy."""
    file = tmp_path_factory.mktemp("seeded") / "source.db"
    engine = create_engine(f"sqlite:///{file}")
    seed_database(engine, 300, 100)
    engine.dispose()
    return file


@pytest.fixture
def engine(tmp_path: Path, seeded_file: Path) -> Iterator[Engine]:
    engine = create_engine(f"sqlite:///{shutil.copy(seeded_file, tmp_path / 'source.db')}")
    yield engine
    engine.dispose()


@pytest.fixture
def gateway() -> Iterator[RecordingGateway]:
    gateway = RecordingGateway()
    yield gateway
    gateway.close()


@pytest.fixture
def topics() -> dict[str, str]:
    return {"pin": "t.pin", "geo": "t.geo", "user": "t.user"}
