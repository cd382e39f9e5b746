#include "engine/value_bounds_internal.h"

#include <algorithm>
#include <cmath>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp>
#include <duckdb/common/vector/unified_vector_format.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_lambda_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/table_ref.h"
#include "engine/function_lists_internal.h"

namespace hyprstream::engine {

namespace {

// What a call costs, from its arguments.
enum class Cost {
  kRepeat,    // size of the first argument times the second
  kPad,       // the second argument, in bytes
  kElements,  // the last argument, in list elements of 16 bytes
  kRange,     // elements of range(stop), range(start, stop), range(start, stop, step)
  kFormat,    // widths in the format text
  kReplace,   // the first argument with every second by the third
  kJoin,      // all arguments, with the first or last as a separator
  kSplit,     // a list element for each byte
  kProduct,   // steps: the first argument's size times the second's
};

const std::unordered_map<std::string_view, Cost>& Costs() {
  static const std::unordered_map<std::string_view, Cost> costs = {
      {"repeat", Cost::kRepeat},
      {"lpad", Cost::kPad},
      {"rpad", Cost::kPad},
      {"bitstring", Cost::kPad},
      {"bar", Cost::kElements},
      {"list_resize", Cost::kElements},
      {"array_resize", Cost::kElements},
      {"equi_width_bins", Cost::kElements},
      {"range", Cost::kRange},
      {"generate_series", Cost::kRange},
      {"printf", Cost::kFormat},
      {"format", Cost::kFormat},
      {"replace", Cost::kReplace},
      {"regexp_replace", Cost::kReplace},
      {"||", Cost::kJoin},
      {"concat", Cost::kJoin},
      {"concat_ws", Cost::kJoin},
      {"list_concat", Cost::kJoin},
      {"list_cat", Cost::kJoin},
      {"array_concat", Cost::kJoin},
      {"array_cat", Cost::kJoin},
      {"list_aggregate", Cost::kJoin},
      {"list_aggr", Cost::kJoin},
      {"array_aggregate", Cost::kJoin},
      {"array_aggr", Cost::kJoin},
      {"aggregate", Cost::kJoin},
      {"string_split", Cost::kSplit},
      {"str_split", Cost::kSplit},
      {"split", Cost::kSplit},
      {"string_to_array", Cost::kSplit},
      {"string_split_regex", Cost::kSplit},
      {"str_split_regex", Cost::kSplit},
      {"regexp_split_to_array", Cost::kSplit},
      {"regexp_extract_all", Cost::kSplit},
      {"levenshtein", Cost::kProduct},
      {"editdist3", Cost::kProduct},
      {"damerau_levenshtein", Cost::kProduct},
      {"jaro_similarity", Cost::kProduct},
      {"jaro_winkler_similarity", Cost::kProduct},
  };
  return costs;
}

constexpr double kElementBytes = 16;

// One argument of a call, row by row.
class Argument {
 public:
  explicit Argument(const duckdb::Vector& vector)
      : type_(vector.GetType()), constant_(vector.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR) {
    vector.ToUnifiedFormat(format_);
  }

  const duckdb::LogicalType& type() const { return type_; }
  bool IsText() const { return type_.InternalType() == duckdb::PhysicalType::VARCHAR; }
  bool IsList() const { return type_.InternalType() == duckdb::PhysicalType::LIST; }

  // Bytes that the value holds; 0 for NULL.
  double Size(duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!format_.validity.RowIsValid(at)) return 0;
    if (IsText()) return static_cast<double>(format_.GetData<duckdb::string_t>()[at].GetSize());
    if (IsList()) return kElementBytes * static_cast<double>(format_.GetData<duckdb::list_entry_t>()[at].length);
    return kElementBytes;
  }

  // At least what all values hold together, and the largest of them; cheap, because it runs for every vector.
  struct Sizes {
    double sum = 0;
    double largest = 0;
  };
  Sizes SizesAtMost(duckdb::idx_t rows) const {
    if (!IsText() && !IsList()) return {.sum = kElementBytes * static_cast<double>(rows), .largest = kElementBytes};
    if (constant_) return {.sum = Size(0) * static_cast<double>(rows), .largest = Size(0)};
    const bool plain = !format_.sel->IsSet() && !format_.validity.CanHaveNull();
    std::uint64_t sum = 0;
    std::uint64_t largest = 0;
    const auto add = [&](std::uint64_t size) {
      sum += size;
      largest = std::max(largest, size);
    };
    if (plain && IsText()) {
      const auto* texts = format_.GetData<duckdb::string_t>();
      for (duckdb::idx_t row = 0; row < rows; ++row) add(texts[row].GetSize());
    } else {
      for (duckdb::idx_t row = 0; row < rows; ++row) add(static_cast<std::uint64_t>(Size(row)));
    }
    return {.sum = static_cast<double>(sum), .largest = static_cast<double>(largest)};
  }

