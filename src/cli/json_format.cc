#include <arrow/buffer.h>
#include <arrow/json/options.h>
#include <arrow/json/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>

#include "cli/column_types_internal.h"
#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

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
    return std::size_t{0};
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }

  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Parse(std::string_view records) override {
    auto options = arrow::json::ParseOptions::Defaults();
    options.explicit_schema = schema_;
    options.unexpected_field_behavior = arrow::json::UnexpectedFieldBehavior::Error;
    return ParseAs(records, options);
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
    constexpr std::string_view kColumn = "Column(/";
    if (const std::size_t at = text.find(kColumn); at != std::string::npos) {
      const std::size_t name = at + kColumn.size();
      const std::size_t end = text.find(')', name);
      return "column " + text.substr(name, end - name) + ":" + text.substr(end + 1);
    }
    return text;
  }

 private:
  static arrow::Result<std::shared_ptr<arrow::RecordBatch>> ParseAs(std::string_view text,
                                                                    const arrow::json::ParseOptions& options) {
    return arrow::json::ParseOne(options, arrow::Buffer::FromString(std::string(text)));
  }

  const std::shared_ptr<arrow::Schema> table_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

std::unique_ptr<TextFormat> MakeJsonFormat(std::shared_ptr<arrow::Schema> table) {
  return std::make_unique<JsonFormat>(std::move(table));
}

}  // namespace hyprstream::cli
