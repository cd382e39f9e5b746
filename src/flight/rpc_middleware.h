// Runs before every call: who asks, in which session, under which request id; and reports the call when it has ended.
//
// Thread safety: the factory from any thread; one Rpc belongs to one call.
#pragma once

#include <arrow/flight/server.h>
#include <arrow/flight/server_auth.h>
#include <arrow/flight/server_middleware.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "base/memory_budget.h"
#include "base/mutex.h"
#include "flight/authenticator.h"
#include "flight/rpc_event.h"

namespace hyprstream::flight {

class ReadingTurns;

inline constexpr std::size_t kHeaderBytesMax = 64 << 10;  // of one call, all together

// Where calls account for what they hold; null: nowhere.
struct CallMemory {
  MemoryShare* messages = nullptr;    // batches on their way in
  MemoryShare* parameters = nullptr;  // values bound to prepared statements
  ReadingTurns* turns = nullptr;      // messages that are being read
};

// One call. Reach it by Rpc::Of(context).
class Rpc final : public arrow::flight::ServerMiddleware {
 public:
  using Report = std::function<void(const RpcEvent&)>;

  Rpc(std::string request_id, std::string method, std::string peer, Admission admission, const Clock& clock,
      const Report& report, CallMemory memory)
      : request_id_(std::move(request_id)),
        method_(std::move(method)),
        peer_(std::move(peer)),
        admission_(std::move(admission)),
        clock_(clock),
        report_(report),
        memory_(memory),
        started_(clock.Now()) {}

  static Rpc& Of(const arrow::flight::ServerCallContext& context);

  const std::string& request_id() const { return request_id_; }
  const std::string& peer() const { return peer_; }
  const Identity& identity() const { return admission_.identity; }
  const session::SessionKey& session_key() const { return admission_.key; }
  bool authenticated() const { return admission_.authenticated; }
  const CallMemory& memory() const { return memory_; }
  void set_session(std::string id);
  void AddRows(std::int64_t rows) { rows_ += rows; }

  std::string name() const override { return "hyprstream-rpc"; }
  void SendingHeaders(arrow::flight::AddCallHeaders* headers) override;
  void CallCompleted(const arrow::Status& status) override;

 private:
  const std::string request_id_;
  const std::string method_;
  const std::string peer_;
  const Admission admission_;
  const Clock& clock_;
  const Report& report_;
  const CallMemory memory_;
  const Clock::TimePoint started_;
  std::atomic<std::int64_t> rows_{0};
  Mutex mutex_;
  std::string session_ GUARDED_BY(mutex_);
};

class RpcMiddlewareFactory final : public arrow::flight::ServerMiddlewareFactory {
 public:
  static constexpr char kKey[] = "hyprstream-rpc";

  RpcMiddlewareFactory(Authenticator& authenticator, const Clock& clock, Rpc::Report report, CallMemory memory)
      : authenticator_(authenticator), clock_(clock), report_(std::move(report)), memory_(memory) {}

  arrow::Status StartCall(const arrow::flight::CallInfo& info, const arrow::flight::ServerCallContext& context,
                          std::shared_ptr<arrow::flight::ServerMiddleware>* middleware) override;

 private:
  Authenticator& authenticator_;
  const Clock& clock_;
  const Rpc::Report report_;
  const CallMemory memory_;
  std::atomic<std::uint64_t> calls_{0};
};

// Flight dispatches Handshake only to an auth handler. Ours answers it (Basic header, or the old style with a BasicAuth
// message) and leaves every other call to the middleware.
class HandshakeHandler final : public arrow::flight::ServerAuthHandler {
 public:
  explicit HandshakeHandler(Authenticator& authenticator) : authenticator_(authenticator) {}

  arrow::Status Authenticate(const arrow::flight::ServerCallContext& context, arrow::flight::ServerAuthSender* outgoing,
                             arrow::flight::ServerAuthReader* incoming) override;
  arrow::Status IsValid(const arrow::flight::ServerCallContext& context, const std::string& token,
                        std::string* peer_identity) override;

 private:
  Authenticator& authenticator_;
};

}  // namespace hyprstream::flight
