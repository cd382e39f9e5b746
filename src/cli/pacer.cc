#include "cli/pacer.h"

#include <arrow/array/array_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/checked_cast.h>
#include <strings.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <optional>
#include <utility>

namespace hyprstream::cli {
namespace {

using arrow::internal::checked_cast;
using Seconds = std::chrono::duration<double>;

constexpr double kPortionSeconds = 0.1;

Clock::TimePoint After(Clock::TimePoint start, double seconds) {
  constexpr double kForever = 1e9;  // what a clock still holds
  return start + std::chrono::round<std::chrono::nanoseconds>(Seconds(std::clamp(seconds, 0.0, kForever)));
}

class UnboundPacer final : public Pacer {
 public:
  explicit UnboundPacer(const Clock& clock) : start_(clock.Now()) {}

  arrow::Result<Portion> Next(const arrow::RecordBatch& batch, std::int64_t row) override {
    return Portion{.rows = batch.num_rows() - row, .due = start_};
  }

 private:
  const Clock::TimePoint start_;
};

class RatePacer final : public Pacer {
 public:
  RatePacer(double rows_per_second, const Clock& clock) : rate_(rows_per_second), clock_(clock) {}

  arrow::Result<Portion> Next(const arrow::RecordBatch& batch, std::int64_t row) override {
    if (!start_) start_ = clock_.Now();
    constexpr double kRowsMax = 1e9;
    const auto together = static_cast<std::int64_t>(std::clamp(rate_ * kPortionSeconds, 1.0, kRowsMax));
    const Portion portion{.rows = std::min(batch.num_rows() - row, together), .due = After(*start_, sent_ / rate_)};
    sent_ += static_cast<double>(portion.rows);
    return portion;
  }

 private:
  const double rate_;
  const Clock& clock_;
  std::optional<Clock::TimePoint> start_;
  double sent_ = 0;
};

// Seconds of one tick; 0 when the type holds no time of day or date.
double TickSeconds(const arrow::DataType& type) {
  constexpr double kDay = 86400;
  if (type.id() == arrow::Type::DATE32) return kDay;
  if (type.id() == arrow::Type::DATE64) return 1e-3;
  if (type.id() != arrow::Type::TIMESTAMP) return 0;
  switch (checked_cast<const arrow::TimestampType&>(type).unit()) {
    case arrow::TimeUnit::SECOND:
      return 1;
    case arrow::TimeUnit::MILLI:
      return 1e-3;
    case arrow::TimeUnit::MICRO:
      return 1e-6;
    case arrow::TimeUnit::NANO:
      return 1e-9;
  }
  return 0;
}

class ReplayPacer final : public Pacer {
 public:
  ReplayPacer(double speed, std::string column, const Clock& clock)
      : speed_(speed), column_(std::move(column)), clock_(clock) {}

  arrow::Result<Portion> Next(const arrow::RecordBatch& batch, std::int64_t row) override {
    ARROW_ASSIGN_OR_RAISE(const auto times, TimesOf(batch));
    if (!start_) start_ = clock_.Now();
    std::optional<double> limit;  // of this portion
    std::int64_t end = row;
    for (; end < batch.num_rows(); ++end) {
      if (times->IsNull(end)) continue;
      const double time = TimeAt(*times, end);
      if (!first_) first_ = latest_ = time;
      if (!limit) limit = std::max(latest_, time) + kPortionSeconds * speed_;
      if (time > *limit) break;
      latest_ = std::max(latest_, time);
    }
    return Portion{.rows = end - row, .due = After(*start_, (latest_ - first_.value_or(0)) / speed_)};
  }

 private:
  arrow::Result<std::shared_ptr<arrow::Array>> TimesOf(const arrow::RecordBatch& batch) const {
    for (int i = 0; i < batch.num_columns(); ++i) {
      if (strcasecmp(batch.schema()->field(i)->name().c_str(), column_.c_str()) != 0) continue;
      const auto& type = *batch.column(i)->type();
      if (TickSeconds(type) == 0) {
        return arrow::Status::Invalid("Column ", column_, " holds ", type.ToString(),
                                      ", but --replay needs times; name another column with --time");
      }
      return batch.column(i);
    }
    return arrow::Status::Invalid("There is no column ", column_, " to replay by; name another with --time");
  }

  static double TimeAt(const arrow::Array& times, std::int64_t row) {
    const double tick = TickSeconds(*times.type());
    if (times.type_id() == arrow::Type::DATE32) return checked_cast<const arrow::Date32Array&>(times).Value(row) * tick;
    // The others are 64 bits wide alike.
    return static_cast<double>(times.data()->GetValues<std::int64_t>(1)[row]) * tick;
  }

  const double speed_;
  const std::string column_;
  const Clock& clock_;
  std::optional<Clock::TimePoint> start_;
  std::optional<double> first_;  // event time in seconds
  double latest_ = 0;
};

}  // namespace

std::unique_ptr<Pacer> MakeUnboundPacer(const Clock& clock) { return std::make_unique<UnboundPacer>(clock); }

std::unique_ptr<Pacer> MakeRatePacer(double rows_per_second, const Clock& clock) {
  return std::make_unique<RatePacer>(rows_per_second, clock);
}

std::unique_ptr<Pacer> MakeReplayPacer(double speed, std::string column, const Clock& clock) {
  return std::make_unique<ReplayPacer>(speed, std::move(column), clock);
}

}  // namespace hyprstream::cli
