// Views over sessions: their states, what readers see of them, and the scan of it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "aggregate/scan_plan_internal.h"
#include "aggregate/session_segments_internal.h"
#include "aggregate/view_selection.h"
#include "aggregate/view_state.h"
#include "aggregate/view_version_internal.h"

namespace hyprstream::aggregate {

// Immutable; its segments are kept while it lives. It has no slices.
class SessionVersion final : public ViewVersion {
 public:
  SessionVersion(std::shared_ptr<const SessionSpec> spec, std::shared_ptr<const SegmentMap> segments,
                 std::shared_ptr<PinRegistry> registry, std::uint64_t generation, std::int64_t copied)
      : ViewVersion(spec->view, std::make_shared<const SliceMap>(), std::move(registry), generation,
                    StatsOf(*segments).groups, copied),
        sessions_(std::move(spec)),
        segments_(std::move(segments)) {}

  const SessionSpec& sessions() const { return *sessions_; }
  const std::shared_ptr<const SessionSpec>& shared_sessions() const { return sessions_; }
  const SegmentMap& segments() const { return *segments_; }

 private:
  const std::shared_ptr<const SessionSpec> sessions_;
  const std::shared_ptr<const SegmentMap> segments_;
};

std::unique_ptr<ViewState> MakeSessionViewState(std::shared_ptr<const ViewSpec> spec);

struct SessionScan {
  std::shared_ptr<arrow::Schema> schema;
  std::vector<int> projection;
  ScanPlan plan;
};
// Streams the chosen sessions, in no particular order. `visits` is what the plan counts in; it may be null.
std::shared_ptr<arrow::RecordBatchReader> MakeSessionReader(std::shared_ptr<const SessionVersion> version,
                                                            SessionScan scan, std::shared_ptr<ScanVisits> visits);

// ViewSelection of sessions, and WindowsFromLast; see view_selection.h.
std::shared_ptr<const ViewVersion> ChosenSessions(const SessionVersion& version, const ViewSelection& selection);
void SessionsFromLast(const SessionVersion& version, const std::function<bool(WindowStart)>& take);

}  // namespace hyprstream::aggregate
