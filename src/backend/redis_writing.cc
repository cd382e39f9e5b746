#include "backend/redis_writing.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <nlohmann/json.hpp>
#include <unordered_set>
#include <utility>
#include <vector>

#include "backend/backend_scan.h"
#include "backend/key_names.h"
#include "backend/literals.h"
#include "backend/value_writing.h"
#include "backend/write_connection.h"
#include "backend/writing_dialect.h"
#include "backend/written_rows.h"

namespace hyprstream::backend {
namespace {

// A table as far as it can be changed.
struct Target {
  std::vector<WrittenColumn> columns;
  int key = -1;  // of the columns; -1: rows cannot be told apart
};

Target TargetOf(const arrow::Schema& described) {
  const auto role = [&](const char* name) {
    const auto found = described.metadata() == nullptr ? arrow::Status::KeyError("") : described.metadata()->Get(name);
    return found.ok() ? described.GetFieldIndex(*found) : -1;
  };
  Target target{.columns = {}, .key = role("adbc.redis.primary_key")};
  for (const auto& field : described.fields()) {
    target.columns.push_back({.name = field->name(),
                              .declared = field->type()->ToString(),
                              .type = field->type(),
                              .nullable = field->nullable()});
  }
  return target;
}

const char* TimestampName(const arrow::TimestampType& type) {
  const bool zoned = !type.timezone().empty();
  switch (type.unit()) {
    case arrow::TimeUnit::SECOND:
      return zoned ? "TIMESTAMPTZ(0)" : "TIMESTAMP(0)";
    case arrow::TimeUnit::MILLI:
      return zoned ? "TIMESTAMPTZ(3)" : "TIMESTAMP(3)";
    case arrow::TimeUnit::MICRO:
      return zoned ? "TIMESTAMPTZ(6)" : "TIMESTAMP(6)";
    case arrow::TimeUnit::NANO:
      return zoned ? "TIMESTAMPTZ(9)" : "TIMESTAMP(9)";
  }
  return "";
}

// Empty: there is none.
std::string TypeNameOf(const arrow::Field& field) {
  switch (field.type()->id()) {
    case arrow::Type::BOOL:
      return "BOOLEAN";
    case arrow::Type::INT8:
      return "TINYINT";
    case arrow::Type::INT16:
      return "SMALLINT";
    case arrow::Type::INT32:
      return "INTEGER";
    case arrow::Type::INT64:
      return "BIGINT";
    case arrow::Type::UINT8:
      return "UTINYINT";
    case arrow::Type::UINT16:
      return "USMALLINT";
    case arrow::Type::UINT32:
      return "UINTEGER";
    case arrow::Type::UINT64:
      return "UBIGINT";
    case arrow::Type::FLOAT:
      return "REAL";
    case arrow::Type::DOUBLE:
      return "DOUBLE";
    case arrow::Type::DECIMAL128: {
      const auto& type = static_cast<const arrow::Decimal128Type&>(*field.type());
      if (type.scale() < 0 || type.scale() > type.precision()) return {};
      return "DECIMAL(" + std::to_string(type.precision()) + ", " + std::to_string(type.scale()) + ")";
    }
    case arrow::Type::STRING:
    case arrow::Type::LARGE_STRING:
    case arrow::Type::STRING_VIEW:
      return "TEXT";
    case arrow::Type::BINARY:
    case arrow::Type::LARGE_BINARY:
    case arrow::Type::BINARY_VIEW:
      return "BLOB";
    case arrow::Type::FIXED_SIZE_BINARY:
      return IsExtension(field, "arrow.uuid") ? "TEXT" : "BLOB";
    case arrow::Type::DATE32:
    case arrow::Type::DATE64:
      return "DATE";
    case arrow::Type::TIMESTAMP:
      return TimestampName(static_cast<const arrow::TimestampType&>(*field.type()));
    case arrow::Type::DICTIONARY: {
      const auto& values = static_cast<const arrow::DictionaryType&>(*field.type()).value_type();
      return TypeNameOf(*arrow::field(field.name(), values));
    }
    default:
      return {};
  }
}

// How the driver declares a new column.
arrow::Result<std::string> TypeName(const arrow::Field& column) {
  auto name = TypeNameOf(column);
  if (!name.empty()) return name;
  return arrow::Status::NotImplemented("Column ", column.name(), " is ", column.type()->ToString(),
                                       ", which Redis tables cannot hold as it is; cast it, to text say");
}

// Refuses a name that comes a second time: which of its new values would stay is not said.
class DistinctRows final : public arrow::RecordBatchReader {
 public:
  DistinctRows(std::string table, std::shared_ptr<arrow::RecordBatchReader> rows)
      : table_(std::move(table)), rows_(std::move(rows)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return rows_->schema(); }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    if (*batch == nullptr) return arrow::Status::OK();
    for (std::int64_t row = 0; row < (*batch)->num_rows(); ++row) {
      ARROW_ASSIGN_OR_RAISE(const auto name, (*batch)->column(0)->GetScalar(row));
      if (names_.insert(name->ToString()).second) continue;
      return arrow::Status::Invalid(table_, ": the UPDATE gives two values to row ", name->ToString(),
                                    "; join so that each row is found once");
    }
    return arrow::Status::OK();
  }

