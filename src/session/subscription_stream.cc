#include "session/subscription_stream.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/array/util.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <array>
#include <format>
#include <utility>

#include "session/result_reader.h"

namespace hyprstream::session {

namespace {

using SteadyClock = std::chrono::steady_clock;
using Rows = std::vector<std::shared_ptr<arrow::RecordBatch>>;

// How often a waiting thread asks whether its caller is still there.
constexpr std::chrono::milliseconds kCallerPoll{200};
constexpr std::chrono::milliseconds kPeriodMin{1};
constexpr std::chrono::days kPeriodMax{365};

constexpr const char* kReset = "reset";
constexpr const char* kUpsert = "upsert";
constexpr const char* kCorrection = "correction";
constexpr const char* kDelete = "delete";

std::shared_ptr<arrow::Schema> WithOpField(const arrow::Schema& rows) {
  auto fields = rows.fields();
  fields.insert(fields.begin(), arrow::field("op", arrow::utf8(), /*nullable=*/false));
  return arrow::schema(std::move(fields));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Together(Rows batches) {
  if (batches.size() == 1) return std::move(batches[0]);
  return arrow::ConcatenateRecordBatches(batches);
}

// Windows by their numbers, as the view's column has them.
arrow::Result<std::shared_ptr<arrow::Array>> WindowsAs(const std::shared_ptr<arrow::DataType>& type,
                                                       const std::vector<std::optional<std::int64_t>>& windows) {
  const auto build = [&](auto builder) -> arrow::Result<std::shared_ptr<arrow::Array>> {
    using Value = typename decltype(builder)::value_type;
    for (const auto& window : windows) {
      ARROW_RETURN_NOT_OK(window.has_value() ? builder.Append(static_cast<Value>(*window)) : builder.AppendNull());
    }
    ARROW_ASSIGN_OR_RAISE(const auto numbers, builder.Finish());
    return numbers->View(type);
  };
  return type->bit_width() == 32 ? build(arrow::Int32Builder()) : build(arrow::Int64Builder());
}

}  // namespace

SubscriptionStream::SubscriptionStream(const RequestContext& context, SessionServices& services, Parts parts)
    : context_(context),
      services_(services),
      parts_(std::move(parts)),
      schema_(WithOpField(*parts_.rows_schema)),
      id_("sub" + std::to_string(services.subscriptions.NextNumber())) {
  {
    const MutexLock lock(parts_.session->mutex_);
    ++parts_.session->subscriptions_;
  }
  services_.subscriptions.Add(*this, parts_.session.get());
  const MutexLock lock(parts_.session->mutex_);
  if (parts_.session->closed_) Stop(kSessionClosed);  // its Close() may have come too early to find this one
}

SubscriptionStream::~SubscriptionStream() {
  services_.subscriptions.Remove(*this);
  const MutexLock lock(parts_.session->mutex_);
  --parts_.session->subscriptions_;
  parts_.session->last_used_ = SteadyClock::now();
}

// ---- waiting

arrow::Status SubscriptionStream::CheckWanted() const {
  ARROW_RETURN_NOT_OK(parts_.subscription->WhyStopped());
  if (context_.IsCancelled()) return arrow::Status::Cancelled("The subscription was ended by its caller");
  return arrow::Status::OK();
}

arrow::Result<SubscriptionStream::Waited> SubscriptionStream::Await() {
  for (;;) {
    ARROW_RETURN_NOT_OK(CheckWanted());
    const auto awaited = parts_.subscription->Await(SteadyClock::now() + kCallerPoll);
    if (awaited == commit::ViewChanges::Awaited::kDue) return Waited::kDue;
    if (awaited == commit::ViewChanges::Awaited::kStopped) continue;
    if (OwesToken()) return Waited::kQuiet;
  }
}

bool SubscriptionStream::OwesToken() const {
  if (SteadyClock::now() - last_given_ < services_.limits.subscription_token_period) return false;
  return parts_.subscription->Token() != last_token_;
}

arrow::Result<ChangeStream::Message> SubscriptionStream::Next() {
  for (;;) {
    if (held_.has_value()) return Give(*std::exchange(held_, std::nullopt));
    std::unique_ptr<Reading> streaming;
    {
      const MutexLock lock(mutex_);
      if (stalled_) {
        const std::chrono::duration<double> stall_max = services_.subscriptions.stall_max();
        return arrow::Status::Cancelled("The subscriber took nothing for ", std::format("{:g}", stall_max.count()),
                                        " s in the middle of a large update, for which states are kept; subscribe "
                                        "again with the last resume token, and read faster or filter more");
      }
      streaming = std::move(streaming_);
      state_ = streaming == nullptr ? "waiting" : "reading";
      held_bytes_ = 0;
    }
    if (streaming != nullptr) {
      ARROW_ASSIGN_OR_RAISE(auto message, NextOf(*streaming));
      if (message.resume.empty()) {
        const MutexLock lock(mutex_);
        streaming_ = std::move(streaming);
        given_at_ = SteadyClock::now();
      }
      return Give(std::move(message));
    }
    ARROW_ASSIGN_OR_RAISE(const auto waited, Await());
    if (waited == Waited::kDue) {
      ARROW_ASSIGN_OR_RAISE(const bool any, Read(OpenSubscriptions::Reading::kHeld));
      if (any || !OwesToken()) continue;  // the filter may leave out all that changes, for long
    }
    ARROW_ASSIGN_OR_RAISE(auto nothing, arrow::RecordBatch::MakeEmpty(schema_));
    return Give({.batch = std::move(nothing),
                 .position = parts_.subscription->position(),
                 .resume = parts_.subscription->Token()});
  }
}

ChangeStream::Message SubscriptionStream::Give(Message message) {
  last_given_ = SteadyClock::now();
  if (!message.resume.empty()) last_token_ = message.resume;
  const MutexLock lock(mutex_);
  state_ = "sending";
  held_bytes_ = arrow::util::TotalBufferSize(*message.batch);
  ++messages_;
  rows_ += message.batch->num_rows();
  const bool whole = message.is_snapshot && !message.resume.empty();
  const bool missed = whole && (snapshots_ > 0 || !parts_.request.resume.empty());
  if (whole) ++snapshots_;
  services_.subscriptions.Count({.messages = 1, .rows = message.batch->num_rows(), .resets = missed ? 1 : 0});
  return message;
}

void SubscriptionStream::EndIfStalled() {
  std::unique_ptr<Reading> ended;  // without the lock
  const MutexLock lock(mutex_);
  if (streaming_ == nullptr || SteadyClock::now() - given_at_ < services_.subscriptions.stall_max()) return;
  ended = std::move(streaming_);
  stalled_ = true;
  state_ = "stalled";
  services_.subscriptions.Count({.stalled = 1});
  held_bytes_ = 0;
}

// ---- reading

arrow::Result<std::unique_ptr<SubscriptionStream::Reading>> SubscriptionStream::Open(OpenSubscriptions::Reading how) {
  auto turn = services_.subscriptions.TakeTurn(how, [this] { return !CheckWanted().ok(); });
  if (turn == nullptr) return CheckWanted();
  auto& session = *parts_.session;
  ARROW_ASSIGN_OR_RAISE(auto extra, session.AcquireExtra());
  ARROW_ASSIGN_OR_RAISE(auto lease, session.Ready(std::move(extra)));
  ARROW_RETURN_NOT_OK(PutSettings(lease));
  auto watch = services_.watcher.Begin(context_, lease.connection(), &session);
  const auto version = services_.commits.catalog_version();
  ARROW_ASSIGN_OR_RAISE(auto delivery, parts_.subscription->Begin(lease.connection()));
  auto reading = std::make_unique<Reading>(Reading{
      .turn = std::move(turn), .lease = std::move(lease), .watch = std::move(watch), .delivery = std::move(delivery)});
  if (!reading->delivery.rows.empty()) {
    const auto plan = session.PlanQuery(*reading->lease, *parts_.select, version);
    ARROW_RETURN_NOT_OK(reading->watch->Explain(plan.status()));
    reading->plan = *plan;
  }
  return reading;
}

// The session may have set others since, and what the filter said of a row it must go on saying.
arrow::Status SubscriptionStream::PutSettings(LaneLease& lease) const {
  const auto& settings = parts_.settings;
  if (lease->settings_applied == settings.version) return arrow::Status::OK();
  lease->settings_applied = 0;  // whoever has the lane next gets the session's again
  lease->ForgetPlans();
  auto& connection = lease.connection();
  ARROW_RETURN_NOT_OK(connection.SetSearchPath(settings.search_path));
  ARROW_RETURN_NOT_OK(connection.Begin());
  for (const auto& statement : settings.statements) ARROW_RETURN_NOT_OK(connection.Run(statement).status());
  return connection.Commit();
}

// What has changed, as one message to be given, or as the first batches of many. False: there is nothing to give.
arrow::Result<bool> SubscriptionStream::Read(OpenSubscriptions::Reading how) {
  {
    const MutexLock lock(mutex_);
    state_ = "reading";
  }
  ARROW_ASSIGN_OR_RAISE(auto reading, Open(how));
  Rows batches;
  std::int64_t bytes = 0;
  while (bytes <= OpenSubscriptions::kHeldBytesMax) {
    ARROW_ASSIGN_OR_RAISE(auto batch, NextBatch(*reading));
    if (batch == nullptr) {
      const bool any = !batches.empty();
      ARROW_RETURN_NOT_OK(Finish(*reading, std::move(batches)));
      return any;
    }
    bytes += arrow::util::TotalBufferSize(*batch);
    batches.push_back(std::move(batch));
  }
  if (how == OpenSubscriptions::Reading::kHeld) {  // too large to be held: again, when it may be streamed
    reading.reset();
    batches.clear();
    return Read(OpenSubscriptions::Reading::kStreamed);
  }
  ARROW_ASSIGN_OR_RAISE(reading->ahead, Together(std::move(batches)));
  const MutexLock lock(mutex_);
  streaming_ = std::move(reading);
  given_at_ = SteadyClock::now();
  return true;
}

arrow::Status SubscriptionStream::Finish(Reading& reading, Rows batches) {
  const auto& delivery = reading.delivery;
  parts_.subscription->Told(delivery);
  if (batches.empty()) return arrow::Status::OK();
  ARROW_ASSIGN_OR_RAISE(auto batch, Together(std::move(batches)));
  held_ = {.batch = std::move(batch),
           .position = delivery.next.position,
           .resume = parts_.subscription->TokenAfter(delivery),
           .is_snapshot = delivery.is_snapshot};
  return arrow::Status::OK();
}

arrow::Result<ChangeStream::Message> SubscriptionStream::NextOf(Reading& reading) {
  ARROW_RETURN_NOT_OK(CheckWanted());
  Message message{.batch = std::move(reading.ahead),
                  .position = reading.delivery.next.position,
                  .is_snapshot = reading.delivery.is_snapshot};
  ARROW_ASSIGN_OR_RAISE(reading.ahead, NextBatch(reading));
  if (reading.ahead != nullptr) return message;
  parts_.subscription->Told(reading.delivery);
  message.resume = parts_.subscription->TokenAfter(reading.delivery);
  return message;
}

// Null at the end.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> SubscriptionStream::NextBatch(Reading& reading) {
  const auto& delivery = reading.delivery;
  if (!std::exchange(reading.began, true) && (delivery.is_snapshot || !delivery.gone.empty())) {
    return Forgotten(delivery);
  }
  for (;;) {
    if (reading.rows == nullptr) {
      if (reading.next_rows == delivery.rows.size()) return nullptr;
      auto& connection = reading.lease.connection();
      connection.Attach(delivery.rows[reading.next_rows++].seen);
      auto executed = connection.Execute(*reading.plan, nullptr, engine::ResultMode::kStreaming);
      ARROW_RETURN_NOT_OK(reading.watch->Explain(executed.status()));
      reading.rows = NormalizeResult(std::move(executed->rows));
      if (!reading.rows->schema()->Equals(*parts_.rows_schema, /*check_metadata=*/false)) {
        return arrow::Status::Invalid("The view's columns changed; subscribe again");
      }
    }
    std::shared_ptr<arrow::RecordBatch> batch;
    const auto read = reading.rows->ReadNext(&batch);
    if (!read.ok()) return reading.watch->Explain(read);
    if (batch == nullptr) {
      reading.rows.reset();
    } else if (batch->num_rows() > 0) {
      return WithOp(delivery.rows[reading.next_rows - 1].is_correction ? kCorrection : kUpsert, *batch);
    }
  }
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> SubscriptionStream::WithOp(const char* op,
                                                                              const arrow::RecordBatch& rows) const {
  ARROW_ASSIGN_OR_RAISE(const auto ops, arrow::MakeArrayFromScalar(arrow::StringScalar(op), rows.num_rows()));
  auto columns = rows.columns();
  columns.insert(columns.begin(), ops);
  return arrow::RecordBatch::Make(schema_, rows.num_rows(), std::move(columns));
}

// One row that says to forget everything, or one for each window whose rows are to be forgotten.
arrow::Result<std::shared_ptr<arrow::RecordBatch>> SubscriptionStream::Forgotten(
    const commit::Delivery& delivery) const {
  const auto rows = delivery.is_snapshot ? 1 : std::ssize(delivery.gone);
  const int window = delivery.is_snapshot ? -1 : parts_.subscription->window_column();
  arrow::ArrayVector columns;
  for (const auto& field : parts_.rows_schema->fields()) {
    if (static_cast<int>(columns.size()) == window) {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), WindowsAs(field->type(), delivery.gone));
    } else {
      ARROW_ASSIGN_OR_RAISE(columns.emplace_back(), arrow::MakeArrayOfNull(field->type(), rows));
    }
  }
  return WithOp(delivery.is_snapshot ? kReset : kDelete,
                *arrow::RecordBatch::Make(parts_.rows_schema, rows, std::move(columns)));
}

