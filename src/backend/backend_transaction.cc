#include "backend/backend_transaction.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <cstdlib>
#include <numeric>
#include <utility>
#include <vector>

#include "backend/backend_scan.h"
#include "backend/select_statement.h"
#include "backend/write_connection.h"
#include "backend/writing_dialect.h"
#include "backend/written_rows.h"

namespace hyprstream::backend {
namespace {

std::string Joined(const std::vector<std::string>& parts, const char* between = ", ") {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

template <class Part>
std::vector<std::string> PartsOf(const std::vector<WrittenColumn>& columns, const Part& part) {
  std::vector<std::string> parts;
  for (const auto& column : columns) parts.push_back(part(column));
  return parts;
}

std::string Named(const std::vector<WrittenColumn>& columns) {
  return Joined(PartsOf(columns, [](const auto& column) { return QuoteIdentifier(column.name); }));
}

bool AnyCast(const std::vector<WrittenColumn>& columns) {
  return std::ranges::any_of(columns, &WrittenColumn::cast_there);
}

// The column that names rows, as the stage has it.
WrittenColumn RowNameColumn() {
  return {.name = kStagedRow, .declared = "the name of a row", .type = arrow::utf8(), .cast_to = "text"};
}

class AdbcWriter final : public BackendWriter {
 public:
  AdbcWriter(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
             std::shared_ptr<WriteConnection> connection)
      : core_(std::move(core)),
        cache_(std::move(cache)),
        writing_(*core_->dialect().writing()),
        connection_(std::move(connection)) {}
  ~AdbcWriter() override {
    connection_->End();
    Forget();
  }

  arrow::Result<std::shared_ptr<TableSource>> Table(const TableRef& table) override {
    ARROW_ASSIGN_OR_RAISE(auto layout, LayoutOf(table));
    return Scan(table, std::move(layout));
  }

  arrow::Result<std::shared_ptr<TableSource>> Rows(const TableRef& table) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, TargetOf(table));
    if (!target.row_names_refused.empty()) {
      return arrow::Status::NotImplemented(core_->name(), ".", table.schema, ".", table.name,
                                           " takes no UPDATE and DELETE: ", target.row_names_refused);
    }
    ARROW_ASSIGN_OR_RAISE(auto layout, LayoutOf(table));
    return Scan(table, writing_.WithRowNames(std::move(layout)));
  }

  arrow::Status CreateTable(const NewBackendTable& table) override {
    std::string options;
    if (const auto& given = table.columns->metadata(); given != nullptr && given->size() > 0) {
      const auto taken = writing_.TableOptions(*given);
      if (!taken.ok()) {
        return taken.status().WithMessage("Backend ", core_->name(), " ", taken.status().message());
      }
      options = " " + *taken;
    }
    std::vector<std::string> parts;
    for (const auto& field : table.columns->fields()) {
      ARROW_ASSIGN_OR_RAISE(const auto type, writing_.TypeName(*field));
      parts.push_back(QuoteIdentifier(field->name()) + " " + type + (field->nullable() ? "" : " NOT NULL"));
    }
    std::vector<std::string> key;
    for (const auto& column : table.primary_key) key.push_back(QuoteIdentifier(column));
    if (!key.empty()) parts.push_back("PRIMARY KEY (" + Joined(key) + ")");
    changed_.push_back(table.table);
    return connection_->Run("CREATE TABLE " + NameOf(table.table) + " (" + Joined(parts) + ")" + options).status();
  }

  arrow::Status DropTable(const TableRef& table) override {
    ARROW_RETURN_NOT_OK(TargetOf(table).status());
    changed_.push_back(table);
    return connection_->Run("DROP TABLE " + NameOf(table)).status();
  }

