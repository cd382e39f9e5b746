// Ends statements of SQLite, whose ADBC driver cannot cancel: each connection loads an extension of ours
// (drivers/sqlite_stop) that looks at a flag while statements run.
//
// The extension's bytes are in the binary and are loaded from memory.
#pragma once

#include <atomic>
#include <memory>
#include <string>

struct AdbcConnection;

namespace hyprstream::backend {

// Is this the library of SQLite's driver?
bool IsSqliteDriver(const std::string& library);

// Of a connection of SQLite's driver that was just opened: once the flag is true whatever runs on it ends with an
// error, and so does all that begins. The flag must outlive the connection. Null where extensions cannot be loaded:
// then nothing stops it.
std::shared_ptr<std::atomic<bool>> InstallSqliteStop(AdbcConnection& connection);

}  // namespace hyprstream::backend
