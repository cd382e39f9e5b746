"""Short ways to say what the tests say often."""


def rows(connection, sql, parameters=None):
    """The rows of a query as tuples."""
    with connection.cursor() as cursor:
        return cursor.execute(sql, parameters).fetchall()


def value(connection, sql, parameters=None):
    """The one value of a query."""
    ((only,),) = rows(connection, sql, parameters)
    return only


def run(connection, sql, parameters=None):
    """Runs a statement without reading anything; returns the number of rows it changed."""
    with connection.cursor() as cursor:
        return cursor.execute(sql, parameters).rowcount


def arrow(connection, sql, parameters=None):
    with connection.cursor() as cursor:
        return cursor.execute(sql, parameters).fetch_arrow_table()


def ingest(connection, table, data, mode="append", **options):
    with connection.cursor() as cursor:
        return cursor.adbc_ingest(table, data, mode=mode, **options)
