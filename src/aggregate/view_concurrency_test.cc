// Folders, one merger at a time, readers, expiry, and views that come and go, at once; meant for the thread sanitizer.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/array_decimal.h"
#include "arrow/array/array_primitive.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "arrow/result.h"
#include "core/aggregate_functions.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using enum AggregateKind;

constexpr int kFolders = 3;
constexpr int kReaders = 3;
constexpr int kDeltasPerFolder = 60;
constexpr std::int64_t kKeys = 50;

std::shared_ptr<AggregateQuery> Query() {
  return MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int64()}}, 0,
                       {{kCountStar, nullptr, arrow::int64()},
                        {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                        {kMin, arrow::utf8(), arrow::utf8()}});
}

// A 1 for every key, over 4 windows: each delta adds the same to all, so a torn read would show.
std::shared_ptr<arrow::RecordBatch> Ones(const AggregateQuery& query) {
  arrow::Int64Builder windows;
  arrow::Int64Builder keys;
  arrow::Int64Builder ones;
  arrow::StringBuilder words;
  for (std::int64_t key = 0; key < kKeys; ++key) {
    EXPECT_TRUE(windows.Append(key % 4).ok());
    EXPECT_TRUE(keys.Append(key).ok());
    EXPECT_TRUE(ones.Append(1).ok());
    EXPECT_TRUE(words.Append("a word that is too long to be stored in place").ok());
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, kKeys,
                                  {windows.Finish().ValueOrDie(), keys.Finish().ValueOrDie(),
                                   ones.Finish().ValueOrDie(), words.Finish().ValueOrDie()});
}

// The number of deltas that a version shows, -1 when it shows parts of one.
std::int64_t DeltasIn(const std::shared_ptr<const ViewVersion>& version) {
  const auto source = MakeViewSource(version);
  std::int64_t deltas = 0;
  std::int64_t groups = 0;
  for (const auto& batch : source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie()) {
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch->column(2));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row, ++groups) {
      if (groups == 0) deltas = counts.Value(row);
      if (counts.Value(row) != deltas) return -1;
    }
  }
  return groups == 0 || groups == kKeys ? deltas : -1;
}

TEST(ViewConcurrency, ReadersSeeWholeDeltasWhileOthersFoldAndMerge) {
  const auto query = Query();
  const auto state = ViewState::Make(query).ValueOrDie();
  std::mutex gate;
  std::atomic<int> folding = kFolders;
  std::atomic<int> torn = 0;
  std::vector<std::jthread> threads;
  for (int i = 0; i < kFolders; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < kDeltasPerFolder; ++n) {
        const auto delta = state->Fold({Ones(*query)}).ValueOrDie();
        const std::scoped_lock lock(gate);
        state->Merge(*delta);
      }
      --folding;
    });
  }
  for (int i = 0; i < kReaders; ++i) {
    threads.emplace_back([&, i] {
      std::shared_ptr<const ViewVersion> held;
      std::int64_t held_deltas = 0;
      std::int64_t last = 0;
      while (folding > 0) {
        const auto version = state->Pin();
        const std::int64_t deltas = DeltasIn(version);
        if (deltas < last || (held != nullptr && DeltasIn(held) != held_deltas)) ++torn;
        last = deltas;
        if (deltas % (7 + i) == 0) {
          held = version;
          held_deltas = deltas;
        }
      }
    });
  }
  threads.emplace_back([&] {
    while (folding > 0) {
      const auto stats = state->Stats();
      if (stats.rows % kKeys != 0) ++torn;
      if (!state->Serialize().ok() || state->Windows().size() > 4) ++torn;
    }
  });
  threads.clear();
  EXPECT_EQ(torn, 0);
  EXPECT_EQ(DeltasIn(state->Pin()), kFolders * kDeltasPerFolder);
}

// ---- views of every kind of window at once, behind one gate as a commit's

// What a version shows; torn when groups of one window differ.
struct Shown {
  std::int64_t rows = 0;
  std::map<std::int64_t, std::set<std::int64_t>> counts;  // of the groups, by window
  std::map<std::int64_t, std::int64_t> groups;            // likewise
  bool torn = false;
};

Shown Show(const std::shared_ptr<const ViewVersion>& version, bool has_window) {
  Shown shown;
  const auto source = MakeViewSource(version);
  for (const auto& batch : source->Scan(AllColumns(*source)).ValueOrDie()->ToRecordBatches().ValueOrDie()) {
    const int counts_at = has_window ? 2 : 1;
    const auto& windows = static_cast<const arrow::Int64Array&>(*batch->column(0));
    const auto& counts = static_cast<const arrow::Int64Array&>(*batch->column(counts_at));
    const auto& sums = static_cast<const arrow::Decimal128Array&>(*batch->column(counts_at + 1));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      const std::int64_t window = has_window ? windows.Value(row) : 0;
      shown.rows += counts.Value(row);
      shown.counts[window].insert(counts.Value(row));
      ++shown.groups[window];
      if (arrow::Decimal128(sums.GetValue(row)) != arrow::Decimal128(counts.Value(row))) shown.torn = true;
    }
  }
  for (const auto& [window, counts] : shown.counts) {
    if (counts.size() != 1 || shown.groups[window] != kKeys) shown.torn = true;
  }
  return shown;
}

