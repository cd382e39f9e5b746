"""Redis and Valkey as a backend, through the server's port, from a stock client.

What the driver does by itself is in tests/clients/python/test_redis_driver_*.py.
"""

import threading

import pyarrow as pa
import pytest

from certificates import certify
from flight_sql_client import USERS, connected, refused, runner
from redis_driver import connect
from server_process import ServerProcess, wait_until
from valkey_server import ValkeyServer

PASSWORD = "valkey-hunter2-4c1d"  # never to be seen anywhere


@pytest.fixture(scope="module")
def valkey():
    with ValkeyServer(password=PASSWORD) as server:
        yield server


@pytest.fixture(scope="module")
def server(valkey):
    with ServerProcess("--log-level", "debug", environment={"HYPRSTREAM_USERS": USERS}) as process:
        with runner(process) as run:
            run(f"ATTACH '{valkey.uri}' AS hot (TYPE adbc, DRIVER 'redis')")
        yield process
    assert PASSWORD not in process.last_log


@pytest.fixture
def run(server):
    with runner(server) as execute, connected(server) as connection, connection.cursor() as cursor:
        execute.explain = lambda query: cursor.execute("EXPLAIN " + query).fetchall()
        yield execute


@pytest.fixture
def table(run, request):
    """A table of two rows that goes with its test."""
    name = f"hot.main.{request.node.originalname}"
    run(f"CREATE TABLE {name} (id BIGINT PRIMARY KEY, v VARCHAR)")
    run(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b')")
    yield name
    run(f"DROP TABLE IF EXISTS {name}")


@pytest.fixture
def sensors(run):
    """A thousand rows, one a second, in the order of their ids."""
    run("CREATE TABLE hot.main.sensors (id BIGINT PRIMARY KEY, ts TIMESTAMP NOT NULL, v DOUBLE) WITH (time = 'ts')")
    run("INSERT INTO hot.main.sensors SELECT i, TIMESTAMP '2024-01-01' + INTERVAL 1 SECOND * i, i / 2 FROM range(1000) r(i)")
    yield "hot.main.sensors"
    run("DROP TABLE hot.main.sensors")


class TestMetadata:
    def test_of_the_backend_and_its_tables(self, server, run, table):
        ((state, target),) = run("SELECT state, target FROM hyprstream.backends WHERE name = 'hot'")
        assert state == "available" and "127.0.0.1" in target and PASSWORD not in target
        with connected(server) as connection:
            (catalog,) = connection.adbc_get_objects(depth="all", catalog_filter="hot").read_all().to_pylist()
            (schema,) = catalog["catalog_db_schemas"]
            found = {entry["table_name"]: entry for entry in schema["db_schema_tables"]}[table.rpartition(".")[2]]
        assert schema["db_schema_name"] == "main"
        assert [column["column_name"] for column in found["table_columns"]] == ["id", "v"]

    def test_of_a_table_that_changes(self, run, valkey):
        with connect(valkey) as redis, redis.cursor() as cursor:
            cursor.execute("CREATE TABLE changing (a INTEGER)")
            assert run("FROM hot.main.changing") == []
            cursor.execute("DROP TABLE changing")
            refused(lambda: run("FROM hot.main.changing"), "changing")
            cursor.execute("CREATE TABLE changing (b TEXT, c DATE)")
            assert run("SELECT count(*) FROM hot.main.changing") == [(0,)]
            cursor.execute("DROP TABLE changing")


class TestPushdown:
    @pytest.mark.parametrize("query, shown, rows", [
        ("SELECT v FROM {} WHERE id = 7", ["Conditions sent", "id=7"], [(3.5,)]),
        ("SELECT v FROM {} WHERE id IN (7, 8, 5000)", ["Conditions sent"], [(3.5,), (4.0,)]),
        ("SELECT id FROM {} WHERE ts BETWEEN TIMESTAMP '2024-01-01 00:00:10' AND TIMESTAMP '2024-01-01 00:00:11'", ["Conditions sent"], [(10,), (11,)]),
        ("SELECT id FROM {} ORDER BY ts DESC LIMIT 2", ['ORDER BY "ts" DESC LIMIT 2'], [(999,), (998,)]),
        ("SELECT id, v FROM {} WHERE ts >= TIMESTAMP '2024-01-01 00:00:20' ORDER BY ts LIMIT 1",
         ['SELECT "id"', "WHERE \"ts\" >= '2024-01-01 00:00:20.000000' ORDER BY \"ts\" LIMIT 1"], [(20, 10.0)]),
        ("SELECT id FROM {} WHERE v > 499 ORDER BY ts DESC LIMIT 1", [], [(999,)]),
        ("SELECT id FROM {} ORDER BY v DESC LIMIT 1", [], [(999,)]),
        ("SELECT id FROM {} ORDER BY ts DESC, id LIMIT 1", [], [(999,)])])
    def test_explain_shows_what_is_sent(self, run, sensors, query, shown, rows):
        plan = self.plan(run, query.format(sensors))
        for text in shown:
            assert text.replace(" ", "") in plan
        if not shown:
            assert "Statementsent" not in plan
        assert sorted(run(query.format(sensors))) == sorted(rows)

    @staticmethod
    def plan(run, query):
        """Its text, without the boxes that it is drawn in, and without blanks: lines are broken anywhere."""
        text = "".join(part for _, part in run.explain(query))
        return "".join(letter for letter in text if letter not in "│┌┐└┘─┬┴├┤┼ \n")


class TestWriting:
    def test_every_type_comes_back_as_it_was(self, run):
        columns = {
            "b BOOLEAN": "true", "i1 TINYINT": "-128", "i2 SMALLINT": "-32768", "i4 INTEGER": "-2147483648",
            "i8 BIGINT": "(-9223372036854775808)", "u1 UTINYINT": "255", "u2 USMALLINT": "65535", "u4 UINTEGER": "4294967295",
            "u8 UBIGINT": "18446744073709551615", "f4 FLOAT": "'-inf'::FLOAT", "f8 DOUBLE": "0.1::DOUBLE",
            "d DECIMAL(38, 2)": "999999999999999999999999999999999999.99::DECIMAL(38, 2)", "t VARCHAR": "'it''s ä'",
            "y BLOB": "'\\x00\\xFF'::BLOB", "da DATE": "DATE '0001-01-01'", "ts TIMESTAMP": "TIMESTAMP '1969-12-31 23:59:59.999999'",
            "tss TIMESTAMP_S": "'2024-01-02 03:04:05'::TIMESTAMP_S", "tsm TIMESTAMP_MS": "'1969-12-31 23:59:59.999'::TIMESTAMP_MS",
            "tsn TIMESTAMP_NS": "'2024-01-02 03:04:05.123456789'::TIMESTAMP_NS",
            "tz TIMESTAMPTZ": "'2024-01-02 03:04:05+00'::TIMESTAMPTZ", "un UUID": "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::UUID"}
        run(f"CREATE TABLE hot.main.types ({', '.join(columns)})")
        assert run(f"INSERT INTO hot.main.types VALUES ({', '.join(columns.values())}), ({', '.join(['NULL'] * len(columns))})") == 2
        equal = ", ".join(f"{column.split()[0]} = {value}" for column, value in columns.items())
        assert run(f"SELECT {equal} FROM hot.main.types WHERE i1 IS NOT NULL") == [(True,) * len(columns)]
        assert run("SELECT count(*) FROM hot.main.types WHERE COALESCE(b::VARCHAR, t, y::VARCHAR, u8::VARCHAR) IS NULL") == [(1,)]
        run("DROP TABLE hot.main.types")

    @pytest.mark.parametrize("type, why", [
        ("TIME", "time"), ("INTERVAL", "interval"), ("BIGINT[]", "list"), ("STRUCT(a INT)", "struct"), ("HUGEINT", "HUGEINT")])
    def test_types_that_it_cannot_hold_are_refused(self, run, type, why):
        refused(lambda: run(f"CREATE TABLE hot.main.none (v {type})"), why)
        refused(lambda: run("FROM hot.main.none"), "none")

    @pytest.mark.parametrize("type, value, shown", [
        ("BIGINT", "18446744073709551615::UBIGINT", "18446744073709551615"), ("TINYINT", "128", "128"), ("BIGINT", "1.5", "1.5"),
        ("TIMESTAMP", "'2024-01-02 03:04:05.123456789'::TIMESTAMP_NS", "123456789"), ("DECIMAL(4, 2)", "1.239::DECIMAL(9, 3)", "1.239"),
        ("DECIMAL(4, 2)", "123.00::DECIMAL(9, 2)", "123.00"), ("FLOAT", "0.1::DOUBLE", "0.1"), ("UBIGINT", "-1", "-1"),
        ("TIMESTAMP_S", "'1969-12-31 23:59:59.5'::TIMESTAMP", "59.5")])
    def test_values_that_do_not_fit_are_refused_with_their_place(self, run, type, value, shown):
        run(f"CREATE TABLE hot.main.fits (k BIGINT PRIMARY KEY, v {type})")
        refused(lambda: run(f"INSERT INTO hot.main.fits SELECT i, CASE WHEN i = 7 THEN {value} END FROM range(10) r(i)"), "Column v, row 7", shown)
        assert run("SELECT count(*) FROM hot.main.fits") == [(0,)]
        run("DROP TABLE hot.main.fits")

    def test_time_columns_and_retention_are_options_of_the_table(self, run, valkey):
        run("CREATE TABLE hot.main.timed (id INTEGER PRIMARY KEY, ts TIMESTAMP NOT NULL, v DOUBLE) WITH (time = 'ts', retention = '7 days')")
        run("INSERT INTO hot.main.timed SELECT i, (now() AT TIME ZONE 'UTC') - INTERVAL 5 DAY * i, i FROM range(3) r(i)")
        assert run("SELECT id FROM hot.main.timed ORDER BY ts") == [(1,), (0,)]  # the third is over
        refused(lambda: run("INSERT INTO hot.main.timed VALUES (9, NULL, 1)"), "Column ts, row 0", "NOT NULL")
        refused(lambda: run("CREATE TABLE hot.main.wrong (id INTEGER) WITH (colour = 'red')"), "colour")
        refused(lambda: run("CREATE TABLE hot.main.wrong (a INTEGER, b INTEGER, PRIMARY KEY (a, b))"), "one column")
        run("DROP TABLE hot.main.timed")

    def test_a_key_that_is_there_is_refused(self, run, table):
        refused(lambda: run(f"INSERT INTO {table} VALUES (3, 'c'), (2, 'again')"), "Column id, row 1: 2")
        refused(lambda: run(f"INSERT INTO {table} SELECT i % 3000 + 10, 'x' FROM range(5000) r(i)"), "row 3000: 10")
        assert run(f"SELECT * FROM {table} ORDER BY id") == [(1, "a"), (2, "b")]

    def test_keys_are_merged(self, run, table):
        assert run(f"INSERT INTO {table} VALUES (2, 'B'), (3, 'c') ON CONFLICT (id) DO UPDATE SET v = excluded.v") == 2
        assert run(f"INSERT INTO {table} VALUES (3, 'never'), (4, 'd'), (4, 'second') ON CONFLICT DO NOTHING") == 1
        assert run(f"SELECT * FROM {table} ORDER BY id") == [(1, "a"), (2, "B"), (3, "c"), (4, "d")]
        refused(lambda: run(f"INSERT INTO {table} VALUES (1, 'x') ON CONFLICT (v) DO NOTHING"), "primary key is id")
        refused(lambda: run(f"INSERT INTO {table} VALUES (8, 'x'), (8, 'y') ON CONFLICT (id) DO UPDATE SET v = excluded.v"), "second time")

    def test_rows_are_merged_by_a_join(self, run, table):
        assert run(f"MERGE INTO {table} AS t USING (VALUES (1, NULL), (2, 'B'), (3, 'c')) AS s(id, v) ON t.id = s.id "
                   "WHEN MATCHED AND s.v IS NULL THEN DELETE WHEN MATCHED THEN UPDATE SET v = s.v "
                   "WHEN NOT MATCHED THEN INSERT (id, v) VALUES (s.id, s.v)") == 3
        assert run(f"SELECT * FROM {table} ORDER BY id") == [(2, "B"), (3, "c")]

    def test_rows_are_updated_and_deleted(self, run, table):
        run(f"INSERT INTO {table} SELECT i, 'n' || i FROM range(10, 3010) r(i)")
        assert run(f"UPDATE {table} SET v = upper(v) WHERE id >= 1010") == 2000
        assert run(f"DELETE FROM {table} WHERE v LIKE 'N%5'") == 200
        assert run(f"SELECT count(*), count(*) FILTER (WHERE v LIKE 'N%') FROM {table}") == [(2802, 1800)]
        refused(lambda: run(f"UPDATE {table} SET id = id + 1"), "does not change the primary key")
        refused(lambda: run(f"UPDATE {table} SET v = x FROM (VALUES (1, 'p'), (1, 'q')) AS n(i, x) WHERE id = i"), "two values to row 1")
        refused(lambda: run(f"UPDATE {table} SET v = 'x' WHERE id = 1 RETURNING id"), "RETURNING")
        assert run(f"SELECT v FROM {table} WHERE id = 1") == [("a",)]
        assert run(f"DELETE FROM {table}") == 2802

    def test_rows_without_a_key_are_only_added(self, run):
        run("CREATE TABLE hot.main.heap AS SELECT i AS a FROM range(3) r(i)")
        for sql in ("DELETE FROM hot.main.heap WHERE a = 1", "UPDATE hot.main.heap SET a = 1", "INSERT INTO hot.main.heap VALUES (1) ON CONFLICT DO NOTHING"):
            refused(lambda: run(sql), "has no primary key")
        assert run("INSERT INTO hot.main.heap VALUES (1)") == 1
        assert run("SELECT a FROM hot.main.heap ORDER BY a") == [(0,), (1,), (1,), (2,)]
        run("DROP TABLE hot.main.heap")

    def test_a_failed_create_as_leaves_nothing(self, run, valkey):
        refused(lambda: run("CREATE TABLE hot.main.half AS SELECT CASE WHEN i < 9000 THEN i ELSE error('stop')::BIGINT END AS a FROM range(10000) r(i)"), "stop")
        refused(lambda: run("FROM hot.main.half"), "half")
        assert "half}:1" not in valkey.run("KEYS", "*half*")


class TestTransactions:
    def test_are_seen_as_a_whole(self, server, run, table):
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (3, 'c')")
            cursor.execute(f"INSERT INTO {table} VALUES (4, 'd')")
            assert run(f"SELECT count(*) FROM {table}") == [(2,)]
            connection.commit()
            assert run(f"SELECT count(*) FROM {table}") == [(4,)]
            cursor.execute(f"DELETE FROM {table} WHERE id = 3")
            connection.rollback()
        assert run(f"SELECT count(*) FROM {table}") == [(4,)]

    def test_do_not_see_what_they_have_written_and_say_so(self, server, run, table):
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (3, 'c')")
            refused(lambda: cursor.execute(f"SELECT * FROM {table}"), "commit before you read")
            refused(connection.commit, "aborted")
        assert run(f"SELECT count(*) FROM {table}") == [(2,)]

    def test_fail_where_somebody_else_has_changed_what_they_read(self, server, run, table):
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(f"UPDATE {table} SET v = v || '!' WHERE id = 1")
            run(f"UPDATE {table} SET v = 'theirs' WHERE id = 1")
            refused(connection.commit, "Somebody else")
        assert run(f"SELECT v FROM {table} WHERE id = 1") == [("theirs",)]

    def test_write_local_tables_or_this_backend(self, server, run, table):
        run("CREATE TABLE IF NOT EXISTS here (v BIGINT)")
        with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
            cursor.execute(f"INSERT INTO {table} VALUES (3, 'c')")
            refused(lambda: cursor.execute("INSERT INTO here VALUES (1)"), "hot")
        assert run(f"SELECT count(*) FROM {table}") == [(2,)]

    def test_of_several_clients_lose_nothing(self, server, run, table):
        """Of those that change one table at a time some are told to run again; nothing is lost in silence."""
        committed = []

        def write(writer):
            with connected(server) as connection, connection.cursor() as cursor:
                for i in range(20):
                    try:
                        cursor.execute(f"UPDATE {table} SET v = v || '{writer}' WHERE id = 1")
                    except Exception as error:  # noqa: BLE001
                        assert "Somebody else" in str(error), error
                    else:
                        committed.append(writer)

        threads = [threading.Thread(target=write, args=(writer,)) for writer in "wxyz"]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        ((value,),) = run(f"SELECT v FROM {table} WHERE id = 1")
        assert committed and sorted(value[1:]) == sorted(committed)


class TestWhatOthersWrite:
    def test_hashes_are_read(self, run, valkey):
        for i in range(3):
            valkey.run("HSET", f"user:{i}", "name", f"n{i}")
        run("CREATE TABLE hot.main.users (id BIGINT PRIMARY KEY, name VARCHAR) WITH (hashes = 'user:*')")
        assert run("SELECT * FROM hot.main.users ORDER BY id") == [(0, "n0"), (1, "n1"), (2, "n2")]
        assert run("SELECT name FROM hot.main.users WHERE id = 1") == [("n1",)]
        for sql in ("INSERT INTO hot.main.users VALUES (9, 'x')", "UPDATE hot.main.users SET name = 'x'", "DELETE FROM hot.main.users"):
            refused(lambda: run(sql), "only read")
        run("DROP TABLE hot.main.users")
        assert valkey.run("HGET", "user:1", "name") == "n1"

    def test_streams_are_read_and_appended_to(self, run, valkey):
        run("CREATE TABLE hot.main.events (id VARCHAR PRIMARY KEY, ts TIMESTAMP_MS, kind VARCHAR, n BIGINT) WITH (stream = 'events', time = 'ts')")
        assert run("INSERT INTO hot.main.events (kind, n) SELECT 'k' || i, i FROM range(3000) r(i)") == 3000
        assert valkey.run("XLEN", "events") == "3000"
        assert run("SELECT kind, n FROM hot.main.events ORDER BY ts DESC LIMIT 1") == [("k2999", 2999)]
        ((id, now),) = run("SELECT id, ts BETWEEN now()::TIMESTAMP - INTERVAL 1 HOUR AND now()::TIMESTAMP + INTERVAL 1 HOUR FROM hot.main.events WHERE n = 7")
        assert now and run(f"SELECT n FROM hot.main.events WHERE id = '{id}'") == [(7,)]
        assert run("DELETE FROM hot.main.events WHERE n >= 5") == 2995
        assert valkey.run("XLEN", "events") == "5"
        refused(lambda: run("UPDATE hot.main.events SET n = 1"), "by their ids")
        refused(lambda: run("INSERT INTO hot.main.events (id, n) VALUES ('1-1', 1)"), "not greater than")
        run("DROP TABLE hot.main.events")
        assert valkey.run("XLEN", "events") == "5"


def test_ingest_in_all_modes(server, run):
    rows = pa.table({"b": pa.array(["x", None]), "a": pa.array([1, 2], pa.int64())})
    with connected(server) as connection, connection.cursor() as cursor:
        def ingest(mode, data=rows):
            return cursor.adbc_ingest("ingested", data, mode=mode, catalog_name="hot", db_schema_name="main")

        refused(lambda: ingest("append"), "ingested")
        assert ingest("create") == 2
        refused(lambda: ingest("create"), "already exists")
        assert ingest("append", rows.select(["a", "b"])) == 2
        assert ingest("create_append") == 2
        refused(lambda: ingest("append", pa.table({"a": pa.array([1, 1.5])})), "Column a, row 1", "1.5")
        assert run("SELECT a, b, count(*) FROM hot.main.ingested GROUP BY ALL ORDER BY a") == [(1, "x", 3), (2, None, 3)]
        assert ingest("replace", pa.table({"c": pa.array(range(200_000))})) == 200_000
        assert run("SELECT count(*), sum(c)::BIGINT FROM hot.main.ingested") == [(200_000, 199_999 * 100_000)]
        run("DROP TABLE hot.main.ingested")


def test_what_is_written_there_is_read_by_others(server, run, table, valkey):
    with connect(valkey) as redis, redis.cursor() as cursor:
        name = table.rpartition(".")[2]
        assert cursor.execute(f"SELECT * FROM {name}").fetchall() == [(1, "a"), (2, "b")]
        cursor.execute(f"INSERT INTO {name} VALUES (3, 'theirs')")
    assert run(f"SELECT v FROM {table} WHERE id = 3") == [("theirs",)]


class TestFailures:
    @pytest.fixture
    def big(self, run):
        run("CREATE TABLE IF NOT EXISTS hot.main.big AS SELECT i, repeat('x', 500) AS filling FROM range(100000) r(i)")
        yield "hot.main.big"

    def test_a_cancelled_query_ends(self, server, run, big, valkey):
        with connected(server) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT a.i FROM {big} a, {big} b")
            cursor.fetch_record_batch().read_next_batch()
            cursor.adbc_cancel()
        wait_until(lambda: run("SELECT pool_in_use FROM hyprstream.backends WHERE name = 'hot'") == [(0,)], what="the end of the query")
        assert run(f"SELECT count(*) FROM {big}") == [(100_000,)]

    def test_a_cancelled_write_writes_nothing(self, server, run, table):
        with connected(server) as connection, connection.cursor() as cursor:
            def cancel():
                wait_until(lambda: run("SELECT pool_in_use FROM hyprstream.backends WHERE name = 'hot'") != [(0,)], what="the begin of the write")
                cursor.adbc_cancel()

            other = threading.Thread(target=cancel)
            other.start()
            with pytest.raises(Exception):  # noqa: B017
                cursor.execute(f"INSERT INTO {table} SELECT i + 10, repeat('x', 100) FROM range(100000000) r(i)")
            other.join()
        wait_until(lambda: run("SELECT pool_in_use FROM hyprstream.backends WHERE name = 'hot'") == [(0,)], what="the end of the write")
        assert run(f"SELECT count(*) FROM {table}") == [(2,)]

    def test_a_server_that_hangs_costs_the_time_out(self, server, run):
        with ValkeyServer(password=PASSWORD) as hanging:
            run(f"ATTACH '{hanging.uri}' AS slow (TYPE adbc, DRIVER 'redis', STATEMENT_TIMEOUT '500 ms')")
            run("CREATE TABLE slow.main.t (id BIGINT PRIMARY KEY)")
            hanging.freeze()
            refused(lambda: run("INSERT INTO slow.main.t VALUES (1)"), "500 ms")
            refused(lambda: run("FROM slow.main.t"), "slow")
            hanging.thaw()
            wait_until(lambda: works(run, "SELECT count(*) FROM slow.main.t"), what="the answer after the hang")
            assert run("INSERT INTO slow.main.t VALUES (2)") == 1
            run("DETACH slow")

    def test_a_wrong_password_is_refused_and_not_shown(self, run, valkey):
        wrong = valkey.uri.replace(PASSWORD, PASSWORD + "-wrong")
        assert PASSWORD not in refused(lambda: run(f"ATTACH '{wrong}' AS wrong (TYPE adbc, DRIVER 'redis')"), "password")
        none = valkey.uri.replace(f":{PASSWORD}@", "")
        refused(lambda: run(f"ATTACH '{none}' AS wrong (TYPE adbc, DRIVER 'redis')"), "password")
        run(f"ATTACH '{none}' AS right (TYPE adbc, DRIVER 'redis', PASSWORD '{PASSWORD}')")
        run("DETACH right")

    def test_tls_is_verified(self, run, tmp_path):
        folder = certify(tmp_path)
        with ValkeyServer(password=PASSWORD, tls_folder=folder) as valkey:
            authority = f'"adbc.redis.tls.ca_file" \'{folder / "ca.pem"}\''
            refused(lambda: run(f"ATTACH '{valkey.uri}' AS safe (TYPE adbc, DRIVER 'redis')"), "TLS with")
            wrong = valkey.uri.replace("127.0.0.1", "localhost")
            refused(lambda: run(f"ATTACH '{wrong}' AS safe (TYPE adbc, DRIVER 'redis', {authority})"), "TLS with")
            plain = valkey.uri.replace("rediss:", "redis:")
            refused(lambda: run(f"ATTACH '{plain}' AS safe (TYPE adbc, DRIVER 'redis')"), "safe")
            run(f"ATTACH '{valkey.uri}' AS safe (TYPE adbc, DRIVER 'redis', {authority})")
            run("CREATE TABLE safe.main.t AS SELECT i FROM range(20000) r(i)")
            assert run("SELECT count(*), sum(i)::BIGINT FROM safe.main.t") == [(20_000, 199_990_000)]
            run("DETACH safe")

    def test_a_server_that_stops_in_mid_stream_and_comes_back(self, server, run):
        with ValkeyServer(password=PASSWORD) as valkey:
            run(f"ATTACH '{valkey.uri}' AS gone (TYPE adbc, DRIVER 'redis')")
            run("CREATE TABLE gone.main.t AS SELECT i, repeat('x', 500) AS filling FROM range(100000) r(i)")
            with connected(server) as connection, connection.cursor() as cursor:
                cursor.execute("SELECT * FROM gone.main.t")
                stream = cursor.fetch_record_batch()
                stream.read_next_batch()
                valkey.stop()
                with pytest.raises(Exception, match="gone"):
                    for _ in stream:
                        pass
            assert PASSWORD not in refused(lambda: run("SELECT count(*) FROM gone.main.t"), "gone")
            refused(lambda: run("INSERT INTO gone.main.t VALUES (1, 'x')"), "gone")
            valkey.restart()  # and is empty
            wait_until(lambda: works(run, "CREATE TABLE gone.main.again (i BIGINT)"), what="the server that is back")
            assert run("INSERT INTO gone.main.again VALUES (1)") == 1
            run("DETACH gone")

    def test_a_server_that_stops_in_a_transaction(self, server, run):
        with ValkeyServer(password=PASSWORD) as valkey:
            run(f"ATTACH '{valkey.uri}' AS gone (TYPE adbc, DRIVER 'redis')")
            run("CREATE TABLE gone.main.t (i BIGINT PRIMARY KEY)")
            with connected(server, autocommit=False) as connection, connection.cursor() as cursor:
                cursor.execute("INSERT INTO gone.main.t VALUES (1)")
                valkey.stop()
                refused(connection.commit, "gone")
            run("DETACH gone")


def works(run, sql):
    try:
        run(sql)
        return True
    except Exception:  # noqa: BLE001
        return False
