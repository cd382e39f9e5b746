// Schemas as the Flight SQL JDBC driver has to be told them; other clients get them as they are.
//
// Thread safety: all functions, from any thread.
#pragma once

#include <memory>

namespace arrow {
class Schema;
}
namespace arrow::flight {
class ServerCallContext;
}

namespace hyprstream::flight {

// Does the call come from gRPC's Java library, which the driver is built on? It gives no name of its own.
bool IsJavaClient(const arrow::flight::ServerCallContext& context);

// Parameters with times and timestamps in milliseconds, also inside lists: the driver writes its milliseconds into
// whatever unit is declared, so that 12:34:56 bound to time64[us] would be 00:00:45.
std::shared_ptr<arrow::Schema> JdbcParameters(const arrow::Schema& parameters);

// Rows with precision and scale of decimals in the fields' metadata, where alone the driver looks for them.
std::shared_ptr<arrow::Schema> JdbcRows(const arrow::Schema& rows);

}  // namespace hyprstream::flight
