//! What the Rust Flight SQL client needs of the server: queries, parameters, changes, transactions, ingest, metadata,
//! cancel by dropping, errors.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use arrow_array::{Int32Array, RecordBatch};
use arrow_flight::FlightInfo;
use arrow_flight::error::Result;
use arrow_flight::sql::client::FlightSqlServiceClient;
use arrow_flight::sql::{
    CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys, CommandGetImportedKeys,
    CommandGetPrimaryKeys, CommandGetTables, CommandGetXdbcTypeInfo, CommandStatementIngest, EndTransaction, SqlInfo,
    TableDefinitionOptions, TableExistsOption, TableNotExistOption,
};
use arrow_schema::{DataType, Field, IntervalUnit, Schema, TimeUnit};
use bytes::Bytes;
use futures::TryStreamExt;
use hyprstream_rust_client_test::Server;
use tonic::transport::{Channel, Endpoint};

type Client = FlightSqlServiceClient<Channel>;

// crypt(3) of `lovelace`
const USERS: &str = "ada = { password_hash = '$6$analytic$wArNFGk6Yx0tXIwiU2SYbKihNMHM3ep/EX8E.w4FyRq.T8nlH45O7BK4qzJaCyKILxBZ2Sk83f.HaB8Xw8KWT.' }";

async fn connect(server: &Server) -> Client {
    let endpoint = Endpoint::from_shared(server.url.clone()).expect("an address");
    Client::new(endpoint.connect().await.expect("a connection"))
}

async fn read(client: &mut Client, info: Result<FlightInfo>) -> Result<Vec<RecordBatch>> {
    let mut batches = Vec::new();
    for endpoint in info?.endpoint {
        let stream = client.do_get(endpoint.ticket.expect("a ticket")).await?;
        batches.extend(stream.try_collect::<Vec<_>>().await?);
    }
    Ok(batches)
}

async fn query(client: &mut Client, sql: &str) -> Result<Vec<RecordBatch>> {
    let info = client.execute(sql.to_string(), None).await;
    read(client, info).await
}

/// The one number that a query answers.
async fn number(client: &mut Client, sql: &str) -> i64 {
    let batches = query(client, sql).await.expect(sql);
    batches.iter().find(|batch| batch.num_rows() > 0).expect(sql).column(0).as_primitive::<Int64Type>().value(0)
}

async fn update(client: &mut Client, sql: &str) -> i64 {
    client.execute_update(sql.to_string(), None).await.expect(sql)
}

fn rows(batches: &[RecordBatch]) -> usize {
    batches.iter().map(RecordBatch::num_rows).sum()
}

fn texts(batches: &[RecordBatch], column: &str) -> Vec<String> {
    let values = |batch: &RecordBatch| {
        let texts = batch.column_by_name(column).expect(column).as_string::<i32>().clone();
        texts.iter().map(|text| text.unwrap_or("null").to_string()).collect::<Vec<_>>()
    };
    batches.iter().flat_map(values).collect()
}

fn integers(name: &str, values: Vec<Option<i32>>) -> RecordBatch {
    let schema = Schema::new(vec![Field::new(name, DataType::Int32, true)]);
    RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int32Array::from(values))]).expect("a batch")
}

#[tokio::test]
async fn queries_and_their_schemas() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    let info = client.execute("SELECT range AS i, 'n' || range AS s FROM range(100000)".to_string(), None).await.unwrap();
    let planned = Schema::try_from(info.clone()).unwrap();
    let batches = read(&mut client, Ok(info)).await.unwrap();
    assert_eq!(rows(&batches), 100_000);
    assert_eq!(planned, *batches[0].schema());
    assert_eq!(batches[0].column(0).as_primitive::<Int64Type>().value(7), 7);
    assert_eq!(texts(&batches, "s")[99_999], "n99999");
}

#[tokio::test]
async fn prepared_statements_with_parameters() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    let mut prepared = client.prepare("SELECT ?::INTEGER * 2 AS twice".to_string(), None).await.unwrap();
    assert_eq!(prepared.parameter_schema().unwrap().fields().len(), 1);
    assert_eq!(prepared.dataset_schema().unwrap().field(0).name(), "twice");
    prepared.set_parameters(integers("1", vec![Some(21), None, Some(4)])).unwrap();
    let info = prepared.execute().await;
    let batches = read(&mut client, info).await.unwrap();
    let doubled: Vec<_> = batches.iter().flat_map(|batch| batch.column(0).as_primitive::<Int32Type>().iter()).collect();
    assert_eq!(doubled, [Some(42), None, Some(8)]);
    prepared.close().await.unwrap();
}

