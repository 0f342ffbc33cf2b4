"""The source database: its tables, and the choice and opening of the database.

Filling it is in ``seeding``, reading posts from it in ``posts``.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import (
    URL,
    Column,
    DateTime,
    Double,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    inspect,
    make_url,
)
from sqlalchemy.engine import Engine
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from pinterest_platform.emulator.credentials import VARIABLES, load_credentials, load_secret
from pinterest_platform.errors import PlatformError
from pinterest_platform.kinds import KINDS
from pinterest_platform.settings import Settings

# A lookup by primary key takes milliseconds and a seed seconds; InnoDB waits 50 s for a lock
# (innodb_lock_wait_timeout). After a minute the connection is dead.
MYSQL_TIMEOUT_S = 60

# MySQL's error codes while a server is down, stopping, starting or overloaded; 2005, unknown host,
# occurs when a failover changes the address.
AWAY = frozenset({1040, 1041, 1053, 1927, 2002, 2003, 2005, 2006, 2013})

metadata = MetaData()

# Seeding relies on InnoDB's transactions; posts contain emoji, which need utf8mb4.
pinterest_data = Table(
    "pinterest_data",
    metadata,
    Column("index", Integer, primary_key=True, autoincrement=False),
    Column("unique_id", String(36)),
    Column("title", Text),
    Column("description", Text),
    Column("poster_name", Text),
    Column("follower_count", String(64)),
    Column("tag_list", Text),
    Column("is_image_or_video", String(64)),
    Column("image_src", Text),
    Column("downloaded", Integer),
    Column("save_location", Text),
    Column("category", String(64)),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

geolocation_data = Table(
    "geolocation_data",
    metadata,
    Column("ind", Integer, primary_key=True, autoincrement=False),
    Column("timestamp", DateTime),
    Column("latitude", Double),
    Column("longitude", Double),
    Column("country", String(128)),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

user_data = Table(
    "user_data",
    metadata,
    Column("ind", Integer, primary_key=True, autoincrement=False),
    Column("first_name", String(255)),
    Column("last_name", String(255)),
    Column("age", Integer),
    Column("date_joined", DateTime),
    mysql_engine="InnoDB",
    mysql_charset="utf8mb4",
)

# Kind of record -> the table it comes from, in the order in which a post is sent.
TABLES: dict[str, Table] = {
    name: metadata.tables[kind.source_table]
    for name, kind in KINDS.items()
    if kind.source_table in metadata.tables
}

KEYS: dict[str, Column[int]] = {
    name: table.c[KINDS[name].id_fields[0]] for name, table in TABLES.items()
}


def open_source(
    settings: Settings, *, environ: Mapping[str, str], url: str = "", creds: Path | None = None
) -> Engine:
    """The engine of the source database, which is not connected yet.

    The first of these counts: ``url``, PINTEREST_DB_URL, a credentials file (``creds`` or
    PINTEREST_DB_CREDS) or the secret PINTEREST_DB_SECRET, the variables PINTEREST_DB_HOST, _USER,
    _PASSWORD, _DATABASE and _PORT, the SQLite file of the settings. ``creds`` together with a URL
    is an error: commands that replace tables must not guess the database.

    Args:
        settings: ``db_*``, ``aws_region`` and ``source_db``.
        environ: with PINTEREST_DB_*.
        url: a SQLAlchemy URL; ``mysql://`` means PyMySQL.
        creds: a credentials file, see ``load_credentials``.

    Raises:
        PlatformError: the URL or the credentials are invalid.
    """
    if creds and (url or settings.db_url):
        other = "--url" if url else "PINTEREST_DB_URL"
        raise PlatformError(f"--db-creds and {other} both name a database: give only one of them")
    if url:
        return _engine(_parse(url, "--url"), settings.db_ca)
    if settings.db_url:
        return _engine(_parse(settings.db_url, "PINTEREST_DB_URL"), settings.db_ca)
    if settings.db_secret and not creds:
        if settings.db_creds:
            raise PlatformError(
                "PINTEREST_DB_CREDS and PINTEREST_DB_SECRET both name a database: unset one of them"
            )
        secret = load_secret(settings.db_secret, settings.aws_region, environ)
        return _engine(secret, settings.db_ca)
    file = (creds.expanduser() if creds else None) or settings.db_creds
    if file or any(environ.get(name) is not None for name in VARIABLES.values()):
        return _engine(load_credentials(file, environ), settings.db_ca)
    return _engine(URL.create("sqlite", database=str(settings.source_db)))


def database_name(engine: Engine) -> str:
    """The database's URL without its password, and without its query, which may contain one."""
    return engine.url.set(query={}).render_as_string(hide_password=True)


