#include "cli/ingest_run.h"

#include <arrow/flight/client.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <utility>

#include "cli/ingest_progress.h"
#include "cli/put_stream.h"
#include "cli/row_source.h"
#include "cli/server_link.h"
#include "cli/stop_signal.h"
#include "cli/table_name.h"

namespace hyprstream::cli {
namespace {

namespace flight = arrow::flight;

std::unique_ptr<Pacer> PacerOf(const config::IngestCommand& command, const Clock& clock) {
  if (command.rate > 0) return MakeRatePacer(command.rate, clock);
  if (command.replay > 0) return MakeReplayPacer(command.replay, command.time_column, clock);
  return MakeUnboundPacer(clock);
}

}  // namespace

IngestRun::IngestRun(const config::IngestCommand& command, IngestParts parts)
    : command_(command), parts_(parts), pacer_(PacerOf(command, parts.clock)) {}

IngestRun::~IngestRun() = default;

arrow::Status IngestRun::Run() {
  ARROW_ASSIGN_OR_RAISE(path_, ParseTableName(command_.table));
  for (const std::string& file : command_.files) {
    ARROW_RETURN_NOT_OK(SendFile(file));
    ++files_done_;
  }
  return arrow::Status::OK();
}

arrow::Status IngestRun::SendFile(const std::string& file) {
  if (parts_.stop.raised()) return arrow::Status::Cancelled("Interrupted");
  ARROW_ASSIGN_OR_RAISE(const auto source, OpenSource(file));
  const arrow::Status sent = SendRows(*source);
  const arrow::Status accepted = FinishStream();
  stream_.reset();
  if (!accepted.ok()) return accepted.WithMessage(file == "-" ? "standard input" : file, ": ", PlainMessage(accepted));
  return sent;
}

arrow::Status IngestRun::StreamFor(const std::shared_ptr<arrow::Schema>& schema) {
  if (stream_ != nullptr && sent_schema_->Equals(*schema)) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(FinishStream());
  ARROW_ASSIGN_OR_RAISE(
      stream_, PutStream::Open(parts_.link, {.path = path_,
                                             .schema = schema,
                                             .create = command_.create,
                                             .on_accepted = [this](std::int64_t rows) { rows_of_stream_ = rows; }}));
  sent_schema_ = schema;
  return arrow::Status::OK();
}

arrow::Status IngestRun::FinishStream() {
  if (stream_ == nullptr) return arrow::Status::OK();
  const arrow::Status accepted = stream_->Finish();
  rows_before_ += rows_of_stream_.exchange(0);
  return accepted;
}

arrow::Result<std::shared_ptr<arrow::Schema>> IngestRun::TableSchema() {
  auto found = parts_.link.flight().GetSchema(parts_.link.options(), flight::FlightDescriptor::Path(path_));
  if (found.status().IsKeyError()) {
    if (command_.create) return nullptr;
    return found.status().WithMessage(PlainMessage(found.status()), "; --create makes it from the rows' types");
  }
  ARROW_RETURN_NOT_OK(found.status());
  arrow::ipc::DictionaryMemo memo;
  return (*found)->GetSchema(&memo);
}

arrow::Result<std::unique_ptr<RowSource>> IngestRun::OpenSource(const std::string& file) {
  RowSourceOptions options;
  options.path = file;
  options.format = command_.format;
  if (command_.batch_rows > 0) options.batch_rows = command_.batch_rows;
  ARROW_ASSIGN_OR_RAISE(options.table, TableSchema());
  options.on_error = command_.on_error;
  options.on_skip = [this](const std::string& why) { Skip(why); };
  options.stop = &parts_.stop;
  return RowSource::Open(std::move(options));
}

arrow::Status IngestRun::SendRows(RowSource& source) {
  for (bool open = true; open;) {
    ARROW_ASSIGN_OR_RAISE(const auto batch, source.Next());
    if (batch == nullptr) break;
    ARROW_RETURN_NOT_OK(StreamFor(batch->schema()));
    ARROW_RETURN_NOT_OK(SendBatch(*batch, open));
    ShowProgress(source);
  }
  if (stream_ != nullptr) return arrow::Status::OK();
  return StreamFor(source.schema());  // a table is made of a file without rows, too
}

// `open` becomes false when the server takes no more.
arrow::Status IngestRun::SendBatch(const arrow::RecordBatch& batch, bool& open) {
  for (std::int64_t row = 0; row < batch.num_rows() && open;) {
    ARROW_ASSIGN_OR_RAISE(const Pacer::Portion portion, pacer_->Next(batch, row));
    if (parts_.stop.WaitUntil(parts_.clock, portion.due)) return arrow::Status::Cancelled("Interrupted");
    open = stream_->Send(*batch.Slice(row, portion.rows));
    row += portion.rows;
  }
  return arrow::Status::OK();
}

void IngestRun::Skip(const std::string& why) {
  constexpr std::int64_t kToldMax = 100;
  if (++skipped_ <= kToldMax) parts_.progress.Say("skipped: " + why);
  if (skipped_ == kToldMax) parts_.progress.Say("skipped: further records are only counted");
}

void IngestRun::ShowProgress(const RowSource& source) {
  const double of_file = source.fraction();
  const double all = static_cast<double>(command_.files.size());
  parts_.progress.Show(rows_accepted(), of_file < 0 ? -1 : (static_cast<double>(files_done_) + of_file) / all);
}

}  // namespace hyprstream::cli