  arrow::Result<std::int64_t> Append(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, TargetOf(table));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValuesFor(table, target.columns, *rows.schema()));
    if (GoesStraight(target, values.columns())) {
      return connection_->Ingest(writing_.IngestOptions(table), std::make_shared<WrittenRows>(rows, values, false));
    }
    ARROW_ASSIGN_OR_RAISE(const auto stage, Stage(target, values, rows));
    ARROW_ASSIGN_OR_RAISE(const auto added, connection_->Run(InsertFrom(stage, target, values.columns())));
    ARROW_RETURN_NOT_OK(DropStage(stage));
    return added;
  }

  arrow::Result<std::int64_t> Merge(const TableRef& table, const BackendMerge& merge,
                                    arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, TargetOf(table));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValuesFor(table, target.columns, *rows.schema()));
    std::string conflict = " ON CONFLICT";
    std::vector<std::string> names;
    for (const auto& column : merge.key) {
      ARROW_ASSIGN_OR_RAISE(const auto name, Spelled(target, column));
      names.push_back(QuoteIdentifier(name));
    }
    if (!names.empty()) conflict += " (" + Joined(names) + ")";
    names.clear();
    for (const auto& column : merge.updated) {
      ARROW_ASSIGN_OR_RAISE(const auto name, Spelled(target, column));
      names.push_back(QuoteIdentifier(name) + " = excluded." + QuoteIdentifier(name));
    }
    conflict += names.empty() ? " DO NOTHING" : " DO UPDATE SET " + Joined(names);
    ARROW_ASSIGN_OR_RAISE(const auto stage, Stage(target, values, rows));
    ARROW_ASSIGN_OR_RAISE(const auto changed, connection_->Run(InsertFrom(stage, target, values.columns()) + conflict));
    ARROW_RETURN_NOT_OK(DropStage(stage));
    return changed;
  }

  arrow::Result<std::int64_t> Delete(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, TargetOf(table));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValuesFor(table, {RowNameColumn()}, *rows.schema()));
    ARROW_ASSIGN_OR_RAISE(const auto stage, Stage(target, values, rows));
    ARROW_ASSIGN_OR_RAISE(const auto named, CountNamed(stage));
    ARROW_ASSIGN_OR_RAISE(const auto deleted,
                          connection_->Run("DELETE FROM " + target.name + " AS t WHERE EXISTS (SELECT 1 FROM " +
                                           writing_.StageName(stage) + " AS s WHERE " + writing_.RowCondition() + ")"));
    ARROW_RETURN_NOT_OK(CheckChanged(table, named.distinct, deleted));
    ARROW_RETURN_NOT_OK(DropStage(stage));
    return deleted;
  }

  arrow::Result<std::int64_t> Update(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(auto target, TargetOf(table));
    auto columns = target.columns;
    for (auto& column : columns) column.has_default = true;  // those that are not named stay
    columns.insert(columns.begin(), RowNameColumn());
    ARROW_ASSIGN_OR_RAISE(const auto values, ValuesFor(table, columns, *rows.schema()));
    ARROW_ASSIGN_OR_RAISE(const auto stage, Stage(target, values, rows));
    ARROW_ASSIGN_OR_RAISE(const auto named, CountNamed(stage));
    if (named.distinct != named.all) {
      connection_->End();
      return arrow::Status::Invalid(FullName(table), ": the UPDATE gives ", named.all, " values to ", named.distinct,
                                    " rows; join so that each row is found once");
    }
    std::vector<std::string> set;
    for (const auto& column : values.columns()) {
      if (column.name == kStagedRow) continue;
      set.push_back(QuoteIdentifier(column.name) + " = " + writing_.FromStage(column));
    }
    ARROW_ASSIGN_OR_RAISE(const auto updated,
                          connection_->Run("UPDATE " + target.name + " AS t SET " + Joined(set) + " FROM " +
                                           writing_.StageName(stage) + " AS s WHERE " + writing_.RowCondition()));
    ARROW_RETURN_NOT_OK(CheckChanged(table, named.distinct, updated));
    ARROW_RETURN_NOT_OK(DropStage(stage));
    return updated;
  }

  arrow::Status Commit() override {
    auto committed = connection_->Commit();
    Forget();
    return committed;
  }

 private:
  // Nothing has to be cast there, and a driver that takes columns by their places gets each at its own.
  bool GoesStraight(const WriteTarget& target, const std::vector<WrittenColumn>& columns) const {
    if (AnyCast(columns)) return false;
    if (!writing_.ingests_by_position()) return true;
    std::vector<std::string> own;
    for (const auto& column : target.columns) {
      if (!column.computed) own.push_back(column.name);
    }
    return std::ranges::equal(own, columns, {}, {}, &WrittenColumn::name);
  }

  struct NamedRows {
    std::int64_t all = 0;
    std::int64_t distinct = 0;
  };

  static std::string NameOf(const TableRef& table) {
    return QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.name);
  }
  std::string FullName(const TableRef& table) const { return core_->name() + "." + table.schema + "." + table.name; }

  // Columns that do not fit may be those that the table had when it was looked up.
  arrow::Result<ValueWriting> ValuesFor(const TableRef& table, const std::vector<WrittenColumn>& columns,
                                        const arrow::Schema& given) {
    auto values = ValueWriting::Make(FullName(table), columns, given);
    if (!values.ok()) changed_.push_back(table);
    return values;
  }

  void Forget() {
    for (const auto& table : changed_) cache_->Forget(table.schema, table.name);
  }

  std::shared_ptr<TableSource> Scan(const TableRef& table, TableLayout layout) const {
    return ScanInTransaction(
        core_, [connection = connection_](const std::string& sql) { return connection->Start(sql); }, table,
        std::make_shared<const TableLayout>(std::move(layout)));
  }

  arrow::Status NoSuchTable(const TableRef& table) const {
    return arrow::Status::KeyError("Unknown table: ", FullName(table));
  }

  arrow::Result<TableLayout> LayoutOf(const TableRef& table) {
    ARROW_ASSIGN_OR_RAISE(const auto rows,
                          connection_->ReadTexts(core_->dialect().ColumnsQuery(table.schema, table.name)));
    if (rows.empty()) return NoSuchTable(table);
    ARROW_ASSIGN_OR_RAISE(auto layout, core_->dialect().Layout(table.schema, table.name, rows));
    if (!LacksTypes(layout)) return layout;
    ScanRequest none{.projection = std::vector<int>(layout.columns.size()), .filters = {}, .rows_max = 0};
    std::ranges::iota(none.projection, 0);
    ARROW_ASSIGN_OR_RAISE(const auto described, connection_->Start(SelectStatement(core_->dialect(), layout, none)));
    ARROW_RETURN_NOT_OK(TakeTypes(layout, *described->schema()));
    return layout;
  }

  arrow::Result<WriteTarget> TargetOf(const TableRef& table) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, connection_->ReadTexts(writing_.TargetQuery(table)));
    if (rows.empty()) return NoSuchTable(table);
    auto target = writing_.Target(table, rows);
    if (target.ok()) return target;
    return target.status().WithMessage(core_->name(), ": ", target.status().message());
  }

  arrow::Result<std::string> Spelled(const WriteTarget& target, const std::string& column) const {
    for (const auto& known : target.columns) {
      if (known.name == column) return column;
    }
    for (const auto& known : target.columns) {
      if (FoldIdentifier(known.name) == FoldIdentifier(column)) return known.name;
    }
    return arrow::Status::Invalid("Table ", FullName(target.table), " has no column ", column);
  }

  // The given rows in a temporary table, each value one that its column takes.
  arrow::Result<std::string> Stage(const WriteTarget& target, const ValueWriting& values,
                                   arrow::RecordBatchReader& rows) {
    // Not `hyprstream_…`: with a parenthesis behind it that is a function of its own to another Hyprstream.
    const std::string stage = "stage_of_hyprstream_" + std::to_string(++stages_);
    auto columns = PartsOf(values.columns(), [&](const auto& column) {
      return QuoteIdentifier(column.name) + " " + writing_.StageType(column);
    });
    columns.push_back(std::string(kStagedNumber) + " bigint");
    ARROW_RETURN_NOT_OK(connection_->Run(writing_.CreateStage(stage, Joined(columns))).status());
    ARROW_RETURN_NOT_OK(
        connection_->Ingest(writing_.StageOptions(stage), std::make_shared<WrittenRows>(rows, values, true)).status());
    for (const auto& statement : writing_.CheckStatements(values.columns())) {
      ARROW_RETURN_NOT_OK(connection_->Run(statement).status());
    }
    for (const auto& column : values.columns()) ARROW_RETURN_NOT_OK(CheckStaged(target, stage, column));
    return stage;
  }

  arrow::Status CheckStaged(const WriteTarget& target, const std::string& stage, const WrittenColumn& column) {
    const auto query = writing_.MisfitQuery(stage, column);
    if (query.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto misfits, connection_->ReadTexts(query));
    if (misfits.empty()) return arrow::Status::OK();
    connection_->End();
    return arrow::Status::Invalid("Column ", column.name, ", row ", misfits[0].at(0).value_or("?"), ": ",
                                  misfits[0].at(1).value_or("NULL").substr(0, 100), " cannot be held exactly by ",
                                  column.declared, " of ", FullName(target.table), " (nothing was written)");
  }

  std::string InsertFrom(const std::string& stage, const WriteTarget& target,
                         const std::vector<WrittenColumn>& columns) const {
    // `WHERE true`: an ON that follows would belong to a join.
    return "INSERT INTO " + target.name + " (" + Named(columns) + ") SELECT " +
           Joined(PartsOf(columns, [&](const auto& column) { return writing_.FromStage(column); })) + " FROM " +
           writing_.StageName(stage) + " AS s WHERE true ORDER BY s." + kStagedNumber;
  }

  arrow::Result<NamedRows> CountNamed(const std::string& stage) {
    ARROW_ASSIGN_OR_RAISE(const auto rows,
                          connection_->ReadTexts(std::string("SELECT CAST(count(*) AS text), CAST(count(DISTINCT ") +
                                                 kStagedRow + ") AS text) FROM " + writing_.StageName(stage)));
    if (rows.size() != 1) return arrow::Status::Invalid(core_->name(), " did not count the rows to be changed");
    return NamedRows{.all = std::strtoll(rows[0].at(0).value_or("").c_str(), nullptr, 10),
                     .distinct = std::strtoll(rows[0].at(1).value_or("").c_str(), nullptr, 10)};
  }

  // A trigger, a rule or somebody else has had a hand in it.
  arrow::Status CheckChanged(const TableRef& table, std::int64_t named, std::int64_t changed) {
    if (named == changed) return arrow::Status::OK();
    connection_->End();
    return arrow::Status::Invalid(FullName(table), ": ", named, " rows were to be changed and ", changed,
                                  " were; nothing was kept");
  }

  arrow::Status DropStage(const std::string& stage) {
    return connection_->Run("DROP TABLE " + writing_.StageName(stage)).status();
  }

  const std::shared_ptr<BackendCore> core_;
  const std::shared_ptr<LayoutCache> cache_;
  const WritingDialect& writing_;
  const std::shared_ptr<WriteConnection> connection_;
  std::vector<TableRef> changed_;  // made or dropped, or not as they were looked up
  int stages_ = 0;
};

}  // namespace

arrow::Result<std::unique_ptr<BackendWriter>> BeginTransaction(std::shared_ptr<BackendCore> core,
                                                               std::shared_ptr<LayoutCache> cache,
                                                               BackendCore::Cancelled cancelled) {
  ARROW_ASSIGN_OR_RAISE(auto connection, WriteConnection::Begin(core, std::move(cancelled)));
  return std::make_unique<AdbcWriter>(std::move(core), std::move(cache), std::move(connection));
}

}  // namespace hyprstream::backend
