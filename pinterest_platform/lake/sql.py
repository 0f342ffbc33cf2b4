"""Restricts SQL over the lake to a single query that reads the lake's tables and nothing else.

The engine gets the query's tokens, rewritten one by one without comments and with uniform string
quotes. Parser and engine therefore read the same tokens, and the engine defines their meaning.
"""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from pyspark.sql import functions
from sqlglot import Token, TokenType, exp
from sqlglot.dialects.spark import Spark
from sqlglot.errors import SqlglotError

from pinterest_platform.errors import PlatformError

# sqlglot would log a statement that is rejected anyway.
logging.getLogger("sqlglot").setLevel(logging.CRITICAL)

_NAME = re.compile(r"\w+")
_CALL = re.compile(r"(\w+)\(")

# A name, keyword, number, binary literal or operator, as written.
_WORD = re.compile(
    r"\w+|[0-9.]+([eE][+-]?[0-9]+)?[A-Za-z]*|[xX]'[0-9A-Fa-f]*'|[-+*/%&|^~<>=!(){}\[\].,:@?$]+"
)

# A keyword of several words, as sqlglot spells it.
_WORDS = re.compile(r"[A-Z]+( [A-Z]+)*")

# Functions that call Java, read schemas from files, or fetch what a document references.
_REACHING = _NAME.findall(
    "reflect java_method try_reflect call_function call_udf udf pandas_udf udtf arrow_udf "
    "arrow_udtf from_avro to_avro schema_of_avro from_protobuf to_protobuf from_xml schema_of_xml "
    "to_xml xpath xpath_boolean xpath_double xpath_float xpath_int xpath_long xpath_number "
    "xpath_short xpath_string input_file_name input_file_block_length input_file_block_start "
    "unwrap_udt expr col column"
)

# Functions that only SQL has, or that PySpark names differently.
_ONLY_IN_SQL = _NAME.findall(
    "if nullif nvl2 cast try_cast case and or xor not in any some all exists between extract bool "
    "boolean tinyint smallint int bigint float double decimal date timestamp string binary array "
    "cardinality char mod range explode explode_outer posexplode posexplode_outer inline "
    "inline_outer stack json_tuple pow overlay substr power len position strpos log2 log10 every "
    "first last std stddev variance stddev_pop group_concat listagg map struct interval values chr "
    "div luhn_check percentile_cont percentile_disc random space time uuid collations approx_top_k "
    "variant_explode variant_explode_outer vector_avg vector_cosine_similarity vector_norm "
    "vector_inner_product vector_l2_distance vector_normalize vector_sum timestampdiff "
    "timestampadd dateadd datediff date_diff localtimestamp current_catalog current_schema"
)

_SAFE = {*map(str.lower, functions.__all__), *_ONLY_IN_SQL} - set(_REACHING)

# Table-valued functions.
_ROWS = set(
    _NAME.findall(
        "range explode explode_outer posexplode posexplode_outer inline inline_outer stack "
        "json_tuple variant_explode variant_explode_outer"
    )
)

_NO_QUERY = (
    "only one query is run, the lake stays as it is: begin with SELECT, WITH, FROM or VALUES"
)


class LakeSql(Spark):
    """Spark 4's SQL, where sqlglot's own dialect differs."""

    class Tokenizer(Spark.Tokenizer):
        """Reads 'it''s' as one string, not two."""

        STRING_ESCAPES: ClassVar[list[str]] = ["\\", "'", '"']

    class Parser(Spark.Parser):  # type: ignore[valid-type,misc]
        """Keeps function names, and reads INSERT as a name except at the start of a statement."""

        FUNCTIONS: ClassVar[dict[str, object]] = {}
        ID_VAR_TOKENS = Spark.Parser.ID_VAR_TOKENS | {
            TokenType.INSERT,
            TokenType.CREATE,
            TokenType.DROP,
            TokenType.ALTER,
        }


@dataclass(frozen=True)
class Query:
    """An accepted query, and the tables it reads, spelled as in the query."""

    sql: str
    tables: frozenset[tuple[str, str]]


