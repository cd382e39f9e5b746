#include "cli/statement_runner.h"

#include <arrow/array/array_binary.h>
#include <arrow/buffer.h>
#include <arrow/flight/types_async.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <optional>
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

void AppendField(char tag, std::string_view bytes, std::string& out) {
  out += tag;
  std::size_t length = bytes.size();
  for (; length >= 0x80; length >>= 7) out += static_cast<char>(0x80 | (length & 0x7F));
  out += static_cast<char>(length);
  out += bytes;
}

// Flight SQL's CommandStatementQuery as a protobuf Any. Arrow's client makes it, too, but keeps it to calls that cannot
// be cancelled.
flight::FlightDescriptor QueryDescriptor(const std::string& sql) {
  constexpr char kFirstBytesField = 0x0A;
  constexpr char kSecondBytesField = 0x12;
  std::string command;
  AppendField(kFirstBytesField, sql, command);
  std::string any;
  AppendField(kFirstBytesField, "type.googleapis.com/arrow.flight.protocol.sql.CommandStatementQuery", any);
  AppendField(kSecondBytesField, command, any);
  return flight::FlightDescriptor::Command(std::move(any));
}

bool HasRows(const flight::sql::PreparedStatement& statement) {
  return statement.dataset_schema() != nullptr && statement.dataset_schema()->num_fields() > 0;
}

}  // namespace

// GetFlightInfo that can be cancelled from another thread.
class StatementRunner::InfoCall final : public flight::AsyncListener<flight::FlightInfo> {
 public:
  void OnNext(flight::FlightInfo info) override {
    const MutexLock lock(mutex_);
    info_ = std::move(info);
  }
  void OnFinish(arrow::Status status) override {
    const MutexLock lock(mutex_);
    finished_ = std::move(status);
    changed_.NotifyAll();
  }
  arrow::Result<flight::FlightInfo> Wait() {
    const MutexLock lock(mutex_);
    while (!finished_) changed_.Wait(mutex_);
    ARROW_RETURN_NOT_OK(*finished_);
    if (!info_) return arrow::Status::IOError("The server answered without saying where the rows are");
    return *info_;
  }

 private:
  Mutex mutex_;
  CondVar changed_;
  std::optional<flight::FlightInfo> info_ GUARDED_BY(mutex_);
  std::optional<arrow::Status> finished_ GUARDED_BY(mutex_);
};

arrow::Status StatementRunner::Run(const std::string& sql) {
  {
    MutexLock lock(mutex_);
    cancelled_ = false;
  }
  bool has_rows = true;
  auto prepared = link_.sql().Prepare(link_.options(), sql);
  if (!prepared.status().IsNotImplemented()) {
    ARROW_RETURN_NOT_OK(prepared.status());
    has_rows = HasRows(**prepared);
    if (!has_rows && !options_.interactive) {
      ARROW_RETURN_NOT_OK((*prepared)->ExecuteUpdate(link_.options()).status());
      return (*prepared)->Close(link_.options());
    }
    (void)(*prepared)->Close(link_.options());
  }
  ARROW_ASSIGN_OR_RAISE(const auto info, Execute(sql));
  ARROW_RETURN_NOT_OK(RunQuery(info));
  return has_rows ? arrow::Status::OK() : ReportChanges(info.total_records());
}

arrow::Result<flight::FlightInfo> StatementRunner::Execute(const std::string& sql) {
  const auto call = std::make_shared<InfoCall>();
  link_.flight().GetFlightInfoAsync(link_.options(), QueryDescriptor(sql), call);
  {
    MutexLock lock(mutex_);
    call_ = call.get();
    if (cancelled_) call_->TryCancel();
  }
  auto info = call->Wait();
  MutexLock lock(mutex_);
  call_ = nullptr;
  if (cancelled_) return arrow::Status::Cancelled("Cancelled");
  return info;
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
  if (call_ != nullptr) call_->TryCancel();
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
