#include <arrow/array/array_binary.h>
#include <arrow/array/builder_base.h>
#include <arrow/buffer.h>
#include <arrow/compute/cast.h>
#include <arrow/json/options.h>
#include <arrow/json/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/checked_cast.h>

#include <nlohmann/json.hpp>

#include "cli/column_types_internal.h"
#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

constexpr std::string_view kColumn = "Column(/";  // how Arrow's errors begin

class JsonFormat final : public TextFormat {
 public:
  explicit JsonFormat(std::shared_ptr<arrow::Schema> table) : table_(std::move(table)) {}

  std::size_t RecordEnd(std::string_view text) const override {
    const std::size_t end = text.find('\n');
    return end == std::string_view::npos ? end : end + 1;
  }
  std::size_t WholeRecords(std::string_view text) const override {
    const std::size_t end = text.rfind('\n');
    return end == std::string_view::npos ? 0 : end + 1;
  }

  arrow::Result<std::size_t> Learn(std::string_view text) override {
    // Should a line of the sample be bad, a shorter one will do; the bad line is found when it is parsed.
    auto sample = ParseAs(text, arrow::json::ParseOptions::Defaults());
    while (!sample.ok()) {
      const std::size_t half = WholeRecords(text.substr(0, text.size() / 2));
      if (half == 0) break;
      text = text.substr(0, half);
      sample = ParseAs(text, arrow::json::ParseOptions::Defaults());
    }
    if (!sample.ok()) {
      const std::string_view first = text.substr(0, RecordEnd(text));
      return arrow::Status::Invalid("line 1, ", Explain(first, sample.status()));
    }
    arrow::FieldVector fields;
    for (const auto& field : (*sample)->schema()->fields()) {
      fields.push_back(arrow::field(field->name(), TypeFor(field->name(), field->type(), table_.get())));
    }
    schema_ = arrow::schema(std::move(fields));
    parsed_schema_ = AsParsed(*schema_);
    return std::size_t{0};
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Parse(std::string_view records) override {
    auto options = arrow::json::ParseOptions::Defaults();
    options.explicit_schema = parsed_schema_;
    options.unexpected_field_behavior = arrow::json::UnexpectedFieldBehavior::Error;
    ARROW_ASSIGN_OR_RAISE(auto batch, ParseAs(records, options));
    ARROW_ASSIGN_OR_RAISE(batch, CastTexts(*batch));
    return DecodeBinary(std::move(batch));
  }

  std::string Explain(std::string_view record, const arrow::Status& status) const override {
    try {
      const auto parsed = nlohmann::json::parse(record);
      if (parsed.is_discarded()) return "not valid JSON";
    } catch (const nlohmann::json::parse_error& error) {
      return "character " + std::to_string(error.byte) + ": not valid JSON";
    }
    std::string text = status.message();
    text = text.substr(0, text.rfind(" in row "));
    if (const std::size_t at = text.find(kColumn); at != std::string::npos) {
      const std::size_t name = at + kColumn.size();
      const std::size_t end = text.find(')', name);
      return "column " + text.substr(name, end - name) + ":" + text.substr(end + 1);
    }
    return text;
  }

 private:
  // Arrow's reader takes dates and times only as numbers: they are read as text first.
  static bool ComesAsText(const arrow::DataType& type) {
    return type.id() == arrow::Type::DATE32 || arrow::is_time(type.id());
  }

  static std::shared_ptr<arrow::Schema> AsParsed(const arrow::Schema& schema) {
    arrow::FieldVector fields;
    for (const auto& field : schema.fields()) {
      fields.push_back(ComesAsText(*field->type()) ? field->WithType(arrow::utf8()) : field);
    }
    return arrow::schema(std::move(fields));
  }

  static arrow::Result<std::shared_ptr<arrow::Array>> FromText(const arrow::Array& texts,
                                                               const std::shared_ptr<arrow::DataType>& type) {
    if (type->id() == arrow::Type::DATE32) return arrow::compute::Cast(texts, type);
    // Times have no cast from text.
    ARROW_ASSIGN_OR_RAISE(const auto builder, arrow::MakeBuilder(type));
    for (std::int64_t row = 0; row < texts.length(); ++row) {
      if (texts.IsNull(row)) {
        ARROW_RETURN_NOT_OK(builder->AppendNull());
        continue;
      }
      const auto text = arrow::internal::checked_cast<const arrow::StringArray&>(texts).GetView(row);
      auto time = arrow::Scalar::Parse(type, text);
      if (!time.ok()) return arrow::Status::Invalid("'", text, "' is no time of day; write HH:MM:SS.ssssss");
      ARROW_RETURN_NOT_OK(builder->AppendScalar(**time));
    }
    return builder->Finish();
  }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> CastTexts(const arrow::RecordBatch& batch) const {
    arrow::ArrayVector columns = batch.columns();
    for (int i = 0; i < batch.num_columns(); ++i) {
      const auto& field = schema_->field(i);
      if (!ComesAsText(*field->type())) continue;
      auto cast = FromText(*columns[static_cast<std::size_t>(i)], field->type());
      if (!cast.ok()) return cast.status().WithMessage(kColumn, field->name(), ") ", cast.status().message());
      columns[static_cast<std::size_t>(i)] = std::move(*cast);
    }
    return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  }

  static arrow::Result<std::shared_ptr<arrow::RecordBatch>> ParseAs(std::string_view text,
                                                                    const arrow::json::ParseOptions& options) {
    return arrow::json::ParseOne(options, arrow::Buffer::FromString(std::string(text)));
  }

  const std::shared_ptr<arrow::Schema> table_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::Schema> parsed_schema_;  // as Arrow's reader gives it
};

}  // namespace

std::unique_ptr<TextFormat> MakeJsonFormat(std::shared_ptr<arrow::Schema> table) {
  return std::make_unique<JsonFormat>(std::move(table));
}

}  // namespace hyprstream::cli
