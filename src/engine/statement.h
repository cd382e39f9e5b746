// A statement as DuckDB's parser (with our statements added) understood it; not yet bound to anything.
//
// Thread safety: immutable; share freely. It can be prepared any number of times on any connection.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "core/table_ref.h"

namespace hyprstream::engine {

enum class StatementKind {
  kQuery,  // SELECT, VALUES, FROM, DESCRIBE, SHOW, SUMMARIZE; a SELECT may still write through a CTE
  kExplain,
  kInsert,
  kUpdate,
  kDelete,  // TRUNCATE too
  kMerge,
  kCreate,  // tables, views, schemas, sequences, types, macros, indexes
  kDrop,
  kAlter,
  kComment,
  kBegin,
  kCommit,
  kRollback,
  kSet,  // SET, RESET
  kUse,
  kPrepare,
  kExecute,
  kDeallocate,
  kCreateMaterializedView,   // ours
  kDropMaterializedView,     // ours
  kAlterMaterializedView,    // ours
  kRefreshMaterializedView,  // ours
  kInsertStates,             // ours
  kAttachBackend,            // ours: ATTACH ... (TYPE adbc, ...)
  kDetachBackend,            // ours: DETACH
  kRefreshBackend,           // ours: REFRESH BACKEND
  kForbidden,                // a kind that no client may run: COPY, LOAD, PRAGMA, CALL, CHECKPOINT, other ATTACHs, ...
};

// Does the statement give rows to its caller (as far as the text alone can tell)?
bool ReturnsRows(StatementKind kind);
std::string_view ToString(StatementKind kind);

// Options of WITH (...), names folded, values as text.
using Options = std::map<std::string, std::string>;

struct CreateMaterializedView {
  TableRef view;
  bool schema_given = false;  // else `view.schema` is only the default; the session's current schema is meant
  bool if_not_exists = false;
  bool or_replace = false;
  Options options;
  std::string select;  // the text after AS
};

struct DropMaterializedView {
  TableRef view;
  bool schema_given = false;
  bool if_exists = false;
  bool cascade = false;
};

struct AlterMaterializedView {
  TableRef view;
  bool schema_given = false;
  bool if_exists = false;
  Options set;
  std::vector<std::string> reset;  // options that get their defaults; folded
};

struct RefreshMaterializedView {
  // Times as text: windows that begin at `from` or later and before `to`.
  struct Range {
    std::string from, to;
  };
  TableRef view;
  bool schema_given = false;
  std::optional<Range> windows = {};  // none: all of them
};

class Statement;

// INSERT INTO states('view') SELECT ...
struct InsertStates {
  TableRef view;
  bool schema_given = false;
  std::shared_ptr<const Statement> rows;  // a query
};

// ATTACH '<uri>' AS name (TYPE adbc, ...). May hold secrets: it is never printed, logged or put into an error.
struct AttachBackend {
  struct Option {
    std::string name;  // folded, unless it is quoted
    bool quoted = false;
    std::string value;
  };
  std::string name;
  std::string uri;
  bool if_not_exists = false;
  std::vector<Option> options;  // but for the type
};

struct DetachBackend {
  std::string name;
  bool if_exists = false;
};

struct RefreshBackend {
  std::string name;
};

// What CREATE TABLE ... WITH (...) said beyond what DuckDB understands.
struct CreateTableOptions {
  TableRef table;
  bool schema_given = false;
  bool if_not_exists = false;
  bool or_replace = false;
  Options options;
};

class Statement {
 public:
  virtual ~Statement() = default;
  virtual StatementKind kind() const = 0;
  virtual const std::string& text() const = 0;  // this statement's own text; of an ATTACH without what may be secret
  virtual int parameter_count() const = 0;
  // The target of a SET, USE, PREPARE, EXECUTE or DROP, for the session's book-keeping; of kForbidden what to do
  // instead, where there is something; empty otherwise.
  virtual const std::string& target() const = 0;
  // For the statements of ours, and for a CREATE TABLE with options; nullptr otherwise.
  virtual const CreateMaterializedView* create_view() const { return nullptr; }
  virtual const DropMaterializedView* drop_view() const { return nullptr; }
  virtual const AlterMaterializedView* alter_view() const { return nullptr; }
  virtual const RefreshMaterializedView* refresh_view() const { return nullptr; }
  virtual const InsertStates* insert_states() const { return nullptr; }
  virtual const AttachBackend* attach_backend() const { return nullptr; }
  virtual const DetachBackend* detach_backend() const { return nullptr; }
  virtual const RefreshBackend* refresh_backend() const { return nullptr; }
  virtual const CreateTableOptions* table_options() const { return nullptr; }
};

}  // namespace hyprstream::engine
