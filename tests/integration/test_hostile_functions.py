"""No function ends the server, whatever it is given: calls of all that there are (scalar ones, aggregates, also as
windows, and table functions), with the ends of their types, with times that no calendar has, and with values of kinds
they may not expect. Some seconds of them in random order; HYPRSTREAM_LONG=1 calls them all."""

import itertools
import os
import random
import time

import adbc_driver_flightsql.dbapi as flight_sql
import pytest
from server_process import ServerProcess

SECONDS = 15
CALLS_OF_A_FUNCTION = 20
NO_TIME = "make_timestamp(-9223372036854775000)"

VALUES = {
    "VARCHAR": ["''", "'a'", "'NaN'", "'%'", "'['", "'{'", "'-1'", "'🦆é'", "repeat('ab', 300)", "'$.a[*]'", "'\\\\'"],
    "BIGINT": ["0", "-1", "9223372036854775807", "-9223372036854775808", "100000"],
    "INTEGER": ["0", "-1", "2147483647", "-2147483648", "70000"],
    "TINYINT": ["0", "-128", "127"],
    "SMALLINT": ["0", "-32768", "32767"],
    "UTINYINT": ["0", "255"],
    "USMALLINT": ["65535"],
    "UINTEGER": ["0", "4294967295"],
    "UBIGINT": ["0", "18446744073709551615"],
    "HUGEINT": ["0", "170141183460469231731687303715884105727", "-170141183460469231731687303715884105728"],
    "UHUGEINT": ["340282366920938463463374607431768211455"],
    "DOUBLE": ["'nan'", "'inf'", "'-inf'", "1e308", "-1e308", "0", "-0.5"],
    "FLOAT": ["'nan'", "3e38", "-3e38"],
    "TIMESTAMP": [NO_TIME, "'infinity'", "'-infinity'", "'294247-01-10 04:00:54.775806'",
                  "'290309-12-22 (BC) 00:00:00'", "'2024-01-01'"],
    "TIMESTAMP WITH TIME ZONE": ["'infinity'", "'294247-01-10 04:00:54.775806+00'", "'290309-12-22 (BC) 00:00:00+00'"],
    "TIMESTAMP_NS": ["'1677-09-22'", "'2262-04-11 23:47:16.854775806'", "make_timestamp_ns(-9223372036854775800)"],
    "TIMESTAMP_S": ["'294247-01-10'", "'290309-12-22 (BC)'"],
    "TIMESTAMP_MS": ["'294247-01-10'", "'290309-12-22 (BC)'"],
    "DATE": ["'infinity'", "'-infinity'", "'5881580-07-10'", "'5877642-06-25 (BC)'"],
    "TIME": ["'00:00:00'", "'24:00:00'"],
    "TIME WITH TIME ZONE": ["'00:00:00+15:59'", "'23:59:59-15:59'"],
    "INTERVAL": ["INTERVAL 0 DAY", "to_months(2147483647)", "to_days(-2147483648)",
                 "to_microseconds(9223372036854775807)", "to_years(-100000000)"],
    "BOOLEAN": ["true", "false"],
    "BLOB": ["'\\xFF\\x00'", "''"],
    "BIT": ["'1'", "'0101'"],
    "UUID": ["'00000000-0000-4000-8000-000000000001'"],
    "JSON": ["'{\"a\": [1]}'", "'null'"],
}
ANY = [NO_TIME, "'a'", "1", "[1,2]", f"[{NO_TIME}]", f"{{'a': {NO_TIME}}}", "[]", "NULL", "MAP {'a': 1}",
       "'nan'::DOUBLE", "['a', NULL]", "[[1]]", "-9223372036854775808"]


def arguments_of(kind):
    """SQL expressions of the type that a function's catalog entry names."""
    kind = kind.upper()
    if kind.startswith("DECIMAL"):
        return ["99.9::DECIMAL(3,1)", "'99999999999999999999999999999999999.9'::DECIMAL(36,1)", "-1.5"]
    if kind in VALUES:
        return [f"({value})::{kind}" for value in VALUES[kind]]
    if kind.endswith("[]"):
        inner = arguments_of(kind[:-2])
        return [f"[{value}]" for value in inner[:6]] + [f"[{inner[0]}, NULL, {inner[-1]}]"] if inner else []
    if kind.startswith(("STRUCT", "MAP")):
        return ["{'a': 1}", "MAP {'a': 1}"]
    return ANY if kind in ("ANY", "T", "U", "K", "V") else []


