#include "session/session_registry.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <map>
#include <thread>
#include <utility>

#include "base/random_handle.h"
#include "session/session_internal.h"

namespace hyprstream::session {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kDrainPoll{10};
constexpr std::chrono::milliseconds kSweepMax{30'000};

class SessionRegistryImpl : public SessionRegistry {
 public:
  SessionRegistryImpl(engine::Engine& engine, commit::CommitPath& commits, SessionLimits limits)
      : services_{.engine = engine, .commits = commits, .limits = limits}, sweeper_([this] { Sweep(); }) {}

  ~SessionRegistryImpl() override {
    {
      const MutexLock lock(mutex_);
      closing_ = true;
      sweep_.NotifyAll();
    }
    sweeper_.join();
    for (const auto& session : All()) session->Close();
  }

  arrow::Result<std::shared_ptr<Session>> Open(const SessionKey& key, const Identity& identity,
                                               const std::string& peer) override {
    std::vector<std::shared_ptr<SessionImpl>> expired;
    auto opened = OpenLocked(key, identity, peer, expired);
    for (const auto& session : expired) session->Close();
    return opened;
  }

  bool Close(const SessionKey& key) override {
    std::shared_ptr<SessionImpl> session;
    {
      const MutexLock lock(mutex_);
      const auto found = sessions_.find(key);
      if (found == sessions_.end()) return false;
      session = std::move(found->second);
      sessions_.erase(found);
    }
    session->Close();
    return true;
  }

  arrow::Result<std::shared_ptr<Session>> FindTicket(const Identity& identity, const Handle& ticket) override {
    for (auto& session : All()) {
      if (session->identity() == identity && session->HasSharedTicket(ticket)) return session;
    }
    return arrow::Status::KeyError("Unknown ticket: it was fetched already, expired, or belongs to another user");
  }

  std::vector<SessionInfo> Sessions() const override {
    std::vector<SessionInfo> infos;
    for (const auto& session : All()) infos.push_back(session->Info());
    return infos;
  }

  std::vector<QueryInfo> Queries() const override { return services_.log.Entries(); }

  void Drain(std::chrono::milliseconds bound) override {
    const auto deadline = SteadyClock::now() + bound;
    {
      const MutexLock lock(mutex_);
      draining_ = true;
      while (services_.log.running() > 0 && SteadyClock::now() < deadline) {
        tick_.WaitUntil(mutex_, SteadyClock::now() + kDrainPoll);
      }
    }
    for (const auto& session : All()) session->Close();
  }

 private:
  arrow::Result<std::shared_ptr<Session>> OpenLocked(const SessionKey& key, const Identity& identity,
                                                     const std::string& peer,
                                                     std::vector<std::shared_ptr<SessionImpl>>& expired) {
    const MutexLock lock(mutex_);
    if (draining_) return arrow::Status::Cancelled("The server is shutting down");
    const auto found = sessions_.find(key);
    if (found != sessions_.end()) {
      if (!(found->second->identity() == identity)) {
        return arrow::Status::Invalid("This session belongs to another user");
      }
      found->second->Touch();
      return found->second;
    }
    if (Full()) DropIdle(expired);
    if (Full()) MakeRoom(identity, expired);
    if (Full()) {
      return arrow::Status::CapacityError("The server has ", sessions_.size(),
                                          " sessions (sessions_max), all of them busy, in a transaction or of other "
                                          "users; close some or try again later");
    }
    auto session = std::make_shared<SessionImpl>(services_, identity, "s" + std::to_string(++made_), peer);
    ARROW_RETURN_NOT_OK(session->Open());
    sessions_[key] = session;
    return session;
  }

  bool Full() const REQUIRES(mutex_) { return static_cast<int>(sessions_.size()) >= services_.limits.sessions_max; }

  // Clients that never close their session (most do not) must not lock their user out.
  void MakeRoom(const Identity& identity, std::vector<std::shared_ptr<SessionImpl>>& expired) REQUIRES(mutex_) {
    auto oldest = sessions_.end();
    for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
      if (!(at->second->identity() == identity) || !at->second->idle()) continue;
      if (oldest == sessions_.end() || at->second->last_used() < oldest->second->last_used()) oldest = at;
    }
    if (oldest == sessions_.end()) return;
    expired.push_back(std::move(oldest->second));
    sessions_.erase(oldest);
  }

  // "session-sweep": ends what nobody uses any more.
  void Sweep() {
    const auto interval = std::clamp(services_.limits.idle_max / 4, std::chrono::milliseconds(10), kSweepMax);
    for (;;) {
      std::vector<std::shared_ptr<SessionImpl>> expired;
      {
        const MutexLock lock(mutex_);
        const auto next = SteadyClock::now() + interval;
        while (!closing_ && SteadyClock::now() < next) sweep_.WaitUntil(mutex_, next);
        if (closing_) return;
        DropIdle(expired);
      }
      for (const auto& session : expired) session->Close();
      for (const auto& session : All()) session->Expire(SteadyClock::now() - services_.limits.idle_max);
    }
  }

  void DropIdle(std::vector<std::shared_ptr<SessionImpl>>& expired) REQUIRES(mutex_) {
    const auto now = SteadyClock::now();
    std::erase_if(sessions_, [&](const auto& entry) {
      if (now - entry.second->last_used() < services_.limits.idle_max) return false;
      expired.push_back(entry.second);
      return true;
    });
  }

  std::vector<std::shared_ptr<SessionImpl>> All() const {
    const MutexLock lock(mutex_);
    std::vector<std::shared_ptr<SessionImpl>> all;
    for (const auto& [key, session] : sessions_) all.push_back(session);
    return all;
  }

  SessionServices services_;
  mutable Mutex mutex_;
  CondVar tick_;
  std::map<SessionKey, std::shared_ptr<SessionImpl>> sessions_ GUARDED_BY(mutex_);
  std::int64_t made_ GUARDED_BY(mutex_) = 0;
  bool draining_ GUARDED_BY(mutex_) = false;
  CondVar sweep_;
  bool closing_ GUARDED_BY(mutex_) = false;
  std::thread sweeper_;  // last: it uses the rest
};

}  // namespace

arrow::Result<std::unique_ptr<SessionRegistry>> SessionRegistry::Make(engine::Engine& engine,
                                                                      commit::CommitPath& commits,
                                                                      SessionLimits limits) {
  return std::make_unique<SessionRegistryImpl>(engine, commits, limits);
}

}  // namespace hyprstream::session
