// Views over sessions: against sessions made of all rows at once.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "arrow/array/builder_binary.h"
#include "arrow/array/builder_primitive.h"
#include "arrow/buffer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::IsEmpty;
using enum AggregateKind;
using Op = ColumnFilter::Op;

constexpr std::int64_t kGap = 10;

// SELECT window_start, window_end, k, count(*), sum(x), max(t).
std::shared_ptr<AggregateQuery> SessionQuery(std::int64_t gap = kGap) {
  const auto query = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int32()}}, 0,
                                   {{kCountStar, nullptr, arrow::int64()},
                                    {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                                    {kMax, arrow::utf8(), arrow::utf8()}});
  query->session_gap = gap;
  query->finite_times_only = true;
  query->output.insert(query->output.begin() + 1, {.name = "w_end", .is_key = true, .index = 0, .after_start = gap});
  auto fields = query->output_schema->fields();
  fields.insert(fields.begin() + 1, arrow::field("w_end", arrow::int64()));
  query->output_schema = arrow::schema(fields);
  return query;
}

struct Row {
  std::optional<std::int64_t> time;
  std::int32_t key;
  std::int64_t value;
};

std::string Text(std::int64_t value) { return "a text of some length " + std::to_string(1000 + value); }

std::shared_ptr<arrow::RecordBatch> BatchOf(const AggregateQuery& query, const std::vector<Row>& rows) {
  arrow::Int64Builder times, values;
  arrow::Int32Builder keys;
  arrow::StringBuilder texts;
  for (const Row& row : rows) {
    (row.time ? times.Append(*row.time) : times.AppendNull()).ok();
    keys.Append(row.key).ok();
    values.Append(row.value).ok();
    texts.Append(Text(row.value)).ok();
  }
  return arrow::RecordBatch::Make(query.evaluated_schema, static_cast<std::int64_t>(rows.size()),
                                  {times.Finish().ValueOrDie(), keys.Finish().ValueOrDie(),
                                   values.Finish().ValueOrDie(), texts.Finish().ValueOrDie()});
}

std::vector<std::string> Read(const std::shared_ptr<const ViewVersion>& version,
                              const std::vector<ColumnFilter>& filters = {}) {
  const auto source = MakeViewSource(version);
  auto request = AllColumns(*source);
  request.filters = filters;
  auto lines = RowsOf(*source->Scan(request).ValueOrDie());
  std::ranges::sort(lines);
  return lines;
}

// What DuckDB's session() gives.
std::vector<std::string> Expected(std::vector<Row> rows, std::int64_t gap = kGap) {
  std::erase_if(rows,
                [](const Row& row) { return !row.time || *row.time == std::numeric_limits<std::int64_t>::max(); });
  std::ranges::sort(rows, {}, [](const Row& row) { return std::pair(row.key, *row.time); });
  std::vector<std::string> lines;
  for (std::size_t i = 0; i < rows.size();) {
    std::size_t end = i + 1;
    while (end < rows.size() && rows[end].key == rows[i].key && *rows[end].time < *rows[end - 1].time + gap) ++end;
    std::int64_t sum = 0;
    std::int64_t greatest = 0;
    for (std::size_t row = i; row < end; ++row) {
      sum += rows[row].value;
      greatest = std::max(greatest, rows[row].value);
    }
    lines.push_back(std::to_string(*rows[i].time) + " | " + std::to_string(*rows[end - 1].time + gap) + " | " +
                    std::to_string(rows[i].key) + " | " + std::to_string(end - i) + " | " + std::to_string(sum) +
                    " | " + Text(greatest));
    i = end;
  }
  std::ranges::sort(lines);
  return lines;
}

class SessionView : public testing::Test {
 protected:
  void Add(const std::vector<Row>& rows) {
    rows_.insert(rows_.end(), rows.begin(), rows.end());
    FoldAndMerge(*state_, {BatchOf(*query_, rows)});
  }
  std::vector<std::string> Times() const {  // of all sessions, in order
    std::vector<std::pair<std::int64_t, std::string>> times;
    const auto source = MakeViewSource(state_->Pin());
    for (const auto& row : RowsOf(*source->Scan({.projection = {0, 1, 3}, .filters = {}}).ValueOrDie())) {
      times.emplace_back(std::stoll(row), row);
    }
    std::ranges::sort(times);
    std::vector<std::string> texts;
    for (const auto& [start, text] : times) texts.push_back(text);
    return texts;
  }

