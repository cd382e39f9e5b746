#include <arrow/array/array_binary.h>
#include <arrow/array/array_primitive.h>
#include <arrow/buffer.h>
#include <arrow/csv/api.h>
#include <arrow/io/memory.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/table.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <vector>

#include "cli/column_types_internal.h"
#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

namespace csv = arrow::csv;
using arrow::internal::checked_cast;

constexpr std::string_view kOpenQuote =
    "a quote is opened that nothing closes: the whole rest of the file is one record; is a quote missing?";

struct Record {
  std::size_t end;  // npos: not in the text
  bool in_quotes;   // the text ends inside quotes
};

// Finds the end of the first record as Arrow's parser does: quotes count at the beginning of a field only, and outside
// of them \n, \r and both end a record.
Record FirstRecord(std::string_view text) {
  constexpr auto kNone = std::string_view::npos;
  for (std::size_t at = 0; true; ++at) {
    if (text.substr(at).starts_with('"')) {
      do {  // two quotes inside quotes are one of the field
        at = text.find('"', at + 1);
        if (at == kNone) return {.end = kNone, .in_quotes = true};
        ++at;
      } while (text.substr(at).starts_with('"'));
    }
    while (at < text.size() && text[at] != ',' && text[at] != '\n' && text[at] != '\r') ++at;
    if (at == text.size()) return {.end = kNone, .in_quotes = false};
    if (text[at] == '\n') return {.end = at + 1, .in_quotes = false};
    if (text[at] == '\r') {
      if (at + 1 == text.size()) return {.end = kNone, .in_quotes = false};  // a \n may follow
      return {.end = at + (text[at + 1] == '\n' ? 2 : 1), .in_quotes = false};
    }
  }
}

bool IsFloating(const arrow::Array& array) {
  return array.type_id() == arrow::Type::DOUBLE || array.type_id() == arrow::Type::FLOAT;
}

bool IsInfinite(const arrow::Array& numbers, std::int64_t row) {
  return numbers.type_id() == arrow::Type::DOUBLE
             ? std::isinf(checked_cast<const arrow::DoubleArray&>(numbers).Value(row))
             : std::isinf(checked_cast<const arrow::FloatArray&>(numbers).Value(row));
}

bool HasInfinity(const arrow::Array& array) {
  for (std::int64_t row = 0; IsFloating(array) && row < array.length(); ++row) {
    if (IsInfinite(array, row)) return true;
  }
  return false;
}

// Arrow takes a number out of range for an infinity: the text that it was tells them apart.
arrow::Status CheckTexts(const std::string& name, const arrow::Array& numbers, const arrow::StringArray& texts) {
  for (std::int64_t row = 0; row < numbers.length(); ++row) {
    const auto text = texts.GetView(row);
    if (!IsInfinite(numbers, row) || text.find_first_of("0123456789") == std::string_view::npos) continue;
    return arrow::Status::Invalid("column ", name, ": '", text, "' is out of range of ", numbers.type()->ToString());
  }
  return arrow::Status::OK();
}

class CsvFormat final : public TextFormat {
 public:
  explicit CsvFormat(std::shared_ptr<arrow::Schema> table) : table_(std::move(table)) {}

  std::size_t RecordEnd(std::string_view text) const override { return FirstRecord(text).end; }

  std::size_t WholeRecords(std::string_view text) const override {
    std::size_t whole = 0;
    for (std::size_t end = 0; end != std::string_view::npos; end = RecordEnd(text.substr(whole))) whole += end;
    return whole;
  }

  // Of one column a blank line is a null.
  bool IsBlank(std::string_view records) const override {
    return names_.size() == 1 ? records.empty() : TextFormat::IsBlank(records);
  }

