// The one DuckDB instance: opened, bounded and locked down; the only room that includes DuckDB.
//
// Thread safety: all methods, from any thread. Ownership: outlives its connections.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/aggregate_query.h"
#include "core/backend.h"
#include "core/request_context.h"
#include "core/table_source.h"
#include "engine/connection.h"
#include "engine/statement.h"

namespace hyprstream::engine {

struct EngineOptions {
  std::string path;                           // the database file; empty: in memory
  std::int64_t memory_bytes_max = 1LL << 30;  // DuckDB's share of memory_max
  int threads = 0;                            // 0: one per core
  std::string temp_directory;                 // where DuckDB may spill; empty: it may not
  std::int64_t temp_bytes_max = 10LL << 30;
  std::int64_t sql_bytes_max = 1 << 20;
  int expression_depth_max = 1000;
};

// A system table of ours, `hyprstream.<name>`: asked for its rows each time it is scanned, with whom to show them to.
struct SystemTable {
  std::string name;
  std::shared_ptr<arrow::Schema> schema;
  std::function<arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>>(const Identity& reader)> rows;
};

// What an analysis asks about the tables and views that a SELECT names.
struct ViewSurroundings {
  // The event-time column that a table's options name; empty: none.
  std::function<std::string(const TableRef& table)> time_column_of;
  // The materialized view of that name; null: there is none.
  std::function<std::shared_ptr<const AggregateQuery>(const TableRef& view)> maintained;
};

// A client's condition over columns, as a WHERE has it.
struct Condition {
  std::string sql;                   // as DuckDB writes it
  std::vector<std::string> columns;  // that it names, by their last name
};

class Engine {
 public:
  // IOError when the file cannot be opened (the message names it and says what to do), Invalid for bad options.
  static arrow::Result<std::unique_ptr<Engine>> Make(EngineOptions options);
  virtual ~Engine() = default;

  virtual arrow::Result<std::unique_ptr<Connection>> Connect() = 0;

  // Splits and parses. Invalid for a syntax error (with line and column), for more than sql_bytes_max bytes and for
  // nesting beyond expression_depth_max. Statements are counted by DuckDB's parser, never by text. Never empty: text
  // without a statement is Invalid.
  virtual arrow::Result<std::vector<std::shared_ptr<const Statement>>> Parse(std::string_view sql) = 0;

  // Invalid for what is no single expression, and for one that looks beyond its row: subqueries, window functions,
  // parameters, functions whose result changes from call to call. Functions are looked up in the connection's
  // transaction; nothing is bound, and the columns need not exist.
  virtual arrow::Result<Condition> ParseCondition(Connection& connection, std::string_view sql) = 0;

  // What a view's SELECT means, checked against the tables of the connection's transaction. Invalid or NotImplemented
  // with the reason, and the nearest thing that can be maintained. `source` is what its FROM means; without one it is
  // looked up as the connection's session looks names up.
  virtual arrow::Result<AggregateQuery> AnalyzeView(Connection& connection, const TableRef& view,
                                                    std::string_view select, const std::string& time_zone,
                                                    const ViewSurroundings& surroundings,
                                                    const std::optional<TableRef>& source = std::nullopt) = 0;

  // Makes `hyprstream.<name>` readable by every connection. Before the first client connects.
  virtual arrow::Status AddSystemTable(SystemTable table) = 0;

  // Tables that no client may read because their rows are not kept (`keep_rows = false`), and what to say instead.
  // Asked by the gate for every table of a client's plan; OK: it may be read. `edited`: it is read because an UPDATE,
  // DELETE or MERGE of the plan changes it.
  using ReadCheck = std::function<arrow::Status(const TableRef&, bool edited)>;
  virtual void SetReadCheck(ReadCheck check) = 0;

  // Makes the backend's tables readable as `name.schema.table`, and takes them away again. AlreadyExists when there is
  // one of that name, Invalid where the name would mean two things, KeyError when there is none. What runs goes on.
  virtual arrow::Status AddBackend(std::shared_ptr<const Backend> backend) = 0;
  virtual arrow::Status RemoveBackend(const std::string& name) = 0;

  // Why the database takes no more statements since a fatal error, in DuckDB's words; empty: it takes them. What fails
  // for it gives CapacityError and says that the operator must restart the server.
  virtual std::string failure() const = 0;

  // What DuckDB holds of its memory now.
  virtual std::int64_t memory_bytes() const = 0;
};

// Gives memory that was freed back to the system; the allocators keep it for later. Takes milliseconds for each GB.
void ReturnFreedMemory();

}  // namespace hyprstream::engine
