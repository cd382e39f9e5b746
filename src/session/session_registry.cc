#include "session/session_registry.h"

#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <map>
#include <set>
#include <thread>
#include <utility>

#include "base/random_handle.h"
#include "session/session_internal.h"

namespace hyprstream::session {

namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kDrainPoll{10};
constexpr std::chrono::milliseconds kSweepMin{10};
constexpr std::chrono::milliseconds kSweepMax{30'000};

struct Held {
  std::shared_ptr<SessionImpl> session;
  std::set<std::string> connections = {};             // it was used through, by peer; only open ones
  SteadyClock::time_point left = SteadyClock::now();  // when the last of them ended
};

class SessionRegistryImpl : public SessionRegistry {
 public:
  SessionRegistryImpl(engine::Engine& engine, commit::CommitPath& commits, SessionLimits limits,
                      BackendAttachments* backends)
      : services_{.engine = engine, .commits = commits, .limits = limits, .backends = backends},
        sweeper_([this] { Sweep(); }) {}

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

  arrow::Result<std::shared_ptr<Session>> Find(const SessionKey& key, const Identity& identity,
                                               const std::string& peer) override {
    const MutexLock lock(mutex_);
    ARROW_ASSIGN_OR_RAISE(Held* const held, FindLocked(key, identity, peer));
    return held == nullptr ? nullptr : held->session;
  }

  bool Close(const SessionKey& key) override {
    std::shared_ptr<SessionImpl> session;
    {
      const MutexLock lock(mutex_);
      const auto found = sessions_.find(key);
      if (found == sessions_.end()) return false;
      session = std::move(found->second.session);
      sessions_.erase(found);
    }
    session->Close();
    return true;
  }

  void Connected(const std::string& peer) override {
    const MutexLock lock(mutex_);
    peers_.insert(peer);
  }

  void Disconnected(const std::string& peer) override {
    const MutexLock lock(mutex_);
    peers_.erase(peer);
    const auto now = SteadyClock::now();
    for (auto& [key, held] : sessions_) {
      if (held.connections.erase(peer) == 0 || !held.connections.empty()) continue;
      held.left = now;
      sweep_at_ = std::min(sweep_at_, now + services_.limits.grace_max);
      sweep_.NotifyAll();
    }
  }

  arrow::Result<std::shared_ptr<Session>> FindTicket(const Identity& identity, const Handle& ticket) override {
    for (auto& session : All()) {
      if (session->identity() == identity && session->HasSharedTicket(ticket)) return session;
    }
    return arrow::Status::KeyError("Unknown ticket: it was fetched already, expired, or belongs to another user");
  }

  std::vector<SessionInfo> Sessions() const override {
    std::vector<SessionInfo> infos;
    const MutexLock lock(mutex_);
    for (const auto& [key, held] : sessions_) {
      infos.push_back(held.session->Info());
      infos.back().connections = std::ssize(held.connections);
    }
    return infos;
  }

  std::vector<QueryInfo> Queries() const override { return services_.log.Entries(); }

  std::vector<SubscriptionInfo> Subscriptions() const override { return services_.subscriptions.Infos(); }
  SubscriptionTotals TotalsOfSubscriptions() const override { return services_.subscriptions.Totals(); }

  void Drain(std::chrono::milliseconds bound) override {
    services_.subscriptions.StopAll("The server is shutting down; subscribe again with the last resume token");
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
    ARROW_ASSIGN_OR_RAISE(const Held* const found, FindLocked(key, identity, peer));
    if (found != nullptr) return found->session;
    if (Full()) DropOld(expired);
    if (Full()) MakeRoom(identity, expired);
    if (Full()) {
      return arrow::Status::CapacityError("The server has ", sessions_.size(),
                                          " sessions (sessions_max), all of them busy, in a transaction or of other "
                                          "users; close some or try again later");
    }
    auto session = std::make_shared<SessionImpl>(services_, identity, "s" + std::to_string(++made_), peer);
    ARROW_RETURN_NOT_OK(session->Open());
    UsedThrough(peer, sessions_[key] = {.session = session});
    return session;
  }

  arrow::Result<Held*> FindLocked(const SessionKey& key, const Identity& identity, const std::string& peer)
      REQUIRES(mutex_) {
    if (draining_) return arrow::Status::Cancelled("The server is shutting down");
    const auto found = sessions_.find(key);
    if (found == sessions_.end()) return nullptr;
    if (!(found->second.session->identity() == identity)) {
      return arrow::Status::Invalid("This session belongs to another user");
    }
    found->second.session->Touch();
    UsedThrough(peer, found->second);
    return &found->second;
  }

  // A call may outrun its connection's end: then nobody would ever take the peer away again.
  void UsedThrough(const std::string& peer, Held& held) REQUIRES(mutex_) {
    if (peers_.contains(peer)) held.connections.insert(peer);
  }

  bool Full() const REQUIRES(mutex_) { return static_cast<int>(sessions_.size()) >= services_.limits.sessions_max; }

  // Clients that never close their session (most do not) must not lock their user out.
  void MakeRoom(const Identity& identity, std::vector<std::shared_ptr<SessionImpl>>& expired) REQUIRES(mutex_) {
    auto best = sessions_.end();
    const auto order = [](const Held& held) { return std::pair(!held.connections.empty(), held.session->last_used()); };
    for (auto at = sessions_.begin(); at != sessions_.end(); ++at) {
      const Held& held = at->second;
      if (!(held.session->identity() == identity)) continue;
      if (!held.connections.empty() && !held.session->idle()) continue;
      if (best == sessions_.end() || order(held) < order(best->second)) best = at;
    }
    if (best == sessions_.end()) return;
    expired.push_back(std::move(best->second.session));
    sessions_.erase(best);
  }

  // "session-sweep": ends what nobody uses any more.
  void Sweep() {
    for (;;) {
      std::vector<std::shared_ptr<SessionImpl>> expired;
      {
        const MutexLock lock(mutex_);
        while (!closing_ && SteadyClock::now() < sweep_at_) sweep_.WaitUntil(mutex_, sweep_at_);
        if (closing_) return;
        DropOld(expired);
        sweep_at_ = NextSweep();
      }
      for (const auto& session : expired) session->Close();
      for (const auto& session : All()) session->Expire(SteadyClock::now() - services_.limits.idle_max);
    }
  }

  // When the next session without a connection ends, or it is time to look after the others.
  SteadyClock::time_point NextSweep() const REQUIRES(mutex_) {
    const auto now = SteadyClock::now();
    auto next = now + std::clamp(services_.limits.idle_max / 4, kSweepMin, kSweepMax);
    for (const auto& [key, held] : sessions_) {
      if (held.connections.empty()) next = std::min(next, EndOf(held));
    }
    return std::max(next, now + kSweepMin);
  }

  SteadyClock::time_point EndOf(const Held& held) const {
    const auto used = held.session->last_used();
    const auto unused_end = used + services_.limits.idle_max;
    if (!held.connections.empty()) return unused_end;
    return std::min(unused_end, std::max(used, held.left) + services_.limits.grace_max);
  }

  void DropOld(std::vector<std::shared_ptr<SessionImpl>>& expired) REQUIRES(mutex_) {
    const auto now = SteadyClock::now();
    std::erase_if(sessions_, [&](const auto& entry) {
      if (now < EndOf(entry.second)) return false;
      expired.push_back(entry.second.session);
      return true;
    });
  }

  std::vector<std::shared_ptr<SessionImpl>> All() const {
    const MutexLock lock(mutex_);
    std::vector<std::shared_ptr<SessionImpl>> all;
    for (const auto& [key, held] : sessions_) all.push_back(held.session);
    return all;
  }

  SessionServices services_;
  mutable Mutex mutex_;
  CondVar tick_;
  std::map<SessionKey, Held> sessions_ GUARDED_BY(mutex_);
  std::set<std::string> peers_ GUARDED_BY(mutex_);  // with an open connection
  std::int64_t made_ GUARDED_BY(mutex_) = 0;
  bool draining_ GUARDED_BY(mutex_) = false;
  CondVar sweep_;
  SteadyClock::time_point sweep_at_ GUARDED_BY(mutex_) = SteadyClock::now();
  bool closing_ GUARDED_BY(mutex_) = false;
  std::thread sweeper_;  // last: it uses the rest
};

}  // namespace

arrow::Result<std::unique_ptr<SessionRegistry>> SessionRegistry::Make(engine::Engine& engine,
                                                                      commit::CommitPath& commits, SessionLimits limits,
                                                                      BackendAttachments* backends) {
  return std::make_unique<SessionRegistryImpl>(engine, commits, limits, backends);
}

}  // namespace hyprstream::session