#[tokio::test]
async fn changes_run_exactly_once() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    assert_eq!(update(&mut client, "CREATE TABLE t (i INTEGER)").await, 0);
    assert_eq!(update(&mut client, "INSERT INTO t VALUES (1), (2)").await, 2);
    let mut prepared = client.prepare("INSERT INTO t VALUES (?)".to_string(), None).await.unwrap();
    assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 2);
    prepared.set_parameters(integers("1", vec![Some(3), None, Some(5)])).unwrap();
    assert_eq!(prepared.execute_update().await.unwrap(), 3);
    assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 5);
    client.execute("INSERT INTO t VALUES (6)".to_string(), None).await.unwrap(); // its ticket is never read
    assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 6);
    let info = client.execute("DELETE FROM t WHERE i IS NULL".to_string(), None).await;
    assert_eq!(rows(&read(&mut client, info).await.unwrap()), 0);
    assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 5);
}

/// Creates the table, or appends to it.
fn ingest_into(table: &str, transaction_id: Option<Bytes>) -> CommandStatementIngest {
    CommandStatementIngest {
        table_definition_options: Some(TableDefinitionOptions {
            if_not_exist: TableNotExistOption::Create.into(),
            if_exists: TableExistsOption::Append.into(),
        }),
        table: table.to_string(),
        transaction_id,
        ..Default::default()
    }
}

#[tokio::test]
async fn transactions_and_ingest() {
    let server = Server::start(&[]);
    let (mut client, mut other) = (connect(&server).await, connect(&server).await);
    let rows = || futures::stream::iter([Ok(integers("i", vec![Some(1), Some(2)])), Ok(integers("i", vec![None]))]);
    assert_eq!(client.execute_ingest(ingest_into("t", None), rows()).await.unwrap(), 3);
    assert_eq!(number(&mut other, "SELECT count(*) FROM t").await, 3);
    for (end, left) in [(EndTransaction::Rollback, 3), (EndTransaction::Commit, 7)] {
        let transaction = client.begin_transaction().await.unwrap();
        let into = ingest_into("t", Some(transaction.clone()));
        assert_eq!(client.execute_ingest(into, rows()).await.unwrap(), 3);
        let inserted = client.execute_update("INSERT INTO t VALUES (9)".to_string(), Some(transaction.clone())).await;
        assert_eq!(inserted.unwrap(), 1);
        assert_eq!(number(&mut other, "SELECT count(*) FROM t").await, 3);
        client.end_transaction(transaction, end).await.unwrap();
        assert_eq!(number(&mut other, "SELECT count(*) FROM t").await, left);
    }
}

#[tokio::test]
async fn an_ingest_says_what_it_refuses() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    update(&mut client, "CREATE TABLE t (i TINYINT NOT NULL)").await;
    for (bad, told) in [(Some(1000), "1000"), (None, "NULL")] {
        let rows = futures::stream::iter([Ok(integers("i", vec![Some(1)])), Ok(integers("i", vec![Some(2), bad]))]);
        let refused = client.execute_ingest(ingest_into("t", None), rows).await.unwrap_err().to_string();
        assert!(refused.contains(told), "{refused}");
        assert_eq!(number(&mut client, "SELECT count(*) FROM t").await, 0);
    }
}

