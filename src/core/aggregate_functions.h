// The aggregates that views maintain: the one place that says which there are, what they take and what they promise.
//
// The engine reads calls by it, the aggregation engine chooses states by it, docs/aggregates.md is written from it.
// Immutable.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "core/aggregate_query.h"

namespace hyprstream {

// Numbers are part of the state format: new ones go to the end.
enum class AggregateKind : std::uint8_t {
  kCountStar,
  kCount,
  kSum,
  kAvg,
  kMin,
  kMax,
  kVarPop,
  kVarSamp,
  kStddevPop,
  kStddevSamp,
  kSem,
  kSkewness,
  kKurtosis,
  kKurtosisPop,
  kCovarPop,
  kCovarSamp,
  kCorr,
  kRegrSlope,
  kRegrIntercept,
  kRegrR2,
  kRegrCount,
  kRegrAvgX,
  kRegrAvgY,
  kRegrSxx,
  kRegrSyy,
  kRegrSxy,
  kProduct,
  kGeomean,
  kBitAnd,
  kBitOr,
  kBitXor,
  kAnyValue,
  kArgMin,  // rows whose value is NULL do not count
  kArgMax,
  kFirst,  // they do: the value in the row of the least
  kLast,   // ... and of the greatest
  kApproxCountDistinct,
  kApproxQuantile,
  kApproxTopK,
  kCountDistinct,
  kSumDistinct,
  kAvgDistinct,
  kMedian,
  kQuantileCont,
  kQuantileDisc,
  kMode,
  kEntropy,
  kHistogram,
  kStandardScaler,
  kLinearFit,
  kVecSum,
  kVecAvg,
  kVecMin,
  kVecMax,
  kVecStddev,
  kEwma,
  kDecayedSum,
  kDecayedCount,
  kLogisticFit,
};

// What an argument must be, and how it travels to the states.
enum class ArgumentRule {
  kNone,          // there is none
  kAny,           // anything; only whether it is NULL counts
  kNumber,        // a number as it is, a BOOLEAN too where DuckDB sums it
  kDouble,        // cast to DOUBLE
  kLogarithm,     // likewise, and its logarithm taken
  kTruth,         // a BOOLEAN
  kInteger,       // an integer as it is
  kOrdered,       // anything with an order
  kValue,         // anything that can be kept and given back
  kTime,          // not written: the table's event time
  kInstant,       // a time of any type, in microseconds
  kEventInstant,  // likewise, not written: the table's event time
  kMeasured,      // a number as it is; a smaller integer as the next that DuckDB's result has
  kBetween,       // what has values between two: numbers and times
  kVector,        // a list of DOUBLEs, as many in every row
  kListed,        // anything that can be an element of a list
  kConstant,      // no column: a constant of the call, or a list of them
  kHalfLife,      // likewise: an INTERVAL, in microseconds
};

// How the states of a group look; which aggregates may share them.
enum class StateFamily {
  kRows,
  kSummary,
  kMoments,
  kPairs,
  kProduct,
  kBits,
  kPick,
  kDistinct,
  kQuantile,
  kTop,
  kBag,
  kFit,
  kVector,
  kDecay,
  kLogistic
};

// A column of docs/aggregates.md where `text` is set.
struct AggregateFunction {
  AggregateKind kind;
  std::string_view names;      // separated by blanks, the usual one first
  std::string_view signature;  // as documents show it: `avg(x)`
  std::array<ArgumentRule, 3> arguments = {};
  std::string_view result;  // its type, for documents
  StateFamily family;
  bool of_argument_type = false;  // the result has the type of the first argument, and its carriage
  bool distinct = false;          // called with DISTINCT
  bool in_order = false;  // it learns from rows one after the other; what parts give together is only near to that
  std::string_view mergeable = "yes";
  std::string_view subtractable = "no";  // can rows be taken out of the state without the others?
  std::string_view instead = {};         // of one that keeps every distinct value: which does not
  std::string_view state;                // bytes for each group, for documents
  std::string_view exactness;
  std::string_view source;  // of the algorithm

  std::string_view name() const { return names.substr(0, names.find(' ')); }
  static bool IsEventTime(ArgumentRule rule) {
    return rule == ArgumentRule::kTime || rule == ArgumentRule::kEventInstant;
  }
  static bool IsConstant(ArgumentRule rule) {
    return rule == ArgumentRule::kConstant || rule == ArgumentRule::kHalfLife;
  }
  bool goes_by_event_time() const { return std::ranges::any_of(arguments, IsEventTime); }
  // As a call writes them.
  std::size_t argument_count() const { return CountBut(IsEventTime); }
  // As states take them: constants come after them.
  std::size_t column_count() const { return CountBut(IsConstant); }
  std::size_t CountBut(bool (*is_other)(ArgumentRule)) const {
    return static_cast<std::size_t>(std::ranges::count_if(
        arguments, [is_other](ArgumentRule rule) { return rule != ArgumentRule::kNone && !is_other(rule); }));
  }
};

std::span<const AggregateFunction> AggregateFunctions();
// The first of that kind; others of it differ in what is written, not in their states.
const AggregateFunction& FunctionOf(AggregateKind kind);
// By a lower-case name, the number of arguments and whether it is called with DISTINCT; null when there is none.
const AggregateFunction* FindAggregateFunction(std::string_view name, std::size_t arguments, bool distinct);
}  // namespace hyprstream