 private:
  const std::string table_;
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  std::unordered_set<std::string> names_;
};

// Rows whose first column, the names, is the keys again.
class KeyedRows final : public arrow::RecordBatchReader {
 public:
  KeyedRows(arrow::RecordBatchReader& rows, std::shared_ptr<arrow::DataType> key) : rows_(rows), key_(std::move(key)) {
    auto fields = rows_.schema()->fields();
    fields[0] = fields[0]->WithType(key_);
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_.ReadNext(batch));
    if (*batch == nullptr) return arrow::Status::OK();
    auto columns = (*batch)->columns();
    ARROW_ASSIGN_OR_RAISE(columns[0], KeysOfNames(columns[0], key_));
    *batch = arrow::RecordBatch::Make(schema_, (*batch)->num_rows(), std::move(columns));
    return arrow::Status::OK();
  }

 private:
  arrow::RecordBatchReader& rows_;
  const std::shared_ptr<arrow::DataType> key_;
  std::shared_ptr<arrow::Schema> schema_;
};

class RedisWriter final : public BackendWriter {
 public:
  RedisWriter(std::shared_ptr<BackendCore> core, std::shared_ptr<LayoutCache> cache,
              std::shared_ptr<WriteConnection> connection)
      : core_(std::move(core)), cache_(std::move(cache)), connection_(std::move(connection)) {}
  ~RedisWriter() override {
    connection_->End();
    Forget();
  }

  arrow::Result<std::shared_ptr<TableSource>> Table(const TableRef& table) override {
    ARROW_ASSIGN_OR_RAISE(const auto described, Describe(table));
    ARROW_ASSIGN_OR_RAISE(auto layout, core_->dialect().LayoutAsDescribed(table.name, *described));
    return Scan(table, std::move(layout));
  }

