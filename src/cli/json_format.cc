#include <arrow/array/array_base.h>
#include <arrow/buffer.h>
#include <arrow/json/options.h>
#include <arrow/json/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <strings.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <utility>
#include <vector>

#include "cli/column_types_internal.h"
#include "cli/json_columns_internal.h"
#include "cli/json_records_internal.h"
#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

constexpr std::string_view kColumn = "Column(/";  // how Arrow's errors begin

using Numbers = std::map<std::string, NumberRange>;
using Batch = std::shared_ptr<arrow::RecordBatch>;

arrow::Result<Batch> ParseAs(std::string text, const arrow::json::ParseOptions& options) {
  return arrow::json::ParseOne(options, arrow::Buffer::FromString(std::move(text)));
}

// Records as values of `columns`, which hold all names in them.
arrow::Result<Batch> ReadColumns(std::string text, arrow::FieldVector columns,
                                 arrow::json::UnexpectedFieldBehavior unexpected) {
  auto options = arrow::json::ParseOptions::Defaults();
  options.unexpected_field_behavior = unexpected;
  arrow::FieldVector read;
  for (const auto& column : columns) read.push_back(column->WithType(ReadAs(column->type())));
  options.explicit_schema = arrow::schema(std::move(read));
  ARROW_ASSIGN_OR_RAISE(const auto batch, ParseAs(std::move(text), options));
  arrow::ArrayVector arrays;
  for (std::size_t i = 0; i < columns.size(); ++i) {
    auto array = Convert(batch->column(static_cast<int>(i)), columns[i]->type());
    if (!array.ok()) return array.status().WithMessage(kColumn, columns[i]->name(), ") ", array.status().message());
    arrays.push_back(std::move(*array));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(columns)), batch->num_rows(), std::move(arrays));
}

class JsonFormat final : public TextFormat {
 public:
  explicit JsonFormat(std::shared_ptr<arrow::Schema> table) : table_(std::move(table)), schema_(table_) {}

  std::size_t RecordEnd(std::string_view text) const override {
    const std::size_t end = text.find('\n');
    return end == std::string_view::npos ? end : end + 1;
  }
  std::size_t WholeRecords(std::string_view text) const override {
    const std::size_t end = text.rfind('\n');
    return end == std::string_view::npos ? 0 : end + 1;
  }

