#include "engine/backend_pushdown_internal.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <duckdb.hpp>
#include <duckdb/main/config.hpp>
#include <duckdb/optimizer/column_binding_replacer.hpp>
#include <duckdb/optimizer/optimizer.hpp>
#include <duckdb/planner/binder.hpp>
#include <duckdb/planner/expression/bound_cast_expression.hpp>
#include <duckdb/planner/expression/bound_columnref_expression.hpp>
#include <duckdb/planner/operator/logical_filter.hpp>
#include <duckdb/planner/operator/logical_get.hpp>
#include <duckdb/planner/operator/logical_limit.hpp>
#include <duckdb/planner/operator/logical_projection.hpp>
#include <iterator>
#include <optional>
#include <utility>

#include "engine/arrow_in_internal.h"
#include "engine/backend_scan_internal.h"
#include "engine/backend_set_internal.h"
#include "engine/context_state_internal.h"
#include "engine/declared_schema_internal.h"
#include "engine/remote_relation_internal.h"

namespace hyprstream::engine {

namespace {

using duckdb::LogicalOperatorType;
using Kind = RemoteRelation::Kind;
using Operator = duckdb::unique_ptr<duckdb::LogicalOperator>;

bool ReadsBackend(const duckdb::LogicalOperator& plan) {
  if (plan.type == LogicalOperatorType::LOGICAL_GET && BackendRowsOf(plan.Cast<duckdb::LogicalGet>()) != nullptr) {
    return true;
  }
  return std::ranges::any_of(plan.children, [](const auto& child) { return ReadsBackend(*child); });
}

bool HasWork(const duckdb::LogicalOperator& plan) {
  switch (plan.type) {
    case LogicalOperatorType::LOGICAL_COMPARISON_JOIN:
    case LogicalOperatorType::LOGICAL_DELIM_JOIN:
    case LogicalOperatorType::LOGICAL_ANY_JOIN:
    case LogicalOperatorType::LOGICAL_CROSS_PRODUCT:
    case LogicalOperatorType::LOGICAL_AGGREGATE_AND_GROUP_BY:
    case LogicalOperatorType::LOGICAL_DISTINCT:
      return true;
    default:
      return std::ranges::any_of(plan.children, [](const auto& child) { return HasWork(*child); });
  }
}

// A comparison of a column with a constant, as scans send it.
std::optional<ColumnFilter> AsScanFilter(const RemoteRelation& table, const RemoteExpression& condition) {
  using Op = ColumnFilter::Op;
  static const std::vector<std::pair<std::string, Op>> kOps = {
      {"=", Op::kEqual},         {"<", Op::kLess}, {"<=", Op::kLessEqual},  {">", Op::kGreater},
      {">=", Op::kGreaterEqual}, {"in", Op::kIn},  {"is null", Op::kIsNull}};
  const auto op = std::ranges::find(kOps, condition.function, &std::pair<std::string, Op>::first);
  if (op == kOps.end() || condition.arguments.empty()) return std::nullopt;
  const auto& column = condition.arguments[0];
  if (column.kind != RemoteExpression::Kind::kColumn) return std::nullopt;
  ColumnFilter filter{.column = table.columns.at(static_cast<std::size_t>(column.column)), .op = op->second};
  for (std::size_t i = 1; i < condition.arguments.size(); ++i) {
    if (condition.arguments[i].kind != RemoteExpression::Kind::kLiteral) return std::nullopt;
    filter.values.push_back(condition.arguments[i].value);
  }
  if (filter.op == Op::kIn || filter.op == Op::kIsNull) return filter;
  if (filter.values.size() != 1) return std::nullopt;
  filter.value = filter.values[0];
  filter.values.clear();
  return filter;
}

// Is there more to it than what scans of its tables do by themselves, and less to fetch than they would?
bool IsWorth(const RemoteRelation& relation) {
  switch (relation.kind) {
    case Kind::kTable:
      return false;
    case Kind::kProject:
      return IsWorth(relation.inputs[0]);
    case Kind::kJoin:
      return relation.join != RemoteRelation::Join::kCross;
    case Kind::kUnionAll:
      return std::ranges::any_of(relation.inputs, IsWorth);
    case Kind::kFilter: {
      const auto& below = relation.inputs[0];
      if (below.kind != Kind::kTable) return true;
      std::vector<ColumnFilter> filters;
      for (const auto& condition : relation.conditions) {
        auto filter = AsScanFilter(below, condition);
        if (!filter) return true;
        filters.push_back(*std::move(filter));
      }
      return !below.table->FindsExactly(filters);
    }
    default:
      return true;
  }
}

std::string Listed(const std::vector<TableRef>& tables) {
  std::vector<std::string> names;
  for (const auto& table : tables) {
    if (std::ranges::find(names, table.ToString()) == names.end()) names.push_back(table.ToString());
  }
  std::string list;
  for (const auto& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

class Pushdown {
 public:
  explicit Pushdown(duckdb::Optimizer& optimizer) : optimizer_(optimizer), context_(optimizer.context) {}

  void Visit(Operator& plan) {
    if (!ReadsBackend(*plan)) return;
    if (plan->type == LogicalOperatorType::LOGICAL_LIMIT ? TakeTop(*plan) || LimitScan(*plan) : Take(plan)) return;
    for (auto& child : plan->children) Visit(child);
  }

  const std::vector<std::pair<duckdb::ColumnBinding, duckdb::ColumnBinding>>& moved() const { return moved_; }
  PushdownFacts facts() { return std::move(facts_); }

 private:
  bool Take(Operator& plan) {
    refusal_.clear();
    RelationReader reader(context_);
    auto query = reader.Read(*plan);
    auto pushed = query ? Ask(reader, *query) : nullptr;
    if (pushed == nullptr) {
      Keep(*plan, reader);
      return false;
    }
    plan = std::move(pushed);
    return true;
  }

  // The limit stays, and with it the order.
  bool TakeTop(duckdb::LogicalOperator& plan) {
    const auto& limit = plan.Cast<duckdb::LogicalLimit>();
    auto* at = &plan.children[0];
    // What is computed row by row does not change which rows there are.
    for (;; at = &(*at)->children[0]) {
      RelationReader reader(context_);
      auto query = reader.ReadTop(limit, **at);
      auto pushed = query ? Ask(reader, *query) : nullptr;
      if (pushed != nullptr) {
        auto& below = (*at)->type == LogicalOperatorType::LOGICAL_ORDER_BY ? (*at)->children[0] : *at;
        below = std::move(pushed);
        return true;
      }
      if ((*at)->type != LogicalOperatorType::LOGICAL_PROJECTION) {
        Keep(plan, reader);
        return false;
      }
    }
  }

  // The rows of one scan, whichever come first: where all its conditions are sent no more are fetched.
  static bool LimitScan(const duckdb::LogicalOperator& plan) {
    const auto rows = RowsOf(plan.Cast<duckdb::LogicalLimit>());
    const auto* below = plan.children[0].get();
    while (below->type == LogicalOperatorType::LOGICAL_PROJECTION) below = below->children[0].get();
    const auto* filter = below->type == LogicalOperatorType::LOGICAL_FILTER ? below : nullptr;
    if (filter != nullptr) below = filter->children[0].get();
    if (!rows || below->type != LogicalOperatorType::LOGICAL_GET) return false;
    const auto& get = below->Cast<duckdb::LogicalGet>();
    if (BackendRowsOf(get) == nullptr) return false;
    std::vector<PlannedFilter> taken;
    if (filter != nullptr) {
      for (const auto& condition : filter->expressions) {
        auto planned = PlanExactly(get, *condition);
        if (!planned) return false;
        std::ranges::move(*planned, std::back_inserter(taken));
      }
    }
    auto& data = get.bind_data->Cast<StreamScanData>();
    data.rows_max = *rows;
    data.limited_by = std::move(taken);
    return true;
  }

  // Null: it is not certain to mean the same there, or not worth it.
  Operator Ask(RelationReader& reader, const RemoteQuery& query) {
    if (!IsWorth(query.relation)) return nullptr;
    const auto backend = ContextState::Of(context_).shared->backends->Find(reader.backend());
    if (!backend) return nullptr;
    auto plan = backend->Plan(query.relation);
    if (!plan.ok()) {
      refusal_ = plan.status().message();
      return nullptr;
    }
    auto scan = Scan(query, {.backend = reader.backend(),
                             .table = {.schema = "", .name = ""},
                             .source = plan->rows,
                             .statement = plan->statement});
    if (scan != nullptr) facts_.pushed.push_back(reader.backend() + ": " + Listed(reader.tables()));
    return scan;
  }

  void Keep(const duckdb::LogicalOperator& plan, const RelationReader& reader) {
    auto why = reader.refusal().empty() ? std::exchange(refusal_, "") : reader.refusal();
    if (why.empty() || reader.tables().empty() || !HasWork(plan)) return;
    PushdownFacts more;
    more.kept.push_back(reader.backend() + ": " + std::move(why));
    facts_.Add(std::move(more));
  }

  // Null: it is of another type.
  duckdb::unique_ptr<duckdb::Expression> As(duckdb::unique_ptr<duckdb::Expression> item,
                                            const duckdb::LogicalType& type) {
    if (item->GetReturnType() == type) return item;
    if (type.id() == duckdb::LogicalTypeId::HUGEINT && item->GetReturnType() == duckdb::LogicalType::DECIMAL(38, 0)) {
      return duckdb::BoundCastExpression::AddCastToType(context_, std::move(item), type);
    }
    refusal_ = "its answer has another type: " + item->GetReturnType().ToString() + " for " + type.ToString();
    return nullptr;
  }

  // The answer with the columns, and of the types, that the part of the plan had.
  Operator Scan(const RemoteQuery& query, BackendRows rows) {
    duckdb::unique_ptr<duckdb::FunctionData> bind_data;
    auto function = MakeBackendScan(context_, std::move(rows), bind_data);
    auto& data = bind_data->Cast<StreamScanData>();
    const auto types = data.all_types;
    duckdb::vector<duckdb::Identifier> names;
    for (const auto& name : data.arrow_table.GetNames()) names.emplace_back(name);
    const auto index = optimizer_.binder.GenerateTableIndex();
    auto get = duckdb::make_uniq<duckdb::LogicalGet>(index, duckdb::BoundTableFunction(function), std::move(bind_data),
                                                     types, names);
    for (duckdb::idx_t i = 0; i < types.size(); ++i) get->AddColumnId(i);
    const auto column = [&](int at) -> duckdb::unique_ptr<duckdb::Expression> {
      const auto position = static_cast<duckdb::idx_t>(at);
      return duckdb::make_uniq<duckdb::BoundColumnRefExpression>(
          types.at(position), duckdb::ColumnBinding(index, duckdb::ProjectionIndex(position)));
    };
    duckdb::vector<duckdb::unique_ptr<duckdb::Expression>> items;
    for (const auto& wanted : query.columns) {
      auto item = As(column(wanted.column), wanted.type);
      if (item == nullptr) return nullptr;
      items.push_back(std::move(item));
    }
    const auto projected = optimizer_.binder.GenerateTableIndex();
    for (std::size_t i = 0; i < query.columns.size(); ++i) {
      moved_.emplace_back(query.columns[i].binding, duckdb::ColumnBinding(projected, duckdb::ProjectionIndex(i)));
    }
    if (items.empty()) return get;  // its rows are counted, no more
    auto projection = duckdb::make_uniq<duckdb::LogicalProjection>(projected, std::move(items));
    projection->children.push_back(std::move(get));
    return projection;
  }

  duckdb::Optimizer& optimizer_;
  duckdb::ClientContext& context_;
  std::string refusal_;  // of the backend
  std::vector<std::pair<duckdb::ColumnBinding, duckdb::ColumnBinding>> moved_;
  PushdownFacts facts_;
};

}  // namespace

bool UsesPushdown(duckdb::ClientContext& context) {
  duckdb::Value use;
  return context.TryGetCurrentSetting(kUsePushdown, use) && !use.IsNull() && use.GetValue<bool>();
}

void AddUsePushdown(duckdb::DBConfig& config) {
  config.AddExtensionOption(duckdb::Identifier(kUsePushdown),
                            "Whether parts of a query over the tables of one backend may be answered there",
                            duckdb::LogicalType::BOOLEAN, duckdb::Value::BOOLEAN(true));
}

void PushdownFacts::Add(PushdownFacts more) {
  const auto add = [](std::vector<std::string>& to, std::vector<std::string>& from) {
    for (auto& text : from) {
      if (std::ranges::find(to, text) == to.end()) to.push_back(std::move(text));
    }
  };
  add(pushed, more.pushed);
  add(kept, more.kept);
}

PushdownFacts PushDown(duckdb::Optimizer& optimizer, Operator& plan) {
  if (!ReadsBackend(*plan) || !UsesPushdown(optimizer.context)) return {};
  plan->ResolveOperatorTypes();
  Pushdown pushdown(optimizer);
  pushdown.Visit(plan);
  if (!pushdown.moved().empty()) {
    duckdb::ColumnBindingReplacer replacer;
    for (const auto& [from, to] : pushdown.moved()) replacer.replacement_bindings.emplace_back(from, to);
    replacer.VisitOperator(*plan);
    plan->ResolveOperatorTypes();
  }
  return pushdown.facts();
}

}  // namespace hyprstream::engine
