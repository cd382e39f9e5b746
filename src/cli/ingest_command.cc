#include "cli/ingest_command.h"

#include <arrow/buffer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "cli/row_source.h"
#include "cli/server_link.h"

namespace hyprstream::cli {
namespace {

namespace flight = arrow::flight;

std::vector<std::string> PathOf(const std::string& table) {
  const auto dot = table.find('.');
  if (dot == std::string::npos) return {table};
  return {table.substr(0, dot), table.substr(dot + 1)};
}

arrow::Status SendFile(ServerLink& link, const config::IngestCommand& command, const std::string& path) {
  RowSourceOptions options{.path = path,
                           .format = command.format,
                           .table = nullptr,
                           .on_error = command.on_error,
                           .on_skip = [](const std::string& text) { std::fprintf(stderr, "%s\n", text.c_str()); }};
  if (command.batch_rows > 0) options.batch_rows = command.batch_rows;
  ARROW_ASSIGN_OR_RAISE(auto source, RowSource::Open(std::move(options)));
  ARROW_ASSIGN_OR_RAISE(
      auto put,
      link.flight().DoPut(link.options(), flight::FlightDescriptor::Path(PathOf(command.table)), source->schema()));
  bool first = true;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, source->Next());
    if (batch == nullptr) break;
    if (first && command.create) {
      ARROW_RETURN_NOT_OK(put.writer->WriteWithMetadata(*batch, arrow::Buffer::FromString(R"({"create": true})")));
    } else {
      ARROW_RETURN_NOT_OK(put.writer->WriteRecordBatch(*batch));
    }
    first = false;
    std::shared_ptr<arrow::Buffer> acknowledgement;
    ARROW_RETURN_NOT_OK(put.reader->ReadMetadata(&acknowledgement));
  }
  return put.writer->Close();
}

arrow::Status RunCommand(const config::IngestCommand& command) {
  ARROW_ASSIGN_OR_RAISE(const auto link, ServerLink::Open(command.client));
  for (const std::string& path : command.files) ARROW_RETURN_NOT_OK(SendFile(*link, command, path));
  return arrow::Status::OK();
}

}  // namespace

int RunIngest(const config::IngestCommand& command) {
  const arrow::Status status = RunCommand(command);
  if (status.ok()) return 0;
  std::fprintf(stderr, "hyprstream: %s\n", OneLine(status).c_str());
  return 1;
}

}  // namespace hyprstream::cli
