"""`hyprstream ingest` as a process against a real server."""

import re
import signal
import subprocess

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
from server_process import BINARY, ServerProcess, clean_environment, run_hyprstream, wait_until
from terminal import CTRL_C, Terminal

EVERY_TYPE = """
CREATE TABLE {name} (a BIGINT, d DECIMAL(10,2), h HUGEINT, ts TIMESTAMP, tz TIMESTAMPTZ, u UUID, b BLOB, e ENUM('x','y'),
                     dt DATE, ti TIME, bo BOOLEAN, f FLOAT, db DOUBLE, u8 UTINYINT, v VARCHAR)"""
VALUES = """
INSERT INTO {name} VALUES
  (-9223372036854775808, 1.25, 12345678901234567890123, '2013-01-01 05:00:00.000001', '2013-01-01 05:00:00+00',
   '00000000-0000-0000-0000-000000000001', '\\x00\\xFF'::BLOB, 'x', '2013-01-01', '05:06:07.5', true, 1.5, 0.1, 255,
   'a,"b"' || chr(10) || 'ü'),
  (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
  (2, -2, -3, '1969-12-31 23:59:59', '1969-12-31 23:59:59.5+00', '00000000-0000-0000-0000-000000000002', '', 'y',
   '1900-02-28', '00:00:00', false, -0.0, 1e300, 0, 'NULL')"""


def sql(server, statement, output_format="csv"):
    status, out, error = run_hyprstream("sql", "--url", server.url, "--format", output_format, "-c", statement)
    assert status == 0, error
    return out


def ingest(server, table, *arguments, stdin="", expect=0):
    status, out, error = run_hyprstream("ingest", "--url", server.url, "--table", table, *arguments, stdin=stdin)
    assert status == expect, out + error
    return out if expect == 0 else error


def count(server, table):
    return int(sql(server, f'SELECT count(*) FROM "{table}"').split()[1])


def exported(server, table, output_format):
    done = subprocess.run(
        [BINARY, "sql", "--url", server.url, "--format", output_format, "-c", f"SELECT * FROM {table}"],
        capture_output=True, env=clean_environment(), timeout=60, check=True,
    )
    return done.stdout


@pytest.mark.parametrize("output_format", ["csv", "json", "arrow"])
def test_what_sql_prints_ingest_reads_back(server, unique, tmp_path, output_format):
    sql(server, EVERY_TYPE.format(name=unique))
    sql(server, VALUES.format(name=unique))
    sql(server, EVERY_TYPE.format(name=unique + "_again"))
    file = tmp_path / f"rows.{output_format}"
    file.write_bytes(exported(server, unique, output_format))
    assert "3 rows into" in ingest(server, unique + "_again", file)
    for one, other in [(unique, unique + "_again"), (unique + "_again", unique)]:
        assert sql(server, f"SELECT * FROM {one} EXCEPT ALL SELECT * FROM {other}").count("\n") == 1


def test_csv_of_one_column_keeps_its_nulls(server, unique):
    printed = sql(server, "SELECT unnest([1, NULL, 3]) AS a")
    assert ingest(server, unique, "--create", "--format", "csv", "-", stdin=printed).startswith("3 rows into")
    assert sql(server, f"SELECT count(*) AS n, sum(a) AS s FROM {unique} WHERE a IS NULL OR a > 0") == "n,s\n3,4\n"


@pytest.mark.parametrize("output_format", ["csv", "json"])
def test_times_with_local_mean_time_are_read_back(server, unique, output_format):
    values = "TIMESTAMPTZ '1880-01-01 00:00:00+00' AS early, TIMESTAMPTZ '1900-01-01 00:00:00+00' AS later"
    printed = sql(server, f"SET TimeZone = 'Europe/Berlin'; SELECT {values}", output_format)
    assert "1880-01-01 00:00:00+00" in printed and "1900-01-01 01:00:00+01" in printed
    sql(server, f"CREATE TABLE {unique} (early TIMESTAMPTZ, later TIMESTAMPTZ)")
    ingest(server, unique, "--format", output_format, "-", stdin=printed)
    assert sql(server, f"SELECT count(*) AS n FROM (FROM {unique} INTERSECT SELECT {values})") == "n\n1\n"


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n"])
def test_each_kind_of_line_end_ends_csv_records(server, unique, end):
    sql(server, f"CREATE TABLE {unique} (a BIGINT, b VARCHAR)")
    ingest(server, unique, "--format", "csv", "-", stdin=end.join(["", "a,b", "1,6\" nail", "2,NA", ""]))
    assert sql(server, f"FROM {unique} ORDER BY a", "json") == '{"a":1,"b":"6\\" nail"}\n{"a":2,"b":"NA"}\n'


