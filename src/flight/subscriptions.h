// Subscriptions over Flight: a JSON document that says what is wanted, and the messages that answer it, for as long as
// the client reads them. docs/subscriptions.md has both.
//
// Thread safety: stateless; a stream is used by its call's thread alone.
#pragma once

#include <arrow/flight/server.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flight/session_access.h"

namespace hyprstream::flight {

// The object under "subscribe" in a ticket or in metadata, as text; nullopt when the text is no such document.
std::optional<std::string> SubscriptionIn(std::string_view text);

// DoGet: `request` as SubscriptionIn gives it, which names the view.
arrow::Result<std::unique_ptr<arrow::flight::FlightDataStream>> SubscriptionData(
    const SessionAccess& access, const arrow::flight::ServerCallContext& context, const std::string& request);

// DoExchange on the path of a view: answers until the client leaves.
arrow::Status SubscriptionExchange(const SessionAccess& access, const arrow::flight::ServerCallContext& context,
                                   const std::vector<std::string>& path, const std::string& request,
                                   arrow::flight::FlightMessageWriter& answer);

}  // namespace hyprstream::flight
