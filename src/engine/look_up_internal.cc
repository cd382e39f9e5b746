#include "engine/look_up_internal.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/operator/logical_limit.hpp>
#include <duckdb/planner/operator/logical_order.hpp>
#include <iterator>
#include <tuple>
#include <utility>

#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/scan_chain_internal.h"

namespace hyprstream::engine {

namespace {

// More are DuckDB's to order, as it goes about its memory.
constexpr duckdb::idx_t kFirstRowsMax = 1000;

// What each condition asks of a column of the view: to equal something.
bool AddFilters(const ScanChain& chain, const duckdb::Expression& condition, std::vector<PlannedFilter>& filters) {
  auto resolved = condition.Copy();
  if (!chain.Resolve(resolved)) return false;
  auto planned = PlanExactly(chain.scan(), *resolved);
  if (!planned) return false;
  const auto is_equality = [](const auto& filter) { return filter.op == ColumnFilter::Op::kEqual && !filter.or_null; };
  if (!std::ranges::all_of(*planned, is_equality)) return false;
  std::ranges::move(*planned, std::back_inserter(filters));
  return true;
}

// Do the view's columns lie as the result's?
bool LieAlike(const LookUp& look_up, const DeclaredSchema& view, const arrow::Schema& result) {
  if (static_cast<int>(look_up.columns.size()) != result.num_fields()) return false;
  for (int i = 0; i < result.num_fields(); ++i) {
    const int column = look_up.columns[static_cast<std::size_t>(i)];
    if (column >= view.num_fields() || view.carriage(static_cast<std::size_t>(column)) != Carriage::kArrow ||
        !view.field(column)->type()->Equals(*result.field(i)->type())) {
      return false;
    }
  }
  return true;
}

// What ORDER BY and LIMIT are above a query, each once.
struct Above {
  const duckdb::LogicalLimit* limit = nullptr;
  const duckdb::LogicalOrder* order = nullptr;
};

// Goes down to the query that they are of; false where there is one without the other, or more than a few rows.
bool ReadAbove(const duckdb::LogicalOperator*& query, Above& above) {
  const auto descend = [&](duckdb::LogicalOperatorType type) {
    if (query->type != type || query->children.size() != 1 || query->HasProjectionMap()) return false;
    query = query->children[0].get();
    return true;
  };
  const auto* limit = query;
  if (!descend(duckdb::LogicalOperatorType::LOGICAL_LIMIT)) return true;
  above.limit = &limit->Cast<duckdb::LogicalLimit>();
  const auto* order = query;
  if (!descend(duckdb::LogicalOperatorType::LOGICAL_ORDER_BY)) return false;
  above.order = &order->Cast<duckdb::LogicalOrder>();
  const auto& [limit_val, offset_val] = std::tie(above.limit->limit_val, above.limit->offset_val);
  return limit_val.Type() == duckdb::LimitNodeType::CONSTANT_VALUE && limit_val.GetConstantValue() <= kFirstRowsMax &&
         offset_val.Type() == duckdb::LimitNodeType::UNSET && above.order->orders.size() == 1;
}

std::optional<RowOrder> ReadOrder(const Above& above, const ScanChain& chain) {
  const auto& by = above.order->orders[0];
  const auto column = chain.ColumnOf(*by.expression);
  if (!column) return std::nullopt;
  return RowOrder{.column = *column,
                  .descending = by.type == duckdb::OrderType::DESCENDING,
                  .nulls_first = by.null_order == duckdb::OrderByNullType::NULLS_FIRST,
                  .rows = static_cast<std::int64_t>(above.limit->limit_val.GetConstantValue())};
}

arrow::Result<std::vector<std::shared_ptr<arrow::RecordBatch>>> RowsInOrder(duckdb::ClientContext& context,
                                                                            const TableSource& source,
                                                                            const LookUp& look_up,
                                                                            ScanRequest request) {
  auto order = *look_up.order;
  order.column = static_cast<int>(request.projection.size());
  request.projection.push_back(look_up.order->column);
  ARROW_ASSIGN_OR_RAISE(const auto rows, source.Scan(request));
  ARROW_ASSIGN_OR_RAISE(const auto first, FirstRows(*rows, order, [&] {
                          if (context.IsInterrupted()) throw duckdb::InterruptException();
                        }));
  ARROW_ASSIGN_OR_RAISE(auto columns, first->RemoveColumn(order.column));
  return std::vector{std::move(columns)};
}

}  // namespace

std::optional<LookUp> ReadLookUp(const duckdb::LogicalOperator& plan) {
  const auto* query = &QueryOf(plan);
  Above above;
  if (!ReadAbove(query, above)) return std::nullopt;
  const auto chain = ScanChain::Read(*query);
  if (!chain || !chain->view() || query->type != duckdb::LogicalOperatorType::LOGICAL_PROJECTION) return std::nullopt;
  LookUp found{.view = *chain->view(), .columns = {}, .filters = {}, .order = {}};
  for (const auto& item : query->expressions) {
    const auto column = chain->ColumnOf(*item);
    if (!column) return std::nullopt;
    found.columns.push_back(*column);
  }
  for (const auto* condition : chain->conditions()) {
    if (!AddFilters(*chain, *condition, found.filters)) return std::nullopt;
  }
  if (above.limit != nullptr) found.order = ReadOrder(above, *chain);
  if (above.limit != nullptr ? !found.order : found.filters.empty()) return std::nullopt;
  return found;
}

arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> RunLookUp(duckdb::ClientContext& context,
                                                                   const LookUp& look_up,
                                                                   const BoundParameters& parameters,
                                                                   const std::shared_ptr<arrow::Schema>& schema) {
  const auto& snapshot = ContextState::Of(context).snapshot;
  if (!snapshot) return nullptr;
  ARROW_ASSIGN_OR_RAISE(const auto source, snapshot->View(look_up.view));
  const auto* declared = AsDeclared(*source->schema());
  if (declared == nullptr || !LieAlike(look_up, *declared, *schema)) return nullptr;
  if (look_up.order && !CanOrder(*declared->field(look_up.order->column)->type())) return nullptr;
  const auto given = WithValues(look_up.filters, parameters);
  if (!given) return nullptr;
  auto filters = EvaluateFilters(context, *given, *declared);
  if (filters.size() != given->size()) return nullptr;
  if (look_up.order ? !source->FindsExactly(filters) : !source->FindsOne(filters)) return nullptr;
  ScanRequest request{.projection = look_up.columns, .filters = std::move(filters)};
  std::vector<std::shared_ptr<arrow::RecordBatch>> found;
  if (look_up.order) {
    ARROW_ASSIGN_OR_RAISE(found, RowsInOrder(context, *source, look_up, std::move(request)));
  } else {
    ARROW_ASSIGN_OR_RAISE(const auto rows, source->Scan(request));
    ARROW_ASSIGN_OR_RAISE(found, rows->ToRecordBatches());
  }
  std::vector<std::shared_ptr<arrow::RecordBatch>> result;
  for (const auto& batch : found) {
    result.push_back(arrow::RecordBatch::Make(schema, batch->num_rows(), batch->columns()));
  }
  return arrow::RecordBatchReader::Make(std::move(result), schema);
}

}  // namespace hyprstream::engine
