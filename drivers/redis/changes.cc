#include "changes.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "cell.h"
#include "entry_writer.h"
#include "failure.h"
#include "select_plan.h"

namespace adbc_redis {
namespace {

arrow::Status AtPlace(const arrow::Status& status, const std::string& column, int64_t row) {
  return Fail(CodeOf(status), "Column " + column + ", row " + std::to_string(row) + ": " + status.message());
}

arrow::Status ReadCell(const arrow::Array& array, int64_t row, const arrow::DataType& type, Cell& cell) {
  cell.null = array.type_id() == arrow::Type::NA || array.IsNull(row);
  if (!cell.null && array.type_id() == arrow::Type::DICTIONARY) {  // the value that the code stands for may be null
    const auto& coded = static_cast<const arrow::DictionaryArray&>(array);
    cell.null = coded.dictionary()->IsNull(coded.GetValueIndex(row));
  }
  return cell.null ? arrow::Status::OK() : WriteCell(array, row, type, cell.text);
}

// Somebody replaced the table meanwhile: what was appended went into rows that nobody reads any more.
arrow::Status CheckStillThere(const Tables& tables, const Table& table) {
  ARROW_ASSIGN_OR_RAISE(const auto now, tables.Find(table.name));
  if (now != nullptr && now->version == table.version) return arrow::Status::OK();
  return Fail(ADBC_STATUS_INVALID_STATE,
              "Table " + table.name + " was replaced or dropped while rows were written: write them again");
}

// Which statement, of a table that is not this driver's.
arrow::Status CheckOwn(const Table& table, const std::string& statement) {
  if (table.source == Source::kOwn) return arrow::Status::OK();
  const bool stream = table.source == Source::kStream;
  return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
              statement + ": the rows of table " + table.name + " are " +
                  (stream ? "entries of the stream " : "the hashes ") + Printable(table.place) +
                  (stream ? ", which are added, and deleted by their ids" : ", which are only read here"));
}

// For each column of the table the column of the data, or -1.
arrow::Result<std::vector<int>> MatchColumns(const Table& table, const arrow::Schema& data) {
  std::vector<int> sources(static_cast<size_t>(table.schema->num_fields()), -1);
  for (int i = 0; i < data.num_fields(); ++i) {
    const arrow::Result<int> column = FindColumn(table, data.field(i)->name());
    if (!column.ok()) return Fail(ADBC_STATUS_ALREADY_EXISTS, column.status().message());
    int& source = sources[static_cast<size_t>(*column)];
    if (source >= 0)
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Two columns of the data are called " + data.field(i)->name());
    source = i;
  }
  return sources;
}

template <class Writer>
arrow::Status WriteBatch(const Table& table, const arrow::RecordBatch& batch, const std::vector<int>& sources,
                         Writer& writer) {
  std::vector<Cell> cells(sources.size());
  for (int64_t row = 0; row < batch.num_rows(); ++row) {
    for (size_t i = 0; i < sources.size(); ++i) {
      if (sources[i] < 0) continue;
      const auto& field = table.schema->field(static_cast<int>(i));
      const arrow::Status read = ReadCell(*batch.column(sources[i]), row, *field->type(), cells[i]);
      if (!read.ok()) return AtPlace(read, field->name(), writer.rows());
    }
    ARROW_RETURN_NOT_OK(writer.Add(cells));
  }
  return arrow::Status::OK();
}

// For each column of the table whether a row that is there gets it.
arrow::Result<std::vector<bool>> UpdatedColumns(const Table& table, const IngestTarget& target,
                                                const std::vector<int>& sources) {
  std::vector<bool> updated;
  for (size_t i = 0; i < sources.size(); ++i) {
    updated.push_back(target.updated.empty() && sources[i] >= 0 && static_cast<int>(i) != table.key);
  }
  for (const std::string& name : target.updated) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(table, name));
    updated[static_cast<size_t>(column)] = column != table.key;  // which is equal anyway
  }
  return updated;
}