@pytest.mark.parametrize("kind", ["parquet", "stream", "file", "feather"])
def test_binary_formats_are_read_from_files_and_pipes(server, unique, tmp_path, kind):
    table = pa.table({
        "n": pa.array([1, None, 3], pa.int16()),
        "t": pa.array(["x", "y", None]).dictionary_encode(),
        "l": pa.array([[1], [], None], pa.list_(pa.int32())),
        "at": pa.array([0, 1, None], pa.timestamp("ms")),
    })
    path = tmp_path / "rows"  # no name tells the format: its first bytes do
    if kind == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif kind == "feather":
        pyarrow.feather.write_feather(table, path)
    else:
        make = pa.ipc.new_stream if kind == "stream" else pa.ipc.new_file
        with make(str(path), table.schema) as writer:
            writer.write_table(table)
    ingest(server, unique, "--create", path)
    with path.open("rb") as file:
        done = subprocess.run(
            [BINARY, "ingest", "--url", server.url, "--table", unique, "-"], stdin=file, capture_output=True,
            env=clean_environment(), timeout=60,
        )
    assert done.returncode == 0, done.stderr
    assert count(server, unique) == 6
    types = sql(server, f"SELECT DISTINCT typeof(n), typeof(t), typeof(l), sum(n) FROM {unique} GROUP BY ALL HAVING sum(n) > 0")
    assert "SMALLINT,VARCHAR,INTEGER[]" in types


