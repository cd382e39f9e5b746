#include "engine/bounded_format_internal.h"

#include <arrow/array/data.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/common/arrow/arrow_appender.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/main/retained_result_collection.hpp>
#include <duckdb/storage/buffer_manager.hpp>
#include <optional>
#include <string>
#include <utility>

#include "engine/fixed_width_internal.h"
#include "engine/flat_bytes_internal.h"
#include "engine/interval_range_internal.h"

namespace hyprstream::engine {

namespace {

constexpr std::int64_t kNestedElementBytes = 64;

// What one producer has appended to the unit under construction.
class BoundedLocalState final : public duckdb::ResultFormatLocalState {
 public:
  BoundedLocalState(const duckdb::ArrowFormatGlobalState& global, std::shared_ptr<ResultMemory> memory)
      : properties_(global.Properties()), hold_(std::move(memory)) {
    const auto& types = global.Types();
    for (duckdb::idx_t column = 0; column < types.size(); ++column) {
      const auto extension = global.ExtensionTypes().find(column);
      const bool extended = extension != global.ExtensionTypes().end();
      fixed_types_.push_back(!extended && FixedWidthColumn::Takes(types[column]) ? &types[column] : nullptr);
      if (fixed_types_.back() != nullptr) continue;
      if (extended) other_extensions_.emplace(other_columns_.size(), extension->second);
      other_columns_.push_back(column);
      other_types_.push_back(types[column]);
    }
  }

  static BoundedLocalState& Of(duckdb::ResultFormatLocalState& local) { return static_cast<BoundedLocalState&>(local); }

  duckdb::idx_t rows() const { return rows_; }
  std::int64_t bytes() const { return hold_.bytes(); }

  void Append(duckdb::DataChunk& chunk) {
    CheckIntervals(chunk);
    if (rows_ == 0) Begin();
    for (duckdb::idx_t column = 0; column < fixed_.size(); ++column) {
      if (fixed_[column]) fixed_[column]->Append(chunk.data[column], static_cast<std::int64_t>(chunk.size()));
    }
    if (others_ != nullptr) {
      duckdb::DataChunk others;
      others.InitializeEmpty(other_types_);
      others.ReferenceColumns(chunk, other_columns_);
      others_->Append(others, 0, others.size(), others.size());
    }
    rows_ += chunk.size();
    hold_.Grow(BytesOf(chunk));
  }

  ResultColumns Finish() {
    ResultColumns columns{
        .rows = static_cast<std::int64_t>(rows_), .fixed_width = {}, .others = {}, .hold = hold_.Take()};
    for (auto& column : fixed_) columns.fixed_width.push_back(column ? column->Finish() : nullptr);
    if (others_ != nullptr) columns.others.arrow_array = others_->Finalize();
    others_.reset();
    rows_before_ = std::exchange(rows_, 0);
    return columns;
  }

 private:
  // A producer's next unit will be about as large as its last one.
  void Begin() {
    const auto rows_expected = std::max<duckdb::idx_t>(rows_before_, STANDARD_VECTOR_SIZE);
    fixed_.clear();
    for (const auto* type : fixed_types_) {
      auto& column = fixed_.emplace_back();
      if (type != nullptr) column.emplace(*type, static_cast<std::int64_t>(rows_expected));
    }
    if (other_types_.empty()) return;
    others_ = std::make_unique<duckdb::ArrowAppender>(other_types_, rows_expected, properties_, other_extensions_);
  }