template <class Writer>
arrow::Result<int64_t> WriteRows(const Table& table, const std::vector<int>& sources, BoundRows& rows, Writer& writer) {
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, rows.Next());
    if (batch == nullptr) break;
    ARROW_RETURN_NOT_OK(WriteBatch(table, *batch, sources, writer));
  }
  ARROW_RETURN_NOT_OK(writer.Finish());
  return writer.changed();
}

arrow::Result<int64_t> WriteAll(const Tables& tables, const Table& table, const IngestTarget& target, BoundRows& rows,
                                bool fresh, const ChangeOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const std::vector<int> sources, MatchColumns(table, rows.schema()));
  if (table.source == Source::kStream) {
    if (target.rule == RowRule::kKeep || target.rule == RowRule::kMerge) {
      return CheckOwn(table, "INSERT with a rule for ids that are there");
    }
    EntryWriter writer(tables, table, options.pipeline_rows, options.cancel);
    return WriteRows(table, sources, rows, writer);
  }
  ARROW_RETURN_NOT_OK(CheckOwn(table, "INSERT"));
  ARROW_ASSIGN_OR_RAISE(const std::vector<bool> updated, UpdatedColumns(table, target, sources));
  if (target.rule == RowRule::kMerge && !table.has_key()) {
    return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Table " + table.name + " has no primary key to find rows by");
  }
  RowWriter writer(tables, table,
                   {.pipeline_rows = options.pipeline_rows, .fresh = fresh, .rule = target.rule, .updated = updated},
                   options.cancel);
  return WriteRows(table, sources, rows, writer);
}

// The table that an ingest makes of its data's schema.
arrow::Result<Table> TableOf(const IngestTarget& target, const arrow::Schema& data) {
  Table table;
  table.name = target.table;
  table.retention_ms = target.retention_ms;
  arrow::FieldVector fields;
  for (const auto& field : data.fields()) {
    const auto type = StoredType(*field->type());
    if (!type.ok()) return Fail(CodeOf(type.status()), "Column " + field->name() + ": " + type.status().message());
    const bool nullable = field->nullable() && field->name() != target.key && field->name() != target.time;
    fields.push_back(arrow::field(field->name(), *type, nullable));
  }
  table.schema = arrow::schema(std::move(fields));
  if (!target.key.empty()) {
    ARROW_ASSIGN_OR_RAISE(table.key, FindColumn(table, target.key));
  }
  if (!target.time.empty()) {
    ARROW_ASSIGN_OR_RAISE(table.time, FindColumn(table, target.time));
  }
  ARROW_RETURN_NOT_OK(CheckTable(table));
  return table;
}

arrow::Status AlreadyThere(const std::string& name) {
  return Fail(ADBC_STATUS_ALREADY_EXISTS, "Table " + name + " exists already (DROP it, or append to it)");
}

// Writes a version beside the one that is read, and makes it that one.
arrow::Result<int64_t> WriteWhole(const Tables& tables, Table table, const Table* before, const IngestTarget& target,
                                  BoundRows& rows, const ChangeOptions& options) {
  ARROW_ASSIGN_OR_RAISE(table.version, tables.NewVersion(table.name));
  const arrow::Result<int64_t> written = WriteAll(tables, table, target, rows, true, options);
  const arrow::Status published = written.ok() ? tables.Publish(table, before == nullptr) : written.status();
  if (!published.ok()) {
    (void)tables.Retire(table, 0);  // the first error counts; rows that stay are seen by nobody
    return published;
  }
  if (before != nullptr) ARROW_RETURN_NOT_OK(tables.Retire(*before, options.replace_grace_ms));
  return written;
}