  std::shared_ptr<AggregateQuery> query_ = SessionQuery();
  std::unique_ptr<ViewState> state_ = ViewState::Make(query_).ValueOrDie();
  std::vector<Row> rows_;
};

TEST_F(SessionView, EndsWhereTheNextRowIsTheGapAway) {
  Add({{.time = 100, .key = 1, .value = 1}, {.time = 109, .key = 1, .value = 2}, {.time = 119, .key = 1, .value = 3}});
  EXPECT_THAT(Times(), ElementsAre("100 | 119 | 2", "119 | 129 | 1"));
}

TEST_F(SessionView, ALateRowJoinsTwo) {
  Add({{.time = 100, .key = 1, .value = 1}, {.time = 115, .key = 1, .value = 2}, {.time = 115, .key = 2, .value = 2}});
  EXPECT_THAT(Times(), ElementsAre("100 | 110 | 1", "115 | 125 | 1", "115 | 125 | 1"));
  Add({{.time = 107, .key = 1, .value = 4}});
  EXPECT_THAT(Times(), ElementsAre("100 | 125 | 3", "115 | 125 | 1"));
  EXPECT_THAT(Read(state_->Pin()), ElementsAreArray(Expected(rows_)));
}

TEST_F(SessionView, ASessionMayBeginEarlierAndEarlier) {
  Add({{.time = 10'000, .key = 1, .value = 1}});
  for (std::int64_t time = 9'995; time > 0; time -= 5) Add({{.time = time, .key = 1, .value = time % 7}});
  EXPECT_THAT(Times(), ElementsAre("5 | 10010 | 2000"));
  EXPECT_THAT(Read(state_->Pin()), ElementsAreArray(Expected(rows_)));
}

TEST_F(SessionView, DuplicatesAndRowsOfNoTime) {
  Add({{.time = 5, .key = 1, .value = 1},
       {.time = 5, .key = 1, .value = 1},
       {.time = std::nullopt, .key = 1, .value = 1},
       {.time = std::numeric_limits<std::int64_t>::max(), .key = 1, .value = 1},
       {.time = -std::numeric_limits<std::int64_t>::max(), .key = 1, .value = 1}});
  EXPECT_THAT(Times(), ElementsAre("5 | 15 | 2"));
  EXPECT_EQ(state_->Stats().rows, 2);
}

TEST_F(SessionView, RefusesASessionThatWouldNeverEnd) {
  const auto folded =
      state_->Fold({BatchOf(*query_, {{.time = std::numeric_limits<std::int64_t>::max() - 5, .key = 1, .value = 1}})});
  EXPECT_THAT(folded.status().message(), testing::HasSubstr("end beyond the last time"));
}

// Keys, bursts with pauses around the gap, rows that are late.
std::vector<Row> RandomRows(std::mt19937_64& random, int count) {
  std::vector<Row> rows;
  std::int64_t now = -200;
  for (int i = 0; i < count; ++i) {
    now += random() % 20 == 0 ? static_cast<std::int64_t>(random() % 400) : static_cast<std::int64_t>(random() % 4);
    const auto late = random() % 8 == 0 ? static_cast<std::int64_t>(random() % 300) : 0;
    std::optional<std::int64_t> time;
    if (random() % 50 != 0) time = now - late;
    rows.push_back({.time = time,
                    .key = static_cast<std::int32_t>(random() % 4),
                    .value = static_cast<std::int64_t>(random() % 1000)});
  }
  return rows;
}

TEST_F(SessionView, IsTheSameWhateverTheOrderAndTheSplit) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 60; ++round) {
    state_ = ViewState::Make(query_).ValueOrDie();
    std::vector<Row> rows = RandomRows(random, 300);
    const auto expected = Expected(rows);
    if (round % 2 == 1) std::ranges::shuffle(rows, random);
    std::vector<std::shared_ptr<const ViewVersion>> pins;
    std::vector<std::vector<std::string>> seen;
    for (std::size_t at = 0; at < rows.size();) {
      const std::size_t count = std::min<std::size_t>(1 + random() % 80, rows.size() - at);
      Add(std::vector<Row>(rows.begin() + static_cast<std::ptrdiff_t>(at),
                           rows.begin() + static_cast<std::ptrdiff_t>(at + count)));
      at += count;
      if (random() % 2 == 0) {
        pins.push_back(state_->Pin());
        seen.push_back(Read(pins.back()));
      }
    }
    ASSERT_THAT(Read(state_->Pin()), ElementsAreArray(expected));
    for (std::size_t i = 0; i < pins.size(); ++i) ASSERT_EQ(Read(pins[i]), seen[i]) << "a pinned version has changed";
    const auto stats = state_->Stats();
    EXPECT_EQ(stats.windows, static_cast<std::int64_t>(expected.size()));
    EXPECT_EQ(stats.rows, std::ranges::count_if(rows, [](const Row& row) { return row.time.has_value(); }));
  }
}

TEST_F(SessionView, FoldsMoreThanOneBlockAtOnce) {
  std::mt19937_64 random(4);
  std::vector<Row> rows = RandomRows(random, 20'000);
  std::ranges::shuffle(rows, random);
  Add(rows);
  EXPECT_THAT(Read(state_->Pin()), ElementsAreArray(Expected(rows)));
}

TEST_F(SessionView, FiltersOnBothTimesAndTheKey) {
  std::mt19937_64 random(5);
  const auto rows = RandomRows(random, 3'000);
  Add(rows);
  const auto all = Read(state_->Pin());
  const auto filter = [](int column, Op op, auto value) {
    return ColumnFilter{.column = column, .op = op, .value = arrow::MakeScalar(value)};
  };
  for (int i = 0; i < 50; ++i) {
    const auto from = static_cast<std::int64_t>(random() % 8'000);
    const auto to = from + static_cast<std::int64_t>(random() % 2'000);
    std::vector<std::string> expected;
    for (const auto& line : all) {
      const auto parts = line.find(" | ");
      const auto start = std::stoll(line);
      const auto end = std::stoll(line.substr(parts + 3));
      const auto key = line.substr(line.find(" | ", parts + 3) + 3, 1);
      if (start >= from && end < to && key == "2") expected.push_back(line);
    }
    EXPECT_EQ(Read(state_->Pin(), {filter(0, Op::kGreaterEqual, from), filter(1, Op::kLess, to),
                                   filter(2, Op::kEqual, std::int32_t{2})}),
              expected);
  }
}

TEST_F(SessionView, ALookUpLooksAtOneKey) {
  std::mt19937_64 random(6);
  Add(RandomRows(random, 20'000));
  const auto visits = std::make_shared<ScanVisits>();
  const auto source = MakeViewSource(state_->Pin(), visits);
  const ColumnFilter start{.column = 0, .op = Op::kEqual, .value = arrow::MakeScalar(std::int64_t{2'000})};
  const ColumnFilter key{.column = 2, .op = Op::kEqual, .value = arrow::MakeScalar(std::int32_t{1})};
  ASSERT_TRUE(source->Scan({.projection = {3}, .filters = {start, key}}).ValueOrDie()->ToRecordBatches().ok());
  EXPECT_LE(visits->slices, 1);
  EXPECT_LE(visits->groups, 1);
}

TEST_F(SessionView, ExpiresByTheEnds) {
  Add({{.time = 100, .key = 1, .value = 1},
       {.time = 105, .key = 2, .value = 2},
       {.time = 112, .key = 2, .value = 2},
       {.time = 500, .key = 1, .value = 3}});
  const auto until = [&](std::int64_t end) {
    return state_->DropOldest(
        [end](WindowStart window) { return window.start <= end ? Expiry::kExpired : Expiry::kNotYet; });
  };
  EXPECT_EQ(until(109).windows, 0);
  const auto pinned = state_->Pin();
  EXPECT_EQ(until(110).rows, 1);
  EXPECT_THAT(Times(), ElementsAre("105 | 122 | 2", "500 | 510 | 1"));
  EXPECT_EQ(Read(pinned), Expected(rows_));
  EXPECT_EQ(until(400).rows, 2);
  EXPECT_THAT(Times(), ElementsAre("500 | 510 | 1"));
  EXPECT_EQ(until(510).rows, 1);
  EXPECT_THAT(Times(), IsEmpty());
  EXPECT_EQ(state_->Stats().windows, 0);
}

TEST_F(SessionView, SaysWhatRowsBecomePartOf) {
  Add({{.time = 100, .key = 1, .value = 1}, {.time = 115, .key = 1, .value = 1}});
  const auto delta = state_
                         ->Fold({BatchOf(*query_, {{.time = 107, .key = 1, .value = 1},
                                                   {.time = 123, .key = 1, .value = 1},
                                                   {.time = 300, .key = 1, .value = 1},
                                                   {.time = 107, .key = 2, .value = 1}})})
                         .ValueOrDie();
  std::vector<std::string> placed;
  for (const SessionRows& rows : state_->SessionsOf(*delta)) {
    placed.push_back(std::to_string(rows.first) + " " + std::to_string(rows.end) + " " + std::to_string(rows.rows));
  }
  EXPECT_THAT(placed, ElementsAre("100 133 1", "100 133 1", "300 310 1", "107 117 1"))
      << "rows that meet one session are of one session";
  state_->Merge(*delta, {{.start = 1}, {.start = 3}});
  EXPECT_THAT(Times(), ElementsAre("100 | 125 | 3", "300 | 310 | 1"));
}

TEST_F(SessionView, ReplacesTheSessionsOfKeys) {
  Add({{.time = 100, .key = 1, .value = 1}, {.time = 105, .key = 2, .value = 1}, {.time = 900, .key = 1, .value = 1}});
  const auto delta = state_->Fold({BatchOf(*query_, {{.time = 101, .key = 1, .value = 9}})}).ValueOrDie();
  const auto keys = [](const char* json) {
    return arrow::RecordBatch::Make(arrow::schema({arrow::field("k", arrow::int32())}), 1,
                                    {arrow::json::ArrayFromJSONString(arrow::int32(), json).ValueOrDie()});
  };
  EXPECT_TRUE(state_->Replace(keys("[2]"), *delta).IsInvalid());
  ASSERT_TRUE(state_->Replace(keys("[1]"), *delta).ok());
  EXPECT_THAT(Times(), ElementsAre("101 | 111 | 1", "105 | 115 | 1"));
}

TEST_F(SessionView, IsSavedAndRestored) {
  std::mt19937_64 random(7);
  Add(RandomRows(random, 2'000));
  const auto before = Read(state_->Pin());
  const auto bytes = state_->Serialize().ValueOrDie();
  const auto text =
      std::string_view(reinterpret_cast<const char*>(bytes->data()), static_cast<std::size_t>(bytes->size()));
  const auto restored = ViewState::Make(query_).ValueOrDie();
  ASSERT_TRUE(restored->Restore(text).ok());
  EXPECT_EQ(Read(restored->Pin()), before);
  EXPECT_EQ(restored->Stats().rows, state_->Stats().rows);
  std::string damaged(text);
  damaged[text.size() / 2] = static_cast<char>(damaged[text.size() / 2] ^ 1);
  EXPECT_TRUE(restored->Restore(damaged).IsInvalid());
  EXPECT_TRUE(restored->Restore(text.substr(0, text.size() - 9)).IsInvalid());
  EXPECT_EQ(Read(restored->Pin()), before);
}

TEST_F(SessionView, ListsItsStretches) {
  Add({{.time = 3, .key = 1, .value = 1}, {.time = 5, .key = 2, .value = 1}, {.time = 1'000, .key = 1, .value = 1}});
  std::vector<std::string> lines;
  for (const WindowStats& window : state_->Windows()) {
    lines.push_back(window.window + ": " + std::to_string(window.groups) + " until " +
                    std::to_string(window.last_end.value_or(0)));
  }
  EXPECT_THAT(lines, ElementsAre("0: 2 until 15", "960: 1 until 1010"));
}

}  // namespace
}  // namespace hyprstream::aggregate
