#include "flight/path_flights.h"

#include <arrow/array.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "flight/client_json.h"
#include "flight/metadata_queries.h"
#include "flight/put_handler.h"
#include "flight/sql_service.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

constexpr std::string_view kTicketPrefix = "hyprstream.path:";

arrow::Result<fl::FlightInfo> InfoFor(const std::vector<std::string>& path, const arrow::Schema& schema) {
  ARROW_ASSIGN_OR_RAISE(auto ticket, PathTicket(path));
  const fl::FlightEndpoint endpoint(fl::Ticket(std::move(ticket)), {}, std::nullopt, "");
  return fl::FlightInfo::Make(schema, fl::FlightDescriptor::Path(path), {endpoint}, -1, -1);
}

arrow::Result<std::string> SelectFromPath(const SessionCall& call, const std::vector<std::string>& path) {
  ARROW_ASSIGN_OR_RAISE(const auto table, TableOfPath(path));
  ARROW_ASSIGN_OR_RAISE(const auto name, call.session->LastingName(call.context, table));
  return "SELECT * FROM " + name;
}

}  // namespace

arrow::Result<std::string> PathTicket(const std::vector<std::string>& path) {
  const auto text = nlohmann::json(path).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  return std::string(kTicketPrefix) + text;
}

std::optional<std::vector<std::string>> PathOfTicket(const std::string& ticket) {
  if (!ticket.starts_with(kTicketPrefix)) return std::nullopt;
  const auto json = ParseClientJson(std::string_view(ticket).substr(kTicketPrefix.size()));
  if (!json.ok() || !json->is_array()) return std::nullopt;
  std::vector<std::string> path;
  for (const auto& part : *json) {
    if (!part.is_string()) return std::nullopt;
    path.push_back(part.get<std::string>());
  }
  return path;
}

arrow::Result<std::unique_ptr<fl::FlightInfo>> PathInfo(const SessionAccess& access,
                                                        const fl::ServerCallContext& context,
                                                        const fl::FlightDescriptor& descriptor) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto select, SelectFromPath(call, descriptor.path));
  ARROW_ASSIGN_OR_RAISE(const auto started, call.session->Start(call.context, select, {}));
  return InfoOf(started, descriptor);
}

arrow::Result<std::shared_ptr<arrow::Schema>> PathSchema(const SessionAccess& access,
                                                         const fl::ServerCallContext& context,
                                                         const std::vector<std::string>& path) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto select, SelectFromPath(call, path));
  return call.session->Describe(call.context, select, {});
}

arrow::Result<std::unique_ptr<fl::FlightDataStream>> PathStream(const SessionAccess& access,
                                                                const fl::ServerCallContext& context,
                                                                const std::vector<std::string>& path) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto select, SelectFromPath(call, path));
  ARROW_ASSIGN_OR_RAISE(const auto started, call.session->Start(call.context, select, {}));
  return access.Fetch(context, started.ticket);
}

arrow::Result<std::vector<fl::FlightInfo>> ListTables(const SessionAccess& access, const fl::ServerCallContext& context,
                                                      const std::string& prefix) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(auto options, call.session->Options(call.context));
  fl::sql::GetTables command;
  command.catalog = options["catalog"];
  command.include_schema = false;
  const auto query = TablesQuery(command, TableOrder::kNameFirst);
  ARROW_ASSIGN_OR_RAISE(const auto batches, call.session->Metadata(call.context, query.sql, query.parameters));
  std::vector<fl::FlightInfo> flights;
  for (const auto& batch : batches) {
    const auto& schemas = static_cast<const arrow::StringArray&>(*batch->column(1));
    const auto& names = static_cast<const arrow::StringArray&>(*batch->column(2));
    for (std::int64_t row = 0; row < batch->num_rows(); ++row) {
      const std::vector<std::string> path{schemas.GetString(row), names.GetString(row)};
      if (!path[1].starts_with(prefix) && !(path[0] + "." + path[1]).starts_with(prefix)) continue;
      const auto schema = call.session->TableSchema(call.context, {.schema = path[0], .name = path[1]});
      ARROW_ASSIGN_OR_RAISE(auto info, InfoFor(path, schema.ok() ? **schema : *arrow::schema({})));
      flights.push_back(std::move(info));
    }
  }
  return flights;
}

}  // namespace hyprstream::flight
