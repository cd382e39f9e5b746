#include "flight/session_access.h"

#include <arrow/flight/server.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "flight/result_stream.h"
#include "flight/rpc_middleware.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

arrow::Result<SessionCall> SessionAccess::Open(const fl::ServerCallContext& call) const {
  const auto& rpc = Rpc::Of(call);
  ARROW_ASSIGN_OR_RAISE(auto session, registry_.Open(rpc.session_key(), rpc.identity(), rpc.peer()));
  return In(call, std::move(session));
}

arrow::Result<SessionCall> SessionAccess::Find(const fl::ServerCallContext& call, std::string_view what) const {
  const auto& rpc = Rpc::Of(call);
  ARROW_ASSIGN_OR_RAISE(auto session, registry_.Find(rpc.session_key(), rpc.identity(), rpc.peer()));
  if (session == nullptr) {
    return arrow::Status::KeyError("Unknown ", what, ": it has ended, or belongs to another session");
  }
  return In(call, std::move(session));
}

SessionCall SessionAccess::In(const fl::ServerCallContext& call, std::shared_ptr<session::Session> session) {
  auto& rpc = Rpc::Of(call);
  rpc.set_session(session->id());
  return {.session = std::move(session),
          .context = {.request_id = rpc.request_id(), .identity = rpc.identity(), .cancelled = [&call] {
                        return call.is_cancelled();
                      }}};
}

bool SessionAccess::Close(const fl::ServerCallContext& call) const {
  return registry_.Close(Rpc::Of(call).session_key());
}

arrow::Result<std::unique_ptr<fl::FlightDataStream>> SessionAccess::Fetch(const fl::ServerCallContext& call,
                                                                          const session::Handle& ticket) const {
  const auto fetch = [&](SessionCall from) -> arrow::Result<std::unique_ptr<fl::FlightDataStream>> {
    auto context = std::make_unique<RequestContext>(std::move(from.context));
    ARROW_ASSIGN_OR_RAISE(auto rows, from.session->Fetch(*context, ticket));
    return ResultStream::Make(call, std::move(context), std::move(rows), bounds_);
  };
  auto own = Find(call, "ticket");
  const auto session = own.ok() ? own->session : nullptr;
  auto stream = session != nullptr ? fetch(*std::move(own)) : own.status();
  if (!stream.status().IsKeyError()) return stream;
  auto other = registry_.FindTicket(Rpc::Of(call).identity(), ticket);
  // A query of its own that fails because a table has gone is a KeyError, too.
  if (other.ok() && *other != session) return fetch(In(call, *std::move(other)));
  return session != nullptr ? std::move(stream)
                            : other.status();  // who has no session can only have come for another's ticket
}

arrow::Result<bool> SessionAccess::Cancel(const fl::ServerCallContext& call, const session::Handle& ticket) const {
  const auto own = Find(call, "ticket");
  const auto cancelled = own.ok() ? own->session->Cancel(ticket) : own.status();
  if (!cancelled.status().IsKeyError()) return cancelled;
  const auto other = registry_.FindTicket(Rpc::Of(call).identity(), ticket);
  return other.ok() ? (*other)->Cancel(ticket) : cancelled;
}

}  // namespace hyprstream::flight
