#include "engine/bounded_format_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <utility>

namespace hyprstream::engine {

namespace {

constexpr std::int64_t kNestedElementBytes = 64;

// What one producer has appended to the unit under construction.
class BoundedLocalState final : public duckdb::ResultFormatLocalState {
 public:
  explicit BoundedLocalState(duckdb::unique_ptr<duckdb::ResultFormatLocalState> arrow_state)
      : arrow(std::move(arrow_state)) {}

  static BoundedLocalState& Of(duckdb::ResultFormatLocalState& local) { return static_cast<BoundedLocalState&>(local); }

  duckdb::unique_ptr<duckdb::ResultFormatLocalState> arrow;
  std::int64_t bytes = 0;
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

}  // namespace

std::int64_t BytesOf(const duckdb::DataChunk& chunk) {
  std::int64_t bytes = 0;
  for (const auto& vector : chunk.data) bytes += BytesOf(vector, chunk.size());
  return bytes;
}

duckdb::unique_ptr<duckdb::ResultFormatLocalState> BoundedArrowFormat::InitLocal(
    duckdb::ResultFormatGlobalState& global) {
  return duckdb::make_uniq<BoundedLocalState>(ArrowFormat::InitLocal(global));
}

void BoundedArrowFormat::AppendToUnit(duckdb::ResultFormatGlobalState& global, duckdb::ResultFormatLocalState& local,
                                      duckdb::DataChunk& chunk) {
  auto& state = BoundedLocalState::Of(local);
  ArrowFormat::AppendToUnit(global, *state.arrow, chunk);
  state.bytes += BytesOf(chunk);
}

bool BoundedArrowFormat::IsUnitFinished(duckdb::ResultFormatLocalState& local) {
  auto& state = BoundedLocalState::Of(local);
  return state.bytes >= kResultBatchBytes || ArrowFormat::IsUnitFinished(*state.arrow);
}

duckdb::unique_ptr<duckdb::ResultUnit> BoundedArrowFormat::FinishUnit(duckdb::ResultFormatGlobalState& global,
                                                                      duckdb::ResultFormatLocalState& local) {
  auto& state = BoundedLocalState::Of(local);
  auto unit = ArrowFormat::FinishUnit(global, *state.arrow);
  state.bytes = 0;
  return unit;
}

}  // namespace hyprstream::engine