// Calls `each` once for every bound row, or once where the statement takes no parameters.
arrow::Status ForEachRow(int parameters, BoundRows* bound,
                         const std::function<arrow::Status(const arrow::RecordBatch*, int64_t)>& each) {
  if (parameters == 0) return each(nullptr, 0);
  if (bound == nullptr) return CheckBound(parameters, nullptr);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, bound->Next());
    if (batch == nullptr) return arrow::Status::OK();
    ARROW_RETURN_NOT_OK(CheckBound(parameters, batch.get()));
    for (int64_t row = 0; row < batch->num_rows(); ++row) ARROW_RETURN_NOT_OK(each(batch.get(), row));
  }
}

arrow::Result<std::vector<int>> InsertColumns(const Table& table, const sql::Insert& insert) {
  std::vector<int> columns;
  for (const std::string& name : insert.columns) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(table, name));
    for (const int other : columns) {
      if (other == column) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Column " + name + " is named twice");
    }
    columns.push_back(column);
  }
  for (int i = 0; insert.columns.empty() && i < table.schema->num_fields(); ++i) columns.push_back(i);
  for (const std::vector<sql::Value>& row : insert.rows) {
    if (row.size() == columns.size()) continue;
    return Fail(ADBC_STATUS_INVALID_ARGUMENT, "VALUES gives " + std::to_string(row.size()) + " values for " +
                                                  std::to_string(columns.size()) + " columns");
  }
  return columns;
}

// One of a statement's values for a column.
arrow::Status ReadValue(const sql::Value& value, const arrow::RecordBatch* parameters, int64_t row,
                        const arrow::DataType& type, Cell& cell) {
  if (value.kind == sql::Value::Kind::kParameter) {
    return ReadCell(*parameters->column(value.parameter), row, type, cell);
  }
  cell.null = value.kind == sql::Value::Kind::kNull;
  return cell.null ? arrow::Status::OK() : WriteCell(value, type, cell.text);
}

template <class Writer>
arrow::Status InsertOne(const Table& table, const std::vector<int>& columns, const std::vector<sql::Value>& values,
                        const arrow::RecordBatch* parameters, int64_t row, Writer& writer) {
  std::vector<Cell> cells(static_cast<size_t>(table.schema->num_fields()));
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto& field = table.schema->field(columns[i]);
    Cell& cell = cells[static_cast<size_t>(columns[i])];
    const arrow::Status read = ReadValue(values[i], parameters, row, *field->type(), cell);
    if (!read.ok()) return AtPlace(read, field->name(), writer.rows());
  }
  return writer.Add(cells);
}

arrow::Status CheckFoundByKey(const Table& table, const sql::Condition& where, const std::string& statement) {
  ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(table, where.column));
  if (column == table.key) return arrow::Status::OK();
  return Fail(ADBC_STATUS_NOT_IMPLEMENTED,
              statement + " takes conditions on the primary key only, not on " + where.column);
}

// DELETE without WHERE: an empty version takes the table's place.
arrow::Result<int64_t> RemoveAll(const Tables& tables, Table table, const ChangeOptions& options) {
  const Table before = table;
  ARROW_ASSIGN_OR_RAISE(const Reply count,
                        tables.wire()->Run({"ZCARD", tables.Names(table.name).Index(table.version)}));
  ARROW_ASSIGN_OR_RAISE(table.version, tables.NewVersion(table.name));
  ARROW_RETURN_NOT_OK(tables.Publish(table, false));
  ARROW_RETURN_NOT_OK(tables.Retire(before, options.replace_grace_ms));
  return count->integer;
}

}  // namespace

