// Statements that change a backend's tables, taken apart into a query, which gives rows, and what becomes of these.
//
// DuckDB's own INSERT, UPDATE and DELETE would cast rows to the columns' types as they come, rounding as it goes, and
// nobody could tell its casts from the client's. So DuckDB runs only the query, held to the gate like every client's,
// and its rows go to core::BackendWriter, which takes a value as it is or refuses it.
//
// Throws DuckDB's exceptions; stays inside the room.
#pragma once

#include <duckdb/common/unique_ptr.hpp>
#include <duckdb/parser/sql_statement.hpp>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/backend_writer.h"
#include "core/table_ref.h"
#include "engine/backend_merge_internal.h"

namespace arrow {
class KeyValueMetadata;
class RecordBatchReader;
template <class T>
class Result;
}  // namespace arrow

namespace duckdb {
class ClientContext;
class PreparedStatement;
}  // namespace duckdb

namespace hyprstream::engine {

struct BackendTarget;

struct BackendWrite {
  enum class Kind { kAppend, kMerge, kDelete, kUpdate, kMergeInto, kCreate, kDrop };

  Kind kind = Kind::kAppend;
  std::string backend;
  TableRef table;  // as the database spells it, or is to
  // What the query's columns are called there; empty: as the query calls them.
  std::vector<std::string> columns = {};
  BackendMerge merge = {};
  std::vector<MergeAction> actions = {};  // of kMergeInto
  bool if_exists = false;                 // of kDrop; and of kCreate: if it does not exist
  bool exists = false;                    // when the statement was bound
  bool with_rows = false;                 // of kCreate: AS SELECT
  std::vector<bool> not_null = {};
  std::vector<std::string> primary_key = {};
  std::shared_ptr<const arrow::KeyValueMetadata> options = {};  // of kCreate: WITH (name = value); null: none
  std::shared_ptr<arrow::Schema> made = {};                     // of kCreate: its columns
  // Its query, until it is prepared; null: none.
  duckdb::unique_ptr<duckdb::SQLStatement> query = {};
};

// Nullopt: the statement's target is no backend's. In a transaction. Refuses what cannot be written, by name.
std::optional<BackendWrite> TakeBackendWrite(duckdb::ClientContext& context, const duckdb::SQLStatement& statement);

// When its query has been prepared: do its columns suit the target? Gives a table that is to be made its columns.
void CompleteBackendWrite(duckdb::ClientContext& context, BackendWrite& write,
                          const duckdb::PreparedStatement& prepared);

// What it does, in the transaction's writer. `rows` is null where there is no query, or nothing is to be read of it.
// How many rows were changed; -1 of a table that was made without rows, or dropped.
arrow::Result<std::int64_t> RunBackendWrite(duckdb::ClientContext& context, const BackendWrite& write,
                                            std::shared_ptr<arrow::RecordBatchReader> rows);

// Rows that are handed in; see Connection::IngestInto.
arrow::Result<std::int64_t> RunBackendIngest(duckdb::ClientContext& context, const BackendTarget& target,
                                             arrow::RecordBatchReader& rows);

}  // namespace hyprstream::engine
