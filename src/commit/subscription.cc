// Subscriptions in the commit path: who may subscribe to what, and what a subscriber is told next.
#include "commit/subscription.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <charconv>
#include <format>
#include <mutex>
#include <shared_mutex>
#include <utility>

#include "aggregate/view_selection.h"
#include "base/nearest_name.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

namespace {

// The pinned snapshot, of one view some rows only.
class NarrowedSnapshot final : public Snapshot {
 public:
  NarrowedSnapshot(std::shared_ptr<const PinnedSnapshot> below, TableRef view, std::shared_ptr<TableSource> rows)
      : below_(std::move(below)), view_(std::move(view)), rows_(std::move(rows)) {}

  Position position() const override { return below_->position(); }
  arrow::Result<std::shared_ptr<TableSource>> View(const TableRef& view) const override {
    ARROW_ASSIGN_OR_RAISE(auto whole, below_->View(view));  // also says when it has expired
    return view == view_ ? rows_ : whole;
  }
  arrow::Result<ClosedWindows> Closed(const TableRef& view) const override { return below_->Closed(view); }

 private:
  const std::shared_ptr<const PinnedSnapshot> below_;
  const TableRef view_;
  const std::shared_ptr<TableSource> rows_;
};

// FNV-1a: the same in every process.
std::uint64_t HashOf(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325ULL;
  for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3ULL;
  return hash;
}

// A token is good for the same changes of the same rows only.
std::string FingerprintOf(const SubscribeOptions& options) {
  return std::format("{:016x}", HashOf(FoldIdentifier(options.view.schema + "\n" + options.view.name) +
                                       (options.on_close ? "\nclose\n" : "\nupdate\n") + options.filter));
}

constexpr std::string_view kTokenStart = "1.";  // its version

std::string TokenOf(const ChangeCursor& cursor, const std::string& fingerprint) {
  const auto watermark =
      cursor.watermark.has_value() ? std::to_string(cursor.watermark->time_since_epoch().count()) : std::string("none");
  return std::format("{}{}.{}.{}.{}", kTokenStart, cursor.epoch, cursor.position.lsn(), watermark, fingerprint);
}

template <class Number>
std::optional<Number> NumberOf(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

arrow::Result<ChangeCursor> CursorOf(const std::string& token, const std::string& fingerprint) {
  const auto malformed = [] {
    return arrow::Status::Invalid(
        "This resume token is none of a subscription's; pass the last one as it came, or none to begin with the whole "
        "view");
  };
  std::vector<std::string> parts;
  std::string_view rest = token;
  if (!rest.starts_with(kTokenStart)) return malformed();
  rest.remove_prefix(kTokenStart.size());
  for (;;) {
    const auto dot = rest.find('.');
    parts.emplace_back(rest.substr(0, dot));
    if (dot == std::string_view::npos) break;
    rest.remove_prefix(dot + 1);
  }
  if (parts.size() != 4) return malformed();
  const auto lsn = NumberOf<std::uint64_t>(parts[1]);
  const auto watermark = NumberOf<std::int64_t>(parts[2]);
  if (!lsn.has_value() || (!watermark.has_value() && parts[2] != "none")) return malformed();
  if (parts[3] != fingerprint) {
    return arrow::Status::Invalid(
        "This resume token is of a subscription to another view, with another filter or another \"on\"; subscribe as "
        "before, or without it");
  }
  ChangeCursor cursor{.epoch = parts[0], .position = Position(*lsn)};
  if (watermark.has_value()) cursor.watermark = EventTime(Micros(*watermark));
  return cursor;
}

// The output column that says the window, of sessions their end where it is shown; -1 for none.
int WindowColumnOf(const AggregateQuery& query) {
  const bool by_end = aggregate::ShowsSessionEnds(query);
  const auto shown = std::ranges::find_if(query.output, [&](const auto& column) {
    return column.is_key && column.index == query.window_key && (!by_end || column.after_start != 0);
  });
  return shown == query.output.end() ? -1 : static_cast<int>(shown - query.output.begin());
}

// A row whose aggregates change must not come and go unseen.
arrow::Status CheckFilter(const AggregateQuery& query, const SubscribeOptions& options) {
  std::string shown;
  for (const auto& column : query.output) {
    if (column.is_key) shown += (shown.empty() ? "" : ", ") + column.name;
  }
  for (const auto& name : options.filter_columns) {
    const auto is_key = std::ranges::any_of(query.output, [&](const auto& column) {
      return column.is_key && FoldIdentifier(column.name) == FoldIdentifier(name);
    });
    if (is_key) continue;
    return arrow::Status::Invalid("The filter of a subscription names ", name, ", which is no key of ",
                                  query.view.ToString(), " (", shown.empty() ? "it has none" : shown,
                                  "); filter other columns where the rows arrive");
  }
  return arrow::Status::OK();
}

class SubscriptionImpl final : public Subscription {
 public:
  SubscriptionImpl(CommitPathImpl& path, std::shared_ptr<MaintainedView> view, const SubscribeOptions& options,
                   std::unique_ptr<ViewChanges::Place> place, const Clock& clock)
      : path_(path),
        view_(std::move(view)),
        fingerprint_(FingerprintOf(options)),
        every_(options.every),
        place_(std::move(place)),
        clock_(clock) {}
  ~SubscriptionImpl() override { view_->changes->Leave(*place_); }
  SubscriptionImpl(const SubscriptionImpl&) = delete;
  SubscriptionImpl& operator=(const SubscriptionImpl&) = delete;

  ViewChanges::Awaited Await(Clock::TimePoint deadline) override { return view_->changes->Await(*place_, deadline); }

  arrow::Result<Delivery> Begin(engine::Connection& connection) override {
    if (every_.has_value()) place_->not_before = clock_.Now() + *every_;
    return path_.BeginDelivery(connection, *view_, *place_);
  }

  void Told(const Delivery& delivery) override { view_->changes->MoveTo(*place_, delivery.next); }
  std::string Token() const override { return TokenOf(view_->changes->CursorOf(*place_), fingerprint_); }
  std::string TokenAfter(const Delivery& delivery) const override { return TokenOf(delivery.next, fingerprint_); }

  void Stop(const std::string& why) override { view_->changes->Stop(*place_, why); }
  arrow::Status WhyStopped() const override {
    const auto why = view_->changes->WhyStopped(*place_);
    return why.empty() ? arrow::Status::OK() : arrow::Status::Cancelled(why);
  }
  int window_column() const override { return WindowColumnOf(*view_->query); }
  Position position() const override { return view_->changes->CursorOf(*place_).position; }
  std::int64_t lag() const override { return view_->changes->LagOf(*place_); }
  std::int64_t bytes() const override { return view_->changes->bytes(); }

 private:
  CommitPathImpl& path_;
  const std::shared_ptr<MaintainedView> view_;
  const std::string fingerprint_;
  const std::optional<std::chrono::microseconds> every_;
  const std::unique_ptr<ViewChanges::Place> place_;
  const Clock& clock_;
};

// The windows of one delivery, as they are to be read.
class Told {
 public:
  Told(const MaintainedView& view, const ChangeCursor& cursor, std::optional<EventTime> watermark)
      : view_(view), cursor_(cursor), watermark_(watermark) {}

  bool WasClosed(aggregate::WindowStart window) const { return EndsBy(window, cursor_.watermark); }

  void AddChanges(const std::map<aggregate::WindowStart, WindowChange>& changes, bool on_close) {
    for (const auto& [window, change] : changes) {
      if (on_close && !WasClosed(window)) continue;
      if (change.replaced) gone_.push_back(window);
      auto& selection = change.corrected ? corrected_ : updated_;
      selection.windows[window] = change.groups;
    }
  }

  // Those that have closed since; all that are closed for one who was told nothing.
  void AddClosed(const aggregate::ViewVersion& version, bool from_start) {
    aggregate::WindowsFromLast(version, [&](aggregate::WindowStart window) {
      if (view_.ends->EndOf(window) == EventTime::max()) return true;
      if (!from_start && WasClosed(window)) return false;
      if (EndsBy(window, watermark_)) updated_.windows[window] = std::nullopt;
      return true;
    });
  }

  void MoveTo(Delivery& delivery, const std::shared_ptr<const PinnedSnapshot>& pinned,
              const std::shared_ptr<const aggregate::ViewVersion>& version) && {
    const auto after = WindowAfterStart();
    for (const auto& window : gone_) {
      if (window.is_null) {
        delivery.gone.emplace_back(std::nullopt);
      } else {
        delivery.gone.emplace_back(window.start + after);
      }
    }
    for (const bool corrected : {false, true}) {
      auto& selection = corrected ? corrected_ : updated_;
      if (selection.windows.empty()) continue;
      delivery.rows.push_back({.is_correction = corrected,
                               .seen = std::make_shared<NarrowedSnapshot>(
                                   pinned, view_.query->view, aggregate::SelectRows(version, std::move(selection)))});
    }
  }

 private:
  bool EndsBy(aggregate::WindowStart window, std::optional<EventTime> watermark) const {
    return watermark.has_value() && view_.ends->EndOf(window) <= *watermark;
  }
  std::int64_t WindowAfterStart() const {
    const int column = WindowColumnOf(*view_.query);
    return column < 0 || view_.query->session_gap ? 0
                                                  : view_.query->output[static_cast<std::size_t>(column)].after_start;
  }

  const MaintainedView& view_;
  const ChangeCursor& cursor_;
  const std::optional<EventTime> watermark_;
  std::vector<aggregate::WindowStart> gone_;
  aggregate::ViewSelection updated_, corrected_;
};

}  // namespace

arrow::Result<std::unique_ptr<Subscription>> CommitPathImpl::Subscribe(const SubscribeOptions& options) {
  ChangeCursor cursor;
  if (!options.resume.empty()) {
    ARROW_ASSIGN_OR_RAISE(cursor, CursorOf(options.resume, FingerprintOf(options)));
  }
  ARROW_ASSIGN_OR_RAISE(auto lease, pool_.Begin());
  const std::shared_lock gate(gate_);
  const auto view = registry_.Find(options.view);
  if (view == nullptr) {
    if (lease->TableId(options.view).ok()) {
      return arrow::Status::Invalid(options.view.ToString(),
                                    " is a table; subscriptions are to materialized views: create one over it");
    }
    return UnknownView(options.view);
  }
  if (view->status != ViewStatus::kReady) {
    return arrow::Status::Invalid("Materialized view ", options.view.ToString(), " cannot be read: ", view->problem);
  }
  if (!view->query->shown_sql.empty()) {
    return arrow::Status::NotImplemented("Materialized view ", options.view.ToString(),
                                         " is put together from sessions when it is read, and does not know which of "
                                         "its groups change: subscribe to ",
                                         view->query->source.ToString(), ", or query it");
  }
  ARROW_RETURN_NOT_OK(CheckFilter(*view->query, options));
  if (options.on_close && view->ends == nullptr) {
    std::string why;
    const auto time_column = registry_.OptionsOf(view->query->base).time_column;
    ARROW_RETURN_NOT_OK(WindowEnds::Make(*lease, *view->query, time_column, why).status());
    return arrow::Status::Invalid("The windows of ", options.view.ToString(), " never close: ", why,
                                  "; subscribe with \"on\": \"update\"");
  }
  if (options.on_close && view->query->session_gap && !aggregate::ShowsSessionEnds(*view->query)) {
    return arrow::Status::Invalid("The sessions of ", options.view.ToString(),
                                  " cannot be told by their ends, which it does not show: select window_end in it, or "
                                  "subscribe with \"on\": \"update\"");
  }
  const auto watermark = WatermarkOf(*view);
  auto place =
      view->changes->Join({.on_close = options.on_close, .by_group = options.by_group, .cursor = std::move(cursor)},
                          watermark, *view->state);
  if (options.resume.empty() && options.from_now) {
    view->changes->MoveTo(*place, {.epoch = view->changes->epoch(), .position = position(), .watermark = watermark});
  }
  return std::make_unique<SubscriptionImpl>(*this, view, options, std::move(place), clock_);
}

arrow::Result<Delivery> CommitPathImpl::BeginDelivery(engine::Connection& connection, const MaintainedView& view,
                                                      const ViewChanges::Place& place) {
  std::shared_ptr<const PinnedSnapshot> pinned;
  std::optional<std::map<aggregate::WindowStart, WindowChange>> changes;
  std::optional<EventTime> watermark;
  {
    const std::shared_lock gate(gate_);
    if (const auto why = view.changes->WhyStopped(place); !why.empty()) return arrow::Status::Cancelled(why);
    ARROW_RETURN_NOT_OK(connection.Begin());
    pinned = Pin();
    connection.Attach(pinned);
    changes = view.changes->Since(place);
    watermark = WatermarkOf(view);
  }
  const auto version = pinned->Version(view.query->view);
  if (!version.ok()) {
    ARROW_UNUSED(connection.Rollback());
    return version.status();
  }
  const auto cursor = view.changes->CursorOf(place);
  Delivery delivery{.is_snapshot = !changes.has_value(),
                    .next = {.epoch = view.changes->epoch(), .position = pinned->position(), .watermark = watermark}};
  if (delivery.is_snapshot && !place.on_close) {
    delivery.rows.push_back({.is_correction = false, .seen = pinned});
    return delivery;
  }
  Told told(view, cursor, watermark);
  if (changes.has_value()) told.AddChanges(*changes, place.on_close);
  if (place.on_close) told.AddClosed(**version, delivery.is_snapshot);
  std::move(told).MoveTo(delivery, pinned, *version);
  return delivery;
}

}  // namespace hyprstream::commit