arrow::Status RunCreate(const Tables& tables, const sql::CreateTable& create) {
  Table table;
  table.name = create.table;
  table.retention_ms = create.retention_ms;
  if (!create.hashes.empty()) table.source = Source::kHashes;
  if (!create.stream.empty()) table.source = Source::kStream;
  table.place = create.hashes.empty() ? create.stream : create.hashes;
  arrow::FieldVector fields;
  for (const sql::Column& column : create.columns) {
    const bool given = create.stream.empty() && (column.name == create.key || column.name == create.time);
    const bool nullable = column.nullable && !given;  // the id of an entry may be the server's choice
    fields.push_back(arrow::field(column.name, column.type, nullable));
  }
  table.schema = arrow::schema(std::move(fields));
  if (!create.key.empty()) {
    ARROW_ASSIGN_OR_RAISE(table.key, FindColumn(table, create.key));
  }
  if (!create.time.empty()) {
    ARROW_ASSIGN_OR_RAISE(table.time, FindColumn(table, create.time));
  }
  ARROW_RETURN_NOT_OK(CheckTable(table));
  ARROW_ASSIGN_OR_RAISE(const auto existing, tables.Find(create.table));
  if (existing != nullptr) return create.if_not_exists ? arrow::Status::OK() : AlreadyThere(create.table);
  ARROW_ASSIGN_OR_RAISE(table.version, tables.NewVersion(table.name));
  const arrow::Status published = tables.Publish(table, true);
  if (create.if_not_exists && CodeOf(published) == ADBC_STATUS_ALREADY_EXISTS) return arrow::Status::OK();
  return published;
}

arrow::Status RunDrop(const Tables& tables, const sql::DropTable& drop) {
  ARROW_ASSIGN_OR_RAISE(const auto table, tables.Find(drop.table));
  if (table != nullptr) return tables.Drop(*table);
  if (drop.if_exists) return arrow::Status::OK();
  return tables.Load(drop.table).status();
}

arrow::Result<int64_t> RunIngest(const Tables& tables, const IngestTarget& target, BoundRows& rows,
                                 const ChangeOptions& options) {
  ARROW_ASSIGN_OR_RAISE(const auto existing, tables.Find(target.table));
  const bool appends =
      target.mode == IngestMode::kAppend || (target.mode == IngestMode::kCreateAppend && existing != nullptr);
  if (appends) {
    if (existing == nullptr) return tables.Load(target.table).status();
    ARROW_ASSIGN_OR_RAISE(const int64_t written, WriteAll(tables, *existing, target, rows, false, options));
    ARROW_RETURN_NOT_OK(CheckStillThere(tables, *existing));
    return written;
  }
  if (target.mode == IngestMode::kCreate && existing != nullptr) return AlreadyThere(target.table);
  if (existing != nullptr) ARROW_RETURN_NOT_OK(CheckOwn(*existing, "Replacing"));
  ARROW_ASSIGN_OR_RAISE(Table table, TableOf(target, rows.schema()));
  return WriteWhole(tables, std::move(table), existing.get(), target, rows, options);
}

arrow::Result<int64_t> RunInsert(const Tables& tables, const sql::Statement& statement, BoundRows* bound,
                                 const ChangeOptions& options) {
  const auto& insert = std::get<sql::Insert>(statement.command);
  ARROW_ASSIGN_OR_RAISE(const Table table, tables.Load(insert.table));
  ARROW_ASSIGN_OR_RAISE(const std::vector<int> columns, InsertColumns(table, insert));
  const auto insert_into = [&](auto& writer) -> arrow::Result<int64_t> {
    ARROW_RETURN_NOT_OK(ForEachRow(statement.parameters, bound, [&](const arrow::RecordBatch* parameters, int64_t row) {
      for (const std::vector<sql::Value>& values : insert.rows) {
        ARROW_RETURN_NOT_OK(InsertOne(table, columns, values, parameters, row, writer));
      }
      return arrow::Status::OK();
    }));
    ARROW_RETURN_NOT_OK(writer.Finish());
    ARROW_RETURN_NOT_OK(CheckStillThere(tables, table));
    return writer.changed();
  };
  if (table.source == Source::kStream) {
    EntryWriter writer(tables, table, options.pipeline_rows, options.cancel);
    return insert_into(writer);
  }
  ARROW_RETURN_NOT_OK(CheckOwn(table, "INSERT"));
  RowWriter writer(tables, table, {.pipeline_rows = options.pipeline_rows}, options.cancel);
  return insert_into(writer);
}

