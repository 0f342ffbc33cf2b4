"""Allowed queries over the lake, and attempts to do anything else."""

from contextlib import suppress

import pytest
from pyspark.sql import SparkSession

from pinterest_platform.errors import PlatformError
from pinterest_platform.lake.sql import parsed
from pinterest_platform.tables.catalog import TABLES

WRITES = [
    "INSERT INTO raw.geo SELECT * FROM raw.geo",
    "INSERT OVERWRITE raw.geo SELECT * FROM raw.geo",
    "INSERT OVERWRITE DIRECTORY '/x' USING csv SELECT * FROM raw.pin",
    "WITH x AS (SELECT 1) INSERT INTO raw.geo SELECT * FROM raw.geo",
    "WITH x AS (SELECT 1) --\rINSERT INTO raw.geo SELECT * FROM raw.geo",
    "WITH x AS (SELECT 1) --\nINSERT INTO raw.geo SELECT * FROM raw.geo",
    "WITH x AS (SELECT 1) --\x0b\rINSERT INTO raw.geo SELECT * FROM raw.geo",
    "WITH x AS (SELECT 1) /* */ INSERT INTO raw.geo SELECT * FROM raw.geo",
    "WITH x AS (SELECT 1) /* /* */ INSERT INTO raw.geo SELECT * FROM raw.geo",
    "WITH x AS (SELECT r'\\') INSERT INTO raw.geo SELECT * FROM raw.geo --'",
    "FROM raw.geo INSERT INTO raw.geo SELECT *",
    "FROM raw.geo INSERT OVERWRITE TABLE raw.geo SELECT *",
    "FROM (SELECT * FROM raw.geo) x INSERT INTO raw.geo SELECT * INSERT INTO raw.pin SELECT *",
    "SELECT * FROM (INSERT INTO raw.geo SELECT * FROM raw.geo)",
    "SELECT * INTO raw.new FROM raw.pin",
    "WITH x AS (DELETE FROM raw.pin) SELECT 1",
    "DELETE FROM raw.pin",
    "DELETE FROM raw.pin WHERE true",
    "UPDATE raw.pin SET value = ''",
    "MERGE INTO raw.pin USING raw.geo ON true WHEN MATCHED THEN DELETE",
    "TRUNCATE TABLE raw.pin",
    "DROP TABLE raw.pin",
    "DROP SCHEMA raw CASCADE",
    "ALTER TABLE raw.pin DROP COLUMN value",
    "CREATE TABLE x AS SELECT * FROM raw.pin",
    "CREATE TABLE x USING delta LOCATION '/x'",
    "CREATE OR REPLACE TEMP VIEW raw_pin AS SELECT 1",
    "CREATE TEMPORARY FUNCTION f AS 'x.Y' USING JAR '/x.jar'",
    "REPLACE TABLE raw.pin AS SELECT 1",
    "COPY INTO raw.pin FROM '/x' FILEFORMAT = CSV",
    "LOAD DATA INPATH '/etc/passwd' INTO TABLE raw.pin",
    "OPTIMIZE raw.pin",
    "VACUUM raw.pin RETAIN 0 HOURS",
    "RESTORE TABLE raw.pin TO VERSION AS OF 0",
    "FSCK REPAIR TABLE raw.pin",
    "MSCK REPAIR TABLE raw.pin",
    "ANALYZE TABLE raw.pin COMPUTE STATISTICS",
    "CACHE TABLE raw.pin",
    "REFRESH TABLE raw.pin",
    "CONVERT TO DELTA parquet.`/x`",
    "GENERATE symlink_format_manifest FOR TABLE raw.pin",
]

