#include "engine/arrow_carrier_internal.h"

#include <duckdb.hpp>
#include <duckdb/common/type_visitor.hpp>

#include "engine/chunk_cast_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalType;
using duckdb::LogicalTypeId;

LogicalType CarrierOf(const LogicalType& type) {
  const bool nested = type.IsNested();
  return duckdb::TypeVisitor::VisitReplace(type, [nested](const LogicalType& part) {
    switch (part.id()) {
      case LogicalTypeId::TIME_TZ:
      case LogicalTypeId::BIT:
      case LogicalTypeId::BIGNUM:
      case LogicalTypeId::UNKNOWN:
        return LogicalType(LogicalType::VARCHAR);
      case LogicalTypeId::UHUGEINT:
        return LogicalType(LogicalType::HUGEINT);
      case LogicalTypeId::ENUM:
        return nested ? LogicalType(LogicalType::VARCHAR) : part;
      default:
        return part;
    }
  });
}

}  // namespace

duckdb::vector<LogicalType> CarriersOf(const duckdb::vector<LogicalType>& types) {
  duckdb::vector<LogicalType> carriers;
  carriers.reserve(types.size());
  for (const auto& type : types) carriers.push_back(CarrierOf(type));
  return carriers;
}

void CastToCarriers(duckdb::ClientContext& context, duckdb::DataChunk& from,
                    const duckdb::vector<LogicalType>& carriers, duckdb::DataChunk& to) {
  const auto describe = [&](duckdb::idx_t column) {
    return "A value of a " + from.data[column].GetType().ToString() +
           " column does not fit what Arrow's clients read; select it as VARCHAR";
  };
  CastChunk(context, from, carriers, describe, to);
}

duckdb::unique_ptr<duckdb::ResultFormatGlobalState> CarrierFormat::InitGlobal(
    const duckdb::ResultFormatContext& context) {
  auto carried = context;
  carried.types = CarriersOf(context.types);
  return BoundedArrowFormat::InitGlobal(carried);
}

void CarrierFormat::AppendToUnit(duckdb::ResultFormatGlobalState& global, duckdb::ResultFormatLocalState& local,
                                 duckdb::DataChunk& chunk) {
  const auto& state = global.Cast<duckdb::ArrowFormatGlobalState>();
  if (chunk.GetTypes() == state.Types()) return BoundedArrowFormat::AppendToUnit(global, local, chunk);
  auto client_context = state.Properties().client_context;
  duckdb::DataChunk carried;
  CastToCarriers(*client_context, chunk, state.Types(), carried);
  BoundedArrowFormat::AppendToUnit(global, local, carried);
}

}  // namespace hyprstream::engine
