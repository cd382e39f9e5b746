#include "aggregate/view_selection.h"

#include <algorithm>
#include <set>
#include <utility>

#include "aggregate/session_view_internal.h"
#include "aggregate/slice_internal.h"
#include "aggregate/view_version_internal.h"
#include "aggregate/window_pieces_internal.h"
#include "arrow/record_batch.h"
#include "arrow/result.h"
#include "arrow/scalar.h"
#include "arrow/status.h"

namespace hyprstream::aggregate {
namespace {

using Groups = std::optional<std::vector<std::string>>;

// The slice, or a copy of the groups that are wanted of it; null when it has none of them.
std::shared_ptr<Slice> Choose(const ViewSpec& spec, const std::shared_ptr<Slice>& slice, const Groups& groups) {
  if (!groups) return slice;
  std::vector<std::uint32_t> chosen;
  for (const std::string& key : *groups) {
    if (const std::optional<std::uint32_t> group = slice->groups().Find(key)) chosen.push_back(*group);
  }
  if (chosen.empty()) return nullptr;
  auto copy = std::make_shared<Slice>(spec);
  copy->Merge(*spec.layout, *slice, chosen);
  return copy;
}

// A version of these slices only, which keeps the one that they are from alive.
std::shared_ptr<const ViewVersion> VersionOf(const std::shared_ptr<const ViewVersion>& version, SliceMap slices) {
  std::int64_t groups = 0;
  for (const SliceEntry& entry : slices) groups += entry.slice->group_count();
  return std::make_shared<const ViewVersion>(std::shared_ptr<const ViewSpec>(version, &version->spec()),
                                             std::make_shared<const SliceMap>(std::move(slices)),
                                             std::make_shared<PinRegistry>(), /*generation=*/1, groups, /*copied=*/0);
}

// The readers one after the other.
class ReaderChain final : public arrow::RecordBatchReader {
 public:
  using Open = std::function<arrow::Result<std::shared_ptr<arrow::RecordBatchReader>>(std::size_t)>;
  ReaderChain(std::shared_ptr<arrow::RecordBatchReader> first, std::size_t count, Open open)
      : schema_(first->schema()), reader_(std::move(first)), count_(count), open_(std::move(open)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }
  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    for (;;) {
      ARROW_RETURN_NOT_OK(reader_->ReadNext(batch));
      if (*batch != nullptr || next_ >= count_) return arrow::Status::OK();
      ARROW_ASSIGN_OR_RAISE(reader_, open_(next_++));
    }
  }

 private:
  const std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::RecordBatchReader> reader_;
  const std::size_t count_;
  const Open open_;
  std::size_t next_ = 1;
};

class SelectedRows final : public TableSource {
 public:
  SelectedRows(std::shared_ptr<const ViewVersion> version, ViewSelection selection)
      : version_(std::move(version)), selection_(std::move(selection)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return version_->spec().query->output_schema; }

  arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> Scan(const ScanRequest& request) const override {
    if (const auto* sessions = dynamic_cast<const SessionVersion*>(version_.get())) {
      return MakeViewSource(ChosenSessions(*sessions, selection_))->Scan(request);
    }
    if (!version_->spec().query->hopping) return MakeViewSource(VersionOf(version_, Chosen()))->Scan(request);
    const auto windows = std::make_shared<std::vector<std::pair<WindowStart, Groups>>>(selection_.windows.begin(),
                                                                                       selection_.windows.end());
    if (windows->empty()) return MakeViewSource(VersionOf(version_, {}))->Scan(request);
    const auto open = [version = version_, windows, request](std::size_t window) {
      return ScanWindow(version, request, (*windows)[window].first, (*windows)[window].second);
    };
    ARROW_ASSIGN_OR_RAISE(auto first, open(0));
    return std::make_shared<ReaderChain>(std::move(first), windows->size(), open);
  }

