// Files of rows, one after the other, into one table.
//
// Thread safety: Run from one thread. Ownership: all of IngestParts outlives the run.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "cli/pacer.h"
#include "config/command_line.h"

namespace arrow {
class Schema;
class Status;
}  // namespace arrow

namespace hyprstream::cli {

class IngestProgress;
class PutStream;
class RowSource;
class ServerLink;
class StopSignal;

struct IngestParts {
  ServerLink& link;
  const Clock& clock;
  const StopSignal& stop;
  IngestProgress& progress;
};

class IngestRun {
 public:
  IngestRun(const config::IngestCommand& command, IngestParts parts);
  ~IngestRun();
  IngestRun(const IngestRun&) = delete;
  IngestRun& operator=(const IngestRun&) = delete;

  // Ends at the first error, or with Cancelled once `stop` is raised; by then all acknowledgements have come.
  arrow::Status Run();
  std::int64_t rows_accepted() const { return rows_before_ + rows_of_stream_; }
  std::int64_t records_skipped() const { return skipped_; }

 private:
  arrow::Status SendFile(const std::string& file);
  arrow::Status SendRows(RowSource& source);
  arrow::Status SendBatch(const arrow::RecordBatch& batch, bool& open);
  // Makes `stream_` one of batches with this schema, after the last acknowledgement of the one before.
  arrow::Status StreamFor(const std::shared_ptr<arrow::Schema>& schema);
  arrow::Status FinishStream();
  // Null when it is missing and to be made.
  arrow::Result<std::shared_ptr<arrow::Schema>> TableSchema();
  arrow::Result<std::unique_ptr<RowSource>> OpenSource(const std::string& file);
  void Skip(const std::string& why);
  void ShowProgress(const RowSource& source);

  const config::IngestCommand& command_;
  const IngestParts parts_;
  const std::unique_ptr<Pacer> pacer_;
  std::vector<std::string> path_;  // of the table
  std::size_t files_done_ = 0;
  std::unique_ptr<PutStream> stream_;           // of the file at hand
  std::shared_ptr<arrow::Schema> sent_schema_;  // of stream_
  std::int64_t rows_before_ = 0;                // accepted by the streams before this one
  std::atomic<std::int64_t> rows_of_stream_ = 0;
  std::int64_t skipped_ = 0;
};

}  // namespace hyprstream::cli
