// Windows that hop, put together from slices: against every row counted into every window that it is in.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "aggregate/view_state.h"
#include "aggregate/view_test_support.h"
#include "aggregate/window_pieces_internal.h"
#include "arrow/array/builder_primitive.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace hyprstream::aggregate {
namespace {

using testing::ElementsAre;
using testing::ElementsAreArray;
using enum AggregateKind;
using Op = ColumnFilter::Op;

// SELECT w, w + size AS w_end, k, count(*), sum(x), min(x).
std::shared_ptr<AggregateQuery> HoppingQuery(const WindowSpec& spec) {
  const auto query = MakeTestQuery({{"w", arrow::int64()}, {"k", arrow::int32()}}, 0,
                                   {{kCountStar, nullptr, arrow::int64()},
                                    {kSum, arrow::int64(), arrow::decimal128(38, 0)},
                                    {kMin, arrow::int64(), arrow::int64()}});
  query->hopping = spec;
  query->output.insert(query->output.begin() + 1,
                       {.name = "w_end", .is_key = true, .index = 0, .after_start = spec.size});
  auto fields = query->output_schema->fields();
  fields.insert(fields.begin() + 1, arrow::field("w_end", arrow::int64()));
  query->output_schema = arrow::schema(fields);
  return query;
}

struct Row {
  std::int64_t time;
  std::int32_t key;
  std::int64_t value;
};

std::int64_t Floor(std::int64_t time, std::int64_t width, std::int64_t origin) {
  const std::int64_t past = ((time - origin) % width + width) % width;
  return time - past;
}

class Hopping {
 public:
  explicit Hopping(const WindowSpec& spec)
      : spec_(spec), query_(HoppingQuery(spec)), state_(ViewState::Make(query_).ValueOrDie()) {}

  void Add(const std::vector<Row>& rows) {
    arrow::Int64Builder slices, values;
    arrow::Int32Builder keys;
    for (const Row& row : rows) {
      rows_.push_back(row);
      slices.Append(Floor(row.time, spec_.slice(), spec_.origin)).ok();
      keys.Append(row.key).ok();
      values.Append(row.value).ok();
    }
    const auto x = values.Finish().ValueOrDie();
    FoldAndMerge(*state_, {arrow::RecordBatch::Make(query_->evaluated_schema, static_cast<std::int64_t>(rows.size()),
                                                    {slices.Finish().ValueOrDie(), keys.Finish().ValueOrDie(), x, x})});
  }

  // Every row in every window that it is in, in windows that `chosen` takes.
  template <class Chosen>
  std::vector<std::string> Expected(Chosen chosen) const {
    struct Group {
      std::int64_t count = 0;
      std::int64_t sum = 0;
      std::int64_t min = std::numeric_limits<std::int64_t>::max();
    };
    std::map<std::pair<std::int64_t, std::int32_t>, Group> groups;
    for (const Row& row : rows_) {
      for (auto w = Floor(row.time, spec_.slide, spec_.origin); w + spec_.size > row.time; w -= spec_.slide) {
        if (!chosen(w, row.key)) continue;
        Group& group = groups[{w, row.key}];
        ++group.count;
        group.sum += row.value;
        group.min = std::min(group.min, row.value);
      }
    }
    std::vector<std::string> lines;
    for (const auto& [key, group] : groups) {
      lines.push_back(Line(key.first, key.second, group.count, std::to_string(group.sum), group.min));
    }
    std::ranges::sort(lines);
    return lines;
  }
  std::vector<std::string> Expected() const {
    return Expected([](std::int64_t, std::int32_t) { return true; });
  }

  std::vector<std::string> Read(const std::vector<ColumnFilter>& filters = {}) const {
    const auto source = MakeViewSource(state_->Pin());
    auto request = AllColumns(*source);
    request.filters = filters;
    auto lines = aggregate::RowsOf(*source->Scan(request).ValueOrDie());
    std::ranges::sort(lines);
    return lines;
  }

  ViewState& state() { return *state_; }

 private:
  std::string Line(std::int64_t window, std::int32_t key, std::int64_t count, const std::string& sum,
                   std::int64_t min) const {
    return std::to_string(window) + " | " + std::to_string(window + spec_.size) + " | " + std::to_string(key) + " | " +
           std::to_string(count) + " | " + sum + " | " + std::to_string(min);
  }

  const WindowSpec spec_;
  std::shared_ptr<AggregateQuery> query_;
  std::unique_ptr<ViewState> state_;
  std::vector<Row> rows_;
};

std::vector<Row> RandomRows(std::mt19937_64& random, int count, std::int64_t span, int keys) {
  std::vector<Row> rows;
  for (int i = 0; i < count; ++i) {
    const auto far = random() % 10 == 0 ? static_cast<std::int64_t>(random() % 5) * 100'000 : 0;
    rows.push_back({.time = static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(span)) - span / 2 + far,
                    .key = static_cast<std::int32_t>(random() % static_cast<std::uint64_t>(keys)),
                    .value = static_cast<std::int64_t>(random() % 1000)});
  }
  return rows;
}

