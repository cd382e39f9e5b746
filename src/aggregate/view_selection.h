// Some rows of a view's version, as a source of their own: what subscribers are sent of it.
//
// Thread safety: pure functions; a source as every TableSource.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/window_start.h"
#include "core/aggregate_query.h"
#include "core/table_source.h"

namespace hyprstream::aggregate {

// Windows, and of each all rows or those of some groups. A view without windows is one window, of WindowStart().
struct ViewSelection {
  // A group is named by its row key (ViewState::GroupsOf). What the version does not have gives no row.
  std::map<WindowStart, std::optional<std::vector<std::string>>> windows;
};

// The selected rows, otherwise as MakeViewSource(version). Of windows that hop its SELECT must show the window's start
// or end.
std::shared_ptr<TableSource> SelectRows(std::shared_ptr<const ViewVersion> version, ViewSelection selection);

// Goes through the version's windows from the last to the first until `take` returns false; the NULL window, which is
// the last, included.
void WindowsFromLast(const ViewVersion& version, const std::function<bool(WindowStart)>& take);

// The windows that hold what a slice holds, ascending: of windows that do not hop, the one that begins there.
std::vector<WindowStart> WindowsOfSlice(const AggregateQuery& query, WindowStart slice);

}  // namespace hyprstream::aggregate
