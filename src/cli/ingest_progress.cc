#include "cli/ingest_progress.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <format>
#include <utility>

namespace hyprstream::cli {
namespace {

constexpr std::chrono::milliseconds kBarPeriod{100};
constexpr std::chrono::seconds kLinePeriod{10};
constexpr std::string_view kEraseLine = "\r\x1b[K";

std::string Bar(double fraction) {
  constexpr std::size_t kWidth = 30;
  const auto done = static_cast<std::size_t>(std::clamp(fraction, 0.0, 1.0) * kWidth);
  return "[" + std::string(done, '=') + std::string(kWidth - done, ' ') + "]";
}

}  // namespace

std::string Grouped(std::int64_t number) {
  std::string digits = std::to_string(number);
  const std::size_t first = digits.front() == '-' ? 1 : 0;
  for (std::size_t at = digits.size(); at > first + 3; at -= 3) digits.insert(at - 3, ",");
  return digits;
}

std::string RowRate(std::int64_t rows, double seconds) {
  if (seconds <= 0) return {};
  return Grouped(std::llround(static_cast<double>(rows) / seconds)) + " rows/s";
}

IngestProgress::IngestProgress(IngestProgressOptions options, const Clock& clock)
    : options_(std::move(options)),
      clock_(clock),
      start_(clock.Now()),
      next_(start_ + (options_.terminal ? Clock::TimePoint::duration(kBarPeriod) : kLinePeriod)) {}

double IngestProgress::seconds() const { return std::chrono::duration<double>(clock_.Now() - start_).count(); }

void IngestProgress::Show(std::int64_t rows, double fraction) {
  if (options_.quiet) return;
  const MutexLock lock(mutex_);
  const auto now = clock_.Now();
  if (now < next_) return;
  const std::string percent = fraction < 0 ? "" : std::format("{:.0f} %", std::clamp(fraction, 0.0, 1.0) * 100);
  const std::string counts = Grouped(rows) + " rows, " + RowRate(rows, seconds());
  if (options_.terminal) {
    next_ = now + kBarPeriod;
    bar_ = (fraction < 0 ? "" : Bar(fraction) + std::format(" {:>5}  ", percent)) + counts;
    Write(std::string(kEraseLine) + bar_);
  } else {
    next_ = now + kLinePeriod;
    Write((percent.empty() ? "" : percent + ", ") + counts + "\n");
  }
}

void IngestProgress::Say(const std::string& line) {
  const MutexLock lock(mutex_);
  Write((bar_.empty() ? std::string() : std::string(kEraseLine)) + line + "\n" + bar_);
}

void IngestProgress::Finish() {
  const MutexLock lock(mutex_);
  if (!std::exchange(bar_, {}).empty()) Write(std::string(kEraseLine));
}

void IngestProgress::Write(const std::string& text) const { options_.write(text); }

}  // namespace hyprstream::cli