 private:
  SliceMap Chosen() const {
    SliceMap slices;
    for (const auto& [window, groups] : selection_.windows) {
      const auto at = LowerBound(version_->slices(), window);
      if (at == version_->slices().end() || at->key != window) continue;
      auto slice = Choose(version_->spec(), at->slice, groups);
      if (slice != nullptr) slices.push_back({.key = window, .slice = std::move(slice)});
    }
    return slices;
  }

  // One window of those that hop: its slices, of which the scan makes its neighbours, too.
  static arrow::Result<std::shared_ptr<arrow::RecordBatchReader>> ScanWindow(
      const std::shared_ptr<const ViewVersion>& version, ScanRequest request, WindowStart window,
      const Groups& groups) {
    const ViewSpec& spec = version->spec();
    const AggregateQuery& query = *spec.query;
    SliceMap slices;
    const bool has_expired = window.start < version->first_window();
    const Int128 end = static_cast<Int128>(window.start) + (has_expired ? 0 : query.hopping->size);
    for (auto at = LowerBound(version->slices(), window); at != version->slices().end(); ++at) {
      if (at->key.is_null || at->key.start >= end) break;
      auto slice = Choose(spec, at->slice, groups);
      if (slice != nullptr) slices.push_back({.key = at->key, .slice = std::move(slice)});
    }
    const auto shown = std::ranges::find_if(
        query.output, [&](const OutputColumn& column) { return column.is_key && column.index == query.window_key; });
    WindowStart value = window;
    if (shown == query.output.end() || __builtin_add_overflow(window.start, shown->after_start, &value.start)) {
      return arrow::Status::Invalid("View ", query.view.ToString(), " does not show its windows");
    }
    ARROW_ASSIGN_OR_RAISE(auto scalar, spec.WindowScalar(value));
    ColumnFilter only{};
    only.column = static_cast<int>(shown - query.output.begin());
    only.op = ColumnFilter::Op::kEqual;
    only.value = std::move(scalar);
    request.filters.push_back(std::move(only));
    return MakeViewSource(VersionOf(version, std::move(slices)))->Scan(request);
  }

  const std::shared_ptr<const ViewVersion> version_;
  const ViewSelection selection_;
};

}  // namespace

std::shared_ptr<TableSource> SelectRows(std::shared_ptr<const ViewVersion> version, ViewSelection selection) {
  return std::make_shared<SelectedRows>(std::move(version), std::move(selection));
}

void WindowsFromLast(const ViewVersion& version, const std::function<bool(WindowStart)>& take) {
  if (const auto* sessions = dynamic_cast<const SessionVersion*>(&version)) return SessionsFromLast(*sessions, take);
  const SliceMap& slices = version.slices();
  const AggregateQuery& query = *version.spec().query;
  if (!query.hopping) {
    for (auto at = slices.rbegin(); at != slices.rend(); ++at) {
      if (!take(at->key)) return;
    }
    return;
  }
  std::optional<WindowStart> before;  // the last one taken; a slice's windows are mostly those of the next slice, too
  for (auto at = slices.rbegin(); at != slices.rend(); ++at) {
    const std::vector<WindowStart> windows = WindowsOfSlice(query, at->key);
    for (auto window = windows.rbegin(); window != windows.rend(); ++window) {
      if (before && *window >= *before) continue;
      before = *window;
      if (window->start < version.first_window() || !take(*window)) return;
    }
  }
}

std::vector<WindowStart> WindowsOfSlice(const AggregateQuery& query, WindowStart slice) {
  if (!query.hopping) return {slice};
  if (slice.is_null) return {};
  const WindowSpec& spec = *query.hopping;
  std::vector<WindowStart> windows;
  const auto last = LastWindowBy(spec, slice.start);
  if (!last) return windows;
  for (Int128 start = *FirstWindowAfter(spec, slice.start); start <= *last; start += spec.slide) {
    windows.push_back({.start = static_cast<std::int64_t>(start)});
  }
  return windows;
}

}  // namespace hyprstream::aggregate
