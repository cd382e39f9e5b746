#include "cli/statement_runner.h"

#include <arrow/array/array_binary.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <utility>

#include "cli/server_link.h"

namespace hyprstream::cli {
namespace {

namespace flight = arrow::flight;

arrow::Result<std::shared_ptr<arrow::Table>> ReadAll(ServerLink& link, const flight::FlightInfo& info) {
  std::vector<std::shared_ptr<arrow::Table>> parts;
  for (const flight::FlightEndpoint& endpoint : info.endpoints()) {
    ARROW_ASSIGN_OR_RAISE(auto stream, link.sql().DoGet(link.options(), endpoint.ticket));
    ARROW_ASSIGN_OR_RAISE(auto table, stream->ToTable());
    parts.push_back(std::move(table));
  }
  if (parts.empty()) return arrow::Status::IOError("The server gave no endpoint for its metadata");
  ARROW_ASSIGN_OR_RAISE(auto all, arrow::ConcatenateTables(parts));
  return all->CombineChunks();
}

template <class ArrayType>
const ArrayType* ColumnOf(const arrow::Table& table, const std::string& name) {
  const auto column = table.GetColumnByName(name);
  if (column == nullptr || column->num_chunks() == 0) return nullptr;
  return dynamic_cast<const ArrayType*>(column->chunk(0).get());
}

}  // namespace

arrow::Status StatementRunner::Run(const std::string& sql) {
  {
    MutexLock lock(mutex_);
    cancelled_ = false;
  }
  auto prepared = link_.sql().Prepare(link_.options(), sql);
  if (prepared.status().IsNotImplemented()) {
    ARROW_ASSIGN_OR_RAISE(const auto info, link_.sql().Execute(link_.options(), sql));
    return RunQuery(*info);
  }
  ARROW_RETURN_NOT_OK(prepared.status());
  if (IsCancelled()) return arrow::Status::Cancelled("Cancelled");
  if ((*prepared)->dataset_schema() == nullptr || (*prepared)->dataset_schema()->num_fields() == 0) {
    ARROW_ASSIGN_OR_RAISE(const std::int64_t rows, (*prepared)->ExecuteUpdate(link_.options()));
    (void)(*prepared)->Close(link_.options());
    return ReportChanges(rows);
  }
  ARROW_ASSIGN_OR_RAISE(const auto info, (*prepared)->Execute(link_.options()));
  const arrow::Status status = RunQuery(*info);
  (void)(*prepared)->Close(link_.options());
  return status;
}

arrow::Status StatementRunner::RunQuery(const flight::FlightInfo& info) {
  std::unique_ptr<ResultPrinter> printer;
  for (const flight::FlightEndpoint& endpoint : info.endpoints()) {
    if (IsCancelled()) return arrow::Status::Cancelled("Cancelled");
    ARROW_ASSIGN_OR_RAISE(auto stream, link_.sql().DoGet(link_.options(), endpoint.ticket));
    Watch(stream.get());
    const arrow::Status status = PrintStream(*stream, printer);
    Watch(nullptr);
    if (IsCancelled()) return arrow::Status::Cancelled("Cancelled");
    ARROW_RETURN_NOT_OK(status);
  }
  return printer == nullptr ? arrow::Status::OK() : printer->Finish();
}

arrow::Status StatementRunner::PrintStream(flight::FlightStreamReader& stream,
                                           std::unique_ptr<ResultPrinter>& printer) {
  ARROW_ASSIGN_OR_RAISE(auto schema, stream.GetSchema());
  if (printer == nullptr && schema->num_fields() > 0) printer = ResultPrinter::Make(options_, schema);
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const flight::FlightStreamChunk chunk, stream.Next());
    if (chunk.data == nullptr && chunk.app_metadata == nullptr) return arrow::Status::OK();
    if (chunk.data == nullptr || printer == nullptr) continue;
    ARROW_ASSIGN_OR_RAISE(const bool more, printer->Add(*chunk.data));
    if (!more) {
      stream.Cancel();
      return arrow::Status::OK();
    }
  }
}

arrow::Status StatementRunner::ReportChanges(std::int64_t rows) {
  if (!options_.interactive) return arrow::Status::OK();
  if (rows > 0) {
    std::fprintf(options_.out, "%lld %s changed\n", static_cast<long long>(rows), rows == 1 ? "row" : "rows");
  } else {
    std::fprintf(options_.out, "done\n");
  }
  return arrow::Status::OK();
}

bool StatementRunner::IsCancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

void StatementRunner::Watch(flight::FlightStreamReader* stream) {
  MutexLock lock(mutex_);
  stream_ = stream;
  if (cancelled_ && stream_ != nullptr) stream_->Cancel();
}

void StatementRunner::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  if (stream_ != nullptr) stream_->Cancel();
}

arrow::Result<std::vector<StatementRunner::TableName>> StatementRunner::Tables() {
  ARROW_ASSIGN_OR_RAISE(const auto info,
                        link_.sql().GetTables(link_.options(), nullptr, nullptr, nullptr, false, nullptr));
  ARROW_ASSIGN_OR_RAISE(const auto table, ReadAll(link_, *info));
  const auto* schemas = ColumnOf<arrow::StringArray>(*table, "db_schema_name");
  const auto* names = ColumnOf<arrow::StringArray>(*table, "table_name");
  std::vector<TableName> tables;
  for (std::int64_t row = 0; names != nullptr && row < names->length(); ++row) {
    const bool has_schema = schemas != nullptr && schemas->IsValid(row);
    tables.push_back({has_schema ? schemas->GetString(row) : std::string(), names->GetString(row)});
  }
  return tables;
}

arrow::Result<std::shared_ptr<arrow::Schema>> StatementRunner::SchemaOf(const std::string& table) {
  const std::size_t dot = table.find('.');
  const std::string schema = dot == std::string::npos ? std::string() : table.substr(0, dot);
  const std::string name = dot == std::string::npos ? table : table.substr(dot + 1);
  ARROW_ASSIGN_OR_RAISE(
      const auto info,
      link_.sql().GetTables(link_.options(), nullptr, schema.empty() ? nullptr : &schema, &name, true, nullptr));
  ARROW_ASSIGN_OR_RAISE(const auto found, ReadAll(link_, *info));
  const auto* names = ColumnOf<arrow::StringArray>(*found, "table_name");
  const auto* schemas = ColumnOf<arrow::BinaryArray>(*found, "table_schema");
  // The name is a LIKE pattern to the server: an underscore may match more.
  for (std::int64_t row = 0; names != nullptr && schemas != nullptr && row < names->length(); ++row) {
    if (names->GetView(row) != name) continue;
    arrow::io::BufferReader bytes(arrow::Buffer::FromString(schemas->GetString(row)));
    arrow::ipc::DictionaryMemo memo;
    return arrow::ipc::ReadSchema(&bytes, &memo);
  }
  return nullptr;
}

}  // namespace hyprstream::cli
