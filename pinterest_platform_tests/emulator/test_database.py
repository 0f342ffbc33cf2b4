"""The choice of the database, and messages without its password."""

import socket
from pathlib import Path

import pytest
from sqlalchemy import Engine

from pinterest_platform.emulator.database import database_name, missing_tables, open_source
from pinterest_platform.emulator.random_posts import posts
from pinterest_platform.errors import PlatformError
from pinterest_platform.settings import Settings

CREDS = "HOST: from-file\nUSER: u\nPASSWORD: s3cret\nDATABASE: d\nPORT: 3306\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "creds.yaml"
    file.write_text(CREDS)
    return file


def opened(
    url: str = "", creds: Path | None = None, db_url: str = "", db_creds: Path | None = None
) -> Engine:
    settings = Settings(home=Path("here"), db_url=db_url, db_creds=db_creds)
    return open_source(settings, environ={}, url=url, creds=creds)


def test_without_a_choice_it_is_the_sqlite_file() -> None:
    assert database_name(opened()) == f"sqlite:///{Path('here').absolute()}/source.db"


def test_the_order_of_the_choices(file: Path) -> None:
    by_option, by_env = "mysql://u@from-option/d", "mysql://u@from-env/d"
    assert opened(url=by_option, db_url=by_env, db_creds=file).url.host == "from-option"
    assert opened(db_url=by_env, db_creds=file).url.host == "from-env"
    assert opened(db_creds=file).url.host == "from-file"
    assert opened(creds=file).url.host == "from-file"


def test_the_variables_alone_are_a_choice(file: Path) -> None:
    with pytest.raises(PlatformError, match=r"has no USER: .* PINTEREST_DB_USER"):
        open_source(Settings(), environ={"PINTEREST_DB_HOST": "h"})


@pytest.mark.parametrize(
    ("url", "db_url", "other"),
    [("sqlite://", "", "--url"), ("", "sqlite://", "PINTEREST_DB_URL")],
)
def test_a_credentials_file_beside_a_url_is_an_error(
    file: Path, url: str, db_url: str, other: str
) -> None:
    with pytest.raises(PlatformError, match=f"--db-creds and {other}"):
        opened(url, file, db_url)


def test_mysql_means_pymysql_and_utf8mb4() -> None:
    url = opened(url="mysql://u:s3cret@h/d").url
    assert (url.drivername, url.query["charset"]) == ("mysql+pymysql", "utf8mb4")


@pytest.mark.parametrize(
    "url",
    [
        "s3cret",
        "mysql://u:s3cret@h:port/d",
        "mysql://u:x@s3cret@h/d",
        "mysql://u:x@y/s3cret@h/d",
        "mysql://u/x:s3cret@h/d",
        "mysql://u:x@y?s3cret@h/d",
        "postgresql+nodriver://u:s3cret@h/d",
        "oracle://u:s3cret@h/d",
    ],
)
def test_an_invalid_url_is_not_displayed(url: str) -> None:
    with pytest.raises(PlatformError) as caught:
        opened(url=url)
    assert "s3cret" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_missing_database_is_one_line_without_the_password() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        engine = opened(url=f"mysql://u:s3cret@127.0.0.1:{port}/d?ssl_key=s3cret")
        with pytest.raises(PlatformError) as caught:
            posts(engine, 100)
    message = str(caught.value)
    assert f"mysql+pymysql://u:***@127.0.0.1:{port}/d cannot be used" in message
    assert "s3cret" not in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("foo://u:s3cret@h/x", "no driver for databases of the kind 'foo'"),
        ("foo+bar://h/x", "no driver for databases of the kind 'foo\\+bar'"),
        ("sqlite:///x?timeout=soon", "a parameter after the \\? has an invalid value"),
    ],
)
def test_a_url_without_a_driver_is_an_error(url: str, message: str) -> None:
    with pytest.raises(PlatformError, match=message) as raised:
        opened(url=url)
    assert "s3cret" not in str(raised.value)


def test_an_unknown_parameter_of_the_driver_is_an_error() -> None:
    engine = opened(url="mysql://u:s3cret@127.0.0.1:9/x?nope=1")
    with pytest.raises(PlatformError, match="unexpected keyword argument 'nope'") as raised:
        missing_tables(engine)
    assert "s3cret" not in str(raised.value)