  duckdb::ClientProperties properties_;
  std::vector<const duckdb::LogicalType*> fixed_types_;  // by column, the format's; null: another
  duckdb::vector<duckdb::column_t> other_columns_;
  duckdb::vector<duckdb::LogicalType> other_types_;
  duckdb::unordered_map<duckdb::idx_t, const duckdb::shared_ptr<duckdb::ArrowTypeExtensionData>> other_extensions_;
  std::vector<std::optional<FixedWidthColumn>> fixed_;
  std::unique_ptr<duckdb::ArrowAppender> others_;
  duckdb::idx_t rows_ = 0;
  duckdb::idx_t rows_before_ = 0;  // of the unit before
  ResultMemory::Hold hold_;
};

class ColumnsUnit final : public duckdb::ResultUnit {
 public:
  ColumnsUnit(ResultColumns content, std::int64_t bytes)
      : ResultUnit(static_cast<duckdb::idx_t>(content.rows), static_cast<duckdb::idx_t>(bytes)),
        columns(std::move(content)) {}
  ResultColumns columns;
};

template <class T, class Size>
std::int64_t SumOf(const duckdb::Vector& vector, duckdb::idx_t count, Size size) {
  duckdb::UnifiedVectorFormat format;
  vector.ToUnifiedFormat(format);
  const auto* values = format.GetData<T>();
  std::int64_t bytes = 0;
  for (duckdb::idx_t row = 0; row < count; ++row) {
    const auto at = format.sel->get_index(row);
    if (format.validity.RowIsValid(at)) bytes += static_cast<std::int64_t>(size(values[at]));
  }
  return bytes;
}

std::int64_t BytesOf(const duckdb::Vector& vector, duckdb::idx_t count) {
  const auto rows = static_cast<std::int64_t>(count);
  const auto type = vector.GetType().InternalType();
  switch (type) {
    case duckdb::PhysicalType::VARCHAR:
      return 4 * rows + SumOf<duckdb::string_t>(vector, count, [](const auto& text) { return text.GetSize(); });
    case duckdb::PhysicalType::LIST:
      return 4 * rows + kNestedElementBytes *
                            SumOf<duckdb::list_entry_t>(vector, count, [](const auto& list) { return list.length; });
    case duckdb::PhysicalType::ARRAY:
      return rows * 8 * static_cast<std::int64_t>(duckdb::ArrayType::GetSize(vector.GetType()));
    case duckdb::PhysicalType::STRUCT:
      return rows * kNestedElementBytes;
    default:
      return rows * static_cast<std::int64_t>(duckdb::GetTypeIdSize(type));
  }
}

// Throws when a copy of every row would take more than a vector may.
void CheckSize(const duckdb::ClientContext& context, const duckdb::DataChunk& chunk, std::int64_t estimate) {
  const bool nested = std::ranges::any_of(chunk.data, [](const auto& vector) { return vector.GetType().IsNested(); });
  if (!nested && static_cast<double>(estimate) <= kResultVectorBytes) return;  // else the estimate may be too low
  const auto memory = static_cast<double>(duckdb::BufferManager::GetBufferManager(context).GetMaxMemory());
  const double bytes_max = std::max(kResultVectorBytes, memory / 2);
  double bytes = 0;
  for (const auto& vector : chunk.data) bytes += FlatBytes(vector, chunk.size(), bytes_max + 1);
  if (bytes <= bytes_max) return;
  throw duckdb::InvalidInputException(
      "%s rows of the answer would take more than %s bytes at once; select smaller values, or "
      "fewer rows by LIMIT",
      std::to_string(chunk.size()), std::to_string(static_cast<std::int64_t>(bytes_max)));
}

}  // namespace

std::int64_t BytesOf(const duckdb::DataChunk& chunk) {
  std::int64_t bytes = 0;
  for (const auto& vector : chunk.data) bytes += BytesOf(vector, chunk.size());
  return bytes;
}

duckdb::unique_ptr<duckdb::ResultFormatLocalState> BoundedArrowFormat::InitLocal(
    duckdb::ResultFormatGlobalState& global) {
  return duckdb::make_uniq<BoundedLocalState>(global.Cast<duckdb::ArrowFormatGlobalState>(), memory_);
}

void BoundedArrowFormat::AppendToUnit(duckdb::ResultFormatGlobalState& global, duckdb::ResultFormatLocalState& local,
                                      duckdb::DataChunk& chunk) {
  if (chunk.size() == 0) return;
  CheckSize(*global.Cast<duckdb::ArrowFormatGlobalState>().Properties().client_context, chunk, BytesOf(chunk));
  BoundedLocalState::Of(local).Append(chunk);
}

bool BoundedArrowFormat::IsUnitFinished(duckdb::ResultFormatLocalState& local) {
  const auto& state = BoundedLocalState::Of(local);
  return state.rows() >= rows_max_ || state.bytes() >= memory_->BatchBytes();
}

duckdb::unique_ptr<duckdb::ResultUnit> BoundedArrowFormat::FinishUnit(duckdb::ResultFormatGlobalState&,
                                                                      duckdb::ResultFormatLocalState& local) {
  auto& state = BoundedLocalState::Of(local);
  if (state.rows() == 0) return nullptr;
  const auto bytes = state.bytes();
  return duckdb::make_uniq<ColumnsUnit>(state.Finish(), bytes);
}

duckdb::unique_ptr<duckdb::RetainedResultCollection> BoundedArrowFormat::CreateCollection(
    duckdb::ClientContext&, duckdb::ResultFormatGlobalState& global, const duckdb::ResultFormatContext&) {
  return duckdb::make_uniq<duckdb::DefaultRetainedCollection<BoundedArrowFormat>>(*this, global);
}

duckdb::unique_ptr<ResultColumns> BoundedArrowFormat::UnpackUnit(duckdb::unique_ptr<duckdb::ResultUnit> unit) {
  if (unit == nullptr) return nullptr;
  return duckdb::make_uniq<ResultColumns>(std::move(unit->Cast<ColumnsUnit>().columns));
}

}  // namespace hyprstream::engine
