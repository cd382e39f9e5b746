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
  auto& rpc = Rpc::Of(call);
  ARROW_ASSIGN_OR_RAISE(auto session, registry_.Open(rpc.session_key(), rpc.identity(), rpc.peer()));
  rpc.set_session(session->id());
  return SessionCall{.session = std::move(session),
                     .context = {.request_id = rpc.request_id(), .identity = rpc.identity(), .cancelled = [&call] {
                                   return call.is_cancelled();
                                 }}};
}

bool SessionAccess::Close(const fl::ServerCallContext& call) const {
  return registry_.Close(Rpc::Of(call).session_key());
}

arrow::Result<std::unique_ptr<fl::FlightDataStream>> SessionAccess::Fetch(const fl::ServerCallContext& call,
                                                                          const session::Handle& ticket) const {
  ARROW_ASSIGN_OR_RAISE(auto opened, Open(call));
  auto context = std::make_unique<RequestContext>(std::move(opened.context));
  auto rows = opened.session->Fetch(*context, ticket);
  if (rows.status().IsKeyError()) {
    const auto other = registry_.FindTicket(context->identity, ticket);
    if (other.ok()) rows = (*other)->Fetch(*context, ticket);
  }
  ARROW_RETURN_NOT_OK(rows.status());
  return ResultStream::Make(call, std::move(context), std::move(rows).ValueUnsafe(), bounds_);
}

arrow::Result<bool> SessionAccess::Cancel(const fl::ServerCallContext& call, const session::Handle& ticket) const {
  ARROW_ASSIGN_OR_RAISE(auto opened, Open(call));
  auto cancelled = opened.session->Cancel(ticket);
  if (!cancelled.status().IsKeyError()) return cancelled;
  const auto other = registry_.FindTicket(opened.context.identity, ticket);
  return other.ok() ? (*other)->Cancel(ticket) : cancelled;
}

}  // namespace hyprstream::flight