def calls_of(function, chance):
    """Statements that call it over rows, so that the planner does not evaluate it."""
    kinds = [kind for kind in (function["kinds"] or "").split("|") if kind]
    kinds += [function["more"]] * 2 if function["more"] else []
    choices = [arguments_of(kind) for kind in kinds]
    if not all(choices):
        return
    every = list(itertools.islice(itertools.product(*choices), 200))
    name = '"' + function["name"].replace('"', '""') + '"'
    for values in chance.sample(every, min(len(every), CALLS_OF_A_FUNCTION)):
        if function["type"] == "table":
            yield f"SELECT count(*) FROM (FROM {name}({', '.join(values)}) LIMIT 100)"
            continue
        columns = "".join(f"{value} AS c{i}, " for i, value in enumerate(values))
        call = f"{name}({', '.join(f'c{i}' for i in range(len(values)))})"
        rows = f"(SELECT {columns} r FROM range(3) t(r) WHERE r >= 0)"
        if function["type"] == "scalar":
            yield f"SELECT count(x) FROM (SELECT {call} AS x FROM {rows})"
        else:
            yield from aggregations(name, call, values, rows, chance)


def aggregations(name, call, values, rows, chance):
    """An aggregate's calls: grouped, over a moving frame, of different values, and filtered for several groupings at once."""
    # Arguments that must be constants are written where they are used; a column in their place is only refused.
    constants = f"{name}({', '.join(['c0', *values[1:]][:len(values)])})"
    yield f"SELECT count(x) FROM (SELECT {chance.choice([call, constants])} AS x FROM {rows} GROUP BY r % 2)"
    yield f"SELECT count(x) FROM (SELECT {constants} OVER (ORDER BY r ROWS 1 PRECEDING) AS x FROM {rows})"
    inside = constants[len(name) + 1:-1]
    yield f"SELECT {name}({'DISTINCT ' if inside else ''}{inside}) IS NULL FROM {rows}"
    yield f"SELECT count(x) FROM (SELECT {constants} FILTER (WHERE r > 0) AS x FROM {rows} GROUP BY ROLLUP (r))"


@pytest.mark.timeout(7200 if "HYPRSTREAM_LONG" in os.environ else 300)
def test_no_function_ends_the_server():
    seed = int(os.environ.get("HYPRSTREAM_SEED", "1"))
    print(f"HYPRSTREAM_SEED={seed}")
    chance = random.Random(seed)
    whole = "HYPRSTREAM_LONG" in os.environ
    deadline = time.monotonic() + SECONDS
    with ServerProcess() as server, flight_sql.connect(server.url, autocommit=True) as client, client.cursor() as cursor:
        cursor.execute("SELECT DISTINCT function_name AS name, array_to_string(parameter_types, '|') AS kinds, "
                       "varargs::VARCHAR AS more, function_type AS type FROM duckdb_functions() "
                       "WHERE function_type IN ('scalar', 'aggregate', 'window', 'table') ORDER BY ALL")
        functions = cursor.fetch_arrow_table().to_pylist()
        chance.shuffle(functions)
        called = 0
        for function in functions:
            if not whole and time.monotonic() > deadline:
                break
            for call in calls_of(function, chance):
                called += 1
                try:
                    cursor.execute(call)
                    cursor.fetchall()
                except flight_sql.Error as error:
                    assert "not marked as fallible" not in str(error), (call, seed)
                    assert error.status_code.name not in ("INTERNAL", "IO"), (call, str(error), seed)
        cursor.execute("SELECT 42")
        assert cursor.fetchone() == (42,)
        print(f"{called} calls of {len(functions)} functions")
        assert called > 20


# What is in hop()'s place in a plan, called through the text of a query() with what hop() never gives it.
OWN_CALLS = [
    "hyprstream_hop_starts(TIMESTAMP '2020-01-01', INTERVAL '0 s', INTERVAL '1 hour')",
    "hyprstream_hop_starts(TIMESTAMP '2020-01-01', INTERVAL '1 hour', INTERVAL '0 s')",
    "hyprstream_hop_starts(TIMESTAMP '2020-01-01', NULL, INTERVAL '1 hour')",
    "hyprstream_hop_starts(TIMESTAMP '2020-01-01', to_seconds(i), to_seconds(i))",
    "hyprstream_hop_starts(TIMESTAMP '2020-01-01', to_seconds(-i - 1), to_seconds(i))",
    "hyprstream_event_time(i::VARCHAR, TIMESTAMP '2020-01-01', NULL)",
    "hyprstream_event_time(?, ?, ?)",
    "hyprstream_window_width(?, ?, ?)",
]


@pytest.mark.parametrize("call", OWN_CALLS)
def test_the_own_functions_fail_in_words(call):
    text = f"SELECT {call} FROM range(3) r(i)".replace("'", "''")
    with ServerProcess() as server, flight_sql.connect(server.url, autocommit=True) as client, client.cursor() as cursor:
        with pytest.raises(flight_sql.Error) as caught:
            cursor.execute(f"SELECT * FROM query('{text}')")
            cursor.fetchall()
        assert caught.value.status_code.name not in ("INTERNAL", "IO"), str(caught.value)
        cursor.execute("SELECT 42")
        assert cursor.fetchone() == (42,)