def parsed(sql: str, known: Mapping[str, object]) -> Query:
    """Parse one query over known tables.

    Args:
        sql: the user's SQL.
        known: the tables, as ``<schema>.<table>`` in lower case.

    Raises:
        PlatformError: the SQL is not a query, cannot be parsed, or would reach beyond the lake.
    """
    try:
        words = _words(LakeSql().tokenize(sql), sql)
        _require_safe_words(words)
        statements = LakeSql().parse(" ".join(words))
        if len(statements) != 1 or not isinstance(statements[0], exp.Query | exp.Values):
            raise PlatformError(_NO_QUERY)
        tree = statements[0]
        for node in tree.walk():
            _require_safe(node)
    except (SqlglotError, RecursionError) as error:
        raise PlatformError(f"the SQL cannot be run: {_reason(error)}") from None
    within = {cte.alias.lower() for cte in tree.find_all(exp.CTE)}
    tables = {_table(node, within, known) for node in tree.find_all(exp.Table)}
    return Query(" ".join(words), frozenset(table for table in tables if table is not None))


def _words(tokens: Sequence[Token], sql: str) -> list[str]:
    """The tokens of the only statement, as sent to the engine; a second one is an error."""
    while tokens and tokens[-1].token_type == TokenType.SEMICOLON:
        tokens = tokens[:-1]
    # sqlglot splits 1L into three tokens at one position.
    places = {token.start: token for token in reversed(tokens)}
    # Drop hints: they do not change the result, and name tables and functions of their own.
    places = {at: token for at, token in places.items() if token.token_type != TokenType.HINT}
    return [_word(token, sql[start : token.end + 1]) for start, token in sorted(places.items())]


def _word(token: Token, written: str) -> str:
    match token.token_type:
        case TokenType.STRING | TokenType.RAW_STRING:
            escaped = token.text.replace("\\", "\\\\").replace("'", "\\'")
            return f"'{escaped}'"
        case TokenType.IDENTIFIER:
            escaped = token.text.replace("`", "``")
            return f"`{escaped}`"
        case TokenType.SEMICOLON:
            raise PlatformError(_NO_QUERY)
    if _WORD.fullmatch(written):
        return written
    if _WORDS.fullmatch(token.text):
        return token.text
    raise PlatformError(f"the SQL cannot be run: {written[:20]!a} is no part of a query")


def _require_safe_words(words: Sequence[str]) -> None:
    """Reject tokens that no query contains, however the rest parses."""
    for word, following in pairwise([*map(str.lower, words), ""]):
        if word.strip("`") in _REACHING and following == "(":
            raise PlatformError(_not_safe(word.strip("`")))
        if word == "using" and following.startswith("'"):
            raise PlatformError("a query may not run commands (TRANSFORM ... USING)")
        if word == "insert" and following in ("into", "overwrite"):
            raise PlatformError(_NO_QUERY)


def _require_safe(node: exp.Expr) -> None:
    if isinstance(node, exp.DDL | exp.DML | exp.Command | exp.Into | exp.MultitableInserts):
        raise PlatformError(_NO_QUERY)
    if isinstance(node, exp.QueryTransform):
        raise PlatformError("a query may not run commands (TRANSFORM ... USING)")
    if isinstance(node, exp.Parameter | exp.SessionParameter | exp.Placeholder):
        raise PlatformError("a query has no parameters, and no older version of a table (@v1)")
    name = _called(node)
    if name and name not in _SAFE:
        raise PlatformError(_not_safe(name))


def _not_safe(function: str) -> str:
    return (
        f"the function {function} is not among those that a query over the lake may use: they are "
        "Spark's own, without those that reach files, Java or other systems"
    )


def _called(node: exp.Expr) -> str:
    """The name of the function that a node calls; empty if the node is no call."""
    if isinstance(node, exp.Anonymous | exp.AnonymousAggFunc):
        return node.name.lower()
    if isinstance(node, exp.Func) and (call := _CALL.match(node.sql(dialect=LakeSql))):
        return call[1].lower()
    return ""


def _table(
    node: exp.Table, within: Collection[str], known: Mapping[str, object]
) -> tuple[str, str] | None:
    """A table as written; None for a table function or a name defined in the query."""
    if isinstance(node.this, exp.Func):
        if _called(node.this) in _ROWS:
            return None
        raise PlatformError(f"a query may not read from {node.this.sql(dialect=LakeSql)[:60]}")
    if not node.db and node.name.lower() in within:
        return None
    name = f"{node.db}.{node.name}".lower()
    if node.catalog or name not in known:
        shown = ".".join(part for part in (node.catalog, node.db, node.name) if part)
        raise PlatformError(
            f"there is no table {shown}: a query reads those of the lake, such as raw.pin, "
            "cleaned.pins and analytics.posts"
        )
    return node.db, node.name


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).split("\n", 1)[0]