/// DuckDB's type, a value of it, and the Arrow type that clients see.
fn types() -> Vec<(&'static str, &'static str, DataType)> {
    use DataType::*;
    let item = |data_type| Arc::new(Field::new("l", data_type, true));
    vec![
        ("TINYINT", "-128", Int8),
        ("UTINYINT", "255", UInt8),
        ("SMALLINT", "-32768", Int16),
        ("USMALLINT", "65535", UInt16),
        ("INTEGER", "-2147483648", Int32),
        ("UINTEGER", "4294967295", UInt32),
        ("BIGINT", "-9223372036854775808", Int64),
        ("UBIGINT", "18446744073709551615", UInt64),
        ("HUGEINT", "99999999999999999999999999999999999999", Decimal128(38, 0)),
        ("FLOAT", "-inf", Float32),
        ("DOUBLE", "0.1", Float64),
        ("DECIMAL(9,4)", "12345.6789", Decimal128(9, 4)),
        ("DECIMAL(38,37)", "0.1111111111111111111111111111111111111", Decimal128(38, 37)),
        ("VARCHAR", "größer 🦆", Utf8),
        ("BLOB", "\\x00\\xFFa", Binary),
        ("BOOLEAN", "true", Boolean),
        ("DATE", "1969-07-20", Date32),
        ("TIME", "23:59:59.999999", Time64(TimeUnit::Microsecond)),
        ("TIMESTAMP_S", "2024-02-29 12:30:45", Timestamp(TimeUnit::Second, None)),
        ("TIMESTAMP_MS", "2024-02-29 12:30:45.123", Timestamp(TimeUnit::Millisecond, None)),
        ("TIMESTAMP", "1680-01-01", Timestamp(TimeUnit::Microsecond, None)),
        ("TIMESTAMP_NS", "2024-02-29 12:30:45.123456789", Timestamp(TimeUnit::Nanosecond, None)),
        ("TIMESTAMPTZ", "2024-02-29 13:30:45.123456+01", Timestamp(TimeUnit::Microsecond, Some("UTC".into()))),
        ("INTERVAL", "14 months 3 days 4 seconds", Interval(IntervalUnit::MonthDayNano)),
        ("UUID", "01020304-0506-0708-090a-0b0c0d0e0f10", Utf8),
        ("JSON", "{\"a\": [1, null]}", Utf8),
        ("ENUM('low', 'high')", "high", Utf8),
        ("INTEGER[]", "[1, NULL, 3]", List(item(Int32))),
        ("VARCHAR[][]", "[[a], [], NULL]", List(item(List(item(Utf8))))),
        ("DOUBLE[3]", "[0.5, 1, NULL]", FixedSizeList(item(Float64), 3)),
        ("STRUCT(a INTEGER, b VARCHAR)", "{'a': 7, 'b': NULL}", {
            Struct(vec![Field::new("a", Int32, true), Field::new("b", Utf8, true)].into())
        }),
        ("MAP(VARCHAR, INTEGER)", "{a=1, b=NULL}", Map(item(Null), false)),
    ]
}

/// Equal but for the names that Arrow's libraries give to the fields of lists and maps.
fn same_type(got: &DataType, wanted: &DataType) -> bool {
    match (got, wanted) {
        (DataType::List(a), DataType::List(b)) => same_type(a.data_type(), b.data_type()),
        (DataType::FixedSizeList(a, n), DataType::FixedSizeList(b, m)) => n == m && same_type(a.data_type(), b.data_type()),
        (DataType::Map(..), DataType::Map(..)) => true,
        _ => got == wanted,
    }
}

#[tokio::test]
async fn every_type_goes_round() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    for (number_of, (duck, text, arrow)) in types().into_iter().enumerate() {
        let value = format!("'{}'::{duck}", text.replace('\'', "''"));
        let read = query(&mut client, &format!("SELECT unnest([{value}, NULL]) AS x")).await.expect(duck);
        let batch = read.into_iter().find(|batch| batch.num_rows() > 0).expect(duck);
        assert!(same_type(batch.schema().field(0).data_type(), &arrow), "{duck}: {}", batch.schema());
        assert_eq!((batch.num_rows(), batch.column(0).null_count()), (2, 1), "{duck}");

        let table = format!("t{number_of}");
        update(&mut client, &format!("CREATE TABLE {table} (x {duck})")).await;
        let rows = futures::stream::iter([Ok(batch.clone())]);
        assert_eq!(client.execute_ingest(ingest_into(&table, None), rows).await.expect(duck), 2);
        let mut insert = client.prepare(format!("INSERT INTO {table} VALUES (?)"), None).await.expect(duck);
        insert.set_parameters(batch.clone()).expect(duck);
        assert_eq!(insert.execute_update().await.expect(duck), 2);
        let stored = format!("SELECT count(*) FROM {table} WHERE x IS NOT DISTINCT FROM {value}");
        assert_eq!(number(&mut client, &stored).await, 2, "{duck}");
        let back = query(&mut client, &format!("SELECT x FROM {table} LIMIT 2")).await.expect(duck);
        let back = back.into_iter().find(|batch| batch.num_rows() > 0).expect(duck);
        assert_eq!(back.column(0), batch.column(0), "{duck}");
    }
}

