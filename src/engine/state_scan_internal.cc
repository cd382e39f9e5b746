#include "engine/state_scan_internal.h"

#include <arrow/result.h>
#include <arrow/type.h>

#include <duckdb.hpp>
#include <utility>
#include <vector>

#include "engine/context_state_internal.h"

namespace hyprstream::engine {

std::shared_ptr<arrow::Schema> WithStates(const std::shared_ptr<arrow::Schema>& schema) {
  auto fields = schema->fields();
  for (const auto& field : schema->fields()) fields.push_back(arrow::field(field->name(), arrow::binary()));
  const auto* declared = AsDeclared(*schema);
  if (declared == nullptr) return arrow::schema(std::move(fields));
  auto types = declared->types();
  types.resize(fields.size(), duckdb::LogicalType::BLOB);
  std::vector<Carriage> carriages(fields.size(), Carriage::kArrow);
  for (std::size_t i = 0; i < declared->types().size(); ++i) carriages[i] = declared->carriage(i);
  return std::make_shared<DeclaredSchema>(std::move(fields), std::move(types), std::move(carriages));
}

std::optional<AddedColumn> AddStateColumn(duckdb::ClientContext& context, duckdb::LogicalGet& get,
                                          duckdb::idx_t column) {
  const auto& snapshot = ContextState::Of(context).snapshot;
  if (get.function.GetName() != duckdb::Identifier("view_scan") || !snapshot) return std::nullopt;
  const TableRef view{.schema = get.parameters.at(0).ToString(), .name = get.parameters.at(1).ToString()};
  const auto source = snapshot->View(view);
  if (!source.ok()) throw duckdb::BinderException(source.status().message());
  const auto& schema = *(*source)->schema();
  const auto columns = static_cast<duckdb::idx_t>(schema.num_fields());
  if (column >= columns) return std::nullopt;
  auto states = (*source)->StatesOf(static_cast<int>(column));
  if (!states) return std::nullopt;
  const auto& field = schema.field(static_cast<int>(column));
  const auto* declared = AsDeclared(schema);
  const auto carriage = declared == nullptr ? Carriage::kArrow : declared->carriage(column);
  StateColumn found{.view = view,
                    .index = static_cast<int>(column),
                    .name = field->name(),
                    .states = std::move(states),
                    .value_schema = std::make_shared<const DeclaredSchema>(
                        arrow::FieldVector{field}, duckdb::vector<duckdb::LogicalType>{get.returned_types.at(column)},
                        std::vector<Carriage>{carriage})};
  for (auto i = get.returned_types.size() - columns; i < columns; ++i) {
    get.returned_types.emplace_back(duckdb::LogicalType::BLOB);
    get.names.push_back(get.names[i]);
  }
  return AddedColumn{.projected = get.AddColumnId(columns + column), .column = std::move(found)};
}

}  // namespace hyprstream::engine
