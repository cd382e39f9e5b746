// Tables as flights: paths in descriptors, tickets that can be read any number of times, and the list of all.
//
// Thread safety: pure functions.
#pragma once

#include <arrow/flight/server.h>

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "flight/session_access.h"

namespace hyprstream::flight {

// A ticket for all rows of a table, good for any number of reads in any session of anybody who may read it.
arrow::Result<std::string> PathTicket(const std::vector<std::string>& path);
// The path of such a ticket; nothing for tickets of another kind.
std::optional<std::vector<std::string>> PathOfTicket(const std::string& ticket);

arrow::Result<std::unique_ptr<arrow::flight::FlightInfo>> PathInfo(const SessionAccess& access,
                                                                   const arrow::flight::ServerCallContext& context,
                                                                   const arrow::flight::FlightDescriptor& descriptor);
arrow::Result<std::shared_ptr<arrow::Schema>> PathSchema(const SessionAccess& access,
                                                         const arrow::flight::ServerCallContext& context,
                                                         const std::vector<std::string>& path);
arrow::Result<std::unique_ptr<arrow::flight::FlightDataStream>> PathStream(
    const SessionAccess& access, const arrow::flight::ServerCallContext& context, const std::vector<std::string>& path);

// Every table and view of the current catalog whose `schema.name` or `name` starts with `prefix`.
arrow::Result<std::vector<arrow::flight::FlightInfo>> ListTables(const SessionAccess& access,
                                                                 const arrow::flight::ServerCallContext& context,
                                                                 const std::string& prefix);

}  // namespace hyprstream::flight