  // Blank lines before the header are nothing.
  arrow::Result<std::size_t> Learn(std::string_view text) override {
    std::size_t begin = 0;
    std::string_view header = text.substr(0, RecordEnd(text));
    while (TextFormat::IsBlank(header) && begin < text.size()) {
      begin += header.size();
      header = text.substr(begin, RecordEnd(text.substr(begin)));
    }
    if (FirstRecord(header).in_quotes) return arrow::Status::Invalid("in the header ", kOpenQuote);
    ARROW_ASSIGN_OR_RAISE(const auto names, Read(header, Options{}));
    names_ = names->schema()->field_names();
    std::shared_ptr<arrow::Schema> inferred = names->schema();
    const std::string_view rows = text.substr(begin + header.size());
    if (!IsBlank(rows)) {
      Options options;
      options.parse.invalid_row_handler = [](const csv::InvalidRow&) { return csv::InvalidRowResult::Skip; };
      ARROW_ASSIGN_OR_RAISE(const auto sample, ReadRows(rows, std::move(options)));
      inferred = sample->schema();
    }
    arrow::FieldVector fields;
    for (const auto& field : inferred->fields()) {
      fields.push_back(arrow::field(field->name(), TypeFor(field->name(), field->type(), table_.get())));
    }
    if (table_ == nullptr && !IsBlank(rows)) ARROW_RETURN_NOT_OK(WidenIntegers(rows, fields));
    schema_ = arrow::schema(std::move(fields));
    return begin + header.size();
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Parse(std::string_view records) override {
    if (EndsInQuotes(records)) return arrow::Status::Invalid(kOpenQuote);
    Options options;
    for (const auto& field : schema_->fields()) options.convert.column_types[field->name()] = field->type();
    ARROW_ASSIGN_OR_RAISE(const auto table, ReadRows(records, std::move(options)));
    ARROW_ASSIGN_OR_RAISE(auto batch, table->CombineChunksToBatch());
    ARROW_RETURN_NOT_OK(CheckInfinities(*batch, records));
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

  // Integers beyond BIGINT are inferred as doubles, which round them.
  arrow::Status WidenIntegers(std::string_view rows, arrow::FieldVector& fields) const {
    Options options;
    options.parse.invalid_row_handler = [](const csv::InvalidRow&) { return csv::InvalidRowResult::Skip; };
    for (const auto& field : fields) options.convert.column_types[field->name()] = arrow::utf8();
    ARROW_ASSIGN_OR_RAISE(const auto table, ReadRows(rows, std::move(options)));
    ARROW_ASSIGN_OR_RAISE(const auto texts, table->CombineChunksToBatch());
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i]->type()->id() != arrow::Type::DOUBLE) continue;
      NumberRange numbers;
      for (const auto& text : checked_cast<const arrow::StringArray&>(*texts->column(static_cast<int>(i)))) {
        if (text) numbers.Add(*text);
      }
      if (const auto wide = numbers.WideType(); wide != nullptr) fields[i] = fields[i]->WithType(wide);
    }
    return arrow::Status::OK();
  }

  bool EndsInQuotes(std::string_view records) const {
    if (!records.contains('"')) return false;
    return FirstRecord(records.substr(WholeRecords(records))).in_quotes;
  }

  arrow::Status CheckInfinities(const arrow::RecordBatch& batch, std::string_view records) const {
    std::vector<int> columns;
    Options options;
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (!HasInfinity(*batch.column(i))) continue;
      columns.push_back(i);
      options.convert.include_columns.push_back(batch.column_name(i));
      options.convert.column_types[batch.column_name(i)] = arrow::utf8();
    }
    if (columns.empty()) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(const auto table, ReadRows(records, std::move(options)));
    ARROW_ASSIGN_OR_RAISE(const auto texts, table->CombineChunksToBatch());
    for (int i = 0; const int column : columns) {
      ARROW_RETURN_NOT_OK(CheckTexts(batch.column_name(column), *batch.column(column),
                                     checked_cast<const arrow::StringArray&>(*texts->column(i++))));
    }
    return arrow::Status::OK();
  }

  arrow::Result<std::shared_ptr<arrow::Table>> ReadRows(std::string_view records, Options options) const {
    options.read.column_names = names_;
    options.parse.ignore_empty_lines = names_.size() != 1;
    return Read(records, std::move(options));
  }

  static arrow::Result<std::shared_ptr<arrow::Table>> Read(std::string_view text, Options options) {
    options.read.use_threads = false;
    options.read.block_size = static_cast<int>(text.size()) + 1;
    options.parse.newlines_in_values = true;
    options.convert.null_values = {""};
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