STATEMENTS = [
    "SELECT 1; DROP TABLE raw.pin",
    "SELECT 1;\rDROP TABLE raw.pin",
    "SELECT 1; SELECT 2",
    "SELECT ';'; DELETE FROM raw.pin",
    "EXPLAIN ANALYZE DELETE FROM raw.pin",
    "EXPLAIN SELECT 1",
    "DESCRIBE raw.pin",
    "SHOW TABLES",
    "SHOW CREATE TABLE raw.pin",
    "USE raw",
    "SET spark.sql.variable.substitute = true",
    "SET VAR x = 1",
    "RESET",
    "DECLARE x INT DEFAULT 1",
    "ADD JAR '/x.jar'",
    "ADD FILE '/etc/passwd'",
    "LIST JARS",
    "EXECUTE IMMEDIATE 'DROP TABLE raw.pin'",
    "BEGIN SELECT 1; DROP TABLE raw.pin; END",
    "CALL system.vacuum('raw.pin')",
    "GRANT SELECT ON TABLE raw.pin TO x",
    "COMMENT ON TABLE raw.pin IS 'x'",
    "KILL QUERY 1",
    "",
    ";",
    "-- SELECT 1",
    "/* SELECT 1 */",
    "SELEC 1",
    "hello",
    "(",
    "SELECT (",
    "SELECT 'unended",
    "SELECT * FROM raw.pin WHERE",
]

COMMANDS = [
    "SELECT TRANSFORM(value) USING 'sh -c id' FROM raw.pin",
    "SELECT TRANSFORM(value) USING 'sh -c id' AS (x STRING) FROM raw.pin",
    "SELECT * FROM (SELECT TRANSFORM(value) USING 'cat' FROM raw.pin)",
    "WITH x AS (SELECT TRANSFORM(value) USING 'cat' FROM raw.pin) SELECT * FROM x",
    "SELECT 1 UNION ALL SELECT TRANSFORM(value) USING 'cat' FROM raw.pin",
    "SELECT 1 WHERE 1 IN (SELECT TRANSFORM(value) USING 'cat' FROM raw.pin)",
    "FROM raw.pin SELECT TRANSFORM(value) USING 'cat'",
    "FROM raw.pin MAP value USING 'cat' AS x",
    "FROM raw.pin REDUCE value USING 'cat' AS x",
    "MAP value USING 'cat' FROM raw.pin",
]

FUNCTIONS = [
    "SELECT reflect('java.lang.System', 'getenv')",
    "SELECT REFLECT('java.lang.System', 'exit', 1)",
    "SELECT java_method('java.lang.Runtime', 'getRuntime')",
    "SELECT try_reflect('java.lang.System', 'getenv')",
    "SELECT `reflect`('java.lang.System', 'getenv')",
    "SELECT system.builtin.reflect('java.lang.System', 'getenv')",
    "SELECT builtin.reflect('java.lang.System', 'getenv')",
    "SELECT /**/ reflect /**/ ('java.lang.System', 'getenv')",
    "SELECT 1 ORDER BY reflect('java.lang.System', 'getenv')",
    "SELECT 1 WHERE reflect('java.lang.System', 'getenv') = ''",
    "SELECT max(reflect('java.lang.System', 'getenv')) OVER (PARTITION BY 1)",
    "SELECT transform(array(1), x -> reflect('java.lang.System', 'getenv'))",
    "SELECT CASE WHEN true THEN reflect('java.lang.System', 'getenv') END",
    "SELECT (SELECT reflect('java.lang.System', 'getenv'))",
    "SELECT count(*) FILTER (WHERE reflect('a', 'b') = '') FROM raw.pin",
    "SELECT 1 FROM raw.pin a JOIN raw.geo b ON reflect('a', 'b') = ''",
    "VALUES (reflect('java.lang.System', 'getenv'))",
    "SELECT from_protobuf(value_bytes, 'M', '/etc/passwd') FROM raw.pin",
    "SELECT to_protobuf(struct(1), 'M', '/etc/passwd')",
    "SELECT from_xml('<a/>', 'a INT', map('rowValidationXSDPath', '/etc/passwd'))",
    "SELECT schema_of_xml('<a/>', map('rowValidationXSDPath', '/etc/passwd'))",
    "SELECT xpath_string('<!DOCTYPE a [<!ENTITY x SYSTEM \"file:///x\">]><a>&x;</a>', 'a')",
    "SELECT from_avro(value_bytes, '{}', map('avroSchemaUrl', '/etc/passwd')) FROM raw.pin",
    "SELECT input_file_name() FROM raw.pin",
    "SELECT http_request('GET', 'http://host')",
    "SELECT ai_query('endpoint', 'prompt')",
    "SELECT secret('scope', 'key')",
    "SELECT remote_query('connection', query => 'SELECT 1')",
    "SELECT read_csv('/etc/passwd')",
    "SELECT no_such_function(1)",
]