constexpr WindowSpec kSpecs[] = {{.kind = WindowKind::kHopping, .size = 10, .slide = 1, .origin = 0},
                                 {.kind = WindowKind::kHopping, .size = 100, .slide = 1, .origin = 3},
                                 {.kind = WindowKind::kHopping, .size = 7, .slide = 5, .origin = -2},
                                 {.kind = WindowKind::kHopping, .size = 60, .slide = 40, .origin = 7},
                                 {.kind = WindowKind::kHopping, .size = 8, .slide = 8, .origin = 1}};

TEST(HoppingView, HoldsEveryRowInEveryWindow) {
  std::mt19937_64 random(7);
  for (const WindowSpec& spec : kSpecs) {
    Hopping view(spec);
    for (int batch = 0; batch < 3; ++batch) {
      view.Add(RandomRows(random, 60, 300, 5));
      EXPECT_THAT(view.Read(), ElementsAreArray(view.Expected())) << spec.size << " by " << spec.slide;
    }
  }
}

TEST(HoppingView, WhateverIsKeptWhileReading) {
  std::mt19937_64 random(8);
  for (const WindowSpec& spec : kSpecs) {
    Hopping view(spec);
    view.Add(RandomRows(random, 150, 200, 10));
    const auto version = view.state().Pin();
    const ScanPlan everything;
    std::int64_t rows = 0;
    WindowPieces all(*version, everything);
    while (const auto piece = all.Next()) rows += piece->slice->row_count();
    for (const std::int64_t bytes : {4'000, 50'000}) {
      // Stacks that are low, and windows in pieces.
      for (const WindowPieces::Bounds bounds :
           {WindowPieces::Bounds{.stack_bytes_max = bytes}, WindowPieces::Bounds{.piece_bytes_max = bytes}}) {
        WindowPieces pieces(*version, everything, bounds);
        std::int64_t counted = 0;
        std::map<std::int64_t, std::int64_t> groups;
        while (const auto piece = pieces.Next()) {
          counted += piece->slice->row_count();
          groups[piece->window.start] += piece->slice->group_count();
        }
        EXPECT_EQ(counted, rows);
        std::int64_t expected_groups = 0;
        for (const auto& [window, count] : groups) expected_groups += count;
        EXPECT_EQ(expected_groups, static_cast<std::int64_t>(view.Expected().size())) << bytes;
      }
    }
  }
}

TEST(HoppingView, FiltersChooseWindowsAndGroups) {
  std::mt19937_64 random(9);
  Hopping view({.kind = WindowKind::kHopping, .size = 30, .slide = 4, .origin = 1});
  view.Add(RandomRows(random, 200, 100, 6));
  const auto filter = [](int column, Op op, auto value) {
    return ColumnFilter{.column = column, .op = op, .value = arrow::MakeScalar(value)};
  };
  EXPECT_THAT(view.Read({filter(0, Op::kGreaterEqual, std::int64_t{1})}),
              ElementsAreArray(view.Expected([](std::int64_t w, std::int32_t) { return w >= 1; })));
  EXPECT_THAT(view.Read({filter(1, Op::kLess, std::int64_t{40})}),
              ElementsAreArray(view.Expected([](std::int64_t w, std::int32_t) { return w + 30 < 40; })));
  EXPECT_THAT(view.Read({filter(0, Op::kEqual, std::int64_t{1}), filter(2, Op::kEqual, std::int32_t{3})}),
              ElementsAreArray(view.Expected([](std::int64_t w, std::int32_t k) { return w == 1 && k == 3; })));
  EXPECT_THAT(view.Read({filter(2, Op::kEqual, std::int32_t{2})}),
              ElementsAreArray(view.Expected([](std::int64_t, std::int32_t k) { return k == 2; })));
}

TEST(HoppingView, ChosenWindowsOfMany) {
  std::mt19937_64 random(10);
  for (const WindowSpec& spec : kSpecs) {
    Hopping view(spec);
    view.Add(RandomRows(random, 300, 3000, 4));
    for (int i = 0; i < 40; ++i) {
      std::vector<std::int64_t> chosen;
      ColumnFilter in{.column = 0, .op = Op::kIn};
      for (int k = 0; k < 3; ++k) {
        const auto time = static_cast<std::int64_t>(random() % 3000) - 1500;
        chosen.push_back(Floor(time, spec.slide, spec.origin) + (random() % 4 == 0 ? 1 : 0));
        in.values.push_back(arrow::MakeScalar(chosen.back()));
      }
      EXPECT_THAT(view.Read({in}), ElementsAreArray(view.Expected([&](std::int64_t w, std::int32_t) {
                    return std::ranges::find(chosen, w) != chosen.end();
                  })));
      const ColumnFilter from{.column = 0, .op = Op::kGreater, .value = arrow::MakeScalar(chosen[0])};
      const ColumnFilter to{.column = 1, .op = Op::kLessEqual, .value = arrow::MakeScalar(chosen[1])};
      EXPECT_THAT(view.Read({from, to}), ElementsAreArray(view.Expected([&](std::int64_t w, std::int32_t) {
                    return w > chosen[0] && w + spec.size <= chosen[1];
                  })));
    }
  }
}