constexpr std::int64_t kGap = 3;
constexpr WindowSpec kHops{.kind = WindowKind::kHopping, .size = 6, .slide = 2};

enum class Kind { kNone, kTumbling, kHopping, kSession };

std::shared_ptr<AggregateQuery> QueryOf(Kind kind) {
  const std::vector<TestAggregate> aggregates = {{kCountStar, nullptr, arrow::int64()},
                                                 {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                                                 {kMin, arrow::utf8(), arrow::utf8()}};
  if (kind == Kind::kNone) return MakeTestQuery({{"k", arrow::int64()}}, -1, aggregates);
  const auto query = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int64()}}, 0, aggregates);
  if (kind == Kind::kHopping) query->hopping = kHops;
  if (kind == Kind::kSession) query->session_gap = kGap;
  query->finite_times_only = kind == Kind::kSession;
  return query;
}

// Even numbers, with pauses now and then that end sessions; each fourth comes late, and may join two.
std::int64_t TimeOf(std::int64_t delta) {
  const std::int64_t step = delta - (delta % 4 == 3 ? 6 : 0);
  return 2 * step + 10 * (step / 7);
}

// A 1 for every key at one time.
std::shared_ptr<arrow::RecordBatch> OnesAt(const AggregateQuery& query, std::int64_t time) {
  arrow::Int64Builder times, keys, ones;
  arrow::StringBuilder words;
  for (std::int64_t key = 0; key < kKeys; ++key) {
    EXPECT_TRUE(times.Append(time).ok() && keys.Append(key).ok() && ones.Append(1).ok());
    EXPECT_TRUE(words.Append("a word of some length " + std::to_string(time)).ok());
  }
  std::vector<std::shared_ptr<arrow::Array>> columns;
  if (query.window_key >= 0) columns.push_back(times.Finish().ValueOrDie());
  columns.push_back(keys.Finish().ValueOrDie());
  columns.push_back(ones.Finish().ValueOrDie());
  columns.push_back(words.Finish().ValueOrDie());
  return arrow::RecordBatch::Make(query.evaluated_schema, kKeys, std::move(columns));
}

struct View {
  Kind kind;
  bool expires = false;
  bool is_replaced = false;  // its windows, by rows of their own
  std::shared_ptr<ViewState> state;

  std::int64_t times() const { return kind == Kind::kHopping ? kHops.overlap() : 1; }
};

using Views = std::vector<View>;

class ViewsAtOnce : public ::testing::Test {
 protected:
  static constexpr std::int64_t kDeltas = 100;
  static constexpr std::int64_t kKept = 60;  // of time, where windows expire

  static View Make(Kind kind, bool expires = false, bool is_replaced = false) {
    return {.kind = kind,
            .expires = expires,
            .is_replaced = is_replaced,
            .state = ViewState::Make(QueryOf(kind)).ValueOrDie()};
  }

  void Wrong(const std::string& what) {
    const std::scoped_lock lock(wrong_mutex_);
    if (wrong_.size() < 5) wrong_.push_back(what);
  }
  Views Now() {
    const std::shared_lock gate(gate_);
    return views_;
  }

  void Write() {
    for (std::int64_t delta = next_++; delta < kDeltas; delta = next_++) {
      const std::int64_t time = TimeOf(delta);
      std::map<const ViewState*, std::unique_ptr<Delta>> deltas;
      const auto fold = [&](const View& view) {
        deltas[view.state.get()] = view.state->Fold({OnesAt(view.state->query(), time)}).ValueOrDie();
      };
      const auto folded = Now();  // keeps those alive that are dropped meanwhile
      for (const auto& view : folded) fold(view);
      const std::scoped_lock gate(gate_);
      mark_ = std::max(mark_, time);
      for (const auto& view : views_) {
        if (!deltas.contains(view.state.get())) fold(view);  // made meanwhile
        view.state->Merge(*deltas[view.state.get()]);
        if (view.expires) Expire(view);
        if (view.is_replaced && delta % 5 == 0) ReplaceWindow(view, time);
      }
      ++merged_;
    }
    --writing_;
  }

  void Expire(const View& view) const {
    view.state->DropOldest([until = mark_ - kKept](WindowStart window) {
      return window.start <= until ? Expiry::kExpired : Expiry::kNotYet;
    });
  }

  // By what a recomputation might find: rows of one time, or none.
  static void ReplaceWindow(const View& view, std::int64_t time) {
    const auto& query = view.state->query();
    const auto none = OnesAt(query, time)->Slice(0, 0);
    const auto delta = view.state->Fold({time % 3 == 0 ? none : OnesAt(query, time)}).ValueOrDie();
    if (view.kind != Kind::kTumbling) return view.state->ReplaceAll(*delta);
    const auto windows = arrow::RecordBatch::Make(arrow::schema({query.evaluated_schema->field(0)}), kKeys,
                                                  {OnesAt(query, time)->column(0)});
    EXPECT_TRUE(view.state->Replace(windows, *delta).ok());
  }

