// CSV and JSON lines: how a text of whole records becomes a batch, and where records begin.
//
// Thread safety: one thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace arrow {
class RecordBatch;
class Schema;
class Status;
template <class T>
class Result;
}  // namespace arrow

namespace hyprstream::cli {

class TextFormat {
 public:
  virtual ~TextFormat() = default;

  // Length of the first record of `text`, its line end included; npos when its end is not in `text`.
  virtual std::size_t RecordEnd(std::string_view text) const = 0;
  // Length of the records that are whole in `text`, whose beginning is the beginning of a record.
  virtual std::size_t WholeRecords(std::string_view text) const = 0;
  // Whether whole records hold no rows: only blank lines, where these are none. Before Learn, only blank lines.
  virtual bool IsBlank(std::string_view records) const {
    return records.find_first_not_of(" \t\r\n") == std::string_view::npos;
  }
  // Learns names and types from the beginning of the file (whole records, not blank); how much of it was a header.
  virtual arrow::Result<std::size_t> Learn(std::string_view text) = 0;
  // After Learn.
  virtual const std::shared_ptr<arrow::Schema>& schema() const = 0;
  virtual arrow::Result<std::shared_ptr<arrow::RecordBatch>> Parse(std::string_view records) = 0;
  // Why one record cannot be read: `column NAME: ...`, without the row that Arrow counts.
  virtual std::string Explain(std::string_view record, const arrow::Status& status) const = 0;
};

// `table` gives the types of columns that it names (null: none); all others are inferred.
std::unique_ptr<TextFormat> MakeCsvFormat(std::shared_ptr<arrow::Schema> table);
std::unique_ptr<TextFormat> MakeJsonFormat(std::shared_ptr<arrow::Schema> table);

}  // namespace hyprstream::cli