  // The number; 0 for NULL. Infinity for what is not known to be a number.
  double Number(duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!format_.validity.RowIsValid(at)) return 0;
    switch (type_.InternalType()) {
      case duckdb::PhysicalType::INT8:
        return static_cast<double>(format_.GetData<std::int8_t>()[at]);
      case duckdb::PhysicalType::INT16:
        return static_cast<double>(format_.GetData<std::int16_t>()[at]);
      case duckdb::PhysicalType::INT32:
        return static_cast<double>(format_.GetData<std::int32_t>()[at]);
      case duckdb::PhysicalType::INT64:
        return static_cast<double>(format_.GetData<std::int64_t>()[at]);
      case duckdb::PhysicalType::UINT64:
        return static_cast<double>(format_.GetData<std::uint64_t>()[at]);
      case duckdb::PhysicalType::DOUBLE:
        return format_.GetData<double>()[at];
      case duckdb::PhysicalType::INTERVAL:
        return static_cast<double>(duckdb::Interval::GetMicro(format_.GetData<duckdb::interval_t>()[at]));
      default:
        return INFINITY;
    }
  }

  std::string_view Text(duckdb::idx_t row) const {
    const auto at = format_.sel->get_index(row);
    if (!IsText() || !format_.validity.RowIsValid(at)) return {};
    const auto& text = format_.GetData<duckdb::string_t>()[at];
    return {text.GetData(), text.GetSize()};
  }

 private:
  duckdb::LogicalType type_;
  bool constant_;
  duckdb::UnifiedVectorFormat format_;
};

using Arguments = std::vector<Argument>;

double RangeSize(const Arguments& arguments, duckdb::idx_t row) {
  const double start = arguments.size() > 1 ? arguments[0].Number(row) : 0;
  const double stop = arguments.size() > 1 ? arguments[1].Number(row) : arguments[0].Number(row);
  const double step = arguments.size() > 2 ? arguments[2].Number(row) : 1;
  if (step == 0 || (stop - start) / step < 0) return 0;
  return ((stop - start) / step + 1) * 8;
}

// Numbers in a format text; a width that comes from an argument counts as too large.
double FormatSize(const Arguments& arguments, duckdb::idx_t row) {
  double size = 0;
  double number = 0;
  int open = 0;
  for (const char c : arguments[0].Text(row)) {
    number = c >= '0' && c <= '9' ? number * 10 + (c - '0') : 0;
    size = std::max(size, number);
    open = c == '{' ? open + 1 : c == '}' ? 0 : open;
    if (c == '*' || open > 1) {
      for (std::size_t i = 1; i < arguments.size(); ++i) {
        if (!arguments[i].IsText()) size = std::max(size, arguments[i].Number(row));
      }
    }
  }
  return size * static_cast<double>(arguments.size());
}

double ReplaceSize(const Arguments& arguments, duckdb::idx_t row, bool regular) {
  if (arguments.size() < 3) return 0;
  const double size = arguments[0].Size(row);
  const double to = arguments[2].Size(row);
  if (regular) return arguments.size() > 3 ? (size + 1) * std::max(0.0, to - 64) : size + to;
  return size / std::max(1.0, arguments[1].Size(row)) * to;
}

double JoinSize(const Arguments& arguments, duckdb::idx_t row) {
  double size = 0;
  double elements = static_cast<double>(arguments.size());
  for (const auto& argument : arguments) {
    size += argument.Size(row);
    if (argument.IsList()) elements += argument.Size(row) / kElementBytes;
  }
  const double separator = std::max(arguments.front().IsText() ? arguments.front().Size(row) : 0,
                                    arguments.size() > 2 && arguments.back().IsText() ? arguments.back().Size(row) : 0);
  return arguments.size() > 2 ? size + separator * elements : size;
}