  // All views at one position: the gate's, which is not held while they are read.
  void Read() {
    std::vector<std::pair<View, std::shared_ptr<const ViewVersion>>> held;
    std::int64_t held_at = 0;
    while (writing_ > 0) {
      std::vector<std::pair<View, std::shared_ptr<const ViewVersion>>> pinned;
      std::int64_t at = 0;
      std::int64_t mark = 0;
      {
        const std::shared_lock gate(gate_);
        for (const auto& view : views_) pinned.emplace_back(view, view.state->Pin());
        at = merged_;
        mark = mark_;
      }
      for (const auto& [view, version] : pinned) Check(view, version, at, mark);
      for (const auto& [view, version] : held) Check(view, version, held_at, 0);
      if (at % 11 == 0) {
        held = std::move(pinned);
        held_at = at;
      }
    }
  }

  void Check(const View& view, const std::shared_ptr<const ViewVersion>& version, std::int64_t at, std::int64_t mark) {
    const auto shown = Show(version, view.kind != Kind::kNone);
    const auto name = "a view of kind " + std::to_string(static_cast<int>(view.kind));
    if (shown.torn) Wrong(name + " shows a part of a delta");
    if (view.is_replaced) return;
    if (view.expires) {
      const bool late = !shown.counts.empty() && shown.counts.begin()->first + kGap <= mark - kKept;
      if (view.kind == Kind::kTumbling && late) Wrong(name + " shows a window that has expired");
      return;
    }
    if (shown.rows == at * kKeys * view.times()) return;
    Wrong(name + " shows " + std::to_string(shown.rows) + " rows after " + std::to_string(at) + " deltas");
  }

  // Views are made of what others have, and dropped while they are read.
  void ChangeViews() {
    for (int round = 0; writing_ > 0; ++round) {
      const auto like = Now()[static_cast<std::size_t>(round % 4)];  // of those that stay
      auto fresh = Make(like.kind);
      const std::scoped_lock gate(gate_);
      const auto bytes = like.state->Serialize().ValueOrDie();
      EXPECT_TRUE(fresh.state->Restore(std::string_view(*bytes)).ok());
      views_.push_back(std::move(fresh));
      if (views_.size() > 12) views_.erase(views_.begin() + 9);
    }
  }

  void Ask() {
    while (writing_ > 0) {
      for (const auto& view : Now()) {
        const auto stats = view.state->Stats();
        if (stats.rows % kKeys != 0) Wrong("a view counts a part of a delta");
        EXPECT_GE(stats.bytes, 0);
        EXPECT_GE(view.state->CopiedSince(*view.state->Pin()), 0);
        EXPECT_GE(view.state->CountWindows(), 0);
        EXPECT_TRUE(view.state->Serialize().ok());
        for (const auto& window : view.state->Windows()) EXPECT_GT(window.groups, 0);
        const auto delta = view.state->Fold({OnesAt(view.state->query(), 0)}).ValueOrDie();
        EXPECT_GE(view.state->GrowthBound(*delta), 0);
      }
    }
  }

  std::shared_mutex gate_;
  Views views_ = {Make(Kind::kNone),
                  Make(Kind::kTumbling),
                  Make(Kind::kHopping),
                  Make(Kind::kSession),
                  Make(Kind::kTumbling, true),
                  Make(Kind::kHopping, true),
                  Make(Kind::kSession, true),
                  Make(Kind::kTumbling, false, true),
                  Make(Kind::kSession, false, true)};
  std::int64_t mark_ = 0;    // with merged_ under the gate
  std::int64_t merged_ = 0;  // deltas
  std::atomic<std::int64_t> next_ = 0;
  std::atomic<int> writing_ = kFolders;
  std::mutex wrong_mutex_;
  std::vector<std::string> wrong_;
};

TEST_F(ViewsAtOnce, OfAllKindsShowOnePositionWhileTheyExpireAreReplacedMadeAndDropped) {
  std::vector<std::jthread> threads;
  for (int i = 0; i < kFolders; ++i) threads.emplace_back([this] { Write(); });
  for (int i = 0; i < kReaders; ++i) threads.emplace_back([this] { Read(); });
  threads.emplace_back([this] { ChangeViews(); });
  threads.emplace_back([this] { Ask(); });
  threads.clear();
  EXPECT_THAT(wrong_, testing::IsEmpty());
  EXPECT_EQ(merged_, kDeltas);
  for (const auto& view : views_) Check(view, view.state->Pin(), merged_, mark_);
  EXPECT_THAT(wrong_, testing::IsEmpty());
  EXPECT_LT(views_[4].state->Stats().rows, merged_ * kKeys);
  EXPECT_LT(views_[6].state->Stats().rows, merged_ * kKeys);
}

}  // namespace
}  // namespace hyprstream::aggregate