PLACES = [
    "SELECT * FROM text.`/etc/passwd`",
    "SELECT * FROM TEXT.`/etc/passwd`",
    "SELECT * FROM `text`.`/etc/passwd`",
    "SELECT * FROM csv.`/etc/passwd`",
    "SELECT * FROM json.`/etc/passwd`",
    "SELECT * FROM binaryFile.`/etc/passwd`",
    "SELECT * FROM parquet.`/x`",
    "SELECT * FROM orc.`/x`",
    "SELECT * FROM avro.`/x`",
    "SELECT * FROM xml.`/x`",
    "SELECT * FROM delta.`/outside`",
    "SELECT * FROM delta.`s3://bucket/outside`",
    "SELECT * FROM `/etc/passwd`",
    "SELECT * FROM '/etc/passwd'",
    "FROM text.`/etc/passwd`",
    "FROM text.`/etc/passwd` SELECT *",
    "SELECT * FROM raw.pin, text.`/etc/passwd`",
    "SELECT * FROM raw.pin JOIN text.`/etc/passwd` ON true",
    "SELECT * FROM raw.pin WHERE value IN (SELECT value FROM text.`/etc/passwd`)",
    "SELECT (SELECT max(value) FROM text.`/etc/passwd`)",
    "SELECT * FROM raw.pin UNION ALL SELECT value FROM text.`/etc/passwd`",
    "WITH x AS (SELECT * FROM text.`/etc/passwd`) SELECT * FROM x",
    "WITH text AS (SELECT 1) SELECT * FROM text.`/etc/passwd`",
    "SELECT * FROM raw.pin --\r, text.`/etc/passwd`",
    "SELECT * FROM read_files('/etc/passwd')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_parquet('/x')",
    "SELECT * FROM cloud_files_state('/x')",
    "SELECT * FROM table_changes_by_path('/x', 0)",
    "SELECT * FROM IDENTIFIER('text.`/etc/passwd`')",
    "SELECT * FROM kinesis_records",
    "SELECT * FROM STREAM(raw.pin)",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM other.raw.pin",
    "SELECT * FROM global_temp.x",
    "SELECT * FROM raw.pni",
    "SELECT * FROM pin",
    "SELECT * FROM raw.`pin`.`/etc/passwd`",
    "SELECT * FROM raw.`pin/../../x`",
    "SELECT * FROM raw.pin@v0",
    "SELECT * FROM raw.pin AS ${x}",
]


@pytest.mark.parametrize("sql", [*WRITES, *STATEMENTS, *COMMANDS, *FUNCTIONS, *PLACES])
def test_anything_but_a_query_over_the_lake_is_refused_in_one_line(sql: str) -> None:
    with pytest.raises(PlatformError) as refused:
        parsed(sql, TABLES)
    assert len(str(refused.value).splitlines()) == 1


def test_there_are_more_than_a_hundred_attempts() -> None:
    assert len({*WRITES, *STATEMENTS, *COMMANDS, *FUNCTIONS, *PLACES}) > 100


@pytest.mark.parametrize("depth", [10, 3_000])
def test_an_endlessly_nested_query_does_not_crash(depth: int) -> None:
    with suppress(PlatformError):
        parsed("SELECT " + "(" * depth + "1" + ")" * depth, TABLES)