arrow::Result<int64_t> RunUpdate(const Tables& tables, const sql::Statement& statement, BoundRows* bound,
                                 const ChangeOptions& options) {
  const auto& update = std::get<sql::Update>(statement.command);
  ARROW_ASSIGN_OR_RAISE(const Table table, tables.Load(update.table));
  ARROW_RETURN_NOT_OK(CheckOwn(table, "UPDATE"));
  ARROW_RETURN_NOT_OK(CheckFoundByKey(table, update.where, "UPDATE"));
  std::vector<int> columns;
  std::vector<bool> updated(static_cast<size_t>(table.schema->num_fields()));
  for (const std::string& name : update.columns) {
    ARROW_ASSIGN_OR_RAISE(const int column, FindColumn(table, name));
    if (column == table.key) {
      return Fail(ADBC_STATUS_NOT_IMPLEMENTED, "UPDATE does not change the primary key, " + name +
                                                   ": insert the row under its new key and delete the old one");
    }
    if (updated[static_cast<size_t>(column)]) {
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, "Column " + name + " is set twice");
    }
    updated[static_cast<size_t>(column)] = true;
    columns.push_back(column);
  }
  RowWriter writer(tables, table,
                   {.pipeline_rows = options.pipeline_rows, .rule = RowRule::kUpdate, .updated = std::move(updated)},
                   options.cancel);
  int64_t at = 0;
  ARROW_RETURN_NOT_OK(ForEachRow(statement.parameters, bound, [&](const arrow::RecordBatch* parameters, int64_t row) {
    std::vector<Cell> cells(static_cast<size_t>(table.schema->num_fields()));
    for (size_t i = 0; i < columns.size(); ++i) {
      const auto& field = table.schema->field(columns[i]);
      const arrow::Status read =
          ReadValue(update.values[i], parameters, row, *field->type(), cells[static_cast<size_t>(columns[i])]);
      if (!read.ok()) return AtPlace(read, field->name(), at);
    }
    ARROW_ASSIGN_OR_RAISE(const std::vector<std::string> keys, ResolveKeys(table, {update.where}, parameters, row));
    for (const std::string& key : keys) {
      cells[static_cast<size_t>(table.key)] = {.null = false, .text = key};
      ARROW_RETURN_NOT_OK(writer.Add(cells));
    }
    ++at;
    return arrow::Status::OK();
  }));
  ARROW_RETURN_NOT_OK(writer.Finish());
  ARROW_RETURN_NOT_OK(CheckStillThere(tables, table));
  return writer.changed();
}

arrow::Result<int64_t> RunDelete(const Tables& tables, const sql::Statement& statement, BoundRows* bound,
                                 const ChangeOptions& options) {
  const auto& removal = std::get<sql::Delete>(statement.command);
  ARROW_ASSIGN_OR_RAISE(Table table, tables.Load(removal.table));
  if (!removal.where || table.source == Source::kHashes) ARROW_RETURN_NOT_OK(CheckOwn(table, "DELETE"));
  if (!removal.where) return RemoveAll(tables, std::move(table), options);
  ARROW_RETURN_NOT_OK(CheckFoundByKey(table, *removal.where, "DELETE"));
  std::vector<std::string> keys;
  ARROW_RETURN_NOT_OK(ForEachRow(statement.parameters, bound, [&](const arrow::RecordBatch* parameters, int64_t row) {
    ARROW_ASSIGN_OR_RAISE(std::vector<std::string> more, ResolveKeys(table, {*removal.where}, parameters, row));
    std::move(more.begin(), more.end(), std::back_inserter(keys));
    return arrow::Status::OK();
  }));
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  if (table.source == Source::kStream) return RemoveEntries(tables, table, keys, options.cancel);
  return RemoveRows(tables, table, keys, options.cancel);
}

}  // namespace adbc_redis
