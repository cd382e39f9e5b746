#include "engine/value_bounds_internal.h"

#include <algorithm>
#include <cmath>
#include <duckdb.hpp>
#include <duckdb/catalog/catalog.hpp>
#include <duckdb/catalog/catalog_entry/scalar_function_catalog_entry.hpp>
#include <duckdb/function/scalar_function.hpp>
#include <duckdb/parser/parsed_data/create_scalar_function_info.hpp>
#include <duckdb/planner/expression/bound_function_expression.hpp>
#include <duckdb/planner/expression/bound_lambda_expression.hpp>
#include <duckdb/planner/expression_iterator.hpp>
#include <duckdb/planner/logical_operator.hpp>
#include <duckdb/planner/logical_operator_visitor.hpp>
#include <duckdb/storage/buffer_manager.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "core/table_ref.h"
#include "engine/aggregate_bounds_internal.h"
#include "engine/argument_sizes_internal.h"
#include "engine/catalog_change_internal.h"
#include "engine/contained_errors_internal.h"
#include "engine/work_bounds_internal.h"

namespace hyprstream::engine {

namespace {

// What a call costs, from its arguments.
enum class Cost {
  kRepeat,    // size of the first argument times the second
  kPad,       // the second argument, in bytes
  kElements,  // a number of list elements, each as large as the one that fills them up
  kRange,     // elements of range(stop), range(start, stop), range(start, stop, step)
  kFormat,    // widths in the format text
  kReplace,   // the first argument with every second by the third
  kJoin,      // all arguments, with the first or last as a separator
  kSplit,     // a list element for each byte
  kProduct,   // steps: the first argument's size times the second's
  kMatrix,    // the same, and 8 bytes for each step while a row lasts
  kCopy,      // all arguments, each value on its own
  kEscape,    // the same, and what is written takes two bytes for one
  kBits,      // the same, eight for one
  kName,      // texts that are compared with all known names when they are none of them
  kLambda,    // the first argument, and for each of its elements all others
};

constexpr auto kCopying = {"list_sort",
                           "array_sort",
                           "list_reverse_sort",
                           "array_reverse_sort",
                           "list_grade_up",
                           "array_grade_up",
                           "grade_up",
                           "list_distinct",
                           "array_distinct",
                           "list_select",
                           "array_select",
                           "list_where",
                           "array_where",
                           "list_zip",
                           "array_zip",
                           "list_value",
                           "list_pack",
                           "array_value",
                           "flatten",
                           "list_intersect",
                           "array_intersect",
                           "map",
                           "map_from_entries",
                           "map_concat",
                           "map_entries",
                           "map_keys",
                           "map_values",
                           "unpivot_list",
                           "create_sort_key",
                           "upper",
                           "ucase",
                           "lower",
                           "lcase",
                           "reverse",
                           "translate",
                           "strip_accents",
                           "nfc_normalize"};

constexpr auto kEscaping = {"hex",
                            "to_hex",
                            "base64",
                            "to_base64",
                            "url_encode",
                            "regexp_escape",
                            "json_quote",
                            "to_json",
                            "json_array",
                            "json_object",
                            "array_to_json",
                            "row_to_json",
                            "json_pretty",
                            "json_merge_patch",
                            "json_deep_merge",
                            "json_merge_patch_diff",
                            "json_normalize",
                            "json_set",
                            "json_insert",
                            "json_replace",
                            "json_remove",
                            "json_strip_nulls",
                            "json_structure",
                            "json_extract",
                            "json_extract_path",
                            "->",
                            "json_extract_string",
                            "json_extract_path_text",
                            "->>",
                            "json_keys",
                            "json_value"};

constexpr auto kOverElements = {"list_transform", "array_transform", "list_apply",   "array_apply",
                                "apply",          "list_filter",     "array_filter", "filter",
                                "list_reduce",    "array_reduce",    "reduce"};

std::unordered_map<std::string_view, Cost> ListedCosts() {
  return {
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
      {"damerau_levenshtein", Cost::kMatrix},
      {"timezone", Cost::kName},
      {"make_timestamptz", Cost::kName},
      {"time_bucket", Cost::kName},
      {"bin", Cost::kBits},
      {"to_binary", Cost::kBits},
      {"jaro_similarity", Cost::kProduct},
      {"jaro_winkler_similarity", Cost::kProduct},
  };
}

const std::unordered_map<std::string_view, Cost>& Costs() {
  static const auto costs = [] {
    auto all = ListedCosts();
    for (const std::string_view name : kCopying) all.emplace(name, Cost::kCopy);
    for (const std::string_view name : kEscaping) all.emplace(name, Cost::kEscape);
    for (const std::string_view name : kOverElements) all.emplace(name, Cost::kLambda);
    return all;
  }();
  return costs;
}

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

// What is held for as long as one row is worked on, if it is no more than a call may make; else infinity.
double MatrixSteps(const Arguments& arguments, duckdb::idx_t row) {
  const double steps = arguments[0].Size(row) * arguments[1].Size(row);
  return steps * sizeof(std::int64_t) > kJoinedBytesMax ? INFINITY : steps;
}

// A capture goes into the result for every element, when the lambda can return it.
double LambdaSize(const Arguments& arguments, duckdb::idx_t row, bool captures) {
  double each = kElementBytes;
  for (std::size_t i = 1; captures && i < arguments.size(); ++i) each += arguments[i].Size(row);
  return arguments[0].Size(row) / kElementBytes * each;
}

double LongestText(const Arguments& arguments, duckdb::idx_t rows) {
  double longest = 0;
  for (const auto& argument : arguments) {
    if (argument.IsText()) longest = std::max(longest, argument.SizesAtMost(rows).largest);
  }
  return longest;
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
                                       : std::max(0.0, arguments[1].Number(row)) *
                                   (kElementBytes + (arguments.size() > 2 ? arguments[2].Size(row) : 0));
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
    case Cost::kMatrix:
      return MatrixSteps(arguments, row);
    case Cost::kName:
    case Cost::kLambda:
    case Cost::kCopy:
    case Cost::kEscape:
    case Cost::kBits:
      break;  // counted by TotalCost
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
    case Cost::kName:
      return LongestText(arguments, rows);
    case Cost::kCopy:
    case Cost::kEscape:
    case Cost::kBits: {
      double sum = 0;
      for (const auto& argument : arguments) sum += argument.FlatAtMost(rows);
      return sum;
    }
    default:
      return INFINITY;
  }
}

// What is called, and what it may make.
struct Call {
  Cost cost;
  std::string name;
  double copied_bytes_max = kJoinedBytesMax;