  arrow::Result<std::size_t> Learn(std::string_view text) override {
    if (table_ != nullptr) {
      for (const auto& field : table_->fields()) known_.push_back(arrow::field(field->name(), SentAs(field->type())));
      return 0;
    }
    Numbers numbers;
    ARROW_ASSIGN_OR_RAISE(const std::string sample, SampleOf(text, numbers));
    ARROW_ASSIGN_OR_RAISE(const auto batch, Infer(sample, numbers));
    for (const auto& field : batch->schema()->fields()) {
      const auto same = [&field](const auto& other) {
        return strcasecmp(other->name().c_str(), field->name().c_str()) == 0;
      };
      if (std::ranges::any_of(known_, same)) continue;
      const auto column = arrow::field(field->name(), SentAs(field->type(), numbers, '/' + field->name()));
      ARROW_ASSIGN_OR_RAISE(const auto type, TimesAsWritten(sample, *column));
      known_.push_back(column->WithType(type));
    }
    columns_.resize(known_.size());
    std::iota(columns_.begin(), columns_.end(), std::size_t{0});
    schema_ = arrow::schema(known_);
    return 0;
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  arrow::Result<Batch> Parse(std::string_view text) override {
    ARROW_ASSIGN_OR_RAISE(JsonRecords records, PrepareRecords(text, known_));
    // Columns that no record has had so far are left to the server, which gives them their defaults.
    std::vector<std::size_t> columns = columns_;
    for (std::size_t i = 0; i < known_.size(); ++i) {
      if (records.seen[i] && !std::ranges::contains(columns, i)) columns.push_back(i);
    }
    arrow::FieldVector fields;
    for (const std::size_t i : columns) fields.push_back(known_[i]);
    ARROW_ASSIGN_OR_RAISE(auto batch, ReadColumns(std::move(records.text), std::move(fields),
                                                  arrow::json::UnexpectedFieldBehavior::Error));
    columns_ = std::move(columns);
    schema_ = batch->schema();
    return batch;
  }

  std::string Explain(std::string_view record, const arrow::Status& status) const override {
    try {
      const auto valid = nlohmann::json::parse(record);
      ARROW_UNUSED(valid);
    } catch (const nlohmann::json::parse_error& error) {
      return "character " + std::to_string(error.byte) + ": not valid JSON";
    } catch (const nlohmann::json::exception&) {
      // Such as a number that is too large: what reads the values says so better.
    }
    std::string text = status.message();
    if (!text.contains(kColumn) && !text.starts_with("column ")) text = BlameColumn(record) + text;
    text = text.substr(0, text.rfind(" in row "));
    if (const std::size_t at = text.find(kColumn); at != std::string::npos) {
      const std::size_t name = at + kColumn.size();
      const std::size_t end = text.find(')', name);
      return "column " + text.substr(name, end - name) + ":" + text.substr(end + 1);
    }
    return text;
  }

 private:
  static arrow::Result<Batch> Infer(std::string_view text, Numbers& numbers) {
    ARROW_RETURN_NOT_OK(CheckRecords(text, numbers));
    return ParseAs(std::string(text), arrow::json::ParseOptions::Defaults());
  }

  // Records from the beginning of `text` whose types can be inferred together. Bad ones are left out; they are found
  // again when they are parsed.
  arrow::Result<std::string> SampleOf(std::string_view text, Numbers& numbers) const {
    if (Infer(text, numbers).ok()) return std::string(text);
    ARROW_ASSIGN_OR_RAISE(std::string good, GoodRecordsOf(text));
    while (true) {
      numbers.clear();
      auto inferred = Infer(good, numbers);
      if (inferred.ok()) return good;
      const std::size_t half =
          std::max(WholeRecords(std::string_view(good).substr(0, good.size() / 2)), RecordEnd(good));
      if (half >= good.size()) return inferred.status();
      good.resize(half);
    }
  }

  arrow::Result<std::string> GoodRecordsOf(std::string_view text) const {
    std::string good;
    std::string error;  // of the first bad record
    for (std::int64_t line = 1; !text.empty(); ++line) {
      const std::string_view record = text.substr(0, RecordEnd(text));
      text.remove_prefix(record.size());
      if (IsBlank(record)) continue;
      Numbers numbers;
      if (const auto inferred = Infer(record, numbers); inferred.ok()) {
        good += record;
        if (!good.ends_with('\n')) good += '\n';
      } else if (error.empty()) {
        error = "line " + std::to_string(line) + ", " + Explain(record, inferred.status());
      }
    }
    if (good.empty()) return arrow::Status::Invalid(error);
    return good;
  }

  // Arrow's reader infers timestamps whether they have a zone or not: the type for those that the sample holds, else
  // text.
  static arrow::Result<std::shared_ptr<arrow::DataType>> TimesAsWritten(const std::string& sample,
                                                                        const arrow::Field& column) {
    for (const auto& time :
         {arrow::timestamp(arrow::TimeUnit::MICRO), arrow::timestamp(arrow::TimeUnit::MICRO, "UTC")}) {
      const auto type = WithTimestamps(column.type(), time);
      if (type->Equals(*WithTimestamps(type, arrow::utf8()))) return type;
      if (ReadColumns(sample, {column.WithType(type)}, arrow::json::UnexpectedFieldBehavior::Ignore).ok()) return type;
    }
    return WithTimestamps(column.type(), arrow::utf8());
  }

  // Arrow's errors about a value do not always say where it was.
  std::string BlameColumn(std::string_view record) const {
    const auto records = PrepareRecords(record, known_);
    if (!records.ok()) return "";
    for (std::size_t i = 0; i < known_.size(); ++i) {
      if (!records->seen[i]) continue;
      const auto alone = ReadColumns(records->text, {known_[i]}, arrow::json::UnexpectedFieldBehavior::Ignore);
      if (!alone.ok()) return std::string(kColumn) + known_[i]->name() + ") ";
    }
    return "";
  }

  const std::shared_ptr<arrow::Schema> table_;
  arrow::FieldVector known_;          // of the table, or of the sample
  std::vector<std::size_t> columns_;  // of known_: what the batches have
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

std::unique_ptr<TextFormat> MakeJsonFormat(std::shared_ptr<arrow::Schema> table) {
  return std::make_unique<JsonFormat>(std::move(table));
}

}  // namespace hyprstream::cli
