#include "backend/snowflake_writing.h"

#include <arrow/array/array_binary.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>
#include <vector>

#include "backend/backend_scan.h"
#include "backend/select_statement.h"
#include "backend/snowflake_statements.h"
#include "backend/snowflake_values.h"
#include "backend/value_writing.h"
#include "backend/write_connection.h"
#include "backend/writing_dialect.h"

namespace hyprstream::backend {
namespace {

// A table as far as it can be changed, its names as they are spelled there.
struct Target {
  TableRef table;
  std::string name;  // quoted
  std::vector<WrittenColumn> columns;
  std::vector<WrittenColumn> key;  // empty: rows cannot be told apart
};

std::string QuotedName(const TableRef& table) {
  return QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.name);
}

std::string Joined(const std::vector<std::string>& parts, const char* between = ", ") {
  std::string text;
  for (const auto& part : parts) text += (text.empty() ? "" : between) + part;
  return text;
}

// A column of the rows in a statement.
std::string Sent(std::size_t column) { return "s.\"hyprstream_" + std::to_string(column) + "\""; }

// The rows of a statement, `s`, each column a value of its type.
std::string RowsOf(const std::vector<WrittenColumn>& columns, const std::string& values) {
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    parts.push_back(SnowflakeValue(columns[i], "column" + std::to_string(i + 1)) + " AS \"hyprstream_" +
                    std::to_string(i) + "\"");
  }
  return "(SELECT " + Joined(parts) + " " + values + ") AS s";
}

std::string Names(const std::vector<WrittenColumn>& columns) {
  std::vector<std::string> names;
  for (const auto& column : columns) names.push_back(QuoteIdentifier(column.name));
  return Joined(names);
}

WrittenColumn RowNameColumn() {
  return {.name = kRowNameColumn, .declared = "the name of a row", .type = arrow::utf8()};
}

// The key as a text that no other key has; nullopt: its type has none that is certain.
std::optional<std::string> KeyText(const WrittenColumn& column) {
  const std::string name = QuoteIdentifier(column.name);
  if (column.type == nullptr || column.declared.contains("COLLATE")) return std::nullopt;
  switch (column.type->id()) {
    case arrow::Type::DECIMAL128:
      return "CAST(" + name + " AS VARCHAR)";
    case arrow::Type::STRING:
      return "CAST(LENGTH(" + name + ") AS VARCHAR) || ':' || " + name;
    case arrow::Type::DATE32:
      return "TO_VARCHAR(" + name + ", 'YYYY-MM-DD')";
    case arrow::Type::BOOL:
      return "CASE WHEN " + name + " THEN '1' ELSE '0' END";
    default:
      return std::nullopt;
  }
}

class SnowflakeWriter final : public BackendWriter {
 public:
  SnowflakeWriter(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
                  std::shared_ptr<WriteConnection> connection)
      : core_(std::move(core)), cache_(std::move(cache)), connection_(std::move(connection)) {}
  ~SnowflakeWriter() override {
    connection_->End();
    static_cast<void>(DropMade());  // nobody is there to be told
    Forget();
  }

  arrow::Result<std::shared_ptr<TableSource>> Table(const TableRef& table) override {
    ARROW_ASSIGN_OR_RAISE(auto layout, LayoutOf(table));
    return Scan(table, std::move(layout));
  }

