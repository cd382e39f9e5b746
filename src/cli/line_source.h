// Rows from a text of records, read block by block; a bad record is found by halving its block.
//
// Thread safety: one thread.
#pragma once

#include <arrow/status.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>

#include "cli/row_source.h"
#include "cli/text_format.h"

namespace arrow::io {
class InputStream;
}

namespace hyprstream::cli {

struct LineSourceOptions {
  std::string name;  // of the file, for messages
  std::shared_ptr<arrow::io::InputStream> stream;
  std::int64_t bytes = -1;  // of the whole file, below 0 when unknown
  std::unique_ptr<TextFormat> format;
  bool infers = true;                                // types come from the first block, which is waited for
  std::shared_ptr<arrow::Schema> schema_when_empty;  // null: an empty text is an error
  config::OnError on_error = config::OnError::kStop;
  std::function<void(const std::string&)> on_skip;
  std::int64_t block_bytes = 4 << 20;
  std::int64_t record_bytes_max = 64 << 20;
};

class LineSource final : public RowSource {
 public:
  static arrow::Result<std::unique_ptr<RowSource>> Open(LineSourceOptions options);
  ~LineSource() override;

  const std::shared_ptr<arrow::Schema>& schema() const override {
    return empty_ ? options_.schema_when_empty : options_.format->schema();
  }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override;
  double fraction() const override;

 private:
  explicit LineSource(LineSourceOptions options) : options_(std::move(options)) {}

  // The length of the records that `text_` holds.
  std::size_t WholeRecords() const;
  // Fills `text_` until it holds at least one whole record and `bytes_least`, and sets `whole_` to the length of the
  // records it holds.
  arrow::Status ReadBlock(std::size_t bytes_least);
  // The rows of some records; an error when they cannot be read, or are not what their types can hold.
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Parse(std::string_view records) const;
  // Parses records, the first of which is line `line`, into `ready_`; at a bad one that is not skipped sets `failure_`.
  void ParseRecords(std::string_view records, std::int64_t line);
  void TakeBadRecord(std::string_view record, std::int64_t line, const arrow::Status& status);

  LineSourceOptions options_;
  std::string text_;
  std::size_t whole_ = 0;
  std::int64_t line_ = 1;  // of the beginning of text_
  std::int64_t bytes_read_ = 0;
  bool at_end_ = false;
  bool empty_ = false;  // the whole text is blank
  std::deque<std::shared_ptr<arrow::RecordBatch>> ready_;
  arrow::Status failure_;
};

}  // namespace hyprstream::cli