SubscriptionInfo SubscriptionStream::Info() const {
  const auto& request = parts_.request;
  const MutexLock lock(mutex_);
  return {.id = id_,
          .session = parts_.session->id(),
          .user = parts_.session->identity().user,
          .view = request.view,
          .on = request.on,
          .rows = request.rows,
          .where = request.where,
          .state = state_,
          .position = parts_.subscription->position().ToString(),
          .lag = parts_.subscription->lag(),
          .bytes = held_bytes_,
          .change_bytes = parts_.subscription->bytes(),
          .messages = messages_,
          .rows_sent = rows_,
          .snapshots = snapshots_};
}

// ---- subscribing

namespace {

// 0: it is none, or too long.
commit::Micros PeriodOf(engine::Connection& connection, const std::string& text) {
  const auto period = commit::EvaluateInterval(connection, "TRY_CAST(" + QuoteLiteral(text) + " AS INTERVAL)");
  if (!period.ok() || period->months != 0) return commit::Micros(0);
  const std::chrono::days days(period->days);
  const std::chrono::microseconds rest(period->micros);
  if (days > kPeriodMax || rest > kPeriodMax || days < -kPeriodMax || rest < -kPeriodMax) return commit::Micros(0);
  return days + rest <= kPeriodMax ? days + rest : commit::Micros(0);
}

}  // namespace

