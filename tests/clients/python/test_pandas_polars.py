"""pandas and Polars over the stock ADBC driver, both ways."""

import datetime
import decimal

import pandas as pd
import polars as pl
import pytest
from adbc_calls import run, rows, value

QUERY = """SELECT 1::TINYINT AS i8, 2::UBIGINT AS u64, 3::HUGEINT AS huge, 1.5::DOUBLE AS d, 1.25::DECIMAL(9,2) AS dec,
  'text' AS s, true AS b, DATE '2024-02-29' AS day, TIMESTAMP '2024-02-29 12:00:00' AS ts,
  TIMESTAMPTZ '2024-02-29 12:00:00+00' AS tz, 'high'::ENUM('low', 'high') AS e, [1, 2] AS l, {'a': 1} AS st,
  uuid '01020304-0506-0708-090a-0b0c0d0e0f10' AS u, NULL AS n"""


def test_pandas_reads(auto):
    frame = pd.read_sql(QUERY, auto)
    assert len(frame) == 1 and frame["i8"][0] == 1 and frame["u64"][0] == 2 and frame["s"][0] == "text"
    assert frame["ts"][0] == pd.Timestamp("2024-02-29 12:00") and frame["tz"][0] == pd.Timestamp("2024-02-29 12:00", tz="UTC")
    assert int(frame["huge"][0]) == 3 and frame["e"][0] == "high" and list(frame["l"][0]) == [1, 2]


def test_parameters_are_beyond_pandas(auto):
    with pytest.raises(NotImplementedError):
        pd.read_sql("SELECT ?::INTEGER * 2 AS x", auto, params=(21,))


def test_pandas_writes(auto, unique):
    frame = pd.DataFrame({"i": [1, 2, 3], "s": ["a", None, "c"], "t": pd.to_datetime(["2024-01-01", None, "2024-01-03"]),
                          "c": pd.Categorical(["x", "y", "x"])})
    assert frame.to_sql(unique, auto, index=False) == 3
    assert frame.to_sql(unique, auto, index=False, if_exists="append") == 3
    assert value(auto, f"SELECT count(*) FROM {unique}") == 6
    assert frame.to_sql(unique, auto, index=False, if_exists="replace") == 3
    back = pd.read_sql(f"SELECT * FROM {unique} ORDER BY i", auto)
    assert back["i"].tolist() == [1, 2, 3] and back["c"].tolist() == ["x", "y", "x"] and back["s"].isna().tolist() == [
        False, True, False]
    assert back["t"][2] == pd.Timestamp("2024-01-03")


def test_pandas_in_a_transaction(connection, other, unique):
    pd.DataFrame({"i": [1, 2]}).to_sql(unique, connection, index=False)
    assert pd.read_sql(f"SELECT sum(i) AS s FROM {unique}", connection)["s"].tolist() == [3]
    connection.commit()
    assert value(other, f"SELECT count(*) FROM {unique}") == 2


def test_pandas_reads_a_table(auto, unique):
    run(auto, f"CREATE TABLE {unique} AS SELECT * FROM range(3) t(i)")
    assert pd.read_sql_table(unique, auto)["i"].tolist() == [0, 1, 2]


def test_polars_reads(auto):
    frame = pl.read_database(QUERY, auto)
    (row,) = frame.to_dicts()
    assert row["dec"] == decimal.Decimal("1.25") and row["day"] == datetime.date(2024, 2, 29) and row["l"] == [1, 2]
    assert row["st"] == {"a": 1} and row["huge"] == 3 and row["e"] == "high" and row["n"] is None
    assert row["tz"] == datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.timezone.utc)
    assert row["u"] == "01020304-0506-0708-090a-0b0c0d0e0f10"


def test_polars_reads_in_batches(auto):
    frames = list(pl.read_database("SELECT i FROM range(300000) t(i)", auto, iter_batches=True, batch_size=100000))
    assert sum(len(frame) for frame in frames) == 300000


def test_polars_writes(auto, unique):
    frame = pl.DataFrame({"i": [1, 2], "s": ["a", None], "d": [datetime.date(2024, 1, 1), None], "l": [[1], []],
                          "c": pl.Series(["x", "y"], dtype=pl.Categorical)})
    assert frame.write_database(unique, auto, engine="adbc") == 2
    assert frame.write_database(unique, auto, engine="adbc", if_table_exists="append") == 2
    assert rows(auto, f"SELECT count(*), count(s) FROM {unique}") == [(4, 2)]
    assert frame.write_database(unique, auto, engine="adbc", if_table_exists="replace") == 2
    assert pl.read_database(f"SELECT i, s, d, l, c FROM {unique}", auto).to_dicts() == frame.to_dicts()


def test_fetch_methods(auto):
    with auto.cursor() as cursor:
        assert cursor.execute("SELECT 1 AS x").fetch_df()["x"].tolist() == [1]
        assert cursor.execute("SELECT 1 AS x").fetch_polars().to_dicts() == [{"x": 1}]
