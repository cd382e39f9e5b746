"""Vectors: columns of fixed length come back as such, and NumPy takes them without a copy."""

import adbc_driver_manager
import numpy
import pyarrow as pa
import pytest
from adbc_calls import run

DIMENSIONS = 8
ROWS = 500


@pytest.fixture
def embeddings(auto, unique):
    """A table of random vectors, a view of their aggregates by key, and the vectors by key."""
    random = numpy.random.default_rng(11)
    vectors = random.standard_normal((ROWS, DIMENSIONS)).astype(numpy.float32)
    keys = numpy.arange(ROWS) % 5
    run(auto, f"CREATE TABLE {unique} (k INTEGER, v FLOAT[{DIMENSIONS}])")
    run(auto, f"""CREATE MATERIALIZED VIEW {unique}_view AS SELECT k, vec_sum(v) AS total, vec_avg(v) AS mean, vec_min(v) AS least,
        vec_max(v) AS greatest, vec_stddev(v) AS spread, linear_fit(k, v) AS fit FROM {unique} GROUP BY ALL""")
    column = pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), DIMENSIONS)
    with auto.cursor() as cursor:
        cursor.adbc_ingest(unique, pa.table({"k": pa.array(keys, pa.int32()), "v": column}), mode="append")
    yield unique, {key: vectors[keys == key].astype(numpy.float64) for key in range(5)}
    run(auto, f"DROP MATERIALIZED VIEW {unique}_view")
    run(auto, f"DROP TABLE {unique}")


def matrix(column):
    """A column of vectors as NumPy sees it in Arrow's memory; fails where that takes a copy."""
    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pa.ChunkedArray) else array
    assert pa.types.is_fixed_size_list(array.type) and array.type.value_type == pa.float64(), array.type
    return array.flatten().to_numpy(zero_copy_only=True).reshape(len(array), array.type.list_size)


def test_a_view_gives_what_numpy_computes(auto, embeddings):
    name, vectors = embeddings
    for source in f"{name}_view", f"""(SELECT k, vec_sum(v) AS total, vec_avg(v) AS mean, vec_min(v) AS least,
            vec_max(v) AS greatest, vec_stddev(v) AS spread FROM {name} GROUP BY ALL)""":
        with auto.cursor() as cursor:
            cursor.execute(f"SELECT k, total, mean, least, greatest, spread FROM {source} ORDER BY k")
            table = cursor.fetch_arrow_table()
        assert table["k"].to_pylist() == list(vectors)
        for column, compute in [("total", lambda x: x.sum(0)), ("mean", lambda x: x.mean(0)), ("least", lambda x: x.min(0)),
                                ("greatest", lambda x: x.max(0)), ("spread", lambda x: x.std(0, ddof=1))]:
            numpy.testing.assert_allclose(matrix(table[column]), [compute(rows) for rows in vectors.values()], rtol=1e-12)


def test_weights_have_the_features_length(auto, embeddings):
    name, _ = embeddings
    with auto.cursor() as cursor:
        cursor.execute(f"SELECT combine(fit).weights AS weights FROM {name}_view")
        table = cursor.fetch_arrow_table()
    assert matrix(table["weights"]).shape == (1, DIMENSIONS)


def test_what_is_no_vector_is_refused(auto, embeddings):
    name, _ = embeddings
    with pytest.raises(adbc_driver_manager.Error, match="vec_avg takes vectors"):
        run(auto, f"SELECT vec_avg(k) FROM {name}")
