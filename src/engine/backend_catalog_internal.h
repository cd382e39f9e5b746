// A backend as a database of DuckDB's, so that its tables are named, bound, joined and listed like all others.
//
// Schemas, tables and columns are asked for when a statement names them, and stay what they are until its transaction
// ends. A backend that cannot be reached lists no schemas, but an error is told to whoever names one. Nothing is ever
// written through this catalog yet.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <memory>
#include <string>

namespace duckdb {
class Catalog;
class Connection;
class LogicalGet;
struct DBConfig;
}  // namespace duckdb

namespace arrow {
class Status;
}

namespace hyprstream {
class Backend;
}

namespace hyprstream::engine {

class BackendSet;

// Before the database is opened.
void RegisterBackendStorage(duckdb::DBConfig& config, std::shared_ptr<BackendSet> backends);

// Makes a backend of the set a database, and takes it away again. The connection is in no transaction. Statements that
// run keep what they have.
void AttachDatabase(duckdb::Connection& connection, const std::string& name);
void DetachDatabase(duckdb::Connection& connection, const std::string& name);

bool IsBackend(const duckdb::Catalog& catalog);
// What a statement that would change something there is told.
arrow::Status CannotWrite(const std::string& backend);

}  // namespace hyprstream::engine
