#include "session/query_log.h"

#include <arrow/status.h>

#include <utility>

namespace hyprstream::session {

namespace {
constexpr std::size_t kTextBytesMax = 1024;
}

std::unique_ptr<QueryLog::Entry> QueryLog::Begin(const RequestContext& context, const std::string& session,
                                                 std::string_view text) {
  auto info = std::make_shared<QueryInfo>();
  info->id = context.request_id;
  info->session = session;
  info->user = context.identity.user;
  info->text = std::string(text.substr(0, kTextBytesMax));
  // Cut at a character's edge: continuation bytes are 10xxxxxx.
  while (text.size() > info->text.size() && !info->text.empty() &&
         (static_cast<unsigned char>(text[info->text.size()]) & 0xC0U) == 0x80U) {
    info->text.pop_back();
  }
  info->route = "local";
  info->state = "running";
  const MutexLock lock(mutex_);
  entries_.push_back(info);
  if (entries_.size() > entries_max_) entries_.pop_front();
  ++running_;
  return std::unique_ptr<Entry>(new Entry(*this, std::move(info)));
}

void QueryLog::Entry::SetRoute(const std::string& route) {
  const MutexLock lock(log_.mutex_);
  info_->route = route;
}

void QueryLog::Entry::Finish(const arrow::Status& status, std::int64_t rows) {
  if (std::exchange(finished_, true)) return;
  const MutexLock lock(log_.mutex_);
  --log_.running_;
  info_->ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - started_).count();
  info_->rows = rows;
  info_->state = status.ok() ? "finished" : status.IsCancelled() ? "cancelled" : "failed";
  info_->error = status.ok() ? "" : status.message().substr(0, kTextBytesMax);
}

QueryLog::Entry::~Entry() { Finish(arrow::Status::Cancelled("abandoned"), 0); }

std::vector<QueryInfo> QueryLog::Entries() const {
  const MutexLock lock(mutex_);
  std::vector<QueryInfo> infos;
  for (const auto& entry : entries_) infos.push_back(*entry);
  return infos;
}

int QueryLog::running() const {
  const MutexLock lock(mutex_);
  return running_;
}

}  // namespace hyprstream::session