  double Limit() const {
    switch (cost) {
      case Cost::kProduct:
      case Cost::kMatrix:
        return kStepsMax;
      case Cost::kReplace:
      case Cost::kJoin:
      case Cost::kSplit:
      case Cost::kLambda:
        return kJoinedBytesMax;
      case Cost::kName:
        return kNameBytesMax;
      case Cost::kCopy:
        return copied_bytes_max;
      case Cost::kEscape:
        return copied_bytes_max / 2;
      case Cost::kBits:
        return copied_bytes_max / 8;
      default:
        return kGrownBytesMax;
    }
  }
};

double TotalCost(const Call& call, const Arguments& arguments, duckdb::idx_t rows, bool captures) {
  double total = 0;
  if (call.cost == Cost::kName) return LongestText(arguments, rows);
  if (call.cost == Cost::kCopy || call.cost == Cost::kEscape || call.cost == Cost::kBits) {
    for (const auto& argument : arguments) total += argument.Flat(rows, call.Limit() + 1);
    return total;
  }
  for (duckdb::idx_t row = 0; row < rows; ++row) {
    total += call.cost == Cost::kLambda ? LambdaSize(arguments, row, captures)
                                        : CostOfRow(call.cost, call.name, arguments, row);
  }
  return total;
}

// A lambda that yields lists or texts may yield its captures, once for each element.
bool MayReturnCaptures(const duckdb::LogicalType& result) {
  return result.id() == duckdb::LogicalTypeId::LIST &&
         !duckdb::TypeIsConstantSize(duckdb::ListType::GetChildType(result).InternalType());
}

void CheckCost(const Call& call, duckdb::DataChunk& chunk, const duckdb::LogicalType& result) {
  if (chunk.ColumnCount() == 0) return;
  Arguments arguments;
  bool constant = true;
  for (auto& vector : chunk.data) {
    arguments.emplace_back(vector);
    constant &= vector.GetVectorType() == duckdb::VectorType::CONSTANT_VECTOR;
  }
  const auto rows = constant ? std::min<duckdb::idx_t>(1, chunk.size()) : chunk.size();
  if (CostAtMost(call.cost, arguments, rows) <= call.Limit()) return;
  const double total = TotalCost(call, arguments, rows, MayReturnCaptures(result));
  if (total <= call.Limit()) return;
  // A kind that DuckDB never takes for an error of a value: of such it makes a fatal one, when it thinks that the
  // function has none, and shuts the database.
  throw duckdb::PermissionException(
      "Function %s would make or go through %s bytes at once; at most %s are allowed. Use "
      "smaller values",
      call.name, std::to_string(static_cast<std::int64_t>(std::min(total, 1e18))),
      std::to_string(static_cast<std::int64_t>(call.Limit())));
}

// A function's callback behind the look at its arguments. Inside a lambda it is where a long call can be stopped.
struct Bounded {
  Call call;
  duckdb::scalar_function_t inner;

