// Another Hyprstream, reached over Flight SQL: DuckDB's SQL and catalog, asked through the port that its clients use.

#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "backend/dialect.h"
#include "backend/passed_on.h"
#include "backend/writing_dialect.h"

namespace hyprstream::backend {
namespace {

class HyprstreamDialect final : public Dialect {
 public:
  const QueryDialect* queries() const override { return duckdb_->queries(); }
  const WritingDialect* writing() const override { return writing_.get(); }

  std::vector<std::string> SessionStatements() const override { return {}; }
  // The driver takes any Flight SQL server.
  std::string OwnQuery() const override { return "SELECT name FROM hyprstream.settings LIMIT 0"; }
  std::vector<std::pair<std::string, std::string>> StatementOptions() const override { return {}; }

  std::string SchemasQuery() const override { return duckdb_->SchemasQuery(); }
  std::string TablesQuery(const std::string& schema) const override { return duckdb_->TablesQuery(schema); }
  std::string ColumnsQuery(const std::string& schema, const std::string& table) const override {
    return duckdb_->ColumnsQuery(schema, table);
  }
  std::string KeysQuery() const override { return duckdb_->KeysQuery(); }
  arrow::Result<TableLayout> Layout(const std::string& schema, const std::string& table,
                                    const TextRows& columns) const override {
    return duckdb_->Layout(schema, table, columns);
  }
  arrow::Status CheckPassedOn(const std::string& statement) const override { return CheckReadsOnce(statement); }
  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const override {
    return generic_->LayoutOfStatement(schema);
  }
  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override {
    return duckdb_->Literal(comparable, value);
  }

 private:
  const std::unique_ptr<const Dialect> duckdb_ = MakeDuckdbDialect();
  const std::unique_ptr<const Dialect> generic_ = MakeGenericDialect();
  const std::unique_ptr<const WritingDialect> writing_ = MakeHyprstreamWriting();
};

}  // namespace

std::unique_ptr<const Dialect> MakeHyprstreamDialect() { return std::make_unique<HyprstreamDialect>(); }

}  // namespace hyprstream::backend
