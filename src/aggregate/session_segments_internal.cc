#include "aggregate/session_segments_internal.h"

#include <algorithm>
#include <limits>

namespace hyprstream::aggregate {
namespace {

constexpr std::int64_t kGapsPerSegment = 16;

std::size_t LowerSegment(const SegmentMap& segments, std::int64_t number) {
  const auto at = std::ranges::lower_bound(segments, number, {}, &SegmentEntry::number);
  return static_cast<std::size_t>(at - segments.begin());
}

// Where the sessions of a key that meet one begin and end; sessions are in order.
std::pair<std::size_t, std::size_t> Met(const SessionTable& table, std::uint32_t key, const Session& session,
                                        std::int64_t gap) {
  const auto sessions = table.Of(key);
  const auto begin =
      std::ranges::partition_point(sessions, [&](const Session& s) { return s.last + gap <= session.first; });
  auto end = begin;
  while (end != sessions.end() && end->Meets(session, gap)) ++end;
  return {static_cast<std::size_t>(begin - sessions.begin()), static_cast<std::size_t>(end - sessions.begin())};
}

}  // namespace

std::int64_t SegmentWidth(const SessionSpec& spec) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return spec.gap > kMax / kGapsPerSegment ? kMax : spec.gap * kGapsPerSegment;
}

std::int64_t SegmentOf(const SessionSpec& spec, std::int64_t first) {
  const std::int64_t width = SegmentWidth(spec);
  return first / width - (first % width < 0 ? 1 : 0);
}

ViewStats StatsOf(const SegmentMap& segments) {
  ViewStats stats;
  for (const SegmentEntry& entry : segments) {
    stats.windows += entry.table->session_count();
    stats.groups += entry.table->session_count();
    stats.rows += entry.table->row_count();
    stats.bytes += entry.table->bytes();
  }
  return stats;
}

std::vector<MetSession> FindMet(const SessionSpec& spec, const SegmentMap& segments, std::string_view key,
                                const Session& session) {
  std::vector<MetSession> met;
  // From the segment of the last session that it may meet back to where none lasts long enough.
  std::size_t segment = LowerSegment(segments, SegmentOf(spec, session.last + spec.gap) + 1);
  for (; segment > 0 && segments[segment - 1].last_so_far + spec.gap > session.first; --segment) {
    const SessionTable& table = *segments[segment - 1].table;
    if (table.session_count() == 0 || table.greatest_last() + spec.gap <= session.first) continue;
    const auto found = table.keys().Find(key);
    if (!found) continue;
    const auto [begin, end] = Met(table, *found, session, spec.gap);
    for (std::size_t place = end; place > begin; --place) {
      met.push_back({.segment = segment - 1, .key = *found, .place = place - 1});
    }
  }
  std::ranges::reverse(met);
  return met;
}

std::size_t SegmentWriter::FindOrAdd(std::int64_t number) {
  const std::size_t at = LowerSegment(segments_, number);
  if (at < segments_.size() && segments_[at].number == number) return at;
  SegmentEntry entry{.number = number, .table = std::make_shared<SessionTable>(spec_), .created = created_};
  if (at > 0) entry.last_so_far = segments_[at - 1].last_so_far;
  segments_.insert(segments_.begin() + static_cast<std::ptrdiff_t>(at), std::move(entry));
  return at;
}

void SegmentWriter::Lasts(std::size_t segment, std::int64_t last) {
  for (; segment < segments_.size() && segments_[segment].last_so_far < last; ++segment) {
    segments_[segment].last_so_far = last;
  }
}

SegmentWriter::Placed SegmentWriter::Add(std::string_view key, const Session& session) {
  const std::vector<MetSession> met = FindMet(*spec_, segments_, key, session);
  if (met.empty()) {
    const std::size_t at = FindOrAdd(SegmentOf(*spec_, session.first));
    SessionTable& table = writable_(segments_[at]);
    const std::uint32_t of = table.FindOrAdd(key);
    const std::size_t place = table.Insert(of, session);
    Lasts(at, session.last);
    return {.table = table, .key = of, .place = place};
  }
  const MetSession& oldest = met.front();
  SessionTable& table = writable_(segments_[oldest.segment]);
  // What follows goes into the oldest; a session that now begins in an earlier segment moves there.
  for (std::size_t i = met.size() - 1; i > 0; --i) {
    SessionTable& other = writable_(segments_[met[i].segment]);
    const Session joined = other.Of(met[i].key)[met[i].place];
    table.Absorb(oldest.key, oldest.place, joined);
    other.Remove(met[i].key, met[i].place);
  }
  table.Absorb(oldest.key, oldest.place, session);
  const Session whole = table.Of(oldest.key)[oldest.place];
  Lasts(oldest.segment, whole.last);
  const std::int64_t number = SegmentOf(*spec_, whole.first);
  if (number == segments_[oldest.segment].number) return {.table = table, .key = oldest.key, .place = oldest.place};
  const std::size_t at = FindOrAdd(number);  // moves what comes after it
  SessionTable& earlier = writable_(segments_[at]);
  const std::uint32_t of = earlier.FindOrAdd(key);
  const std::size_t place = earlier.Insert(of, whole);
  table.Remove(oldest.key, oldest.place);
  Lasts(at, whole.last);
  return {.table = earlier, .key = of, .place = place};
}

void SegmentWriter::RemoveKey(std::string_view key) {
  for (SegmentEntry& entry : segments_) {
    const auto found = entry.table->keys().Find(key);
    if (!found || entry.table->Of(*found).empty()) continue;
    SessionTable& table = writable_(entry);
    while (!table.Of(*found).empty()) table.Remove(*found, table.Of(*found).size() - 1);
  }
}

}  // namespace hyprstream::aggregate
