// The filters of a scan as windows and groups are tested by them.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "aggregate/slice_internal.h"
#include "aggregate/view_state.h"
#include "core/table_source.h"

namespace hyprstream::aggregate {

// Which windows a scan reads, by their starts.
struct WindowRange {
  std::int64_t least = std::numeric_limits<std::int64_t>::min();
  std::int64_t greatest = std::numeric_limits<std::int64_t>::max();
  std::optional<std::vector<std::int64_t>> among = std::nullopt;  // ascending; only these
  bool takes_null = true;                                         // the NULL window

  // The first key from `key` on, itself included, that a window may have; nullopt: none.
  std::optional<SliceKey> From(SliceKey key) const;
  bool Matches(SliceKey key) const { return From(key) == key; }
};

struct ScanPlan {
  struct KeyIn {
    int column;                       // in the codec
    std::vector<std::string> values;  // as KeyCodec::Value gives them, ascending
    bool null = false;                // it is NULL; then without values
  };
  WindowRange windows;
  WindowRange session_lasts;  // of a view over sessions, by the times of their last rows
  std::vector<KeyIn> keys;
  std::vector<std::string> look_ups;  // the only row keys there can be, each once; when has_look_ups
  bool has_look_ups = false;          // every key but the window is given
  bool matches_nothing = false;       // compared with NULL
  ScanVisits* visits = nullptr;       // where reading is counted, if anywhere

  bool takes_all_groups() const { return keys.empty() && !has_look_ups; }
  // The groups of a table that match.
  std::vector<std::uint32_t> GroupsOf(const ViewSpec& spec, const GroupTable& table) const;
};

// Invalid when a filter is on no column. Filters that no slice or group can be told by are left out.
arrow::Result<ScanPlan> MakeScanPlan(const ViewSpec& spec, const std::vector<ColumnFilter>& filters);

}  // namespace hyprstream::aggregate
