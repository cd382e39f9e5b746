// A version's windows in the order in which they are read, each with a table of its groups: its one slice, or several
// that are merged for it.
//
// Windows that hop overlap. To merge every slice into every window that it is in would take size / slide merges of
// each; instead the slices of the window at hand are two stacks (Tangwongsan, Hirzel, Schneider: "Low-Latency
// Sliding-Window Aggregation in Worst-Case Constant Time", section 3.1). The older ones are kept as the merges of each
// with all that follow it in its stack, of which one is dropped with each slice that leaves; the newer ones as one
// merge, to which each slice is added that enters. A window is the oldest of the first and the second. So a slice is
// merged about three times, whatever the overlap, while the older stack fits into kStackBytesMax; beyond, the stack is
// made lower.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "aggregate/scan_plan_internal.h"
#include "aggregate/slice_internal.h"
#include "aggregate/view_version_internal.h"

namespace hyprstream::aggregate {

// The first window that ends after the time, and so holds it if it has begun by then; nullopt: beyond the last time
// there is.
std::optional<std::int64_t> FirstWindowAfter(const WindowSpec& spec, Int128 time);
// The last window that has begun by the time; nullopt: before the first time there is.
std::optional<std::int64_t> LastWindowBy(const WindowSpec& spec, std::int64_t time);

// A large window comes in several pieces, each with groups of its own.
struct WindowPiece {
  SliceKey window;
  std::shared_ptr<const Slice> slice;
};

class WindowPieces {
 public:
  static constexpr std::int64_t kStackBytesMax = 64 << 20;
  static constexpr std::int64_t kPieceBytesMax = 256 << 20;

  struct Bounds {
    std::int64_t stack_bytes_max = kStackBytesMax;
    std::int64_t piece_bytes_max = kPieceBytesMax;  // of the slices of a window that are merged at once
  };

  // Both outlive it.
  WindowPieces(const ViewVersion& version, const ScanPlan& plan) : WindowPieces(version, plan, Bounds()) {}
  WindowPieces(const ViewVersion& version, const ScanPlan& plan, Bounds bounds);

  // Ascending, the NULL window last; of those that the plan matches. Groups may be among them that it does not match.
  std::optional<WindowPiece> Next();

  // Of windows that hop. To the next one that has a slice, whatever the plan, not before `from`; false at the end.
  bool FindWindow(std::optional<std::int64_t> from = std::nullopt);
  // Of the slices of the window at hand.
  std::int64_t slice_bytes() const { return BytesOf(run_); }

 private:
  // Slices [first, end) of the version's.
  struct Run {
    std::size_t first = 0;
    std::size_t end = 0;
    std::size_t size() const { return end - first; }
  };

  std::optional<WindowPiece> NextSlice();
  bool FindMatchingWindow();
  std::size_t SliceFrom(std::int64_t start) const;
  void CountVisits(std::size_t slices) const;
  std::int64_t BytesOf(const Run& run) const;

  std::shared_ptr<const Slice> MergedPart();
  std::shared_ptr<const Slice> MergedChosen() const;
  std::shared_ptr<const Slice> MergedByStacks();
  void Restack();
  const Slice& At(std::size_t slice) const { return *version_.slices()[slice].slice; }

  const ViewVersion& version_;
  const ScanPlan& plan_;
  const Bounds bounds_;
  const RecordLayout& layout_;
  std::size_t next_ = 0;  // slice, of windows that do not hop

  // Of windows that hop:
  bool started_ = false;
  std::int64_t window_ = 0;  // its start
  Run run_;                  // its slices
  std::size_t parts_ = 0;    // that the window comes in; 0: find the next one
  std::size_t next_part_ = 0;

  // older_[i] is the merge of slices [older_run_.end - 1 - i, older_run_.end): the last one is the oldest's.
  std::vector<std::shared_ptr<const Slice>> older_;
  Run older_run_;
  std::shared_ptr<Slice> newer_;  // of [older_run_.end, newer_end_)
  std::size_t newer_end_ = 0;
  std::int64_t merged_bytes_ = 0;  // of the last window
};

// Of a version whose windows hop; their bytes are those of their slices, which they share.
std::vector<WindowStats> HoppingWindows(const ViewVersion& version);
std::int64_t CountHoppingWindows(const ViewVersion& version);

}  // namespace hyprstream::aggregate