@pytest.mark.parametrize(
    ("sql", "tables"),
    [
        ("SELECT insert FROM (SELECT 1 AS insert)", set()),
        ("SELECT update, delete, merge, drop, create, truncate FROM raw.pin", {("raw", "pin")}),
        ("select 'INSERT INTO raw.geo; DROP TABLE raw.pin -- /*'", set()),
        ("SELECT `insert into` FROM raw.geo", {("raw", "geo")}),
        ("SELECT value FROM raw.pin -- insert", {("raw", "pin")}),
        ("/* delete */ SELECT value FROM Raw.Pin;", {("Raw", "Pin")}),
        ("VALUES (1, 'a'), (2, 'b')", set()),
        ("FROM analytics.posts SELECT title", {("analytics", "posts")}),
        ("WITH x AS (SELECT ind FROM cleaned.pins) SELECT * FROM x, X AS y", {("cleaned", "pins")}),
        ("WITH pin AS (SELECT 1) SELECT * FROM pin, raw.pin", {("raw", "pin")}),
        ("SELECT * FROM range(3)", set()),
        (
            "SELECT tag FROM cleaned.pins LATERAL VIEW explode(split(tag_list, ',')) t AS tag",
            {("cleaned", "pins")},
        ),
        ("SELECT transform(array(1, 2), x -> x + 1)", set()),
        (
            "SELECT count(*) FILTER (WHERE ind > 1), median(ind) FROM cleaned.pins GROUP BY ALL",
            None,
        ),
        ("SELECT row_number() OVER (PARTITION BY country ORDER BY ind) FROM analytics.posts", None),
        ("SELECT CAST('1' AS INT), '1'::INT, DATE'2026-01-01', INTERVAL 1 DAY, array(1)[0]", None),
        ("SELECT uuid(), nvl(a, 1), if(a, 1, 2), percentile_approx(a, 0.5) FROM raw.pin", None),
        ("SELECT r'\\d', 'it''s', \"double\", 'a\\'b'", None),
        ("SELECT /*+ BROADCAST(b), REPARTITION(3) */ 1", set()),
        ("SELECT localtimestamp(), timestampdiff(DAY, a, b), datediff(a, b) FROM raw.pin", None),
        ("WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT * FROM r", None),
        ("(SELECT 1) UNION (SELECT 2) ORDER BY 1 LIMIT 1", None),
    ],
)
def test_a_query_is_accepted(sql: str, tables: set[tuple[str, str]] | None) -> None:
    query = parsed(sql, TABLES)
    assert tables is None or query.tables == tables
    assert parsed(query.sql, TABLES) == query


def test_two_quotation_marks_are_one_within_a_string() -> None:
    """As in Spark 4; Sail 0.7.2 reads two adjacent strings."""
    sql = "SELECT 'it''s', \"a\"\"b\" -- '"
    assert parsed(sql, TABLES).sql == "SELECT 'it\\'s' , 'a\"b'"


