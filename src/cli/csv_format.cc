#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <charconv>
#include <vector>

#include "cli/column_types_internal.h"
#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

namespace csv = arrow::csv;

class CsvFormat final : public TextFormat {
 public:
  explicit CsvFormat(std::shared_ptr<arrow::Schema> table) : table_(std::move(table)) {}

  // A line end inside quotes ends no record.
  std::size_t RecordEnd(std::string_view text) const override {
    bool quoted = false;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '"') quoted = !quoted;
      if (text[at] == '\n' && !quoted) return at + 1;
    }
    return std::string_view::npos;
  }

  std::size_t WholeRecords(std::string_view text) const override {
    bool quoted = false;
    std::size_t end = 0;
    for (std::size_t at = 0; at < text.size(); ++at) {
      if (text[at] == '"') quoted = !quoted;
      if (text[at] == '\n' && !quoted) end = at + 1;
    }
    return end;
  }

  arrow::Result<std::size_t> Learn(std::string_view text) override {
    std::size_t header = RecordEnd(text);
    if (header == std::string_view::npos) header = text.size();
    ARROW_ASSIGN_OR_RAISE(const auto names, Read(text.substr(0, header), Options{}));
    names_ = names->schema()->field_names();
    arrow::FieldVector fields;
    std::shared_ptr<arrow::Schema> inferred = names->schema();
    if (header < text.size()) {
      Options options;
      options.parse.invalid_row_handler = [](const csv::InvalidRow&) { return csv::InvalidRowResult::Skip; };
      options.read.column_names = names_;
      ARROW_ASSIGN_OR_RAISE(const auto sample, Read(text.substr(header), std::move(options)));
      inferred = sample->schema();
    }
    for (const auto& field : inferred->fields()) {
      fields.push_back(arrow::field(field->name(), TypeFor(field->name(), field->type(), table_.get())));
    }
    schema_ = arrow::schema(std::move(fields));
    return header;
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Parse(std::string_view records) override {
    Options options;
    options.read.column_names = names_;
    for (const auto& field : schema_->fields()) options.convert.column_types[field->name()] = field->type();
    ARROW_ASSIGN_OR_RAISE(const auto table, Read(records, std::move(options)));
    ARROW_ASSIGN_OR_RAISE(auto batch, table->CombineChunksToBatch());
    return DecodeBinary(std::move(batch));
  }

  std::string Explain(std::string_view, const arrow::Status& status) const override {
    std::string text = status.message();
    text = text.substr(0, text.find(". Text:"));
    std::string column;
    constexpr std::string_view kColumn = "In CSV column #";
    if (text.starts_with(kColumn)) {
      std::size_t index = 0;
      std::from_chars(text.data() + kColumn.size(), text.data() + text.size(), index);
      if (index < names_.size()) column = "column " + names_[index] + ": ";
      text = text.substr(text.find(": ") + 2);
    }
    if (const std::size_t row = text.find("Row #"); row != std::string::npos) {
      text.erase(row, text.find(": ", row) + 2 - row);
    }
    return column + text;
  }

 private:
  struct Options {
    csv::ReadOptions read = csv::ReadOptions::Defaults();
    csv::ParseOptions parse = csv::ParseOptions::Defaults();
    csv::ConvertOptions convert = csv::ConvertOptions::Defaults();
  };

  static arrow::Result<std::shared_ptr<arrow::Table>> Read(std::string_view text, Options options) {
    options.read.use_threads = false;
    options.read.block_size = static_cast<int>(text.size()) + 1;
    options.parse.newlines_in_values = true;
    options.convert.strings_can_be_null = true;
    options.convert.quoted_strings_can_be_null = false;
    auto bytes = std::make_shared<arrow::io::BufferReader>(std::make_shared<arrow::Buffer>(
        reinterpret_cast<const std::uint8_t*>(text.data()), static_cast<std::int64_t>(text.size())));
    ARROW_ASSIGN_OR_RAISE(auto reader, csv::TableReader::Make(arrow::io::default_io_context(), std::move(bytes),
                                                              options.read, options.parse, options.convert));
    return reader->Read();
  }

  const std::shared_ptr<arrow::Schema> table_;
  std::vector<std::string> names_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

std::unique_ptr<TextFormat> MakeCsvFormat(std::shared_ptr<arrow::Schema> table) {
  return std::make_unique<CsvFormat>(std::move(table));
}

}  // namespace hyprstream::cli
