"""Statements that would swell, or run without looking up: refused in words or stopped, within bounded memory."""

import pathlib

import flight_sql_wire as wire
import pyarrow as pa
import pyarrow.flight as fl
import pytest
from exchange import is_healthy, run_sql
from server_process import ServerProcess, wait_until

# memory_max, a quarter and 256 MiB; and what grows while one look follows another on a busy machine.
HELD_KB_MAX = (512 + 128 + 256 + 512) * 1024


@pytest.fixture
def server():
    with ServerProcess("--memory-max", "512MiB", "--threads", "2") as process:
        run_sql(process, "CREATE TABLE one AS SELECT 1000000 AS n")
        yield process


@pytest.fixture
def client(server):
    """Checks afterwards what the server held at most, and that it is well."""
    pathlib.Path(f"/proc/{server.pid}/clear_refs").write_text("5")  # VmHWM starts anew
    with fl.connect(server.url) as connection:
        yield connection
    assert server.process.poll() is None
    assert server.status_value("VmHWM") < HELD_KB_MAX
    assert wait_until(lambda: is_healthy(server), what="a healthy server")


def error_of(client, sql, seconds=60):
    with pytest.raises((pa.ArrowInvalid, fl.FlightUnavailableError)) as caught:
        wire.query(client, sql, fl.FlightCallOptions(timeout=seconds))
    text = str(caught.value)
    assert 0 < len(text.split(" gRPC client debug context:")[0].encode()) <= 4096
    return text


SHARED = "(SELECT range(n) AS l FROM one), range(2048) r(i)"  # one list of 1,000,000 for each of 2,048 rows

CHAIN = "(repeat('{\"a\":', 300) || '1' || repeat('}', 300))"  # of objects, each in another

