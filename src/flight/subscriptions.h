// Subscriptions over Flight: a JSON document that says what is wanted, and the messages that answer it, for as long as
// the client reads them. docs/subscriptions.md has both.
//
// Thread safety: stateless; a stream is used by its call's thread alone.
#pragma once

#include <arrow/flight/server.h>

#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "flight/session_access.h"

namespace hyprstream::flight {

// What stands under "subscribe" in a ticket or in metadata; nullopt when the text is no such document. Invalid when it
// is JSON beyond the bounds of ParseClientJson.
arrow::Result<std::optional<nlohmann::json>> SubscriptionIn(std::string_view text);

// DoGet: `request` as SubscriptionIn gives it, which names the view.
arrow::Result<std::unique_ptr<arrow::flight::FlightDataStream>> SubscriptionData(
    const SessionAccess& access, const arrow::flight::ServerCallContext& context, const nlohmann::json& request);

// DoExchange on the path of a view: answers until the client leaves.
arrow::Status SubscriptionExchange(const SessionAccess& access, const arrow::flight::ServerCallContext& context,
                                   const std::vector<std::string>& path, const nlohmann::json& request,
                                   arrow::flight::FlightMessageWriter& answer);

}  // namespace hyprstream::flight