def sqlite_file(engine: Engine) -> Path | None:
    """The file of a SQLite database; None for one in memory and for other databases."""
    name = engine.url.database
    if engine.dialect.name != "sqlite" or not name or name == ":memory:" or name[:5] == "file:":
        return None
    return Path(name)


class DatabaseAway(PlatformError):
    """The database server is unavailable, perhaps only for now."""


@contextmanager
def database_errors(engine: Engine) -> Iterator[None]:
    """Turn errors of the driver and SQLAlchemy into one line without a password.

    Raises:
        DatabaseAway: the server is unavailable.
        PlatformError: any other error.
    """
    try:
        yield
    # PyMySQL raises RuntimeError if a login needs a missing package, ValueError for text or a date
    # that it cannot read, and TypeError for an unknown parameter.
    except (SQLAlchemyError, RuntimeError, ValueError, TypeError) as error:
        kind = DatabaseAway if _code(error) in AWAY else PlatformError
        raise kind(
            f"the database {database_name(engine)} cannot be used ({_reason(error, engine)}): "
            "check that it runs, and PINTEREST_DB_URL or the credentials"
        ) from None


def missing_tables(engine: Engine) -> list[str]:
    """The names of the source tables that are missing from the database.

    Additional columns are allowed.

    Raises:
        PlatformError: a table lacks a column, or the database cannot be reached.
    """
    missing = []
    with database_errors(engine):
        inspector = inspect(engine)
        for table in TABLES.values():
            if not inspector.has_table(table.name):
                missing.append(table.name)
                continue
            found = {column["name"] for column in inspector.get_columns(table.name)}
            expected = set(table.columns.keys())
            if lacks := sorted(expected - found):
                raise PlatformError(
                    f"the table {table.name} of {database_name(engine)} has no column "
                    f"{', '.join(lacks)}: point to the database of the posts, or drop the table "
                    "and run pinterest seed-db"
                )
    return missing


def _code(error: Exception) -> int | None:
    """MySQL's error code; None for other errors."""
    cause = error.orig if isinstance(error, DBAPIError) else None
    number = cause.args[0] if cause and cause.args else None
    return number if isinstance(number, int) else None


def _reason(error: Exception, engine: Engine) -> str:
    """The driver's message in one line, without the password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    text = " ".join(str(cause.args[-1] if cause.args else type(cause).__name__).split())
    password = engine.url.password
    return text.replace(str(password), "***") if password else text


def _parse(text: str, origin: str) -> URL:
    """Parse a database URL; errors name its origin and never show it."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise PlatformError(
            f"{origin} is not a database URL: write "
            "mysql+pymysql://USER:PASSWORD@HOST:PORT/DATABASE or sqlite:///FILE"
        ) from None
    is_sqlite = url.get_backend_name() == "sqlite"
    # An unescaped '@' or '/' moves part of the password into the host, which messages show.
    if not is_sqlite and (text.count("@") > 1 or "@" in f"{url.host}{url.database}"):
        raise PlatformError(
            f"{origin} is ambiguous: write special characters of the user and the password as %XX "
            "('@' is %40, '/' is %2F, ':' is %3A, '?' is %3F)"
        )
    if url.drivername in {"mysql", "mariadb"}:
        url = url.set(drivername=f"{url.drivername}+pymysql")
    if url.drivername.endswith("+pymysql") and "charset" not in url.query:
        url = url.update_query_dict({"charset": "utf8mb4"})
    return url


def _engine(url: URL, ca: Path | None = None) -> Engine:
    arguments: dict[str, object] = {}
    if url.drivername.endswith("+pymysql"):
        arguments = {"read_timeout": MYSQL_TIMEOUT_S, "write_timeout": MYSQL_TIMEOUT_S}
        if ca is not None:
            if not ca.is_file():
                raise PlatformError(
                    "PINTEREST_DB_CA is not a file: set it to the CA's certificates in PEM format"
                )
            arguments |= {"ssl_ca": str(ca), "ssl_verify_cert": True, "ssl_verify_identity": True}
    try:
        return create_engine(url, pool_pre_ping=True, hide_parameters=True, connect_args=arguments)
    except ValueError:
        raise PlatformError(
            f"the database {url.set(query={}).render_as_string()} cannot be used: a parameter "
            "after the ? has an invalid value"
        ) from None
    except (ArgumentError, ImportError):
        raise PlatformError(
            f"there is no driver for databases of the kind '{url.drivername}': "
            "use mysql+pymysql or sqlite, or install its driver"
        ) from None
