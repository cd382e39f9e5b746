// An ADBC driver that runs another one in a process of its own (host_protocol.h).
//
// It has what reading and writing need: options, metadata, transactions, one statement at a time on a connection,
// schemas, rows of both directions, cancels. What it lacks the driver manager answers with NOT_IMPLEMENTED. When the
// process ends every call of its connections is an IO error; another database starts another process.
// AdbcConnectionCancel cuts a connection off its process, for a driver that does not come back from a call.
#pragma once

#include <arrow-adbc/adbc.h>

namespace hyprstream::backend {

// Options of its databases, beside those of the driver within: the program that is the host, the driver's library, its
// entry point, and how many milliseconds the driver has for opening its database and for each call that prepares
// another; then it is an IO error.
inline constexpr const char* kHostProgramOption = "hyprstream.host.program";
inline constexpr const char* kHostLibraryOption = "hyprstream.host.library";
inline constexpr const char* kHostEntrypointOption = "hyprstream.host.entrypoint";
inline constexpr const char* kHostWaitOption = "hyprstream.host.connect_timeout_ms";

AdbcStatusCode IsolatedDriverInit(int version, void* driver, AdbcError* error);

}  // namespace hyprstream::backend
