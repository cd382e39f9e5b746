// What differs between databases where their tables are changed.
//
// Rows go in by the driver's bulk ingest: into the table itself, or, where the database has to cast, merge or find
// rows, into a temporary table of the transaction's (the stage), from where one statement takes them. Thread safety:
// immutable; all methods, from any thread.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backend/dialect.h"
#include "backend/value_writing.h"
#include "core/backend_writer.h"

namespace arrow {
class Field;
class KeyValueMetadata;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::backend {

// The stage's columns beside those of the table: what names a row (text), and its number from 0 (64 bits).
inline constexpr const char* kStagedRow = "hyprstream_row";
inline constexpr const char* kStagedNumber = "hyprstream_number";

// Has the column an extension type of Arrow's by this name?
bool IsExtension(const arrow::Field& field, const char* name);

// A table as far as it can be changed.
struct WriteTarget {
  TableRef table;
  std::string name;  // quoted
  std::vector<WrittenColumn> columns;
  std::string row_names_refused = {};  // why its rows cannot be told apart; empty: they can
};

class WritingDialect {
 public:
  virtual ~WritingDialect() = default;

  // What a transaction runs first; it may change tables from then on, and reads at one snapshot.
  virtual std::vector<std::string> BeginStatements() const = 0;
  // After its end: the connection only reads again.
  virtual std::vector<std::string> EndStatements() const = 0;
  // The option of a connection that is `inerror` where the database will roll back what is committed; empty: none.
  virtual std::string StatusOption() const { return {}; }
  // Is the error of a commit that was sent the database's own word that it was not carried out? Else how it ended is
  // not known.
  virtual bool IsRefusal(const arrow::Status& of_commit) const;

  // What Target() reads; no row: there is no such table.
  virtual std::string TargetQuery(const TableRef& table) const = 0;
  // NotImplemented: what it is cannot be changed, a view say.
  virtual arrow::Result<WriteTarget> Target(const TableRef& table, const TextRows& columns) const = 0;
  // With one more column before the others: the name of the row.
  TableLayout WithRowNames(TableLayout layout) const;

  // Of a column of a new table. NotImplemented: there is no type that holds all of its values, or says them exactly.
  virtual arrow::Result<std::string> TypeName(const arrow::Field& column) const = 0;
  // What follows the columns of a new table for `WITH (name = value)`. NotImplemented: it has no such options.
  virtual arrow::Result<std::string> TableOptions(const arrow::KeyValueMetadata& options) const;

  // Does the driver take columns by their places, all of them? Others go through the stage.
  virtual bool ingests_by_position() const { return false; }
  // The driver's options of an ingest.
  virtual std::vector<std::pair<std::string, std::string>> IngestOptions(const TableRef& table) const = 0;
  virtual std::vector<std::pair<std::string, std::string>> StageOptions(const std::string& stage) const;
  // `columns`: declarations.
  virtual std::string CreateStage(const std::string& stage, const std::string& columns) const = 0;
  virtual std::string StageName(const std::string& stage) const = 0;
  // How the stage declares a column, and what is taken of it (as `s`).
  virtual std::string StageType(const WrittenColumn& column) const = 0;
  virtual std::string FromStage(const WrittenColumn& column) const = 0;
  // What the next needs, once for the columns of a stage.
  virtual std::vector<std::string> CheckStatements(const std::vector<WrittenColumn>&) const { return {}; }
  // Number and text of the first staged value of the column that its type does not take; empty: it is not asked.
  virtual std::string MisfitQuery(const std::string& stage, const WrittenColumn& column) const = 0;
  // The stage's rows are rows of the target, `t`.
  virtual std::string RowCondition() const = 0;

 private:
  // What names a row of the table that is scanned, as text.
  virtual std::string RowName() const = 0;
};

std::unique_ptr<const WritingDialect> MakePostgresWriting();
std::unique_ptr<const WritingDialect> MakeSqliteWriting();
std::unique_ptr<const WritingDialect> MakeDuckdbWriting();
std::unique_ptr<const WritingDialect> MakeHyprstreamWriting();

}  // namespace hyprstream::backend