arrow::Result<SubscribedSettings> SessionImpl::SettingsOf(LaneLease& lease) {
  static constexpr std::array<const char*, 4> kNames = {"TimeZone", "Calendar", "default_order", "default_null_order"};
  SubscribedSettings settings{.version = lease->settings_applied};
  ARROW_ASSIGN_OR_RAISE(settings.search_path, lease.connection().SearchPath());
  for (const auto* name : kNames) {
    const auto sql = std::string("SELECT current_setting('") + name + "')::VARCHAR";
    ARROW_ASSIGN_OR_RAISE(const auto executed, lease.connection().Run(sql));
    ARROW_ASSIGN_OR_RAISE(const auto batches, executed.rows->ToRecordBatches());
    ARROW_ASSIGN_OR_RAISE(const auto value, batches.at(0)->column(0)->GetScalar(0));
    settings.statements.push_back(std::string("SET ") + name + " = " + QuoteLiteral(value->ToString()));
  }
  return settings;
}

arrow::Result<commit::SubscribeOptions> SessionImpl::ReadRequest(LaneLease& lease, const SubscriptionRequest& request) {
  commit::SubscribeOptions options;
  options.view = request.view;
  if (!request.schema_given) options.view.schema = lease.connection().CurrentSchema();
  options.resume = request.resume;
  options.from_now = !request.snapshot;
  if (request.rows != "windows" && request.rows != "groups") {
    return arrow::Status::Invalid("\"rows\" of a subscription must be \"windows\" or \"groups\", not \"", request.rows,
                                  "\"");
  }
  options.by_group = request.rows == "groups";
  options.on_close = request.on == "close";
  if (request.on != "close" && request.on != "update") {
    const auto period = PeriodOf(lease.connection(), request.on);
    if (period < kPeriodMin) {
      return arrow::Status::Invalid(
          "\"on\" of a subscription must be \"update\", \"close\" or a period such as "
          "\"1 second\", at most 365 days, not \"",
          request.on, "\"");
    }
    options.every = period;
  }
  if (!request.where.empty()) {
    ARROW_ASSIGN_OR_RAISE(auto condition, services_.engine.ParseCondition(lease.connection(), request.where));
    options.filter = std::move(condition.sql);
    options.filter_columns = std::move(condition.columns);
  }
  return options;
}