  arrow::Result<std::shared_ptr<TableSource>> Rows(const TableRef& table) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table));
    ARROW_ASSIGN_OR_RAISE(const auto name, RowName(target));
    ARROW_ASSIGN_OR_RAISE(auto layout, LayoutOf(table));
    layout.columns.insert(layout.columns.begin(),
                          {.name = kRowNameColumn, .expression = name, .arriving = arrow::utf8()});
    auto fields = layout.schema->fields();
    fields.insert(fields.begin(), arrow::field(kRowNameColumn, arrow::utf8(), false));
    layout.schema = arrow::schema(std::move(fields));
    return Scan(table, std::move(layout));
  }

  arrow::Status CreateTable(const NewBackendTable& table) override {
    ARROW_RETURN_NOT_OK(CheckUntouched("CREATE TABLE"));
    if (const auto& options = table.columns->metadata(); options != nullptr && options->size() > 0) {
      return arrow::Status::NotImplemented("Backend ", core_->name(), " takes no CREATE TABLE ... WITH (",
                                           options->key(0), " = ...)");
    }
    std::vector<std::string> parts;
    for (const auto& field : table.columns->fields()) {
      const auto type = SnowflakeTypeName(*field);
      if (!type) {
        return arrow::Status::NotImplemented("Column ", field->name(), " is ", field->type()->ToString(),
                                             ", which Snowflake cannot hold as it is; cast it, to text say");
      }
      parts.push_back(QuoteIdentifier(SnowflakeName(field->name())) + " " + *type +
                      (field->nullable() ? "" : " NOT NULL"));
    }
    std::vector<std::string> key;
    for (const auto& column : table.primary_key) key.push_back(QuoteIdentifier(SnowflakeName(column)));
    if (!key.empty()) parts.push_back("PRIMARY KEY (" + Joined(key) + ")");
    ARROW_ASSIGN_OR_RAISE(const auto schema, SchemaOf(table.table.schema));
    const TableRef made{.schema = schema, .name = SnowflakeName(table.table.name)};
    changed_.push_back(table.table);
    changed_.push_back(made);
    ARROW_RETURN_NOT_OK(connection_->Run("COMMIT").status());
    ARROW_RETURN_NOT_OK(connection_->Run("CREATE TABLE " + QuotedName(made) + " (" + Joined(parts) + ")").status());
    made_.push_back(made);
    Forget();
    return connection_->Run("BEGIN").status();
  }

  arrow::Status DropTable(const TableRef& table) override {
    ARROW_RETURN_NOT_OK(CheckUntouched("DROP TABLE"));
    ARROW_ASSIGN_OR_RAISE(const auto found, Find(table));
    changed_.push_back(found);
    dropped_ = found;
    return arrow::Status::OK();
  }

  arrow::Result<std::int64_t> Append(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, TargetOf(table));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make(FullName(table), target.columns, *rows.schema()));
    const auto& columns = values.columns();
    std::vector<std::string> selected;
    for (std::size_t i = 0; i < columns.size(); ++i) {
      selected.push_back(SnowflakeValue(columns[i], "column" + std::to_string(i + 1)));
    }
    const std::string insert = "INSERT INTO " + target.name + " (" + Names(columns) + ") SELECT " + Joined(selected);
    return Send(values, rows, {.table = FullName(table), .statements = [&](const std::string& sent) {
                                 return std::vector{insert + " " + sent};
                               }});
  }

  arrow::Result<std::int64_t> Merge(const TableRef& table, const BackendMerge& merge,
                                    arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table));
    ARROW_RETURN_NOT_OK(CheckKey(target, merge.key));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make(FullName(table), target.columns, *rows.schema()));
    const auto& columns = values.columns();
    ARROW_ASSIGN_OR_RAISE(const auto key, PlacesOf(target.key, columns));
    std::vector<std::string> same;  // unqualified: the table's, whose rows have no such names
    for (const int place : key) {
      const auto column = static_cast<std::size_t>(place);
      same.push_back(QuoteIdentifier(columns[column].name) + " = " + Sent(column));
    }
    const auto on = Joined(same, " AND ");
    std::vector<std::string> set;
    for (const auto& name : merge.updated) {
      ARROW_ASSIGN_OR_RAISE(const auto place, PlaceOf(name, columns));
      set.push_back(QuoteIdentifier(columns[place].name) + " = " + Sent(place));
    }
    std::vector<std::string> inserted;
    for (std::size_t i = 0; i < columns.size(); ++i) inserted.push_back(Sent(i));
    // Not MERGE, which is no more certain there: nothing keeps another session from inserting the same key meanwhile.
    const auto statements = [&](const std::string& sent) {
      const auto rows_sent = RowsOf(columns, sent);
      std::vector<std::string> both;
      if (!set.empty()) {
        both.push_back("UPDATE " + target.name + " SET " + Joined(set) + " FROM " + rows_sent + " WHERE " + on);
      }
      both.push_back("INSERT INTO " + target.name + " (" + Names(columns) + ") SELECT " + Joined(inserted) + " FROM " +
                     rows_sent + " WHERE NOT EXISTS (SELECT 1 FROM " + target.name + " WHERE " + on + ")");
      return both;
    };
    return Send(values, rows,
                {.table = FullName(table),
                 .statements = statements,
                 .key = key,
                 .skips_repeated = set.empty(),
                 .changes_all = !set.empty()});
  }

  arrow::Result<std::int64_t> Delete(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table));
    ARROW_ASSIGN_OR_RAISE(const auto name, RowName(target));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make(FullName(table), {RowNameColumn()}, *rows.schema()));
    return Send(values, rows,
                {.table = FullName(table),
                 .statements =
                     [&](const std::string& sent) {
                       return std::vector{"DELETE FROM " + target.name + " USING " + RowsOf(values.columns(), sent) +
                                          " WHERE " + name + " = " + Sent(0)};
                     },
                 .key = {0},
                 .skips_repeated = true});
  }

  arrow::Result<std::int64_t> Update(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table));
    ARROW_ASSIGN_OR_RAISE(const auto name, RowName(target));
    auto columns = target.columns;
    for (auto& column : columns) column.has_default = true;  // those that are not named stay
    columns.insert(columns.begin(), RowNameColumn());
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make(FullName(table), columns, *rows.schema()));
    std::vector<std::string> set;
    for (std::size_t i = 1; i < values.columns().size(); ++i) {
      const auto& column = values.columns()[i].name;
      if (std::ranges::contains(target.key, column, &WrittenColumn::name)) {
        return arrow::Status::NotImplemented(FullName(table), ": UPDATE does not change the primary key, ", column,
                                             "; insert the row under its new key and delete the old one");
      }
      set.push_back(QuoteIdentifier(column) + " = " + Sent(i));
    }
    return Send(values, rows,
                {.table = FullName(table),
                 .statements =
                     [&](const std::string& sent) {
                       return std::vector{"UPDATE " + target.name + " SET " + Joined(set) + " FROM " +
                                          RowsOf(values.columns(), sent) + " WHERE " + name + " = " + Sent(0)};
                     },
                 .key = {0}});
  }

  arrow::Status Commit() override {
    if (dropped_) {
      ARROW_RETURN_NOT_OK(connection_->Run("COMMIT").status());
      ARROW_RETURN_NOT_OK(connection_->Run("DROP TABLE " + QuotedName(*dropped_)).status());
    }
    auto committed = connection_->Commit();
    made_.clear();  // what became of its rows may not be known
    Forget();
    return committed;
  }

 private:
  std::string FullName(const TableRef& table) const { return core_->name() + "." + table.schema + "." + table.name; }

  void Forget() {
    for (const auto& table : changed_) cache_->Forget(table.schema, table.name);
  }

  arrow::Status CheckNothingDropped() const {
    if (!dropped_) return arrow::Status::OK();
    return arrow::Status::NotImplemented(core_->name(),
                                         ": a DROP TABLE is all that a transaction does at Snowflake, "
                                         "which carries it out at COMMIT; COMMIT first");
  }

  // What Snowflake commits by itself comes first.
  arrow::Status CheckUntouched(const char* statement) const {
    ARROW_RETURN_NOT_OK(CheckNothingDropped());
    if (!written_ && made_.empty()) return arrow::Status::OK();
    return arrow::Status::NotImplemented(core_->name(), ": ", statement,
                                         " commits at Snowflake what its transaction has done before; COMMIT first");
  }

  // The tables that this transaction has made go with it.
  arrow::Status DropMade() {
    if (made_.empty()) return arrow::Status::OK();
    const auto made = std::exchange(made_, {});
    ARROW_ASSIGN_OR_RAISE(const auto connection, WriteConnection::Begin(core_, {}));
    for (const auto& table : made) {
      ARROW_RETURN_NOT_OK(connection->Run("DROP TABLE IF EXISTS " + QuotedName(table)).status());
    }
    return connection->Commit();
  }

  arrow::Result<std::int64_t> Send(const ValueWriting& values, arrow::RecordBatchReader& rows,
                                   SnowflakeStatements::Options options) {
    written_ = true;
    const auto run = [this](const std::string& sql) { return connection_->Run(sql); };
    auto changed = SnowflakeStatements(run, values, std::move(options)).Send(rows);
    if (changed.ok()) return changed;
    connection_->End();
    if (made_.empty()) return changed;
    const auto made = FullName(made_[0]);
    if (DropMade().ok()) return changed;
    const auto& status = changed.status();
    return status.WithMessage(status.message(), "; the new table ", made, " could not be dropped and is there, empty");
  }

  std::shared_ptr<TableSource> Scan(const TableRef& table, TableLayout layout) const {
    return ScanInTransaction(
        core_, [connection = connection_](const std::string& sql) { return connection->Start(sql); }, table,
        std::make_shared<const TableLayout>(std::move(layout)));
  }

  // Texts of the columns of an answer that go by these names.
  arrow::Result<TextRows> Answer(const std::string& sql, const std::vector<std::string>& names) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, connection_->Start(sql));
    TextRows texts;
    while (true) {
      ArrowArray array{};
      ARROW_RETURN_NOT_OK(rows->Next(array));
      if (array.release == nullptr) return texts;
      ARROW_ASSIGN_OR_RAISE(const auto batch, arrow::ImportRecordBatch(&array, rows->schema()));
      for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
        TextRow& answer = texts.emplace_back();
        for (const auto& name : names) {
          const auto column = batch->GetColumnByName(name);
          if (column == nullptr) return arrow::Status::Invalid(core_->name(), ": no ", name, " in the answer to ", sql);
          const bool text = column->type_id() == arrow::Type::STRING && column->IsValid(row);
          answer.push_back(text ? std::optional(static_cast<const arrow::StringArray&>(*column).GetString(row))
                                : std::nullopt);
        }
      }
    }
  }

  arrow::Result<std::string> SchemaOf(const std::string& given) {
    ARROW_ASSIGN_OR_RAISE(const auto rows, connection_->ReadTexts(core_->dialect().SchemasQuery()));
    std::optional<std::string> found;
    for (const auto& row : rows) {
      const auto& name = row.at(0).value_or("");
      if (name == given) return name;
      if (FoldIdentifier(name) == FoldIdentifier(given)) found = name;
    }
    if (found) return *found;
    return arrow::Status::KeyError("Unknown schema: ", core_->name(), ".", given);
  }

  // As it is spelled there. NotImplemented: it is none that can be changed.
  arrow::Result<TableRef> Find(const TableRef& table) {
    ARROW_RETURN_NOT_OK(CheckNothingDropped());
    ARROW_ASSIGN_OR_RAISE(const auto schema, SchemaOf(table.schema));
    const std::string names = " AND table_name IN (" + SnowflakeLiteral(table.name) + ", " +
                              SnowflakeLiteral(SnowflakeName(table.name)) + ")";
    ARROW_ASSIGN_OR_RAISE(
        const auto rows,
        connection_->ReadTexts("SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = " +
                               SnowflakeLiteral(schema) + names +
                               " UNION SELECT table_name, 'VIEW' FROM information_schema.views "
                               "WHERE table_schema = " +
                               SnowflakeLiteral(schema) + names));
    const TextRow* found = nullptr;
    for (const auto& row : rows) {
      if (found == nullptr || row.at(0) == table.name) found = &row;
    }
    if (found == nullptr) return arrow::Status::KeyError("Unknown table: ", FullName(table));
    const auto kind = found->at(1).value_or("");
    if (kind != "BASE TABLE") {
      return arrow::Status::NotImplemented(FullName(table), " is no table but a ", kind, "; it is only read");
    }
    return TableRef{.schema = schema, .name = found->at(0).value_or("")};
  }

  arrow::Result<Target> TargetOf(const TableRef& table) {
    ARROW_ASSIGN_OR_RAISE(const auto found, Find(table));
    Target target{.table = found, .name = QuotedName(found), .columns = {}, .key = {}};
    ARROW_ASSIGN_OR_RAISE(const auto rows, Answer("DESCRIBE TABLE " + target.name,
                                                  {"name", "type", "null?", "default", "kind", "expression"}));
    for (const auto& row : rows) {
      auto column = SnowflakeColumn(row[0].value_or(""), row[1].value_or(""));
      column.nullable = row[2] != "N";
      column.has_default = row[3].has_value();
      column.computed = row[4] != "COLUMN" || row[5].has_value();
      target.columns.push_back(std::move(column));
    }
    return target;
  }

  arrow::Result<Target> KeyedTarget(const TableRef& table) {
    ARROW_ASSIGN_OR_RAISE(auto target, TargetOf(table));
    ARROW_ASSIGN_OR_RAISE(const auto rows, Answer("SHOW PRIMARY KEYS IN TABLE " + target.name, {"column_name"}));
    for (const auto& row : rows) {
      const auto column = std::ranges::find(target.columns, row[0].value_or(""), &WrittenColumn::name);
      if (column != target.columns.end()) target.key.push_back(*column);
    }
    if (!target.key.empty() && target.key.size() == rows.size()) return target;
    return arrow::Status::NotImplemented(FullName(table),
                                         " takes no UPDATE, DELETE and ON CONFLICT: it has no primary key");
  }

  // What names a row: its key, and a hash of what it holds, which is another when somebody else changes it.
  arrow::Result<std::string> RowName(const Target& target) const {
    std::string name;
    for (const auto& column : target.key) {
      const auto text = KeyText(column);
      if (!text) {
        return arrow::Status::NotImplemented(FullName(target.table), " takes no UPDATE and DELETE: its primary key, ",
                                             column.name, ", is ", column.declared);
      }
      name += *text + " || ',' || ";
    }
    return name + "CAST(HASH(" + Names(target.columns) + ") AS VARCHAR)";
  }

  arrow::Status CheckKey(const Target& target, const std::vector<std::string>& given) const {
    const auto is_key = [&](const std::string& name) {
      return std::ranges::any_of(
          target.key, [&](const auto& column) { return FoldIdentifier(column.name) == FoldIdentifier(name); });
    };
    if (given.empty() || (given.size() == target.key.size() && std::ranges::all_of(given, is_key))) {
      return arrow::Status::OK();
    }
    return arrow::Status::Invalid(FullName(target.table), " has no unique constraint over ", Joined(given),
                                  "; its primary key is ", Names(target.key));
  }

  arrow::Result<std::size_t> PlaceOf(const std::string& name, const std::vector<WrittenColumn>& columns) const {
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (FoldIdentifier(columns[i].name) == FoldIdentifier(name)) return i;
    }
    return arrow::Status::Invalid(core_->name(), ": column ", name, " is given no values");
  }

  arrow::Result<std::vector<int>> PlacesOf(const std::vector<WrittenColumn>& wanted,
                                           const std::vector<WrittenColumn>& columns) const {
    std::vector<int> places;
    for (const auto& column : wanted) {
      ARROW_ASSIGN_OR_RAISE(const auto place, PlaceOf(column.name, columns));
      places.push_back(static_cast<int>(place));
    }
    return places;
  }

  arrow::Result<TableLayout> LayoutOf(const TableRef& table) {
    ARROW_ASSIGN_OR_RAISE(const auto rows,
                          connection_->ReadTexts(core_->dialect().ColumnsQuery(table.schema, table.name)));
    if (rows.empty() || table == dropped_) return arrow::Status::KeyError("Unknown table: ", FullName(table));
    ARROW_ASSIGN_OR_RAISE(auto layout, core_->dialect().Layout(table.schema, table.name, rows));
    if (!LacksTypes(layout)) return layout;
    ScanRequest one{.projection = std::vector<int>(layout.columns.size()), .filters = {}, .rows_max = 1};
    std::ranges::iota(one.projection, 0);
    ARROW_ASSIGN_OR_RAISE(const auto described, connection_->Start(SelectStatement(core_->dialect(), layout, one)));
    ARROW_RETURN_NOT_OK(TakeTypes(layout, *described->schema()));
    return layout;
  }

  const std::shared_ptr<BackendCore> core_;
  const std::shared_ptr<LayoutCache> cache_;
  const std::shared_ptr<WriteConnection> connection_;
  std::vector<TableRef> changed_;    // made or dropped
  std::vector<TableRef> made_;       // not committed yet
  std::optional<TableRef> dropped_;  // by the commit
  bool written_ = false;
};

}  // namespace

arrow::Result<std::unique_ptr<BackendWriter>> BeginSnowflakeTransaction(std::shared_ptr<BackendCore> core,
                                                                        std::shared_ptr<LayoutCache> cache,
                                                                        BackendCore::Cancelled cancelled) {
  ARROW_ASSIGN_OR_RAISE(auto connection, WriteConnection::Begin(core, std::move(cancelled)));
  return std::make_unique<SnowflakeWriter>(std::move(core), std::move(cache), std::move(connection));
}

}  // namespace hyprstream::backend