#[tokio::test]
async fn metadata() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    update(&mut client, "CREATE TABLE keyed (a INTEGER, b VARCHAR, PRIMARY KEY (b, a))").await;
    let info = client.get_tables(CommandGetTables {
        table_name_filter_pattern: Some("key%".to_string()),
        include_schema: true,
        ..Default::default()
    });
    let info = info.await;
    let tables = read(&mut client, info).await.unwrap();
    assert_eq!(texts(&tables, "table_name"), ["keyed"]);
    assert_eq!(texts(&tables, "table_type"), ["TABLE"]);
    let info = client.get_db_schemas(CommandGetDbSchemas::default()).await;
    assert!(texts(&read(&mut client, info).await.unwrap(), "db_schema_name").contains(&"main".to_string()));
    let info = client.get_primary_keys(CommandGetPrimaryKeys { table: "keyed".to_string(), ..Default::default() }).await;
    assert_eq!(texts(&read(&mut client, info).await.unwrap(), "column_name"), ["b", "a"]);
    let info = client.get_sql_info(vec![SqlInfo::FlightSqlServerName, SqlInfo::FlightSqlServerVersion]).await;
    assert_eq!(rows(&read(&mut client, info).await.unwrap()), 2);
    let info = client.get_table_types().await;
    assert!(texts(&read(&mut client, info).await.unwrap(), "table_type").contains(&"MATERIALIZED VIEW".to_string()));
    let info = client.get_catalogs().await;
    assert_eq!(rows(&read(&mut client, info).await.unwrap()), 1);
    let info = client.get_xdbc_type_info(CommandGetXdbcTypeInfo { data_type: None }).await;
    assert!(texts(&read(&mut client, info).await.unwrap(), "type_name").contains(&"BIGINT".to_string()));
}

#[tokio::test]
async fn foreign_keys() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    update(&mut client, "CREATE TABLE parent (a INTEGER, b VARCHAR, PRIMARY KEY (b, a))").await;
    update(&mut client, "CREATE TABLE child (x INTEGER, y VARCHAR, FOREIGN KEY (y, x) REFERENCES parent (b, a))").await;
    let (parent, child) = ("parent".to_string(), "child".to_string());
    let exported = client.get_exported_keys(CommandGetExportedKeys { table: parent.clone(), ..Default::default() }).await;
    let imported = client.get_imported_keys(CommandGetImportedKeys { table: child.clone(), ..Default::default() }).await;
    let crossed = CommandGetCrossReference { pk_table: parent, fk_table: child, ..Default::default() };
    let crossed = client.get_cross_reference(crossed).await;
    for info in [exported, imported, crossed] {
        let keys = read(&mut client, info).await.unwrap();
        assert_eq!(texts(&keys, "pk_column_name"), ["b", "a"]);
        assert_eq!(texts(&keys, "fk_column_name"), ["y", "x"]);
    }
}

#[tokio::test]
async fn a_dropped_stream_stops_its_query() {
    let server = Server::start(&[]);
    let (mut client, mut other) = (connect(&server).await, connect(&server).await);
    let info = client.execute("SELECT * FROM range(1000000000000)".to_string(), None).await.unwrap();
    let mut stream = client.do_get(info.endpoint[0].ticket.clone().unwrap()).await.unwrap();
    assert!(stream.try_next().await.unwrap().is_some());
    drop(stream);
    let deadline = Instant::now() + Duration::from_secs(30);
    let stopped = "SELECT count(*) FROM hyprstream.queries WHERE state = 'cancelled' AND text LIKE '%1000000000000)'";
    while number(&mut other, stopped).await != 1 {
        assert!(Instant::now() < deadline, "the query goes on");
    }
    assert_eq!(number(&mut client, "SELECT 1::BIGINT").await, 1);
}

#[tokio::test]
async fn errors_say_what_is_wrong() {
    let server = Server::start(&[]);
    let mut client = connect(&server).await;
    let unknown = query(&mut client, "SELECT * FROM no_such_table").await.unwrap_err().to_string();
    assert!(unknown.contains("no_such_table"), "{unknown}");
    let stream = query(
        &mut client,
        "SELECT CASE WHEN range = 2500000 THEN error('row ' || range || ' is bad') ELSE 'good' END FROM range(3000000)",
    );
    let stream = stream.await.unwrap_err().to_string();
    assert!(stream.contains("row 2500000 is bad"), "{stream}");
}

#[tokio::test]
async fn a_handshake_opens_a_session() {
    let server = Server::start(&[("HYPRSTREAM_USERS", USERS)]);
    let mut client = connect(&server).await;
    assert!(query(&mut client, "SELECT 1").await.is_err());
    assert!(client.handshake("ada", "byron").await.is_err());
    client.handshake("ada", "lovelace").await.unwrap();
    assert!(client.token().is_some());
    let users = query(&mut client, "SELECT DISTINCT user_name FROM hyprstream.sessions").await.unwrap();
    assert_eq!(texts(&users, "user_name"), ["ada"]);
}
