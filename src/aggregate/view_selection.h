// Some rows of a view's version, as a source of their own: what subscribers are sent of it.
//
// Thread safety: pure functions; a source as every TableSource.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/window_start.h"
#include "core/aggregate_query.h"
#include "core/table_source.h"

namespace hyprstream::aggregate {

// Windows, and of each all rows or those of some groups. A view without windows is one window, of WindowStart().
// Sessions are named by their ends where the view shows these, else by their starts, and always chosen whole; several
// keys may have one of that name.
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

// Does a view over sessions show when they end?
bool ShowsSessionEnds(const AggregateQuery& query);
// The sessions that are not the same in both versions of a view over sessions, by their names. `rewritten`: rows were
// changed or deleted between them, so that what looks the same may not be.
std::set<WindowStart> ChangedSessions(const ViewVersion& before, const ViewVersion& after, bool rewritten);

// The windows that hold what a slice holds, ascending: of windows that do not hop, the one that begins there.
std::vector<WindowStart> WindowsOfSlice(const AggregateQuery& query, WindowStart slice);

}  // namespace hyprstream::aggregate
