// The filters of a scan as windows and groups are tested by them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/slice_internal.h"
#include "core/table_source.h"

namespace hyprstream::aggregate {

struct ScanPlan {
  struct WindowBound {
    ColumnFilter::Op op;
    std::int64_t start;
  };
  struct KeyEquals {
    int column;         // in the codec
    std::string value;  // as KeyCodec::Value gives it
  };
  std::vector<WindowBound> bounds;
  std::vector<KeyEquals> equals;
  std::string look_up;           // the one row key, when has_look_up
  bool has_look_up = false;      // every key but the window is given
  bool matches_nothing = false;  // compared with NULL

  bool takes_all_groups() const { return equals.empty() && !has_look_up; }
  bool MatchesWindow(SliceKey key) const;
  // The groups of a table that match.
  std::vector<std::uint32_t> GroupsOf(const ViewSpec& spec, const GroupTable& table) const;
};

// Invalid when a filter is on no column. Filters that no slice or group can be told by are left out.
arrow::Result<ScanPlan> MakeScanPlan(const ViewSpec& spec, const std::vector<ColumnFilter>& filters);

}  // namespace hyprstream::aggregate