REFUSED = {
    "a filler for each element": "SELECT len(list_resize([i::VARCHAR], 1000000, repeat('y', 1000000))) FROM range(3) r(i)",
    "a large state for each group": "SELECT count(q) FROM (SELECT approx_top_k(i, 999999) AS q FROM range(10000) r(i) "
                                    "GROUP BY i)",
    "an answer of large lists": f"SELECT l, i FROM {SHARED}",
    "an answer of large structs": f"SELECT {{'a': l, 'b': i}} AS s FROM {SHARED}",
    "a longer list for each row": f"SELECT len(list_append(l, i)) FROM {SHARED}",
    "JSON for each row": f"SELECT length(to_json([l, [i]])) FROM {SHARED}",
    "a matrix of 7 GB": "SELECT damerau_levenshtein(repeat('ab', 15000), repeat('cd', 15000))",
    "a zone of 1 MB": "SELECT TIMESTAMP '2000-01-01' AT TIME ZONE repeat('x', 1000000)",
    "a setting of 800 kB": f"SET TimeZone = '{'x' * 800_000}'",
    "a large state for each list": "SELECT count(list_aggregate([i, i + 1], 'approx_top_k', 900000)) FROM range(2048) r(i)",
    "recursive steps of a path": f"SELECT len(json_extract({CHAIN}, '$..*..*..*..*..*..*')) AS n",
    "recursive steps of a path, over rows": f"SELECT max(len({CHAIN}::JSON -> '$..a..a..a..a..a..a')) AS n FROM range(3)",
    "a large regular expression": "SELECT regexp_matches(repeat('ab', 15000000), '(' || repeat('[ab]?', 5000) || ')*c')",
    "a large pattern of LIKE": "SELECT count(*) FROM one WHERE repeat('a', n) LIKE '%' || repeat('a_', n // 4) || 'b'",
    "a long path": "SELECT len(parse_path(repeat('a/', 1000000)))",
    "keys looked up in keys": "SELECT length(json_merge_patch(a, b)) FROM (SELECT '{' || string_agg('\"' || i || '\":1', ',') "
                              "|| '}' AS a, '{' || string_agg('\"x' || i || '\":1', ',') || '}' AS b FROM range(100000) r(i))",
    "a moving histogram": "SELECT count(h) FROM (SELECT histogram(i) OVER (ORDER BY i) AS h FROM range(20000) r(i))",
    "a moving mode": "SELECT max(m) FROM (SELECT mode(i) OVER (ORDER BY i ROWS BETWEEN 100000 PRECEDING AND 100000 "
                     "FOLLOWING) AS m FROM range(1000000) r(i))",
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_swells_at_once_is_refused(client, what):
    text = error_of(client, REFUSED[what])
    assert "at most" in text or "not allowed here" in text or "at once" in text


DEEP = "repeat('[', 200000) || repeat(']', 200000)"
OVERFLOWING = {
    "json_contains": (f"SELECT json_contains({DEEP}, '[1]')", "maximum recursion depth"),
    "json_contains of a literal": (f"SELECT json_contains('{'[' * 200_000}{']' * 200_000}', '[1]')", "maximum recursion depth"),
    "json_contains over rows": ("SELECT count(json_contains(repeat('[', n) || repeat(']', n), '[1]')) FROM one",
                                "maximum recursion depth"),
    "json_contains of JSON": (f"SELECT json_contains('[1]'::JSON, ({DEEP})::JSON)", "maximum recursion depth"),
    "a path of wildcards": (f"SELECT len(json_extract({DEEP}, '$' || repeat('[*]', 100000)))", "JSON path with wildcards"),
    "a path of wildcards, to types": (f"SELECT json_type({DEEP}, '$' || repeat('[*]', 100000))", "JSON path with wildcards"),
}


@pytest.mark.parametrize("what", OVERFLOWING)
def test_what_would_overflow_the_stack_is_refused(client, what):
    sql, words = OVERFLOWING[what]
    assert words in error_of(client, sql)


# DuckDB does not count these towards its limit.
UNCOUNTED = {
    "approx_top_k": "SELECT count(q) FROM (SELECT approx_top_k(i, 100) AS q FROM range(100000000) r(i) GROUP BY i)",
    "histogram": "SELECT count(h) FROM (SELECT histogram(i, range(1000)) AS h FROM range(100000000) r(i) GROUP BY i)",
}


@pytest.mark.parametrize("what", UNCOUNTED)
def test_states_that_duckdb_does_not_count_are_stopped(client, what):
    assert "memory_max" in error_of(client, UNCOUNTED[what])


@pytest.mark.parametrize("sql", [
    "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000000) c",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT count(*) FROM r",
    "SELECT (SELECT count(*) FROM range(1000000) b(i) WHERE b.i > a.i) FROM range(1000000) a(i)",
    "SELECT len(list_transform(range(1000000), lambda x: list_sum(list_transform(range(10000), lambda y: x * y))))",
    "SELECT count(*) FROM json_tree(repeat('[', 100000) || repeat(']', 100000))",
    "SELECT max(i) FROM range(100000000000) r(i) WHERE regexp_matches(i::VARCHAR || repeat('a', 1000), '(a|b)+$')",
    "SELECT count(*) FROM range(2048) r(i) WHERE regexp_matches(repeat('ab', 20000) || i, '(' || repeat('[ab]?', 5000) || ')*c')",
    "SELECT count(regexp_replace(repeat('a', 20000) || i, 'a(.*b)?', 'x', 'g')) FROM range(2048) r(i)",
    "SELECT count(*) FROM range(2048) r(i) WHERE repeat('a', 40000) || i LIKE '%' || repeat('a_', 10000) || 'b'",
], ids=["cross join", "recursion", "correlated", "lambdas", "json_tree", "regexp", "regexps", "replaced", "like"])
def test_what_never_ends_stops_with_its_caller(server, client, sql):
    with pytest.raises((fl.FlightTimedOutError, fl.FlightCancelledError)):
        wire.query(client, sql, fl.FlightCallOptions(timeout=2))
    server.wait_until_idle(60)


@pytest.mark.parametrize("sql, rows", [
    ("SELECT sum(len(list_transform(l, lambda x: x * 2))) AS n FROM (SELECT range(1536) AS l, i FROM range(4096) r(i))",
     1536 * 4096),
    ("SELECT sum(len(list_transform(range(1, 1537), lambda k: l[k] * l[k]))) AS n FROM (SELECT range(1536) AS l, i FROM "
     "range(4096) r(i))", 1536 * 4096),
    ("SELECT sum(length(upper(repeat(i::VARCHAR, 1000)))) AS n FROM range(10, 100) r(i)", 180_000),
    ("SELECT count(*) AS n FROM (SELECT mode(i) OVER (ORDER BY i) AS m FROM range(1000) r(i))", 1000),
    ("SELECT count(*) AS n FROM (SELECT histogram(i) OVER (PARTITION BY i % 7) AS h FROM range(1000) r(i))", 1000),
    ("SELECT count(*) AS n FROM range(10) r(i) WHERE list_contains(range(5), i) AND i IN (SELECT unnest(range(3)))", 3),
    ("SELECT count(*) AS n FROM range(4096) r(i) WHERE list_contains(range(100000), i)", 4096),
    ("SELECT damerau_levenshtein('kitten', 'sitting') AS n", 3),
])
def test_ordinary_values_pass(client, sql, rows):
    assert wire.query(client, sql, fl.FlightCallOptions(timeout=60)) == [{"n": rows}]
