#include "aggregate/fold_internal.h"

#include <algorithm>
#include <array>
#include <limits>
#include <tuple>
#include <utility>

#include "aggregate/dispatched_loops_internal.h"
#include "aggregate/fixed_window_internal.h"
#include "arrow/array/array_base.h"
#include "arrow/record_batch.h"
#include "arrow/result.h"
#include "arrow/status.h"

namespace hyprstream::aggregate {
namespace {

template <class V>
concept Integer = std::is_integral_v<V> && sizeof(V) <= sizeof(std::int64_t);

// What std::in_range takes for V.
template <class V>
using Bounds = std::conditional_t<std::same_as<V, bool>, std::uint8_t, V>;

}  // namespace

arrow::Result<SliceRows> SliceRows::Make(const ViewSpec& spec, const arrow::RecordBatch& batch) {
  SliceRows rows;
  const auto count = static_cast<std::uint32_t>(batch.num_rows());
  if (count == 0) return rows;
  if (!spec.window) {
    rows.parts_.push_back({.key = {}, .range = {.first = 0, .count = count}});
    return rows;
  }
  ARROW_RETURN_NOT_OK(WithPhysical(*spec.window, [&]<class V>(std::type_identity<V>) {
    if constexpr (Integer<V>) return rows.FindRuns<V>(spec, *batch.column(spec.query->window_key));
    return arrow::Status::OK();
  }));
  rows.ListRuns();
  return rows;
}

namespace {

// Rows that are late go back and forth between a few windows.
class RecentWindows {
 public:
  explicit RecentWindows(const std::optional<FixedWindow>& fixed) : fixed_(fixed) {}

  // As WindowOf.
  std::optional<FixedWindowRange> Of(std::int64_t value) {
    for (const FixedWindowRange& window : recent_) {
      if (window.Holds(value)) return window;
    }
    const auto window = WindowOf(fixed_, value);
    if (window) recent_[next_++ % recent_.size()] = *window;
    return window;
  }

 private:
  const std::optional<FixedWindow>& fixed_;
  std::array<FixedWindowRange, 4> recent_{};  // of size 0: holds nothing
  std::size_t next_ = 0;
};

bool IsFinite(SliceKey key) {
  constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();
  return !key.is_null && key.start < kMax && key.start > -kMax;
}

}  // namespace

template <class V>
arrow::Status SliceRows::FindRuns(const ViewSpec& spec, const arrow::Array& column) {
  const auto count = static_cast<std::uint32_t>(column.length());
  const bool has_nulls = column.null_count() != 0;
  RecentWindows windows(spec.query->fixed_window);
  const std::int64_t* lying = nullptr;  // the values, where loops over them can be compiled for the processor
  if constexpr (std::same_as<V, std::int64_t>) {
    if (!has_nulls) lying = column.data()->GetValues<std::int64_t>(1);
    if (reinterpret_cast<std::uintptr_t>(lying) % alignof(std::int64_t) != 0) lying = nullptr;
  }
  return WithColumn<V>(column, [&](auto values) {
    const auto is_null = [&](std::uint32_t row) { return has_nulls && column.IsNull(row); };
    for (std::uint32_t first = 0; first < count;) {
      std::uint32_t end = first + 1;
      SliceKey key{.is_null = is_null(first)};
      if (key.is_null) {
        while (end < count && is_null(end)) ++end;
      } else {
        const auto window = windows.Of(static_cast<std::int64_t>(values(first)));
        if (!window || !std::in_range<Bounds<V>>(window->start)) {
          return arrow::Status::Invalid("View ", spec.query->view.ToString(), ": the window of row ", first,
                                        " is out of range: its time is too far from the present");
        }
        key.start = window->start;
        const auto holds = [&](std::uint32_t row) { return window->Holds(static_cast<std::int64_t>(values(row))); };
        // Rows that are late come in short runs.
        const std::uint32_t near = lying == nullptr ? count : std::min(count, first + 16);
        while (end < near && !is_null(end) && holds(end)) ++end;
        if (end == near && near < count) {
          end += static_cast<std::uint32_t>(CountBefore(lying + end, count - end, window->start, window->size));
        }
      }
      if (!spec.query->finite_times_only || IsFinite(key)) {
        runs_.push_back({.first = first, .count = end - first, .part = PartOf(key)});
      }
      first = end;
    }
    return arrow::Status::OK();
  });
}

std::size_t SliceRows::PartOf(SliceKey key) {
  // Rows of neighbouring windows mix: the newest few are looked at first.
  const std::size_t few = std::min<std::size_t>(parts_.size(), 4);
  for (std::size_t i = parts_.size(); i > parts_.size() - few; --i) {
    if (parts_[i - 1].key == key) return i - 1;
  }
  const auto [at, is_new] = part_of_.try_emplace(key, parts_.size());
  if (is_new) parts_.push_back({.key = key, .range = {}});
  return at->second;
}

void SliceRows::ListRuns() {
  std::vector<std::uint32_t> runs_of(parts_.size(), 0);
  for (const Run& run : runs_) {
    RowRange& range = parts_[run.part].range;
    if (runs_of[run.part]++ == 0) range.first = run.first;
    range.count += run.count;
  }
  std::size_t listed = 0;
  std::vector<std::size_t> next(parts_.size(), 0);
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (runs_of[part] == 1) continue;
    next[part] = listed;
    listed += parts_[part].range.count;
  }
  if (listed == 0) return;
  list_ = std::make_shared<std::vector<std::uint32_t>>(listed);
  for (std::size_t part = 0; part < parts_.size(); ++part) {
    if (runs_of[part] > 1) parts_[part].range.rows = list_->data() + next[part];
  }
  for (const Run& run : runs_) {
    if (runs_of[run.part] == 1) continue;
    for (std::uint32_t row = run.first; row < run.first + run.count; ++row) (*list_)[next[run.part]++] = row;
  }
}