  // Their keys are their names.
  arrow::Result<std::shared_ptr<TableSource>> Rows(const TableRef& table) override {
    ARROW_ASSIGN_OR_RAISE(const auto described, Describe(table));
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table, *described));
    ARROW_ASSIGN_OR_RAISE(auto layout, core_->dialect().LayoutAsDescribed(table.name, *described));
    const auto& key = target.columns[static_cast<std::size_t>(target.key)];
    layout.columns.insert(layout.columns.begin(), {.name = kRowNameColumn,
                                                   .expression = QuoteIdentifier(key.name),
                                                   .arriving = key.type,
                                                   .conditions = Conditions::kKey});
    auto fields = layout.schema->fields();
    fields.insert(fields.begin(), arrow::field(kRowNameColumn, key.type, false));
    layout.schema = arrow::schema(std::move(fields));
    return WithKeysAsNames(Scan(table, std::move(layout)));
  }

  arrow::Status CreateTable(const NewBackendTable& table) override {
    ARROW_RETURN_NOT_OK(CheckSchema(table.table));
    std::string parts;
    for (const auto& field : table.columns->fields()) {
      ARROW_ASSIGN_OR_RAISE(const auto type, TypeName(*field));
      parts += (parts.empty() ? "" : ", ") + QuoteIdentifier(field->name()) + " " + type +
               (field->nullable() ? "" : " NOT NULL");
    }
    if (table.primary_key.size() > 1) {
      return arrow::Status::NotImplemented(FullName(table.table), ": a primary key has one column at Redis, not ",
                                           table.primary_key.size());
    }
    for (const auto& column : table.primary_key) parts += ", PRIMARY KEY (" + QuoteIdentifier(column) + ")";
    std::string options;
    const auto given = table.columns->metadata();
    for (std::int64_t i = 0; given != nullptr && i < given->size(); ++i) {
      const auto& [name, value] = std::pair(given->key(i), given->value(i));
      options += (options.empty() ? " WITH (" : ", ") + QuoteIdentifier(name) + " = " + QuoteLiteral(value);
    }
    if (!options.empty()) options += ")";
    changed_.push_back(table.table);
    return connection_->Run("CREATE TABLE " + QuoteIdentifier(table.table.name) + " (" + parts + ")" + options)
        .status();
  }

  arrow::Status DropTable(const TableRef& table) override {
    ARROW_RETURN_NOT_OK(Describe(table).status());
    changed_.push_back(table);
    return connection_->Run("DROP TABLE " + QuoteIdentifier(table.name)).status();
  }

  arrow::Result<std::int64_t> Append(const TableRef& table, arrow::RecordBatchReader& rows) override {
    return Ingest(table, rows, {{"adbc.redis.ingest.on_conflict", "error"}});
  }

  arrow::Result<std::int64_t> Merge(const TableRef& table, const BackendMerge& merge,
                                    arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto described, Describe(table));
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table, *described));
    const auto& key = target.columns[static_cast<std::size_t>(target.key)].name;
    for (const auto& column : merge.key) {
      if (merge.key.size() == 1 && FoldIdentifier(column) == FoldIdentifier(key)) continue;
      return arrow::Status::Invalid(FullName(table), " has no unique constraint over ", column, "; its primary key is ",
                                    key);
    }
    if (merge.updated.empty()) return Ingest(table, rows, {{"adbc.redis.ingest.on_conflict", "nothing"}});
    return Ingest(table, rows,
                  {{"adbc.redis.ingest.on_conflict", "update"},
                   {"adbc.redis.ingest.updated", nlohmann::json(merge.updated).dump()}});
  }

  arrow::Result<std::int64_t> Delete(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto described, Describe(table));
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table, *described));
    auto name = target.columns[static_cast<std::size_t>(target.key)];
    const auto key = QuoteIdentifier(std::exchange(name.name, kRowNameColumn));
    KeyedRows keyed(rows, name.type);
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make(FullName(table), {name}, *keyed.schema()));
    return connection_->RunBound("DELETE FROM " + QuoteIdentifier(table.name) + " WHERE " + key + " = $1",
                                 std::make_shared<WrittenRows>(keyed, values, false));
  }

  arrow::Result<std::int64_t> Update(const TableRef& table, arrow::RecordBatchReader& rows) override {
    ARROW_ASSIGN_OR_RAISE(const auto described, Describe(table));
    ARROW_ASSIGN_OR_RAISE(const auto target, KeyedTarget(table, *described));
    auto columns = target.columns;
    for (auto& column : columns) column.has_default = true;  // those that are not named stay
    auto name = target.columns[static_cast<std::size_t>(target.key)];
    const auto key = std::exchange(name.name, kRowNameColumn);
    KeyedRows keyed(rows, name.type);
    columns.insert(columns.begin(), std::move(name));
    ARROW_ASSIGN_OR_RAISE(const auto values, ValueWriting::Make(FullName(table), columns, *keyed.schema()));
    std::string set;
    for (std::size_t i = 1; i < values.columns().size(); ++i) {
      const auto& column = values.columns()[i].name;
      if (column == key) {
        return arrow::Status::NotImplemented(FullName(table), ": UPDATE does not change the primary key, ", key,
                                             "; insert the row under its new key and delete the old one");
      }
      set += (set.empty() ? "" : ", ") + QuoteIdentifier(column) + " = $" + std::to_string(i + 1);
    }
    return connection_->RunBound(
        "UPDATE " + QuoteIdentifier(table.name) + " SET " + set + " WHERE " + QuoteIdentifier(key) + " = $1",
        std::make_shared<DistinctRows>(FullName(table), std::make_shared<WrittenRows>(keyed, values, false)));
  }

  arrow::Status Commit() override {
    auto committed = connection_->Commit();
    Forget();
    return committed;
  }

 private:
  std::string FullName(const TableRef& table) const { return core_->name() + "." + table.schema + "." + table.name; }

  void Forget() {
    for (const auto& table : changed_) cache_->Forget(table.schema, table.name);
  }

  arrow::Status CheckSchema(const TableRef& table) const {
    if (table.schema == "main") return arrow::Status::OK();
    return arrow::Status::KeyError("Unknown schema: ", core_->name(), ".", table.schema, " (the one schema is main)");
  }

  arrow::Result<std::shared_ptr<arrow::Schema>> Describe(const TableRef& table) {
    ARROW_RETURN_NOT_OK(CheckSchema(table));
    auto described = connection_->Describe(table.name);
    if (!described.status().IsKeyError()) return described;
    return arrow::Status::KeyError("Unknown table: ", FullName(table));
  }

  arrow::Result<Target> KeyedTarget(const TableRef& table, const arrow::Schema& described) const {
    auto target = TargetOf(described);
    if (target.key >= 0) return target;
    return arrow::Status::NotImplemented(FullName(table),
                                         " takes no UPDATE, DELETE and ON CONFLICT: it has no primary key");
  }

  std::shared_ptr<TableSource> Scan(const TableRef& table, TableLayout layout) const {
    return ScanInTransaction(
        core_, [connection = connection_](const std::string& sql) { return connection->Start(sql); }, table,
        std::make_shared<const TableLayout>(std::move(layout)));
  }

  arrow::Result<std::int64_t> Ingest(const TableRef& table, arrow::RecordBatchReader& rows,
                                     WriteConnection::Options options) {
    ARROW_ASSIGN_OR_RAISE(const auto described, Describe(table));
    ARROW_ASSIGN_OR_RAISE(const auto values,
                          ValueWriting::Make(FullName(table), TargetOf(*described).columns, *rows.schema()));
    options.emplace_back("adbc.ingest.target_table", table.name);
    options.emplace_back("adbc.ingest.mode", "adbc.ingest.mode.append");
    return connection_->Ingest(options, std::make_shared<WrittenRows>(rows, values, false));
  }

  const std::shared_ptr<BackendCore> core_;
  const std::shared_ptr<LayoutCache> cache_;
  const std::shared_ptr<WriteConnection> connection_;
  std::vector<TableRef> changed_;  // made or dropped
};

}  // namespace

arrow::Result<std::unique_ptr<BackendWriter>> BeginRedisTransaction(std::shared_ptr<BackendCore> core,
                                                                    std::shared_ptr<LayoutCache> cache,
                                                                    BackendCore::Cancelled cancelled) {
  ARROW_ASSIGN_OR_RAISE(auto connection, WriteConnection::Begin(core, std::move(cancelled)));
  return std::make_unique<RedisWriter>(std::move(core), std::move(cache), std::move(connection));
}

}  // namespace hyprstream::backend
