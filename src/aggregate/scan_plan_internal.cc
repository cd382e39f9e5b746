#include "aggregate/scan_plan_internal.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <numeric>
#include <utility>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/result.h"
#include "arrow/scalar.h"
#include "arrow/status.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {

std::optional<SliceKey> WindowRange::From(SliceKey key) const {
  const std::optional<SliceKey> null = takes_null ? std::optional(SliceKey{.is_null = true}) : std::nullopt;
  if (key.is_null) return null;
  std::int64_t start = std::max(key.start, least);
  if (among) {
    const auto next = std::ranges::lower_bound(*among, start);
    if (next == among->end()) return null;
    start = *next;
  }
  return start > greatest ? null : SliceKey{.start = start};
}

std::vector<std::uint32_t> ScanPlan::GroupsOf(const ViewSpec& spec, const GroupTable& table) const {
  std::vector<std::uint32_t> groups;
  if (has_look_ups) {
    for (const std::string& key : look_ups) {
      if (const std::optional<std::uint32_t> group = table.Find(key)) groups.push_back(*group);
    }
    std::ranges::sort(groups);
  } else {
    groups.resize(table.size());
    std::iota(groups.begin(), groups.end(), 0U);
  }
  if (visits != nullptr) visits->groups += static_cast<std::int64_t>(groups.size());
  if (keys.empty()) return groups;
  std::erase_if(groups, [&](std::uint32_t group) {
    const std::string_view row = table.key(group);
    return !std::ranges::all_of(keys, [&](const KeyIn& key) {
      if (!KeyCodec::IsPresent(key.column, row)) return key.null;
      return std::ranges::binary_search(key.values, spec.codec.Value(key.column, row));
    });
  });
  return groups;
}

namespace {

// Beyond these every group is tested instead.
constexpr std::size_t kLookUpsMax = 4096;

using Op = ColumnFilter::Op;
using Scalars = std::vector<std::shared_ptr<arrow::Scalar>>;  // null: NULL

// One row key of these keys.
arrow::Result<std::string> EncodeOne(const ViewSpec& spec, const Scalars& scalars) {
  std::vector<std::shared_ptr<arrow::Array>> columns;
  for (std::size_t i = 0; i < scalars.size(); ++i) {
    if (scalars[i] == nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto nulls, arrow::MakeArrayOfNull(spec.EvaluatedType(spec.group_keys[i]), 1));
      columns.push_back(std::move(nulls));
    } else {
      ARROW_ASSIGN_OR_RAISE(auto values, arrow::MakeArrayFromScalar(*scalars[i], 1));
      columns.push_back(std::move(values));
    }
  }
  RowKeys keys(spec.codec.width());
  spec.codec.Encode(columns, {.first = 0, .count = 1}, keys);
  return std::string(keys.Row(0));
}

// One scan's plan in the making.
class ScanPlanner {
 public:
  explicit ScanPlanner(const ViewSpec& spec)
      : spec_(spec), given_(static_cast<std::size_t>(spec.codec.column_count())) {}

  arrow::Status Add(const ColumnFilter& filter) {
    const OutputColumn& column = spec_.query->output[static_cast<std::size_t>(filter.column)];
    if (!column.is_key) return arrow::Status::OK();
    Scalars values = filter.values;
    if (filter.op != Op::kIn && filter.op != Op::kIsNull) values = {filter.value};
    const std::shared_ptr<arrow::DataType> type = spec_.EvaluatedType(column.index);
    if (std::ranges::any_of(values, [&](const auto& value) { return !value->type->Equals(*type); })) {
      return arrow::Status::OK();
    }
    std::erase_if(values, [](const auto& value) { return !value->is_valid; });
    if (values.empty() && filter.op != Op::kIsNull) {
      plan_.matches_nothing = true;
      return arrow::Status::OK();
    }
    if (column.index == spec_.query->window_key) return AddWindows(filter.op, values, column.after_start);
    const bool is_set = filter.op == Op::kEqual || filter.op == Op::kIn || filter.op == Op::kIsNull;
    return is_set ? AddKeys(column.index, std::move(values)) : arrow::Status::OK();
  }

