// Which sessions have changed, and some sessions only; see session_view_internal.h.
#include <algorithm>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "aggregate/session_view_internal.h"
#include "aggregate/view_selection.h"

namespace hyprstream::aggregate {
namespace {

// How sessions are told apart for who reads the view: by what it shows of them.
class SessionNames {
 public:
  explicit SessionNames(const AggregateQuery& query) : by_end_(ShowsSessionEnds(query)), gap_(*query.session_gap) {}

  WindowStart Of(const Session& session) const { return {.start = by_end_ ? session.last + gap_ : session.first}; }
  WindowStart OfLast(std::int64_t last) const { return {.start = last + gap_}; }
  bool by_end() const { return by_end_; }

 private:
  const bool by_end_;
  const std::int64_t gap_;
};

bool AreSame(const Session& a, const Session& b) {
  return a.first == b.first && a.last == b.last && RowsOf(a.record) == RowsOf(b.record);
}

// Notes the sessions of one segment that are not the same in both tables; either may be null.
class SegmentDifference {
 public:
  SegmentDifference(const SessionNames& names, bool rewritten, std::set<WindowStart>& changed)
      : names_(names), rewritten_(rewritten), changed_(changed) {}

  void Between(const SessionTable* before, const SessionTable* after) {
    if (after != nullptr) {
      for (std::uint32_t key = 0; key < after->keys().size(); ++key)
        OfKey(before, after->keys().key(key), after->Of(key));
    }
    if (before == nullptr) return;
    for (std::uint32_t key = 0; key < before->keys().size(); ++key) {
      if (after != nullptr && after->keys().Find(before->keys().key(key))) continue;
      for (const Session& session : before->Of(key)) Note(session);
    }
  }

 private:
  void OfKey(const SessionTable* before, std::string_view key, std::span<const Session> now) {
    const auto found = before == nullptr ? std::nullopt : before->keys().Find(key);
    const std::span<const Session> old = found ? before->Of(*found) : std::span<const Session>();
    auto left = old.begin();
    for (const Session& session : now) {
      for (; left != old.end() && left->first < session.first; ++left) Note(*left);
      if (left != old.end() && left->first == session.first) {
        if (rewritten_ || !AreSame(*left, session)) {
          Note(*left);
          Note(session);
        }
        ++left;
      } else {
        Note(session);
      }
    }
    for (; left != old.end(); ++left) Note(*left);
  }

  void Note(const Session& session) { changed_.insert(names_.Of(session)); }

  const SessionNames& names_;
  const bool rewritten_;
  std::set<WindowStart>& changed_;
};

}  // namespace

bool ShowsSessionEnds(const AggregateQuery& query) {
  return query.session_gap && std::ranges::any_of(query.output, [&](const OutputColumn& column) {
           return column.is_key && column.index == query.window_key && column.after_start != 0;
         });
}

std::set<WindowStart> ChangedSessions(const ViewVersion& before, const ViewVersion& after, bool rewritten) {
  const auto& was = static_cast<const SessionVersion&>(before);
  const auto& is = static_cast<const SessionVersion&>(after);
  const SessionNames names(*is.spec().query);
  std::set<WindowStart> changed;
  SegmentDifference difference(names, rewritten, changed);
  auto old = was.segments().begin();
  for (const SegmentEntry& entry : is.segments()) {
    for (; old != was.segments().end() && old->number < entry.number; ++old)
      difference.Between(old->table.get(), nullptr);
    if (old == was.segments().end() || old->number != entry.number) {
      difference.Between(nullptr, entry.table.get());
      continue;
    }
    if (old->table != entry.table) difference.Between(old->table.get(), entry.table.get());
    ++old;
  }
  for (; old != was.segments().end(); ++old) difference.Between(old->table.get(), nullptr);
  return changed;
}

std::shared_ptr<const ViewVersion> ChosenSessions(const SessionVersion& version, const ViewSelection& selection) {
  const auto spec = version.shared_sessions();
  const SessionNames names(*version.spec().query);
  auto chosen = std::make_shared<SegmentMap>();
  for (const SegmentEntry& entry : version.segments()) {
    if (entry.table->session_count() == 0 || selection.windows.empty()) continue;
    if (names.by_end()) {
      const auto first = selection.windows.lower_bound(names.OfLast(entry.table->least_last()));
      if (first == selection.windows.end() || first->first > names.OfLast(entry.table->greatest_last())) continue;
    }
    auto table = std::make_shared<SessionTable>(spec);
    ForEachSession(*entry.table, [&](std::uint32_t key, const Session& session) {
      if (!selection.windows.contains(names.Of(session))) return;
      table->Insert(table->FindOrAdd(entry.table->keys().key(key)), session);
    });
    if (table->session_count() > 0) chosen->push_back({.number = entry.number, .table = std::move(table)});
  }
  return std::make_shared<const SessionVersion>(spec, std::move(chosen), std::make_shared<PinRegistry>(),
                                                /*generation=*/1, /*copied=*/0);
}

void SessionsFromLast(const SessionVersion& version, const std::function<bool(WindowStart)>& take) {
  const SessionNames names(*version.spec().query);
  std::vector<const SessionTable*> tables;
  for (const SegmentEntry& entry : version.segments()) {
    if (entry.table->session_count() > 0) tables.push_back(entry.table.get());
  }
  std::ranges::sort(tables, std::greater(), &SessionTable::greatest_last);
  std::set<WindowStart> waiting;  // of the tables so far
  for (std::size_t i = 0; i < tables.size(); ++i) {
    ForEachSession(*tables[i], [&](std::uint32_t, const Session& session) { waiting.insert(names.Of(session)); });
    // What the following tables have may come before the others.
    const bool more = i + 1 < tables.size();
    while (!waiting.empty()) {
      const WindowStart last = *waiting.rbegin();
      if (more && (!names.by_end() || last <= names.OfLast(tables[i + 1]->greatest_last()))) break;
      waiting.erase(last);
      if (!take(last)) return;
    }
  }
}

}  // namespace hyprstream::aggregate