// Of rows that compare equal the one of the oldest slice counts, whichever way a window is put together.
TEST(HoppingView, TiesGoToTheOldestSlice) {
  const auto text = arrow::utf8();
  const auto query = MakeTestQuery(
      {{"w", arrow::int64()}, {"k", arrow::int32()}}, 0,
      {{kAnyValue, {text}, text}, {kArgMin, {text, arrow::int64()}, text}, {kArgMax, {text, arrow::int64()}, text}});
  query->hopping = WindowSpec{.kind = WindowKind::kHopping, .size = 3, .slide = 1, .origin = 0};
  const auto state = ViewState::Make(query).ValueOrDie();
  const std::string values = R"(["a", "b", "c", "z"])";
  const std::string ones = "[1, 1, 1, 1]";
  FoldAndMerge(*state, {MakeTestBatch(*query, {"[0, 1, 2, 2]", "[1, 1, 1, 2]", values, values, ones, values, ones})});
  const auto source = MakeViewSource(state->Pin());
  const auto read = [&](const std::vector<ColumnFilter>& filters) {
    auto request = AllColumns(*source);
    request.filters = filters;
    return RowsOf(*source->Scan(request).ValueOrDie());
  };
  const ColumnFilter one{.column = 1, .op = Op::kEqual, .value = arrow::MakeScalar(std::int32_t{1})};
  const auto expected = ElementsAre("-2 | 1 | a | a | a", "-1 | 1 | a | a | a", "0 | 1 | a | a | a",
                                    "1 | 1 | b | b | b", "2 | 1 | c | c | c");
  EXPECT_THAT(read({one}), expected);
  auto all = read({});
  std::erase_if(all, [](const std::string& row) { return row.find("| 2 |") != std::string::npos; });
  EXPECT_THAT(all, expected);
}

TEST(HoppingView, ALookUpLooksAtItsSlicesOnly) {
  std::mt19937_64 random(11);
  Hopping view({.kind = WindowKind::kHopping, .size = 30, .slide = 10, .origin = 0});
  view.Add(RandomRows(random, 2000, 5000, 20));
  const auto visits = std::make_shared<ScanVisits>();
  const auto source = MakeViewSource(view.state().Pin(), visits);
  const ColumnFilter window{.column = 0, .op = Op::kEqual, .value = arrow::MakeScalar(std::int64_t{500})};
  const ColumnFilter key{.column = 2, .op = Op::kEqual, .value = arrow::MakeScalar(std::int32_t{7})};
  ASSERT_TRUE(source->Scan({.projection = {3}, .filters = {window, key}}).ValueOrDie()->ToRecordBatches().ok());
  EXPECT_LE(visits->slices, 3);
  EXPECT_LE(visits->groups, 4);
}

TEST(HoppingView, ListsItsWindows) {
  Hopping view({.kind = WindowKind::kHopping, .size = 20, .slide = 10, .origin = 0});
  view.Add(
      {{.time = 5, .key = 1, .value = 1}, {.time = 15, .key = 2, .value = 2}, {.time = 1000, .key = 2, .value = 3}});
  std::vector<std::string> windows;
  for (const WindowStats& window : view.state().Windows()) {
    windows.push_back(window.window + ": " + std::to_string(window.groups) + " of " + std::to_string(window.rows));
  }
  EXPECT_THAT(windows, ElementsAre("-10: 1 of 1", "0: 2 of 2", "10: 1 of 1", "990: 1 of 1", "1000: 1 of 1"));
  EXPECT_EQ(view.state().CountWindows(), 5);
  EXPECT_EQ(view.state().Stats().rows, 3);
}

TEST(HoppingView, TheFirstAndTheLastTimes) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t kMin = std::numeric_limits<std::int64_t>::min();
  Hopping view({.kind = WindowKind::kHopping, .size = 20, .slide = 10, .origin = 0});
  view.Add({{.time = kMin + 8, .key = 1, .value = 1}, {.time = kMax - 7, .key = 2, .value = 2}});
  EXPECT_EQ(view.state().CountWindows(), 3);
  const auto source = MakeViewSource(view.state().Pin());
  EXPECT_THAT(aggregate::RowsOf(*source->Scan({.projection = {2, 3}, .filters = {}}).ValueOrDie()),
              ElementsAre("1 | 1", "2 | 1", "2 | 1"));
  const auto read = source->Scan({.projection = {1}, .filters = {}}).ValueOrDie()->ToRecordBatches();
  EXPECT_THAT(read.status().message(), testing::HasSubstr("ends beyond the last time"));
}

}  // namespace
}  // namespace hyprstream::aggregate
