#include "engine/written_texts_internal.h"

#include <arrow/record_batch.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/type_traits.h>
#include <arrow/util/decimal.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog_entry/table_catalog_entry.hpp>
#include <duckdb/common/types/timestamp.hpp>
#include <duckdb/common/vector_operations/vector_operations.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/arrow_in_internal.h"
#include "engine/arrow_out_internal.h"
#include "engine/error_internal.h"
#include "engine/guard_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

constexpr std::size_t kTextBytesShown = 100;
constexpr std::int64_t kMicrosPerDay = 86'400'000'000;

// Those whose casts are looked at below.
bool IsCastHere(const LogicalType& type) {
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
    case LogicalTypeId::TINYINT:
    case LogicalTypeId::SMALLINT:
    case LogicalTypeId::INTEGER:
    case LogicalTypeId::BIGINT:
    case LogicalTypeId::UTINYINT:
    case LogicalTypeId::USMALLINT:
    case LogicalTypeId::UINTEGER:
    case LogicalTypeId::UBIGINT:
    case LogicalTypeId::FLOAT:
    case LogicalTypeId::DOUBLE:
    case LogicalTypeId::DECIMAL:
    case LogicalTypeId::DATE:
    case LogicalTypeId::TIME:
    case LogicalTypeId::TIMESTAMP:
    case LogicalTypeId::TIMESTAMP_SEC:
    case LogicalTypeId::TIMESTAMP_MS:
    case LogicalTypeId::TIMESTAMP_NS:
    case LogicalTypeId::TIMESTAMP_TZ:
    case LogicalTypeId::INTERVAL:
    case LogicalTypeId::UUID:
    case LogicalTypeId::BLOB:
      return true;
    default:
      return false;
  }
}

// ---- what a cast that succeeds has lost

// Digits behind the first point, up to the last that is not 0.
std::size_t FractionDigits(std::string_view text) {
  const auto point = text.find('.');
  if (point == std::string_view::npos) return 0;
  std::size_t digits = 0;
  for (auto at = point + 1; at < text.size() && std::isdigit(static_cast<unsigned char>(text[at])) != 0; ++at) {
    if (text[at] != '0') digits = at - point;
  }
  return digits;
}

std::string_view Trimmed(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t\n\v\f\r");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\n\v\f\r") + 1 - begin);
}

// Of the number before `unit`, digits behind its point, without zeros at the end: has the unit places for them?
bool HasPlacesFor(std::string_view digits, std::string_view unit) {
  constexpr std::size_t kSecondDigits = 6;
  constexpr std::size_t kMillisecondDigits = 3;
  const auto starts = [&](auto... names) { return (unit.starts_with(names) || ...); };
  if (digits.empty()) return true;
  if (digits.size() > kSecondDigits || starts("us", "micro")) return false;
  if (starts("ms", "millis")) return digits.size() <= kMillisecondDigits;
  if (starts("q")) return false;
  if (!starts("y", "dec", "c", "mil")) return true;
  std::int64_t fraction = 0;  // of years, or more of them: whole months
  std::int64_t one = 1;
  for (const char digit : digits) {
    fraction = fraction * 10 + (digit - '0');
    one *= 10;
  }
  return fraction * 12 % one == 0;
}

