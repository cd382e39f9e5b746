// A backend as a database of DuckDB's, so that its tables are named, bound, joined and listed like all others.
//
// Schemas, tables and columns are asked for when a statement names them, and stay what they are until its transaction
// ends. A backend that cannot be reached lists no schemas, but an error is told to whoever names one. DuckDB itself
// writes nothing through this catalog: backend_write_internal.h does, in the transaction that is kept here.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <memory>
#include <string>

namespace duckdb {
class Catalog;
class ClientContext;
class Connection;
class LogicalGet;
struct DBConfig;
}  // namespace duckdb

namespace arrow {
class Status;
}

namespace hyprstream {
class Backend;
class BackendWriter;
struct TableRef;
}  // namespace hyprstream

namespace hyprstream::engine {

class BackendSet;

// Before the database is opened.
void RegisterBackendStorage(duckdb::DBConfig& config, std::shared_ptr<BackendSet> backends);

// Makes a backend of the set a database, and takes it away again. The connection is in no transaction. Statements that
// run keep what they have.
void AttachDatabase(duckdb::Connection& connection, const std::string& name);
void DetachDatabase(duckdb::Connection& connection, const std::string& name);

bool IsBackend(const duckdb::Catalog& catalog);
// What a statement is told that changes something there in another way than BackendWrite knows.
arrow::Status CannotWrite(const std::string& backend);

// How a statement names a table with the names of its rows before its columns.
std::string NameWithRows(const std::string& table);
// The open transaction's writer, begun by its first call; refused when the transaction has changed another database.
// What the transaction reads there from then on is what the writer sees.
BackendWriter& WriterAt(duckdb::ClientContext& context, const std::string& backend);
// The backend that the open transaction has a writer at; empty: none.
std::string WrittenBackend(duckdb::ClientContext& context);
// The table is another one from now on.
void NoteRedefined(duckdb::ClientContext& context, const std::string& backend, const TableRef& table);
// Before the transaction itself is committed.
arrow::Status CommitWriter(duckdb::ClientContext& context);

}  // namespace hyprstream::engine