  void operator()(duckdb::DataChunk& arguments, duckdb::ExpressionState& state, duckdb::Vector& result) const {
    if (state.HasContext()) state.GetContext().InterruptCheck();
    CheckCost(call, arguments, result.GetType());
    inner(arguments, state, result);
  }
};

// `Function` is a function of the catalog, or a bound one. Of one that is bounded already only the bound may grow.
template <class Function>
void BoundFunction(Function& function, double copied_bytes_max) {
  const auto name = FoldIdentifier(function.GetName().GetIdentifierName());
  const auto cost = Costs().find(name);
  const auto work = WorkOf(name);
  if ((cost == Costs().end() && !work) || !function.HasFunctionCallback()) return;
  auto callback = function.GetFunctionCallback();
  if (IsContained(callback) || callback.template target<BoundedWork>() != nullptr) return;
  if (auto* const bounded = callback.template target<Bounded>()) {
    bounded->call.copied_bytes_max = copied_bytes_max;
  } else {
    // ILIKE's would put another callback in the place of this one where texts are ASCII.
    if (work == Work::kCompare) function.SetStatisticsCallback(nullptr);
    if (work) callback = BoundedWork{.work = *work, .name = name, .inner = std::move(callback)};
    if (cost != Costs().end()) {
      // One that may fail is not called for a dictionary's values once. It need not be marked, see CheckCost.
      if (cost->second != Cost::kCopy && cost->second != Cost::kEscape) function.SetFallible();
      callback = Bounded{.call = {.cost = cost->second, .name = name, .copied_bytes_max = copied_bytes_max},
                         .inner = std::move(callback)};
    }
  }
  function.SetFunctionCallback(std::move(callback));
}

void BoundInCatalog(duckdb::ScalarFunction& function) { BoundFunction(function, kJoinedBytesMax); }

void BoundExpression(duckdb::Expression& expression, double copied_bytes_max) {
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_LAMBDA) {
    auto& lambda = expression.Cast<duckdb::BoundLambdaExpression>();
    if (lambda.LambdaExpr()) BoundExpression(*lambda.LambdaExprMutable(), copied_bytes_max);
    for (auto& capture : lambda.CapturesMutable()) BoundExpression(*capture, copied_bytes_max);
    return;
  }
  duckdb::ExpressionIterator::EnumerateChildren(
      expression, [copied_bytes_max](duckdb::Expression& child) { BoundExpression(child, copied_bytes_max); });
  if (expression.GetExpressionClass() == duckdb::ExpressionClass::BOUND_FUNCTION) {
    BoundFunction(expression.Cast<duckdb::BoundFunctionExpression>().FunctionMutable(), copied_bytes_max);
  }
}

void BoundOperator(duckdb::LogicalOperator& plan, double copied_bytes_max) {
  duckdb::LogicalOperatorVisitor::EnumerateExpressions(
      plan, [copied_bytes_max](duckdb::unique_ptr<duckdb::Expression>* expression) {
        BoundExpression(**expression, copied_bytes_max);
      });
  for (auto& child : plan.children) BoundOperator(*child, copied_bytes_max);
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

// Of times out of range, which DuckDB has forgotten to say; see contained_errors_internal.h.
void MayFail(duckdb::ScalarFunction& function) { function.SetFallible(); }

}  // namespace

void BoundValues(duckdb::ClientContext& context, duckdb::LogicalOperator& plan) {
  const auto memory = static_cast<double>(duckdb::BufferManager::GetBufferManager(context).GetMaxMemory());
  BoundOperator(plan, std::max(kJoinedBytesMax, memory / 4));
}

void ReplaceUnsafeFunctions(duckdb::Connection& connection) {
  for (const char* name : {"json_transform", "json_transform_strict", "from_json", "from_json_strict"}) {
    duckdb::ScalarFunction function(duckdb::Identifier(name), {duckdb::LogicalType::ANY, duckdb::LogicalType::ANY},
                                    duckdb::LogicalType::VARCHAR, Refuse, RefuseBind);
    duckdb::CreateScalarFunctionInfo info(function);
    Replace(connection, info);
  }
  for (const auto& [name, cost] : ListedCosts()) ChangeScalarFunction(*connection.context, name, BoundInCatalog);
  for (const auto name : FunctionsOfWork()) ChangeScalarFunction(*connection.context, name, BoundInCatalog);
  for (const auto name : kListAggregates) ChangeScalarFunction(*connection.context, name, BoundListAggregate);
  for (const char* name :
       {"age", "to_json", "json_array", "json_object", "json_quote", "array_to_json", "row_to_json"}) {
    ChangeScalarFunction(*connection.context, name, MayFail);
  }
}

}  // namespace hyprstream::engine