// An interval may have several numbers, each with its unit.
bool HasNoMoreThanMicros(std::string_view text) {
  for (auto point = text.find('.'); point != std::string_view::npos; point = text.find('.', point + 1)) {
    const auto rest = text.substr(point + 1);
    const auto number = rest.substr(0, rest.find_first_not_of("0123456789"));
    std::string unit(Trimmed(rest.substr(number.size())));
    std::ranges::transform(unit, unit.begin(), [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
    if (!HasPlacesFor(number.substr(0, number.find_last_not_of('0') + 1), unit)) return false;
  }
  return true;
}

// Of a number that its cast has taken: has it no digits behind the `scale`-th?
bool HasNoMoreDigits(std::string_view text, std::int32_t scale) {
  if (text.find_first_of(".eE") == std::string_view::npos) return true;
  arrow::Decimal256 value;
  std::int32_t precision = 0;
  std::int32_t behind = 0;
  if (!arrow::Decimal256::FromString(Trimmed(text), &value, &precision, &behind).ok()) return false;
  return behind <= scale || value.Rescale(behind, scale).ok();
}

// Infinity or NaN by its name.
bool SaysNoNumber(std::string_view text) {
  const auto trimmed = Trimmed(text);
  return !trimmed.empty() && std::isdigit(static_cast<unsigned char>(trimmed.back())) == 0 && trimmed.back() != '.';
}

// Of a text that says a time.
struct ParsedTime {
  bool has_offset = false;                            // that is not zero, or a zone's name
  bool is_midnight = true;                            // or no time of this day at all
  std::optional<duckdb::date_t> date = std::nullopt;  // none: it is infinite, or none of a timestamp
};

ParsedTime Parse(std::string_view text) {
  const auto trimmed = Trimmed(text);
  bool has_offset = false;
  duckdb::string_t zone("", 0);
  const auto parse = [&](bool use_offset, duckdb::timestamp_t& time) {
    return duckdb::Timestamp::TryConvertTimestampTZ(trimmed.data(), trimmed.size(), time, use_offset, has_offset,
                                                    zone) == duckdb::TimestampCastResult::SUCCESS &&
           duckdb::Value::IsFinite(time);
  };
  duckdb::timestamp_t written;
  duckdb::timestamp_t instant;
  if (!parse(false, written) || !parse(true, instant)) return {};
  return {.has_offset = zone.GetSize() > 0 || instant != written,
          .is_midnight = written.value % kMicrosPerDay == 0,
          .date = duckdb::Timestamp::GetDate(written)};
}

// Digits, colons and a point: neither a date nor an offset.
bool IsTimeAlone(std::string_view text) { return text.find_first_not_of("0123456789:.") == std::string_view::npos; }

template <class T>
bool IsFiniteUnlessSaid(std::string_view text, const duckdb::Vector& cast, duckdb::idx_t row) {
  return std::isfinite(duckdb::FlatVector::GetData<T>(cast)[row]) || SaysNoNumber(text);
}

// Row `row` of the flat vector is what `text` was cast to.
bool IsKept(std::string_view text, const duckdb::Vector& cast, duckdb::idx_t row) {
  const auto& type = cast.GetType();
  switch (type.id()) {
    case LogicalTypeId::BOOLEAN:
    case LogicalTypeId::UUID:
    case LogicalTypeId::BLOB:
      return true;
    case LogicalTypeId::FLOAT:
      return IsFiniteUnlessSaid<float>(text, cast, row);
    case LogicalTypeId::DOUBLE:
      return IsFiniteUnlessSaid<double>(text, cast, row);
    case LogicalTypeId::DECIMAL:
      return HasNoMoreDigits(text, duckdb::DecimalType::GetScale(type));
    case LogicalTypeId::DATE: {
      const auto time = Parse(text);
      // A time may be 24:00, which is midnight of another date, or of a date beyond those of timestamps.
      const bool same =
          time.date ? *time.date == duckdb::FlatVector::GetData<duckdb::date_t>(cast)[row] : !text.contains(':');
      return same && time.is_midnight && !time.has_offset && FractionDigits(text) == 0;
    }
    case LogicalTypeId::TIME:
      return IsTimeAlone(text) && FractionDigits(text) <= 6;
    case LogicalTypeId::TIMESTAMP_TZ:
      return FractionDigits(text) <= 6;
    case LogicalTypeId::INTERVAL:
      return HasNoMoreThanMicros(text);
    case LogicalTypeId::TIMESTAMP:
      return !Parse(text).has_offset && FractionDigits(text) <= 6;
    case LogicalTypeId::TIMESTAMP_SEC:
      return !Parse(text).has_offset && FractionDigits(text) == 0;
    case LogicalTypeId::TIMESTAMP_MS:
      return !Parse(text).has_offset && FractionDigits(text) <= 3;
    case LogicalTypeId::TIMESTAMP_NS:
      return !Parse(text).has_offset && FractionDigits(text) <= 9;
    default:
      return HasNoMoreDigits(text, 0);  // integers
  }
}

// ---- rows

struct TextColumn {
  int at;
  std::string name;
  LogicalType type;
};

class CastRows : public arrow::RecordBatchReader {
 public:
  CastRows(duckdb::ClientContext& context, std::vector<TextColumn> columns,
           std::shared_ptr<arrow::RecordBatchReader> rows)
      : context_(context), columns_(std::move(columns)), rows_(std::move(rows)) {
    arrow::FieldVector texts;
    std::vector<std::string> names;
    for (const auto& column : columns_) {
      texts.push_back(rows_->schema()->field(column.at));
      names.push_back(column.name);
      types_.push_back(column.type);
    }
    texts_ = arrow::schema(std::move(texts));
    const auto cast = ToArrowSchema(context_, types_, names);
    auto fields = rows_->schema()->fields();
    for (std::size_t i = 0; i < columns_.size(); ++i) fields[columns_[i].at] = cast->field(static_cast<int>(i));
    cast_ = cast;
    schema_ = arrow::schema(std::move(fields));
  }

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    if (rest_ == nullptr || rest_->num_rows() == 0) ARROW_RETURN_NOT_OK(rows_->ReadNext(&rest_));
    *batch = nullptr;
    if (rest_ == nullptr) return arrow::Status::OK();
    const auto next = rest_->Slice(0, kResultBatchRows);
    rest_ = rest_->Slice(next->num_rows());
    return Guard([&]() -> arrow::Status {
      *batch = Cast(*next);
      return arrow::Status::OK();
    });
  }

 private:
  std::shared_ptr<arrow::RecordBatch> Cast(const arrow::RecordBatch& batch) {
    auto columns = batch.columns();
    arrow::ArrayVector texts;
    for (const auto& column : columns_) texts.push_back(columns[static_cast<std::size_t>(column.at)]);
    BatchBuilder builder(context_, types_, cast_, ArrowForm::kCommon);
    ChunkSource source(context_, texts_);
    source.ForEachChunk(arrow::RecordBatch::Make(texts_, batch.num_rows(), std::move(texts)),
                        [&](duckdb::DataChunk& chunk) { Append(chunk, builder); });
    for (const auto& cast : builder.Finish()) {  // one, or none where there are no rows
      for (std::size_t i = 0; i < columns_.size(); ++i) {
        columns[static_cast<std::size_t>(columns_[i].at)] = cast->column(static_cast<int>(i));
      }
    }
    return arrow::RecordBatch::Make(schema_, batch.num_rows(), std::move(columns));
  }

  void Append(duckdb::DataChunk& texts, BatchBuilder& builder) {
    duckdb::DataChunk cast;
    cast.Initialize(duckdb::Allocator::DefaultAllocator(), types_, texts.size());
    for (duckdb::idx_t i = 0; i < types_.size(); ++i) {
      std::string reason;
      duckdb::VectorOperations::TryCast(context_, texts.data[i], cast.data[i], texts.size(), &reason);
      Check(columns_[i], texts.data[i], cast.data[i], texts.size());
    }
    cast.SetCardinalityUnsafe(texts.size());
    row_ += static_cast<std::int64_t>(texts.size());
    builder.Append(cast);
  }

  void Check(const TextColumn& column, duckdb::Vector& texts, duckdb::Vector& cast, duckdb::idx_t count) const {
    texts.Flatten();
    cast.Flatten();
    const auto* given = duckdb::FlatVector::GetData<duckdb::string_t>(texts);
    for (duckdb::idx_t row = 0; row < count; ++row) {
      if (duckdb::FlatVector::IsNull(texts, row)) continue;
      const std::string_view text(given[row].GetData(), given[row].GetSize());
      if (duckdb::FlatVector::IsNull(cast, row)) Refuse(column, text, row, "is no ");
      if (!IsKept(text, cast, row)) Refuse(column, text, row, "cannot be held exactly by ");
    }
  }

  [[noreturn]] void Refuse(const TextColumn& column, std::string_view text, duckdb::idx_t row, const char* why) const {
    ThrowIfNotOk(arrow::Status::Invalid("Column ", column.name, ", row ", row_ + static_cast<std::int64_t>(row), ": ",
                                        CutText(text, kTextBytesShown), " ", why, column.type.ToString(),
                                        " (nothing was written; a CAST in SQL says what it is to become)"));
    throw duckdb::InternalException("a refusal was none");
  }

  duckdb::ClientContext& context_;
  const std::vector<TextColumn> columns_;
  const std::shared_ptr<arrow::RecordBatchReader> rows_;
  duckdb::vector<LogicalType> types_;
  std::shared_ptr<arrow::Schema> texts_;  // of the columns
  std::shared_ptr<arrow::Schema> cast_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatch> rest_;  // of the last batch, which may have been larger than ours
  std::int64_t row_ = 0;                      // of the next batch's first
};

bool IsText(const arrow::DataType& type) {
  return arrow::is_string(type.id()) || type.id() == arrow::Type::STRING_VIEW;
}

}  // namespace

std::shared_ptr<arrow::RecordBatchReader> CastTexts(duckdb::ClientContext& context,
                                                    const duckdb::TableCatalogEntry& table,
                                                    std::shared_ptr<arrow::RecordBatchReader> rows) {
  std::vector<TextColumn> columns;
  for (int i = 0; i < rows->schema()->num_fields(); ++i) {
    const auto& field = *rows->schema()->field(i);
    const duckdb::Identifier name(field.name());
    if (!IsText(*field.type()) || !table.GetColumns().ColumnExists(name)) continue;
    const auto& type = table.GetColumns().GetColumn(name).Type();
    if (IsCastHere(type)) columns.push_back({.at = i, .name = field.name(), .type = type});
  }
  if (columns.empty()) return rows;
  return std::make_shared<CastRows>(context, std::move(columns), std::move(rows));
}

}  // namespace hyprstream::engine