double CostOfRow(Cost cost, const std::string& name, const Arguments& arguments, duckdb::idx_t row) {
  switch (cost) {
    case Cost::kRepeat:
      return (arguments[0].Size(row) + 1) * std::max(0.0, arguments[1].Number(row));
    case Cost::kPad:
      return std::max(0.0, arguments[1].Number(row));
    case Cost::kElements:
      return name == "equi_width_bins" ? kElementBytes * arguments[2].Number(row)
             : name == "bar"           ? (arguments.size() > 3 ? 3 * arguments[3].Number(row) : 0)
                                       : kElementBytes * std::max(0.0, arguments[1].Number(row));
    case Cost::kRange:
      return RangeSize(arguments, row);
    case Cost::kFormat:
      return FormatSize(arguments, row);
    case Cost::kReplace:
      return ReplaceSize(arguments, row, name == "regexp_replace");
    case Cost::kJoin:
      return JoinSize(arguments, row);
    case Cost::kSplit:
      return kElementBytes * arguments[0].Size(row) / std::max(1.0, arguments.size() > 1 ? arguments[1].Size(row) : 1);
    case Cost::kProduct:
      return arguments[0].Size(row) * arguments[1].Size(row);
  }
  return 0;
}

// No less than what the rows cost together, where it is cheaper to know; infinity elsewhere.
double CostAtMost(Cost cost, const Arguments& arguments, duckdb::idx_t rows) {
  const auto count = static_cast<double>(rows);
  switch (cost) {
    case Cost::kJoin: {
      if (std::ranges::any_of(arguments, [](const auto& argument) { return argument.IsList(); })) return INFINITY;
      double sum = 0;
      double largest = 0;
      for (const auto& argument : arguments) {
        const auto sizes = argument.SizesAtMost(rows);
        sum += sizes.sum;
        largest = std::max(largest, sizes.largest);
      }
      if (arguments.size() <= 2) return sum;
      return sum + count * static_cast<double>(arguments.size()) * largest;  // any of them may be the separator
    }
    case Cost::kReplace: {
      if (arguments.size() < 3) return INFINITY;
      const auto from = arguments[0].SizesAtMost(rows);
      const auto to = arguments[2].SizesAtMost(rows);
      return from.sum + to.sum + (from.sum + count) * to.largest;
    }
    case Cost::kSplit:
      return kElementBytes * arguments[0].SizesAtMost(rows).sum;
    case Cost::kProduct:
      return arguments[0].SizesAtMost(rows).sum * arguments[1].SizesAtMost(rows).largest;
    default:
      return INFINITY;
  }
}

double LimitOf(Cost cost) {
  switch (cost) {
    case Cost::kProduct:
      return kStepsMax;
    case Cost::kReplace:
    case Cost::kJoin:
    case Cost::kSplit:
      return kJoinedBytesMax;
    default:
      return kGrownBytesMax;
  }
}

void CheckCost(Cost cost, const std::string& name, duckdb::DataChunk& chunk) {
  if (chunk.ColumnCount() == 0) return;
  Arguments arguments;
  bool constant = true;
  for (auto& vector : chunk.data) {
    arguments.emplace_back(vector);
    constant &= vector.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
  }
  const auto rows = constant ? std::min<duckdb::idx_t>(1, chunk.size()) : chunk.size();
  if (CostAtMost(cost, arguments, rows) <= LimitOf(cost)) return;
  double total = 0;
  for (duckdb::idx_t row = 0; row < rows; ++row) total += CostOfRow(cost, name, arguments, row);
  if (total <= LimitOf(cost)) return;
  // A kind that DuckDB never takes for an error of a value: of such it makes a fatal one, when it thinks that the
  // function has none, and shuts the database.
  throw duckdb::PermissionException(
      "Function %s would make or go through %s bytes at once; at most %s are allowed. Use "
      "smaller values",
      name, std::to_string(static_cast<std::int64_t>(std::min(total, 1e18))),
      std::to_string(static_cast<std::int64_t>(LimitOf(cost))));
}

// A function's callback behind the look at its arguments.
struct Bounded {
  Cost cost;
  std::string name;
  duckdb::scalar_function_t inner;

