#include "cli/line_source.h"

#include <arrow/array/array_base.h>
#include <arrow/buffer.h>
#include <arrow/io/interfaces.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <format>

namespace hyprstream::cli {
namespace {

// Of whole records. A line ends with \n, \r or both.
std::int64_t LinesOf(std::string_view text) {
  std::int64_t lines = std::ranges::count(text, '\n');
  for (std::size_t at = text.find('\r'); at != std::string_view::npos; at = text.find('\r', at + 1)) {
    if (!text.substr(at + 1).starts_with('\n')) ++lines;
  }
  return lines;
}

}  // namespace

LineSource::~LineSource() = default;

arrow::Result<std::unique_ptr<RowSource>> LineSource::Open(LineSourceOptions options) {
  std::unique_ptr<LineSource> source(new LineSource(std::move(options)));
  const auto sample_bytes = static_cast<std::size_t>(source->options_.infers ? source->options_.block_bytes : 0);
  ARROW_RETURN_NOT_OK(source->ReadBlock(sample_bytes));
  if (source->text_.starts_with("\xEF\xBB\xBF")) {  // a byte order mark, behind which a quote may be
    source->text_.erase(0, 3);
    source->whole_ = source->WholeRecords();
  }
  const std::string& name = source->options_.name;
  const TextFormat& format = *source->options_.format;
  const auto whole = [&] { return std::string_view(source->text_).substr(0, source->whole_); };
  while (format.IsBlank(whole()) && !source->at_end_) ARROW_RETURN_NOT_OK(source->ReadBlock(sample_bytes));
  if (format.IsBlank(whole())) {
    source->empty_ = source->options_.schema_when_empty != nullptr;
    if (!source->empty_) return arrow::Status::Invalid(name, ": the file is empty");
    return source;
  }
  const std::string_view records = whole();
  const auto header = source->options_.format->Learn(records);
  if (!header.ok()) return arrow::Status::Invalid(name, ", ", header.status().message());
  source->line_ += LinesOf(records.substr(0, *header));
  source->text_.erase(0, *header);
  source->whole_ -= *header;
  return source;
}

std::size_t LineSource::WholeRecords() const { return at_end_ ? text_.size() : options_.format->WholeRecords(text_); }

arrow::Status LineSource::ReadBlock(std::size_t bytes_least) {
  whole_ = 0;
  while ((whole_ == 0 || text_.size() < bytes_least) && !at_end_) {
    ARROW_ASSIGN_OR_RAISE(const auto block, options_.stream->Read(options_.block_bytes));
    at_end_ = block->size() == 0;
    bytes_read_ += block->size();
    text_ += std::string_view(*block);
    whole_ = WholeRecords();
    if (whole_ == 0 && static_cast<std::int64_t>(text_.size()) > options_.record_bytes_max) {
      return arrow::Status::Invalid(options_.name, ", line ", line_, ": a record of more than ",
                                    options_.record_bytes_max, " bytes; is a quote missing?");
    }
  }
  return arrow::Status::OK();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> LineSource::Next() {
  while (ready_.empty()) {
    ARROW_RETURN_NOT_OK(failure_);
    if (whole_ == 0) ARROW_RETURN_NOT_OK(ReadBlock(0));
    if (whole_ == 0) return nullptr;
    const std::string_view records = std::string_view(text_).substr(0, whole_);
    ParseRecords(records, line_);
    line_ += LinesOf(records);
    text_.erase(0, whole_);
    whole_ = 0;
  }
  auto batch = std::move(ready_.front());
  ready_.pop_front();
  return batch;
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> LineSource::Parse(std::string_view records) const {
  ARROW_ASSIGN_OR_RAISE(auto batch, options_.format->Parse(records));
  for (int i = 0; i < batch->num_columns(); ++i) {
    const auto fits = batch->column(i)->ValidateFull();
    if (!fits.ok()) return fits.WithMessage("column ", batch->column_name(i), ": ", fits.message());
  }
  return batch;
}

void LineSource::ParseRecords(std::string_view records, std::int64_t line) {
  if (options_.format->IsBlank(records) || !failure_.ok()) return;
  auto batch = Parse(records);
  if (batch.ok()) {
    if ((*batch)->num_rows() > 0) ready_.push_back(std::move(*batch));
    return;
  }
  // Split near the middle, at the end of a record.
  std::size_t middle = 0;
  while (middle < records.size() / 2) {
    const std::size_t end = options_.format->RecordEnd(records.substr(middle));
    middle = end == std::string_view::npos ? records.size() : middle + end;
  }
  if (middle == 0) middle = options_.format->RecordEnd(records);
  if (middle >= records.size()) {
    // The last record may be the larger half: try what is before it.
    middle = options_.format->RecordEnd(records);
    if (middle == std::string_view::npos || middle >= records.size()) {
      TakeBadRecord(records, line, batch.status());
      return;
    }
  }
  ParseRecords(records.substr(0, middle), line);
  ParseRecords(records.substr(middle), line + LinesOf(records.substr(0, middle)));
}

void LineSource::TakeBadRecord(std::string_view record, std::int64_t line, const arrow::Status& status) {
  std::string text = std::format("{}, line {}, {}", options_.name, line, options_.format->Explain(record, status));
  std::ranges::replace(text, '\n', ' ');
  if (options_.on_error == config::OnError::kSkip) {
    if (options_.on_skip) options_.on_skip(text);
  } else {
    failure_ = arrow::Status::Invalid(text);
  }
}

double LineSource::fraction() const {
  if (options_.bytes <= 0) return -1;
  return static_cast<double>(bytes_read_ - static_cast<std::int64_t>(text_.size())) /
         static_cast<double>(options_.bytes);
}

}  // namespace hyprstream::cli
