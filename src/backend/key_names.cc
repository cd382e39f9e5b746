#include "backend/key_names.h"

#include <arrow/array/array_binary.h>
#include <arrow/array/builder_binary.h>
#include <arrow/compute/cast.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <utility>

namespace hyprstream::backend {
namespace {

using ArrayPtr = std::shared_ptr<arrow::Array>;
using TypePtr = std::shared_ptr<arrow::DataType>;

// As which plain type values of the key are said; null: as bytes, by their digits.
arrow::Result<TypePtr> SaidAs(const TypePtr& type) {
  const auto id = type->id();
  if (id == arrow::Type::DATE32) return arrow::int32();
  if (id == arrow::Type::TIMESTAMP) return arrow::int64();
  if (id == arrow::Type::BINARY) return TypePtr();
  if (arrow::is_integer(id) || id == arrow::Type::BOOL || id == arrow::Type::DECIMAL128 || id == arrow::Type::STRING) {
    return type;
  }
  return arrow::Status::NotImplemented("Rows whose key is ", type->ToString(), " cannot be named");
}

std::string HexOf(std::string_view bytes) {
  static constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const char byte : bytes) {
    text += kDigits[static_cast<unsigned char>(byte) >> 4];
    text += kDigits[static_cast<unsigned char>(byte) & 15];
  }
  return text;
}

arrow::Result<std::string> BytesOf(std::string_view text) {
  std::string bytes;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2) {
    unsigned byte = 0;
    std::from_chars(text.data() + i, text.data() + i + 2, byte, 16);
    bytes += static_cast<char>(byte);
  }
  if (HexOf(bytes) == text) return bytes;
  return arrow::Status::Invalid("Not a row's name: ", text);
}

template <class From, class Builder, class Said>
arrow::Result<ArrayPtr> Mapped(const arrow::Array& array, const Said& said) {
  const auto& from = static_cast<const From&>(array);
  Builder builder;
  for (std::int64_t row = 0; row < from.length(); ++row) {
    if (from.IsNull(row)) {
      ARROW_RETURN_NOT_OK(builder.AppendNull());
      continue;
    }
    const arrow::Result<std::string> text = said(from.GetView(row));
    ARROW_RETURN_NOT_OK(text.status());
    ARROW_RETURN_NOT_OK(builder.Append(*text));
  }
  return builder.Finish();
}

arrow::Result<ArrayPtr> Cast(const ArrayPtr& array, const TypePtr& type) {
  if (array->type()->Equals(*type)) return array;
  return arrow::compute::Cast(*array, type, arrow::compute::CastOptions::Safe());
}

class NamedReader final : public arrow::RecordBatchReader {
 public:
  NamedReader(std::shared_ptr<arrow::RecordBatchReader> rows, std::vector<bool> names)
      : rows_(std::move(rows)), names_(std::move(names)) {
    auto fields = rows_->schema()->fields();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (names_[i]) fields[i] = fields[i]->WithType(arrow::utf8());
    }
    schema_ = arrow::schema(std::move(fields));
  }
  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    ARROW_RETURN_NOT_OK(rows_->ReadNext(batch));
    if (*batch == nullptr) return arrow::Status::OK();
    auto columns = (*batch)->columns();
    for (std::size_t i = 0; i < columns.size(); ++i) {
      if (names_[i]) {
        ARROW_ASSIGN_OR_RAISE(columns[i], NamesOfKeys(columns[i]));
      }
    }
    *batch = arrow::RecordBatch::Make(schema_, (*batch)->num_rows(), std::move(columns));
    return arrow::Status::OK();
  }
  arrow::Status Close() override { return rows_->Close(); }

 private:
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  const std::vector<bool> names_;  // which columns are keys
  std::shared_ptr<arrow::Schema> schema_;
};

class NamedSource final : public TableSource {
 public:
  explicit NamedSource(std::shared_ptr<const TableSource> source) : source_(std::move(source)) {
    auto fields = source_->schema()->fields();
    fields[0] = fields[0]->WithType(arrow::utf8());
    schema_ = arrow::schema(std::move(fields));
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  bool FindsExactly(const std::vector<ColumnFilter>& filters) const override {
    return std::ranges::none_of(filters, IsOfName) && source_->FindsExactly(filters);
  }
  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    auto asked = request;
    std::erase_if(asked.filters, IsOfName);
    if (asked.filters.size() != request.filters.size()) asked.rows_max.reset();
    ARROW_ASSIGN_OR_RAISE(auto rows, source_->Scan(asked));
    if (request.projection.empty()) return rows;
    std::vector<bool> names;
    for (const int column : request.projection) names.push_back(column == 0);
    return std::make_shared<NamedReader>(std::move(rows), std::move(names));
  }

 private:
  static bool IsOfName(const ColumnFilter& filter) { return filter.column == 0; }

  const std::shared_ptr<const TableSource> source_;
  std::shared_ptr<arrow::Schema> schema_;
};

}  // namespace

std::shared_ptr<TableSource> WithKeysAsNames(std::shared_ptr<const TableSource> source) {
  return std::make_shared<NamedSource>(std::move(source));
}

arrow::Result<ArrayPtr> NamesOfKeys(const ArrayPtr& keys) {
  ARROW_ASSIGN_OR_RAISE(const auto said, SaidAs(keys->type()));
  if (said == nullptr) return Mapped<arrow::BinaryArray, arrow::StringBuilder>(*keys, HexOf);
  ARROW_ASSIGN_OR_RAISE(const auto plain, said->Equals(*keys->type()) ? keys : keys->View(said));
  return Cast(plain, arrow::utf8());
}

arrow::Result<ArrayPtr> KeysOfNames(const ArrayPtr& names, const TypePtr& type) {
  ARROW_ASSIGN_OR_RAISE(const auto said, SaidAs(type));
  if (said == nullptr) return Mapped<arrow::StringArray, arrow::BinaryBuilder>(*names, BytesOf);
  ARROW_ASSIGN_OR_RAISE(const auto plain, Cast(names, said));
  return said->Equals(*type) ? plain : plain->View(type);
}

}  // namespace hyprstream::backend
