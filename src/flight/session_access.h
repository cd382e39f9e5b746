// The way from a call to its session: what every handler does first.
//
// Thread safety: all methods, from any thread. Ownership: the registry outlives it.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "core/request_context.h"
#include "flight/batch_slicer.h"
#include "session/session_registry.h"

namespace arrow::flight {
class FlightDataStream;
class ServerCallContext;
}  // namespace arrow::flight

namespace hyprstream::flight {

// A call inside its session. It borrows the call's context: it must not outlive the handler or its stream.
struct SessionCall {
  std::shared_ptr<session::Session> session;
  RequestContext context;
};

class SessionAccess {
 public:
  SessionAccess(session::SessionRegistry& registry, SliceBounds bounds) : registry_(registry), bounds_(bounds) {}

  // The call's session, made when there is none.
  arrow::Result<SessionCall> Open(const arrow::flight::ServerCallContext& call) const;
  // The call's session, for a call about what an earlier one made and `what` names ("ticket", ...): it makes no
  // session, KeyError when there is none.
  arrow::Result<SessionCall> Find(const arrow::flight::ServerCallContext& call, std::string_view what) const;
  // Ends the call's session; false when there was none.
  bool Close(const arrow::flight::ServerCallContext& call) const;
  // The rows of a ticket of this session, or one that another session of the same user shares.
  arrow::Result<std::unique_ptr<arrow::flight::FlightDataStream>> Fetch(const arrow::flight::ServerCallContext& call,
                                                                        const session::Handle& ticket) const;
  // Session::Cancel, wherever the user's ticket is.
  arrow::Result<bool> Cancel(const arrow::flight::ServerCallContext& call, const session::Handle& ticket) const;

  const SliceBounds& bounds() const { return bounds_; }

 private:
  static SessionCall In(const arrow::flight::ServerCallContext& call, std::shared_ptr<session::Session> session);

  session::SessionRegistry& registry_;
  const SliceBounds bounds_;
};

}  // namespace hyprstream::flight