namespace {

template <Integer V>
IntegerRange RangeOfColumn(const arrow::Array& column, const RowRange& rows) {
  V least = std::numeric_limits<V>::max();
  V greatest = std::numeric_limits<V>::lowest();
  bool any = false;
  const bool has_nulls = column.null_count() != 0;
  WithColumn<V>(column, [&](auto values) {
    // A list with few gaps is looked at whole: what lies in between may widen the range.
    const std::uint32_t first = rows.count == 0 ? 0 : rows.Row(0);
    const std::uint32_t span = rows.count == 0 ? 0 : rows.Row(rows.count - 1) - first + 1;
    if (!has_nulls && span / 2 <= rows.count) {
      if constexpr (std::same_as<V, std::int32_t> || std::same_as<V, std::int64_t>) {
        const auto* const lying = column.data()->GetValues<V>(1) + first;
        if (span > 0 && reinterpret_cast<std::uintptr_t>(lying) % alignof(V) == 0) {
          std::tie(least, greatest) = LeastAndGreatest(lying, span);
          any = true;
          return;
        }
      }
      for (std::uint32_t i = 0; i < span; ++i) {
        const V value = values(first + i);
        least = std::min(least, value);
        greatest = std::max(greatest, value);
      }
      any = rows.count > 0;
      return;
    }
    for (std::size_t i = 0; i < rows.count; ++i) {
      const std::uint32_t row = rows.Row(i);
      if (has_nulls && column.IsNull(row)) continue;
      least = std::min(least, static_cast<V>(values(row)));
      greatest = std::max(greatest, static_cast<V>(values(row)));
      any = true;
    }
  });
  if (!any) return {};
  IntegerRange range;
  range.Add(static_cast<std::int64_t>(least));
  range.Add(static_cast<std::int64_t>(greatest));
  // Unsigned values around 2^63 lie at both ends of the signed ones.
  if (static_cast<std::int64_t>(least) > static_cast<std::int64_t>(greatest)) {
    return {.least = std::numeric_limits<std::int64_t>::min(), .greatest = std::numeric_limits<std::int64_t>::max()};
  }
  return range;
}

}  // namespace

void GroupFinder::Start(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& rows,
                        GroupTable& table) {
  columns_ = columns;
  if (integer_) table.Expect(RangeOf(columns, rows), rows.count);
}

