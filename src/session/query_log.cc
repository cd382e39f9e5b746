#include "session/query_log.h"

#include <arrow/status.h>

#include <algorithm>
#include <utility>

namespace hyprstream::session {

namespace {

using Clock = std::chrono::steady_clock;
constexpr std::size_t kTextBytesMax = 1024;

double Milliseconds(Clock::duration duration) { return std::chrono::duration<double, std::milli>(duration).count(); }

// Cut at a character's edge: continuation bytes are 10xxxxxx.
std::string Cut(std::string_view text) {
  std::size_t end = std::min(text.size(), kTextBytesMax);
  while (end > 0 && end < text.size() && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
  return std::string(text.substr(0, end));
}

}  // namespace

enum class Phase { kRunning, kPlanned, kFinished };

struct Logged {
  QueryInfo info;
  Phase phase = Phase::kRunning;
  Clock::time_point running_since = Clock::now();
};

std::unique_ptr<QueryLog::Entry> QueryLog::Begin(const RequestContext& context, const std::string& session,
                                                 std::string_view text) {
  auto logged = std::make_shared<Logged>();
  logged->info.id = context.request_id;
  logged->info.session = session;
  logged->info.user = context.identity.user;
  logged->info.text = Cut(text);
  logged->info.route = "local";
  logged->info.state = "running";
  const MutexLock lock(mutex_);
  entries_.push_back(logged);
  if (entries_.size() > entries_max_) entries_.pop_front();
  ++running_;
  return std::unique_ptr<Entry>(new Entry(*this, std::move(logged)));
}

void QueryLog::Entry::SetRoute(const std::string& route) {
  const MutexLock lock(log_.mutex_);
  logged_->info.route = route;
}

void QueryLog::Entry::Plan() {
  const MutexLock lock(log_.mutex_);
  if (logged_->phase != Phase::kRunning) return;
  --log_.running_;
  logged_->phase = Phase::kPlanned;
  logged_->info.state = "planned";
  logged_->info.ms += Milliseconds(Clock::now() - logged_->running_since);
}

void QueryLog::Entry::Resume() {
  const MutexLock lock(log_.mutex_);
  if (logged_->phase != Phase::kPlanned) return;
  ++log_.running_;
  logged_->phase = Phase::kRunning;
  logged_->info.state = "running";
  logged_->running_since = Clock::now();
}

void QueryLog::Entry::Finish(const arrow::Status& status, std::int64_t rows) {
  const MutexLock lock(log_.mutex_);
  auto& info = logged_->info;
  if (logged_->phase == Phase::kFinished) return;
  if (logged_->phase == Phase::kRunning) {
    --log_.running_;
    info.ms += Milliseconds(Clock::now() - logged_->running_since);
  }
  logged_->phase = Phase::kFinished;
  info.rows = rows;
  info.state = status.ok() ? "finished" : status.IsCancelled() ? "cancelled" : "failed";
  info.error = status.ok() ? "" : Cut(status.message());
}

QueryLog::Entry::~Entry() { Finish(arrow::Status::Cancelled("Its rows were never fetched"), 0); }

std::vector<QueryInfo> QueryLog::Entries() const {
  const MutexLock lock(mutex_);
  std::vector<QueryInfo> infos;
  for (const auto& entry : entries_) {
    infos.push_back(entry->info);
    if (entry->phase == Phase::kRunning) infos.back().ms += Milliseconds(Clock::now() - entry->running_since);
  }
  return infos;
}

int QueryLog::running() const {
  const MutexLock lock(mutex_);
  return running_;
}

}  // namespace hyprstream::session
