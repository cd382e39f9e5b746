#include "aggregate/scan_plan_internal.h"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>

#include "arrow/array/array_base.h"
#include "arrow/array/util.h"
#include "arrow/result.h"
#include "arrow/scalar.h"
#include "arrow/status.h"
#include "arrow/type.h"

namespace hyprstream::aggregate {

bool ScanPlan::MatchesWindow(SliceKey key) const {
  return std::ranges::all_of(bounds, [key](const WindowBound& bound) {
    if (key.is_null) return false;
    switch (bound.op) {
      case ColumnFilter::Op::kEqual:
        return key.start == bound.start;
      case ColumnFilter::Op::kLess:
        return key.start < bound.start;
      case ColumnFilter::Op::kLessEqual:
        return key.start <= bound.start;
      case ColumnFilter::Op::kGreater:
        return key.start > bound.start;
      case ColumnFilter::Op::kGreaterEqual:
        return key.start >= bound.start;
    }
    return true;
  });
}

std::vector<std::uint32_t> ScanPlan::GroupsOf(const ViewSpec& spec, const GroupTable& table) const {
  std::vector<std::uint32_t> groups;
  if (has_look_up) {
    if (const std::optional<std::uint32_t> group = table.Find(look_up)) groups.push_back(*group);
  } else {
    groups.resize(table.size());
    std::iota(groups.begin(), groups.end(), 0U);
  }
  if (equals.empty()) return groups;
  std::erase_if(groups, [&](std::uint32_t group) {
    const std::string_view row = table.key(group);
    return !std::ranges::all_of(equals, [&](const KeyEquals& equal) {
      return KeyCodec::IsPresent(equal.column, row) && spec.codec.Value(equal.column, row) == equal.value;
    });
  });
  return groups;
}

namespace {

// One row key whose given keys are the scalars, the others NULL.
arrow::Result<std::string> EncodeOne(const ViewSpec& spec, const std::vector<std::shared_ptr<arrow::Scalar>>& scalars) {
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

arrow::Status AddWindowBound(const ViewSpec& spec, const ColumnFilter& filter, ScanPlan& plan) {
  ARROW_ASSIGN_OR_RAISE(const auto values, arrow::MakeArrayFromScalar(*filter.value, 1));
  const std::int64_t after_start = spec.query->output[static_cast<std::size_t>(filter.column)].after_start;
  std::int64_t start = 0;
  if (!__builtin_sub_overflow(spec.WindowsOf(*values).front().start, after_start, &start)) {
    plan.bounds.push_back({.op = filter.op, .start = start});
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<ScanPlan> MakeScanPlan(const ViewSpec& spec, const std::vector<ColumnFilter>& filters) {
  ScanPlan plan;
  std::vector<std::shared_ptr<arrow::Scalar>> given(static_cast<std::size_t>(spec.codec.column_count()));
  for (const ColumnFilter& filter : filters) {
    if (filter.column < 0 || filter.column >= static_cast<int>(spec.query->output.size())) {
      return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": a filter on column ", filter.column);
    }
    const OutputColumn& column = spec.query->output[static_cast<std::size_t>(filter.column)];
    if (!column.is_key || !filter.value->type->Equals(*spec.EvaluatedType(column.index))) continue;
    if (!filter.value->is_valid) {
      plan.matches_nothing = true;
    } else if (column.index == spec.query->window_key) {
      ARROW_RETURN_NOT_OK(AddWindowBound(spec, filter, plan));
    } else if (filter.op == ColumnFilter::Op::kEqual) {
      const int codec_column = spec.codec_columns[static_cast<std::size_t>(column.index)];
      std::vector<std::shared_ptr<arrow::Scalar>> alone(given.size());
      alone[static_cast<std::size_t>(codec_column)] = filter.value;
      given[static_cast<std::size_t>(codec_column)] = filter.value;
      ARROW_ASSIGN_OR_RAISE(const std::string row, EncodeOne(spec, alone));
      plan.equals.push_back({.column = codec_column, .value = std::string(spec.codec.Value(codec_column, row))});
    }
  }
  plan.has_look_up = !given.empty() && std::ranges::none_of(given, [](const auto& key) { return key == nullptr; });
  if (plan.has_look_up) {
    ARROW_ASSIGN_OR_RAISE(plan.look_up, EncodeOne(spec, given));
  }
  return plan;
}

}  // namespace hyprstream::aggregate