IntegerRange GroupFinder::RangeOf(std::span<const std::shared_ptr<arrow::Array>> columns, const RowRange& rows) const {
  if (!integer_) return {};
  return WithPhysical(codec_.columns().front().physical, [&]<class V>(std::type_identity<V>) -> IntegerRange {
    if constexpr (Integer<V>) return RangeOfColumn<V>(*columns.front(), rows);
    return {};
  });
}

template <class V>
void GroupFinder::FindIntegers(const RowRange& block, GroupTable& table, std::span<std::uint32_t> groups) {
  const arrow::Array& column = *columns_.front();
  if (column.null_count() == 0) {
    if constexpr (sizeof(V) == sizeof(std::int64_t)) {  // as they lie there
      const auto* values = column.data()->GetValues<std::int64_t>(1);
      if (block.rows == nullptr && reinterpret_cast<std::uintptr_t>(values) % alignof(std::int64_t) == 0) {
        return table.FindOrAdd(std::span(values + block.first, groups.size()), groups);
      }
    }
  }
  FindValues<V>(block, table, groups, integers_);
}

template <class V, class Value>
void GroupFinder::FindValues(const RowRange& block, GroupTable& table, std::span<std::uint32_t> groups,
                             std::array<Value, kBlockRows>& values) {
  const arrow::Array& column = *columns_.front();
  WithColumn<V>(column, [&](auto value_at) {
    if (column.null_count() == 0) {
      for (std::size_t i = 0; i < groups.size(); ++i) values[i] = static_cast<Value>(value_at(block.Row(i)));
      table.FindOrAdd(std::span(std::as_const(values)).first(groups.size()), groups);
      return;
    }
    std::array<std::uint16_t, kBlockRows> places;
    std::size_t present = 0;
    for (std::size_t i = 0; i < groups.size(); ++i) {
      const std::uint32_t row = block.Row(i);
      if (column.IsNull(row)) continue;
      places[present] = static_cast<std::uint16_t>(i);
      values[present++] = static_cast<Value>(value_at(row));
    }
    std::array<std::uint32_t, kBlockRows> found;
    table.FindOrAdd(std::span(std::as_const(values)).first(present), std::span(found).first(present));
    if (present < groups.size()) std::ranges::fill(groups, table.NullGroup());
    for (std::size_t i = 0; i < present; ++i) groups[places[i]] = found[i];
  });
}

void GroupFinder::Find(const RowRange& block, GroupTable& table, std::span<std::uint32_t> groups) {
  if (codec_.is_text()) return FindValues<std::string_view>(block, table, groups, texts_);
  if (!integer_) {
    codec_.Encode(columns_, block, keys_);
    table.FindOrAdd(keys_, groups);
    return;
  }
  WithPhysical(codec_.columns().front().physical, [&]<class V>(std::type_identity<V>) {
    if constexpr (Integer<V>) FindIntegers<V>(block, table, groups);
  });
}

PartInputs::PartInputs(const RecordLayout& layout, const arrow::RecordBatch& batch) : layout_(layout) {
  for (const RecordLayout::Part& part : layout.parts()) {
    for (const int argument : part.arguments) arguments_.push_back(batch.column(argument).get());
  }
  std::size_t first = 0;
  for (const RecordLayout::Part& part : layout.parts()) {
    inputs_.push_back({.arguments = std::span(arguments_).subspan(first, part.arguments.size()),
                       .filter = part.filter < 0 ? nullptr : batch.column(part.filter).get(),
                       .rows = {}});
    first += part.arguments.size();
  }
}

void PartInputs::Update(const RowRange& rows, std::span<const Record> records, BlockScratch& scratch, HeapAccount& heap,
                        Parts parts) const {
  if (rows.count == 0) return;
  for (std::size_t part = 0; part < inputs_.size(); ++part) {
    if (parts != Parts::kAll && layout_.parts()[part].ops->is_large() != (parts == Parts::kLarge)) continue;
    BlockInput input = inputs_[part];
    input.rows = rows;
    layout_.parts()[part].ops->Update(input, records, scratch, heap);
  }
}

}  // namespace hyprstream::aggregate