  arrow::Result<ScanPlan> Finish() && {
    std::size_t count = 1;
    for (const auto& key : given_) {
      if (!key) return std::move(plan_);
      count *= key->size();
      if (count > kLookUpsMax) return std::move(plan_);
    }
    if (given_.empty()) return std::move(plan_);
    plan_.has_look_ups = true;
    for (std::size_t i = 0; i < count; ++i) {
      Scalars row;
      std::size_t left = i;
      for (const auto& key : given_) {
        row.push_back((*key)[left % key->size()]);
        left /= key->size();
      }
      ARROW_ASSIGN_OR_RAISE(auto encoded, EncodeOne(spec_, row));
      plan_.look_ups.push_back(std::move(encoded));
    }
    std::ranges::sort(plan_.look_ups);
    const auto repeated = std::ranges::unique(plan_.look_ups);
    plan_.look_ups.erase(repeated.begin(), repeated.end());
    return std::move(plan_);
  }

 private:
  arrow::Status AddWindows(Op op, const Scalars& values, std::int64_t after_start) {
    const bool of_end = spec_.query->session_gap && after_start != 0;
    WindowRange& windows = of_end ? plan_.session_lasts : plan_.windows;
    if (op == Op::kIsNull) {
      windows.greatest = std::numeric_limits<std::int64_t>::min();
      windows.least = std::numeric_limits<std::int64_t>::max();
      return arrow::Status::OK();
    }
    std::vector<std::int64_t> starts;
    for (const auto& value : values) {
      ARROW_ASSIGN_OR_RAISE(const auto array, arrow::MakeArrayFromScalar(*value, 1));
      std::int64_t start = 0;
      if (__builtin_sub_overflow(spec_.WindowsOf(*array).front().start, after_start, &start)) {
        return arrow::Status::OK();
      }
      starts.push_back(start);
    }
    windows.takes_null = false;
    std::ranges::sort(starts);
    const bool is_set = op == Op::kEqual || op == Op::kIn;
    if (is_set || op == Op::kGreaterEqual) windows.least = std::max(windows.least, starts.front());
    if (is_set || op == Op::kLessEqual) windows.greatest = std::min(windows.greatest, starts.back());
    // A bound that is included too much is filtered again.
    constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
    constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
    if (op == Op::kGreater) {
      windows.least = std::max(windows.least, starts.front() == kMax ? kMax : starts.front() + 1);
    }
    if (op == Op::kLess) {
      windows.greatest = std::min(windows.greatest, starts.front() == kMin ? kMin : starts.front() - 1);
    }
    if (starts.size() > 1 && !windows.among) windows.among = std::move(starts);
    return arrow::Status::OK();
  }

  // The key is one of these, or NULL when there are none.
  arrow::Status AddKeys(int key, Scalars values) {
    const int column = spec_.codec_columns[static_cast<std::size_t>(key)];
    const auto at = static_cast<std::size_t>(column);
    ScanPlan::KeyIn in{.column = column, .values = {}, .null = values.empty()};
    for (const auto& value : values) {
      Scalars alone(given_.size());
      alone[at] = value;
      ARROW_ASSIGN_OR_RAISE(const std::string row, EncodeOne(spec_, alone));
      in.values.emplace_back(spec_.codec.Value(column, row));
    }
    std::ranges::sort(in.values);
    plan_.keys.push_back(std::move(in));
    if (values.empty()) values.emplace_back();
    if (!given_[at] || given_[at]->size() > values.size()) given_[at] = std::move(values);
    return arrow::Status::OK();
  }

  const ViewSpec& spec_;
  ScanPlan plan_;
  std::vector<std::optional<Scalars>> given_;  // per codec column: what it can be
};

}  // namespace

arrow::Result<ScanPlan> MakeScanPlan(const ViewSpec& spec, const std::vector<ColumnFilter>& filters) {
  ScanPlanner planner(spec);
  for (const ColumnFilter& filter : filters) {
    if (filter.column < 0 || filter.column >= static_cast<int>(spec.query->output.size())) {
      return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": a filter on column ", filter.column);
    }
    ARROW_RETURN_NOT_OK(planner.Add(filter));
  }
  return std::move(planner).Finish();
}

}  // namespace hyprstream::aggregate