SAME = [
    "SELECT 'a\"', \"a'\", 'a\\'b', 'a\\\\', '\\\\\\\\', '%\\_', r'\\n', 'é🙂'",
    "WITH x AS (SELECT 1 a) SELECT (WITH x AS (SELECT 2 a) SELECT max(a) FROM x) AS i, a FROM x",
    "SELECT * FROM (WITH x AS (SELECT 3 AS a) SELECT a FROM x) AS y",
    "SELECT to_char(1234.5, '9999.99'), date_format(DATE'2026-03-04', 'EEEE dd MMM yyyy')",
    "SELECT date_format(TIMESTAMP'2026-03-04 05:06:07.089', 'yyyy-MM-dd HH:mm:ss.SSS')",
    "SELECT to_date('04/03/2026', 'dd/MM/yyyy'), to_timestamp('2026-03-04 05', 'yyyy-MM-dd HH')",
    "SELECT trunc(DATE'2026-03-04', 'MM'), date_trunc('week', TIMESTAMP'2026-03-04 05:06:07')",
    "SELECT datediff(DATE'2026-03-04', DATE'2026-03-01'), date_add(DATE'2026-03-04', 3)",
    "SELECT DATE'2026-03-04' + INTERVAL 2 DAYS, DATE'2026-03-04' - INTERVAL '1' MONTH",
    "SELECT 7 / 2, 7 % 4, 7 DIV 2, -7 % 4, 1L + 1, 1e3, 1.50, 0.1 + 0.2",
    "SELECT 1 <=> NULL, NULL IS NULL, NOT true, true AND false OR true, 3 BETWEEN 2 AND 4",
    "SELECT 'abc' LIKE 'a%', 'a_c' LIKE 'a\\\\_c', 'abc' RLIKE '^a', 'ABC' ILIKE 'abc'",
    "SELECT concat('a', NULL), concat_ws('-', 'a', NULL, 'b'), coalesce(NULL, 'x'), nvl(NULL, 1)",
    "SELECT substring('abcdef', 2, 3), left('abc', 2), right('abc', 2), instr('abc', 'b')",
    "SELECT regexp_replace('a1b2', '[0-9]', '#'), regexp_extract('a1b2', '([0-9])', 1)",
    "SELECT split('a,b,c', ',')[1], size(array(1, 2)), element_at(map('a', 1), 'a')",
    "SELECT array(1, 2)[0], map('a', 1)['a'], struct(1 AS x, 2 AS y).y, named_struct('x', 1).x",
    "SELECT transform(array(1, 2), x -> x + 1), filter(array(1, 2, 3), x -> x > 1)",
    "SELECT CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END, CASE 1 WHEN 1 THEN 'x' END, if(true, 1, 2)",
    "SELECT CAST('12' AS INT), '12'::BIGINT, try_cast('x' AS INT), CAST(1.5 AS STRING)",
    "SELECT count(*), count(DISTINCT a), sum(a) FILTER (WHERE a > 1) FROM VALUES (1), (2) t(a)",
    "SELECT a, count(*) FROM VALUES (1), (2), (2) AS t(a) GROUP BY a HAVING count(*) > 1",
    "SELECT a, sum(a) OVER (ORDER BY a ROWS UNBOUNDED PRECEDING) FROM VALUES (1), (2) AS t(a)",
    "SELECT row_number() OVER w FROM VALUES (3), (1) AS t(a) WINDOW w AS (ORDER BY a DESC)",
    "SELECT a, sum(c) FROM VALUES (1, 3), (1, 5) t(a, c) GROUP BY ROLLUP (a) ORDER BY 1, 2",
    "SELECT * FROM VALUES (1), (2) t(a) WHERE a IN (SELECT b FROM VALUES (2), (3) u(b))",
    "SELECT * FROM VALUES (1), (2) t(a) LEFT ANTI JOIN VALUES (2) u(a) USING (a)",
    "SELECT t.a, u.b FROM VALUES (1, 2) t(a, k) JOIN VALUES (2, 5) u(k, b) ON t.k = u.k",
    "SELECT 1 AS a UNION ALL SELECT 2 EXCEPT SELECT 3 ORDER BY a DESC NULLS LAST LIMIT 1",
    "SELECT x FROM VALUES ('a,b') t(s) LATERAL VIEW explode(split(s, ',')) e AS x",
    "SELECT percentile_approx(a, 0.5), median(a), min_by(a, -a) FROM VALUES (1), (2), (9) t(a)",
    "SELECT EXTRACT(YEAR FROM DATE'2026-03-04'), year(DATE'2026-03-04'), quarter(DATE'2026-03-04')",
    "SELECT upper('a'), lower('A'), trim('  a '), lpad('7', 3, '0'), length('é'), reverse('abc')",
    "SELECT round(2.5), bround(2.5), floor(-1.5), ceil(1.2), abs(-3), greatest(1, 3), least(1, 3)",
]


@pytest.mark.parametrize("sql", SAME)
def test_the_rewritten_query_gives_the_same_answer(spark: SparkSession, sql: str) -> None:
    """With the same column names."""
    original = spark.sql(sql).toArrow()
    anew = spark.sql(parsed(sql, TABLES).sql).toArrow()
    assert anew.to_pylist() == original.to_pylist()
    assert anew.column_names == original.column_names