  void operator()(duckdb::DataChunk& arguments, duckdb::ExpressionState& state, duckdb::Vector& result) const {
    CheckCost(cost, name, arguments);
    inner(arguments, state, result);
  }
};

// `Function` is a function of the catalog, or a bound one. Does nothing the second time.
template <class Function>
void Bound(Function& function) {
  const auto name = FoldIdentifier(function.GetName().GetIdentifierName());
  const auto found = Costs().find(name);
  if (found == Costs().end() || !function.HasFunctionCallback()) return;
  function.SetFallible();
  auto inner = function.GetFunctionCallback();
  if (inner.template target<Bounded>() != nullptr) return;
  function.SetFunctionCallback(Bounded{.cost = found->second, .name = name, .inner = std::move(inner)});
}

void BoundExpression(duckdb::Expression& expression) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    Bound(expression.Cast<duckdb::BoundFunctionExpression>().FunctionMutable());
  }
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_LAMBDA) {
    auto& lambda = expression.Cast<duckdb::BoundLambdaExpression>();
    if (lambda.LambdaExpr()) BoundExpression(*lambda.LambdaExprMutable());
    for (auto& capture : lambda.CapturesMutable()) BoundExpression(*capture);
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(expression, [](duckdb::Expression& child) { BoundExpression(child); });
}

void Refuse(duckdb::DataChunk&, duckdb::ExpressionState&, duckdb::Vector&) {
  throw duckdb::InvalidInputException("this function is not allowed here");
}

duckdb::unique_ptr<duckdb::FunctionData> RefuseBind(duckdb::BindScalarFunctionInput&) {
  throw duckdb::BinderException(
      "json_transform and from_json are not allowed here: cast the JSON to the type instead, "
      "as in value::STRUCT(a INTEGER)");
}

void Replace(duckdb::Connection& connection, duckdb::CreateScalarFunctionInfo& info) {
  info.internal = true;
  info.on_conflict = duckdb::OnCreateConflict::REPLACE_ON_CONFLICT;
  duckdb::Catalog::GetSystemCatalog(*connection.context).CreateFunction(*connection.context, info);
}

void KeepUnevaluated(duckdb::ScalarFunction& function) { function.SetStability(duckdb::FunctionStability::VOLATILE); }

// Replaces a scalar function of the catalog, all its overloads, by a changed one; nothing when there is none.
void Change(duckdb::Connection& connection, std::string_view name, void (*change)(duckdb::ScalarFunction&)) {
  auto& catalog = duckdb::Catalog::GetSystemCatalog(*connection.context);
  const auto entry = catalog.GetEntry(*connection.context, duckdb::CatalogType::SCALAR_FUNCTION_ENTRY,
                                      duckdb::Identifier::DefaultSchema(), duckdb::Identifier(std::string(name)),
                                      duckdb::OnEntryNotFound::RETURN_NULL);
  if (!entry || entry->type != duckdb::CatalogType::SCALAR_FUNCTION_ENTRY) return;
  const auto& function = entry->Cast<duckdb::ScalarFunctionCatalogEntry>();
  auto overloads = function.functions;
  overloads.ApplyToFunctions(change);
  duckdb::CreateScalarFunctionInfo info(std::move(overloads));
  info.descriptions = function.descriptions;
  Replace(connection, info);
}

}  // namespace

void BoundValues(duckdb::LogicalOperator& plan) {
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      plan, [](duckdb::unique_ptr<duckdb::Expression>* expression) { BoundExpression(**expression); });
  for (auto& child : plan.children) BoundValues(*child);
}

void ReplaceUnsafeFunctions(duckdb::Connection& connection) {
  for (const char* name : {"json_transform", "json_transform_strict", "from_json", "from_json_strict"}) {
    duckdb::ScalarFunction function(duckdb::Identifier(name), {duckdb::LogicalType::ANY, duckdb::LogicalType::ANY},
                                    duckdb::LogicalType::VARCHAR, Refuse, RefuseBind);
    duckdb::CreateScalarFunctionInfo info(function);
    Replace(connection, info);
  }
  for (const auto& [name, cost] : Costs()) Change(connection, name, Bound<duckdb::ScalarFunction>);
  for (const auto& name : RefusedFunctionNames()) Change(connection, name, KeepUnevaluated);
  Change(connection, "current_setting", KeepUnevaluated);
}

}  // namespace hyprstream::engine
