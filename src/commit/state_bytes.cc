// The bound on the states of all views; see CommitLimits.
#include <arrow/status.h>

#include <algorithm>
#include <map>
#include <string>

#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

// As if all groups of a delta were new. What takes no state in is never refused, and what the commit itself lets expire
// makes room for it.
arrow::Status CommitPathImpl::CheckStateBytes(const Staged& staged) const {
  std::map<const MaintainedView*, std::int64_t> more;
  for (const auto& delta : staged.deltas) {
    if (delta.view->filling) continue;  // its filling is what fails
    for (const auto* added : {delta.delta.get(), delta.updated.get()}) {
      if (added != nullptr) more[delta.view.get()] += delta.view->state->GrowthBound(*added);
    }
  }
  for (const auto& [ref, merged] : staged.ddl->merged) {
    more[merged.view.get()] += merged.view->state->GrowthBound(*merged.delta);
  }
  for (const auto& [ref, refreshed] : staged.ddl->refreshed) {
    more[refreshed.view.get()] += refreshed.fresh->state->Stats().bytes;
  }
  for (const auto& [ref, created] : staged.ddl->created) more[created.view.get()] += created.view->state->Stats().bytes;
  if (std::ranges::all_of(more, [](const auto& of_view) { return of_view.second == 0; })) return arrow::Status::OK();
  for (const auto& view : registry_.Published()) {
    const auto& ref = view->query->view;
    if (!staged.ddl->dropped.contains(ref) && !staged.ddl->created.contains(ref)) {
      more[view.get()] += view->state->Stats().bytes;
    }
  }
  std::int64_t bytes = 0;
  for (const auto& [view, of_view] : more) bytes += of_view;
  if (bytes <= limits_.state_bytes_max) return arrow::Status::OK();
  for (auto& [view, of_view] : more) {
    const auto expiring = ExpiringBytes(staged, *view);
    bytes -= expiring;
    of_view -= expiring;
  }
  if (bytes <= limits_.state_bytes_max) return arrow::Status::OK();
  const auto* most = std::ranges::max_element(more, {}, &decltype(more)::value_type::second)->first;
  return StatesTooLarge(bytes, limits_.state_bytes_max,
                        "those of " + most->query->view.ToString() + ", which has " +
                            std::to_string(most->state->Stats().groups) + " groups");
}

// Of windows that go with the commit. Slices of windows that overlap are not looked at.
std::int64_t CommitPathImpl::ExpiringBytes(const Staged& staged, const MaintainedView& view) const {
  if (view.ends == nullptr || !view.options.retention.has_value() || view.query->hopping) return 0;
  const auto newest = staged.newest.find(view.query->base);
  const auto mark =
      newest == staged.newest.end() ? std::nullopt : std::optional(MarkFrom(newest->first, newest->second));
  const auto expired_to = ExpiredTo(view, mark);
  std::int64_t bytes = 0;
  for (const auto& window : view.state->Windows()) {
    const auto end = view.ends->EndOf(window.last_end.has_value() ? aggregate::WindowStart{.start = *window.last_end}
                                                                  : window.start);
    if (end <= expired_to) bytes += window.bytes;
  }
  return bytes;
}

}  // namespace hyprstream::commit
