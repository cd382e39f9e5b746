// DoExchange: one SQL text in the descriptor's command, its rows back in the same call; or batches for a table in the
// descriptor's path, an acknowledgement back for each; or a subscription to the view in the path.
//
// Thread safety: stateless; one call at a time on a call's messages.
#pragma once

#include <arrow/flight/server.h>

#include "flight/session_access.h"

namespace hyprstream::flight {

arrow::Status Exchange(const SessionAccess& access, const arrow::flight::ServerCallContext& context,
                       arrow::flight::FlightMessageReader& messages, arrow::flight::FlightMessageWriter& answer);

}  // namespace hyprstream::flight