arrow::Result<std::unique_ptr<ChangeStream>> SessionImpl::Subscribe(const RequestContext& context,
                                                                    const SubscriptionRequest& request) {
  SubscriptionStream::Parts parts{.session = shared_from_this(),
                                  .place = nullptr,
                                  .subscription = nullptr,
                                  .select = nullptr,
                                  .rows_schema = nullptr,
                                  .request = request};
  ARROW_ASSIGN_OR_RAISE(parts.place, services_.subscriptions.TakePlace());
  ARROW_ASSIGN_OR_RAISE(auto extra, AcquireExtra());
  ARROW_ASSIGN_OR_RAISE(auto lease, Ready(std::move(extra)));
  const auto watch = services_.watcher.Begin(context, lease.connection(), this);
  ARROW_RETURN_NOT_OK(services_.commits.Begin(lease.connection()));
  auto options = ReadRequest(lease, request);
  auto settings = SettingsOf(lease);
  const auto zone = lease.connection().TimeZone();
  ARROW_RETURN_NOT_OK(lease.connection().Rollback());
  ARROW_RETURN_NOT_OK(options.status());
  ARROW_ASSIGN_OR_RAISE(parts.settings, std::move(settings));
  ARROW_RETURN_NOT_OK(zone.status());
  parts.request.view = options->view;
  const auto where = options->filter.empty() ? std::string() : " WHERE (" + options->filter + ")";
  if (!where.empty() && *zone != "UTC") options->filter += "\nin " + *zone;  // times mean others elsewhere
  ARROW_ASSIGN_OR_RAISE(parts.subscription, services_.commits.Subscribe(*options));
  ARROW_ASSIGN_OR_RAISE(parts.select,
                        ParseOne("SELECT * FROM " + lease.connection().LastingName(options->view) + where));
  const auto described = DescribeOn(lease, *parts.select);
  ARROW_RETURN_NOT_OK(watch->Explain(described.status()));
  parts.rows_schema = described->schema;
  return std::make_unique<SubscriptionStream>(context, services_, std::move(parts));
}

}  // namespace hyprstream::session