def test_types_are_inferred_or_those_of_the_table(server, unique, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("n,x,day\n1,1.5,2013-01-01 05:00:00\n2,,2013-01-01 06:00:00\n")
    ingest(server, unique, "--create", file)
    assert "BIGINT,DOUBLE,TIMESTAMP" in sql(server, f"SELECT DISTINCT typeof(n), typeof(x), typeof(day) FROM {unique}")
    sql(server, f"CREATE TABLE {unique}_typed (day DATE, n VARCHAR, x DECIMAL(5,1))")
    file.write_text("n,x,day\n007,1.5,2013-01-01\n")
    ingest(server, unique + "_typed", file)
    assert sql(server, f"FROM {unique}_typed") == "day,n,x\n2013-01-01,007,1.5\n"


def test_files_with_other_column_orders_go_by_name(server, unique, tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n1,x\n")
    (tmp_path / "b.csv").write_text("b,a\ny,2\n")
    (tmp_path / "c.jsonl").write_text('{"B": "z"}\n')
    out = ingest(server, unique, "--create", tmp_path / "a.csv", tmp_path / "b.csv", tmp_path / "c.jsonl")
    assert out.startswith(f"3 rows into {unique} from 3 files in ")
    assert sql(server, f"SELECT * FROM {unique} ORDER BY b") == "a,b\n1,x\n2,y\n,z\n"


def test_a_file_without_rows_makes_the_table(server, unique, tmp_path):
    table = pa.table({"n": pa.array([], pa.int32())})
    pyarrow.parquet.write_table(table, tmp_path / "a.parquet")
    assert ingest(server, unique, "--create", tmp_path / "a.parquet").startswith("0 rows into")
    assert sql(server, f"SELECT * FROM {unique}") == "n\n"
    ingest(server, unique, "--format", "json", "-", stdin="")
    (tmp_path / "b.csv").write_text("only,header\n")
    ingest(server, unique + "_csv", "--create", tmp_path / "b.csv")
    assert sql(server, f"SELECT * FROM {unique}_csv") == "only,header\n"


def test_one_value_is_a_row_like_any_other(server, unique):
    sql(server, f"CREATE TABLE {unique} (a BIGINT, b INTEGER DEFAULT 7)")
    ingest(server, unique, "--format", "csv", "-", stdin="a\n1\n")
    assert sql(server, f"SELECT * FROM {unique}") == "a,b\n1,7\n"


def test_quoted_names_reach_other_schemas(server, unique):
    sql(server, f'CREATE SCHEMA "{unique}.s"')
    ingest(server, f'"{unique}.s"."my table"', "--create", "--format", "csv", "-", stdin="a\n1\n")
    assert sql(server, f'SELECT * FROM "{unique}.s"."my table"') == "a\n1\n"
    assert "is no table's name" in ingest(server, "a.b.c", "-", stdin="a\n1\n", expect=2)


def test_a_summary_that_cannot_be_printed_is_an_error(server, unique, tmp_path):
    (tmp_path / "a.csv").write_text("a\n1\n")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [BINARY, "ingest", "--url", server.url, "--table", unique, "--create", "--quiet", tmp_path / "a.csv"],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, env=clean_environment())
    assert (done.returncode, done.stderr) == (
        1, "hyprstream: Cannot write to standard output: No space left on device; 1 row was accepted\n")


def test_a_bad_line_stops_or_is_skipped(server, unique, tmp_path):
    sql(server, f"CREATE TABLE {unique} (a BIGINT, b VARCHAR)")
    file = tmp_path / "bad.csv"
    file.write_text("a,b\n1,x\ntwo,y\n3\n4,z\n")
    error = ingest(server, unique, file, expect=1)
    assert error.count("\n") == 1
    assert "bad.csv, line 3, column a: CSV conversion error to int64: invalid value 'two'" in error
    assert error.endswith("; 1 row was accepted\n") and count(server, unique) == 1
    status, out, error = run_hyprstream(
        "ingest", "--url", server.url, "--table", unique, "--on-error", "skip", file)
    assert status == 0 and "2 rows into" in out and "2 bad records skipped" in out
    assert "skipped: " in error and "line 3, column a" in error and "line 4" in error
    assert count(server, unique) == 3
    json = tmp_path / "bad.jsonl"
    json.write_text('{"a": 1}\n{"a": 1,}\n')
    assert "bad.jsonl, line 2, character 9: not valid JSON" in ingest(server, unique, json, expect=1)


def test_what_a_column_cannot_hold_is_skipped_like_what_cannot_be_read(server, unique, tmp_path):
    sql(server, f"CREATE TABLE {unique} (a BIGINT, m DECIMAL(5,2), d DOUBLE, s VARCHAR)")
    (tmp_path / "a.csv").write_bytes(b'a,m,d,s\n1,1,1,x\n2,12345,1,x\n3,1,1e400,x\n4,1,1,\xe9\n5,1,inf,"x\n6,1,1,x\n')
    (tmp_path / "b.jsonl").write_bytes(b'{"a":7,"s":"x"}\n{"a":8,"s":"\xe9"}\n')
    status, out, error = run_hyprstream("ingest", "--url", server.url, "--table", unique, "--on-error", "skip",
                                        tmp_path / "a.csv", tmp_path / "b.jsonl")
    assert status == 0 and out.startswith("2 rows into") and "5 bad records skipped" in out, out + error
    for place in ["line 3, column m: ", "line 4, column d: ", "line 5, ", "line 6, a quote is opened", "b.jsonl, line 2, "]:
        assert place in error
    assert sql(server, f"SELECT a FROM {unique} ORDER BY a") == "a\n1\n7\n"


def test_json_columns_that_come_late(server, unique, tmp_path):
    sql(server, f"CREATE TABLE {unique} (a BIGINT, b INTEGER DEFAULT 7, m MAP(VARCHAR, INTEGER), l UBIGINT[])")
    sender = subprocess.Popen(
        [BINARY, "ingest", "--url", server.url, "--table", unique, "-"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )
    sender.stdin.write('\n{"a":1}\n')
    sender.stdin.flush()
    wait_until(lambda: count(server, unique) == 1, what="the first row")
    out, error = sender.communicate('{"A":2,"m":{"x":1}}\n{"a":3,"b":null,"m":{"y":2},"l":[18446744073709551615]}\n')
    assert sender.returncode == 0 and out.startswith("3 rows into"), error
    assert sql(server, f"SELECT * FROM {unique} ORDER BY a", "json") == (
        '{"a":1,"b":7,"m":null,"l":null}\n'
        '{"a":2,"b":null,"m":[{"key":"x","value":1}],"l":null}\n'
        '{"a":3,"b":null,"m":[{"key":"y","value":2}],"l":[18446744073709551615]}\n')
    file = tmp_path / "again.jsonl"
    file.write_bytes(exported(server, unique, "json"))
    assert "3 rows into" in ingest(server, unique, file)
    assert sql(server, f"SELECT count(*) AS rows, count(DISTINCT (a, b, m, l)) AS kinds FROM {unique}") == "rows,kinds\n6,3\n"


def test_json_records_that_cannot_be_read_are_named_or_skipped(server, unique):
    sql(server, f"CREATE TABLE {unique} (a BIGINT, d DOUBLE)")
    lines = 'null\n{"a":1}\nbad\n{"d":1e400}\n{"a":' + "[" * 100_000 + '}\n{"c":1}\n{"a":2,"d":0.5}\n'
    error = ingest(server, unique, "--format", "json", "-", stdin=lines, expect=1)
    assert error == (
        'hyprstream: standard input, line 1, a record must be an object: {"column": value}; 0 rows were accepted\n')
    status, out, error = run_hyprstream(
        "ingest", "--url", server.url, "--table", unique, "--format", "json", "--on-error", "skip", "-", stdin=lines)
    assert status == 0 and "2 rows into" in out and "5 bad records skipped" in out
    for words in ["line 3, character 1: not valid JSON", "line 4, column d: a number too large for DOUBLE",
                  "line 5, character 100006: not valid JSON", "line 6, column c: there is no such column"]:
        assert words in error
    assert sql(server, f"SELECT * FROM {unique} ORDER BY a", "json") == '{"a":1,"d":null}\n{"a":2,"d":0.5}\n'


def test_integers_beyond_bigint_get_a_type_that_holds_them(server, unique):
    ingest(server, unique, "--create", "--format", "json", "-", stdin='{"a":9223372036854775809}\n')
    assert sql(server, f"SELECT typeof(a) AS type, a FROM {unique}") == "type,a\nUBIGINT,9223372036854775809\n"
    ingest(server, unique + "_csv", "--create", "--format", "csv", "-", stdin="a,b\n-1,1\n18446744073709551616,2\n")
    assert sql(server, f"SELECT a FROM {unique}_csv ORDER BY b") == "a\n-1\n18446744073709551616\n"


def test_a_missing_table_is_one_line_with_the_nearest(server, unique):
    sql(server, f"CREATE TABLE {unique}_flights (a BIGINT)")
    error = ingest(server, unique + "_flihgts", "--format", "csv", "-", stdin="a\n1\n", expect=1)
    assert error.count("\n") == 1 and f"{unique}_flights" in error and "--create makes it" in error


def test_what_the_server_refuses_is_one_line(server, unique, tmp_path):
    sql(server, f"CREATE TABLE {unique} (a TINYINT NOT NULL)")
    file = tmp_path / "rows.arrow"
    table = pa.table({"a": pa.array([1] * 10 + [1000], pa.int64())})
    with pa.ipc.new_file(str(file), table.schema) as writer:
        writer.write_table(table)
    error = ingest(server, unique, "--batch-rows", 5, file, expect=1)
    assert error.count("\n") == 1 and "rows.arrow: " in error and error.endswith("; 10 rows were accepted\n")
    assert count(server, unique) == 10
    wrong = ingest(server, unique, "--format", "csv", "-", stdin="c\n1\n", expect=1)
    assert wrong.count("\n") == 1 and "standard input: " in wrong and "c" in wrong


def test_unreadable_files_and_unreachable_servers(server, unique, tmp_path):
    sql(server, f"CREATE TABLE {unique} (a BIGINT)")
    assert "Cannot read /nowhere/a.csv: No such file" in ingest(server, unique, "/nowhere/a.csv", expect=1)
    (tmp_path / "a.parquet").write_text("no parquet")
    assert "a.parquet: " in ingest(server, unique, tmp_path / "a.parquet", expect=1)
    status, _, error = run_hyprstream("ingest", "--url", "grpc://127.0.0.1:1", "--table", "t", "-", stdin="a\n1\n")
    assert status == 1 and error.count("\n") == 1 and "No server answers there" in error and "hyprstream serve" in error


def test_large_files_are_sent_without_waiting(server, unique, tmp_path):
    rows = 1_000_000
    table = pa.table({"n": range(rows)})
    pyarrow.parquet.write_table(table, tmp_path / "large.parquet")
    out = ingest(server, unique, "--create", "--batch-rows", 1000, tmp_path / "large.parquet")
    print(out)
    assert out.startswith("1,000,000 rows into") and re.search(r"[\d,]+ rows/s", out)
    assert sql(server, f"SELECT count(*) AS c, count(DISTINCT n) AS d FROM {unique}").split()[1] == f"{rows},{rows}"


def test_rows_of_a_pipe_arrive_as_they_come(server, unique):
    sql(server, f"CREATE TABLE {unique} (a BIGINT)")
    sender = subprocess.Popen(
        [BINARY, "ingest", "--url", server.url, "--table", unique, "--format", "csv", "-"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
    )
    sender.stdin.write("a\n1\n2\n")
    sender.stdin.flush()
    wait_until(lambda: count(server, unique) == 2, what="the first rows")
    sender.send_signal(signal.SIGINT)
    assert sender.wait(timeout=30) == 130
    error = sender.communicate()[1]
    assert error == "hyprstream: Interrupted; 2 rows were accepted\n"


def test_a_rate_and_a_replay_keep_their_time(server, unique, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("ts\n" + "".join(f"2013-01-01 00:00:{second:02}\n" for second in range(11)))
    def seconds(*flags):
        return float(re.search(r"in ([\d.]+) s", ingest(server, unique, "--create", *flags, file)).group(1))
    assert seconds("--rate", 20) >= 0.4
    assert seconds("--replay", 20, "--time", "TS") >= 0.5
    assert "There is no column when" in ingest(server, unique, "--replay", 2, "--time", "when", file, expect=1)


def test_a_terminal_shows_progress_and_ctrl_c_stops(server, unique, tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("n\n" + "1\n" * 1000)
    with Terminal("ingest", "--url", server.url, "--table", unique, "--create", "--rate", 100, "--batch-rows", 10, file) as run:
        run.expect("[")
        run.expect(" %  ")
        run.expect(" rows/s")
        run.type(CTRL_C)
        run.expect("Interrupted; ")
        accepted = int(run.expect(" row"))
        assert run.wait() == 130
    assert 0 < accepted < 1000 and count(server, unique) == accepted


def test_a_server_that_goes_away_is_one_line(unique, tmp_path):
    with ServerProcess() as server:
        sql(server, f"CREATE TABLE {unique} (a BIGINT)")
        sender = subprocess.Popen(
            [BINARY, "ingest", "--url", server.url, "--table", unique, "--format", "csv", "--quiet", "-"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=clean_environment(),
        )
        sender.stdin.write("a\n1\n")
        sender.stdin.flush()
        wait_until(lambda: count(server, unique) == 1, what="the first row")
        server.kill()
        with pytest.raises(BrokenPipeError):
            while sender.poll() is None:
                sender.stdin.write("2\n" * 10000)
                sender.stdin.flush()
            raise BrokenPipeError
        error = sender.stderr.read()
        assert sender.wait(timeout=30) == 1
        assert error.count("\n") == 1 and "standard input: " in error and error.endswith("; 1 row was accepted\n")
        server.process.returncode = 0  # it was killed on purpose
