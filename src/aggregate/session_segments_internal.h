// All sessions of a view, in segments of event time: a session is in the segment in which it begins.
//
// Segments are what is copied on write, dropped and passed over: a batch in order touches the newest few. They are wide
// enough to hold several sessions of a key, and narrow enough to be copied.
//
// Thread safety: as SessionTable; tables of several segment maps may be shared once they are written no more.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/session_table_internal.h"
#include "aggregate/view_state.h"

namespace hyprstream::aggregate {

struct SegmentEntry {
  std::int64_t number;  // it has the sessions that begin in [number, number + 1) * width
  std::shared_ptr<SessionTable> table;
  std::uint64_t created = 0;                                            // as SliceEntry::created
  std::int64_t last_so_far = std::numeric_limits<std::int64_t>::min();  // no session up to this segment lasts longer
};

// Ascending by number, each once.
using SegmentMap = std::vector<SegmentEntry>;

std::int64_t SegmentWidth(const SessionSpec& spec);
std::int64_t SegmentOf(const SessionSpec& spec, std::int64_t first);

ViewStats StatsOf(const SegmentMap& segments);

// Calls f(key's place in the delta, session) for each session of a delta, in the order by which they are numbered.
template <class F>
void ForEachSession(const SessionTable& delta, F&& f) {
  for (std::uint32_t key = 0; key < delta.keys().size(); ++key) {
    for (const Session& session : delta.Of(key)) f(key, session);
  }
}

// The sessions of a map that a session of `key` meets.
struct MetSession {
  std::size_t segment;
  std::uint32_t key;
  std::size_t place;
};
// Ascending.
std::vector<MetSession> FindMet(const SessionSpec& spec, const SegmentMap& segments, std::string_view key,
                                const Session& session);

// Writes to a map. `writable`: makes an entry's table this map's alone, and gives it.
class SegmentWriter {
 public:
  using Writable = std::function<SessionTable&(SegmentEntry&)>;

  SegmentWriter(std::shared_ptr<const SessionSpec> spec, SegmentMap& segments, std::uint64_t created, Writable writable)
      : spec_(std::move(spec)), segments_(segments), created_(created), writable_(std::move(writable)) {}

  // Where a session is; until the next call.
  struct Placed {
    SessionTable& table;
    std::uint32_t key;
    std::size_t place;
  };
  // It becomes one with those that it meets.
  Placed Add(std::string_view key, const Session& session);
  void RemoveKey(std::string_view key);

 private:
  std::size_t FindOrAdd(std::int64_t number);
  void Lasts(std::size_t segment, std::int64_t last);

  const std::shared_ptr<const SessionSpec> spec_;
  SegmentMap& segments_;
  const std::uint64_t created_;  // of new segments
  const Writable writable_;
};

}  // namespace hyprstream::aggregate
