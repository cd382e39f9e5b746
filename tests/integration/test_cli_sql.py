"""`hyprstream sql` as a process: scripts, formats, and the shell on a terminal."""

import json
import os
import subprocess
import sys
import textwrap

import pyarrow as pa
import pytest
from server_process import BINARY, clean_environment, run_hyprstream, wait_until
from terminal import CTRL_C, CTRL_D, TAB, UP, Terminal

# Long enough that a test would fail if it were waited for.
ENDLESS = "SELECT count(*) FROM range(100000000000) a WHERE hash(a.range) = 1"


def run(server, *arguments, stdin=""):
    return run_hyprstream("sql", "--url", server.url, *arguments, stdin=stdin)


@pytest.fixture
def shell(server, tmp_path):
    with Terminal("sql", "--url", server.url, environment={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.expect("hyprstream> ")
        yield terminal


def test_four_formats(server):
    query = ("-c", "SELECT 1 AS n, 'a,b' AS t, NULL AS nothing, 1.5 AS d UNION ALL SELECT 20, '', NULL, 2 ORDER BY n")
    table = run(server, *query)[1].splitlines()
    assert [line.split() for line in table] == [["n", "t", "nothing", "d"], ["1", "a,b", "NULL", "1.5"], ["20", "NULL", "2.0"]]
    assert len({line.index(cell) + len(cell) for line, cell in zip(table, ["n", "1", "20"])}) == 1  # to the right
    assert run(server, "--format", "csv", *query)[1] == 'n,t,nothing,d\n1,"a,b",,1.5\n20,"",,2.0\n'
    lines = run(server, "--format", "json", *query)[1].splitlines()
    assert [json.loads(line) for line in lines] == [
        {"n": 1, "t": "a,b", "nothing": None, "d": 1.5}, {"n": 20, "t": "", "nothing": None, "d": 2.0}]
    done = subprocess.run([BINARY, "sql", "--url", server.url, "--format", "arrow", *query], capture_output=True,
                          env=clean_environment(), timeout=60, check=True)
    with pa.ipc.open_stream(done.stdout) as reader:
        assert reader.read_all().column("n").to_pylist() == [1, 20]


def test_values_are_shown_as_sql_writes_them(server):
    query = ("-c", "SELECT TIME '24:00:00' AS t, [TIME '24:00:00'] AS l, union_value(num := 2) AS u, "
                   "[union_value(name := 'x')] AS us, 0::DECIMAL(18,10) AS d, {'d': 0.0000000001::DECIMAL(18,10)} AS s")
    assert run(server, "--format", "csv", *query)[1] == (
        't,l,u,us,d,s\n24:00:00,"[""24:00:00""]",2,"[""x""]",0.0000000000,"{""d"":0.0000000001}"\n')
    assert run(server, "--format", "json", *query)[1] == (
        '{"t":"24:00:00","l":["24:00:00"],"u":2,"us":["x"],"d":0.0000000000,"s":{"d":0.0000000001}}\n')
    assert "0.0000000000" in run(server, *query)[1]


def test_statements_come_from_flags_files_and_pipes(server, unique, tmp_path):
    file = tmp_path / "script.sql"
    file.write_text(f"CREATE TABLE {unique} (a INTEGER); -- a comment; with a semicolon\n"
                    f"INSERT INTO {unique} VALUES (1), (2);\nSELECT sum(a) AS s\nFROM {unique}\n;")
    assert run(server, "--format", "csv", "-f", file) == (0, "s\n3\n", "")
    assert run(server, "--format", "csv", "-c", "SELECT 1 AS a; SELECT 2 AS b", "-c", "SELECT 3 AS c")[1] == (
        "a\n1\nb\n2\nc\n3\n")
    assert run(server, "--format", "csv", "-f", "-", stdin=f"SELECT max(a) AS m FROM {unique}")[1] == "m\n2\n"
    assert run(server, "--format", "csv", stdin="SELECT ';' AS x;")[1] == "x\n;\n"


def test_a_session_lasts_for_the_whole_script(server, unique):
    script = f"BEGIN; CREATE TABLE {unique} (a INTEGER); ROLLBACK"
    assert run(server, "-c", script)[0] == 0
    assert run(server, "-c", f"SELECT * FROM {unique}")[0] == 1
    assert run(server, "--format", "csv", "-c", "SET TimeZone = 'Asia/Tokyo'; SELECT current_setting('TimeZone') AS z")[
        1] == "z\nAsia/Tokyo\n"


def test_errors_are_one_line_and_stop_the_script(server, unique):
    status, out, error = run(server, "--format", "csv", "-c", f"SELECT 1 AS a; SELECT * FROM {unique}; SELECT 2 AS b")
    assert (status, out) == (1, "a\n1\n")
    assert error.startswith("hyprstream: ") and error.count("\n") == 1 and unique in error
    status, _, error = run_hyprstream("sql", "--url", "grpc://127.0.0.1:1", "-c", "SELECT 1")
    assert status == 1 and "No server answers there" in error and error.count("\n") == 1


def test_scripts_that_cannot_be_read(server, tmp_path):
    for file, why in [("/nowhere/x.sql", "No such file or directory"), (tmp_path, "Is a directory")]:
        assert run(server, "-f", file) == (1, "", f"hyprstream: Cannot read {file}: {why}\n")
    (tmp_path / "empty.sql").write_text("")
    assert run(server, "-f", tmp_path / "empty.sql") == (0, "", "")
    folder = os.open(tmp_path, os.O_RDONLY)
    done = subprocess.run([BINARY, "sql", "--url", server.url], stdin=folder, capture_output=True, text=True,
                          env=clean_environment(), timeout=60)
    os.close(folder)
    assert (done.returncode, done.stderr) == (1, "hyprstream: Cannot read standard input: Is a directory\n")


def test_long_scripts_are_read_whole(server, tmp_path):
    script = tmp_path / "long.sql"
    script.write_text("SELECT 1 AS a;" + "\n" * (3 << 20) + "SELECT 2 AS b")
    assert run(server, "--format", "csv", "-f", script) == (0, "a\n1\nb\n2\n", "")
    assert run(server, "--format", "csv", stdin=script.read_text()) == (0, "a\n1\nb\n2\n", "")


@pytest.mark.parametrize("command", [("sql", "-c", "SELECT 1"), ("ingest", "--table", "t", "-")])
def test_wrong_flags_are_told_before_anything_is_begun(tmp_path, command):
    secret = tmp_path / "secret"
    secret.write_text("s\n")
    (tmp_path / "blank").write_text("\ns\n")
    for flags, words in [
        (("--user", "me"), "--user and --password-file go together"),
        (("--password-file", secret), "--user and --password-file go together"),
        (("--token-file", secret, "--password-file", secret), "--user and --password-file go together"),
        (("--token-file", secret, "--user", "me", "--password-file", secret), "either --token-file or --user"),
        (("--token-file", "/nowhere"), "Cannot read /nowhere: No such file"),
        (("--token-file", tmp_path), "Is a directory"),
        (("--token-file", tmp_path / "blank"), "begins with an empty line"),
        (("--user", "me", "--password-file", "/nowhere"), "Cannot read /nowhere"),
        (("--tls-roots", "/nowhere"), "Cannot read /nowhere"),
        (("--url", "http://x"), "is no address of a server"),
        (("--url", "grpcs://x:1"), "is no address of a server"),
        (("--url", "grpc://::1:1"), "is no address of a server"),
        (("--format", "xml"), "--format"),
    ]:
        status, out, error = run_hyprstream(*command, *flags)
        assert (status, out) == (2, "") and words in error and error.count("\n") == 1, (flags, error)


def test_the_shell_runs_statements_of_several_lines(shell):
    shell.type("SELECT 40 +\n")
    shell.expect("...> ")
    shell.type("2 AS answer, 'a;b' AS text;\n")
    shell.expect("│ a;b")
    shell.expect("(1 row)")
    shell.expect(" ms")
    shell.expect("hyprstream> ")
    shell.type(".timing off\n")
    shell.expect("hyprstream> ")
    shell.type("SELECT 1;\n")
    assert " ms" not in shell.expect("hyprstream> ").split("(1 row)")[1]
    shell.type(".quit\n")
    assert shell.wait() == 0


def test_the_shell_knows_tables_and_schemas(shell, server, unique):
    run(server, "-c", f"CREATE TABLE {unique}_flights (a INTEGER NOT NULL, b VARCHAR)")
    shell.type(".tables\n")
    shell.expect(f"main.{unique}_flights")
    shell.type(f".schema {unique}_flights\n")
    shell.expect("int32")
    shell.expect("string")
    shell.type(f"SELECT count(*) FROM {unique}_fl{TAB}")
    shell.expect("ights ")  # the rest of the name
    shell.type(";\n")
    shell.expect("(1 row)")
    shell.expect("hyprstream> ")
    shell.type(f"SELE{TAB}7 AS seven;\n")
    shell.expect("CT ")  # the rest of the keyword
    shell.expect("(1 row)")
    shell.type(".tabels\n")
    shell.expect("did you mean .tables?")
    shell.type(".help\n")
    shell.expect("Ctrl-C")


def test_an_error_leaves_the_shell_running(shell):
    shell.type("SELEC 1;\n")
    shell.expect("syntax error")
    shell.type("SELECT 'still' || 'here';\n")
    shell.expect("stillhere")
    shell.expect("hyprstream> ")
    shell.press(CTRL_D)
    assert shell.wait() == 0


@pytest.mark.parametrize("statement", [ENDLESS, "CREATE TABLE never AS " + ENDLESS])
def test_ctrl_c_cancels_the_query_and_not_the_shell(shell, server, statement):
    shell.type(statement + ";\n")
    query = ("--format", "csv", "-c", "SELECT count(*) AS n FROM hyprstream.queries WHERE state = 'running' "
             "AND text LIKE '%100000000000%' AND text NOT LIKE '%hyprstream.queries%'")
    shell.expect(";")
    wait_until(lambda: run(server, *query) == (0, "n\n1\n", ""), what="the query's start")
    shell.type(CTRL_C)
    shell.expect("Cancelled")
    shell.type("SELECT 'still' || 'here';\n")
    shell.expect("stillhere")
    wait_until(lambda: run(server, *query) == (0, "n\n0\n", ""), what="the query's end")


def test_ctrl_c_drops_the_line(shell):
    shell.type("SELECT 1 +\n")
    shell.expect("...> ")
    shell.press(CTRL_C)
    shell.expect("hyprstream> ")
    shell.type("SELECT 'fr' || 'esh';\n")
    shell.expect("fresh")


def test_the_history_is_kept(server, tmp_path):
    for first in (True, False):
        with Terminal("sql", "--url", server.url, environment={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
            terminal.expect("hyprstream> ")
            terminal.type("SELECT 'remem' || 'bered';\n" if first else UP + "\n")
            terminal.expect("remembered")
            terminal.expect("hyprstream> ")
            terminal.press(CTRL_D)
            assert terminal.wait() == 0
    history = tmp_path / "hyprstream" / "history"
    assert "remem" in history.read_text() and history.stat().st_mode & 0o77 == 0


def test_the_history_has_no_passwords(server, tmp_path):
    with Terminal("sql", "--url", server.url, environment={"XDG_STATE_HOME": str(tmp_path)}) as terminal:
        terminal.expect("hyprstream> ")
        terminal.type("Attach 'postgresql://u:hush@localhost/db'\n")
        terminal.expect("...> ")
        terminal.type("AS there (TYPE adbc, DRIVER 'postgresql');\n")
        terminal.expect("hyprstream> ")
        terminal.type("SELECT 'remem' || 'bered';\n")
        terminal.expect("remembered")
        terminal.expect("hyprstream> ")
        terminal.press(CTRL_D)
        assert terminal.wait() == 0
    history = (tmp_path / "hyprstream" / "history").read_text()
    assert "remem" in history and "hush" not in history and "there" not in history


# Only what Flight SQL demands: no prepared statements, sessions, cookies or metadata of ours.
FOREIGN_SERVER = """
    import pyarrow as pa, pyarrow.flight as flight, sys

    class Server(flight.FlightServerBase):
        def get_flight_info(self, context, descriptor):
            assert b"CommandStatementQuery" in descriptor.command
            schema = pa.schema([("x", pa.int64())])
            return flight.FlightInfo(schema, descriptor, [flight.FlightEndpoint(b"t", [])], -1, -1)
        def do_get(self, context, ticket):
            return flight.RecordBatchStream(pa.table({"x": [1, 2]}))
        def do_action(self, context, action):
            raise NotImplementedError("no " + action.type)

    server = Server("grpc://127.0.0.1:0")
    print(server.port, flush=True)
    server.serve()
"""


def test_any_flight_sql_server_will_do():
    foreign = subprocess.Popen([sys.executable, "-c", textwrap.dedent(FOREIGN_SERVER)], stdout=subprocess.PIPE, text=True)
    try:
        url = f"grpc://127.0.0.1:{int(foreign.stdout.readline())}"
        status, out, error = run_hyprstream("sql", "--url", url, "--format", "csv", "-c", "whatever")
        assert (status, out) == (0, "x\n1\n2\n"), error
    finally:
        foreign.kill()
        foreign.wait()
