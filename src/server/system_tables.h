// What operators read with SQL: hyprstream.tables, .views, .windows, .watermarks, .queries, .sessions, .subscriptions
// and .settings.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"

namespace hyprstream::commit {
class CommitPath;
}
namespace hyprstream::config {
struct LoadedConfig;
}
namespace hyprstream::session {
class SessionRegistry;
}

namespace hyprstream::server {

// A user sees the statements and sessions of its own, an admin everybody's.
// The tables ask `commits` and `sessions` each time they are read; both must outlive the engine's connections. Settings
// are copied now; values that are paths of this machine are shown as ***, users not at all.
std::vector<engine::SystemTable> SystemTables(commit::CommitPath& commits, session::SessionRegistry& sessions,
                                              const config::LoadedConfig& settings);

}  // namespace hyprstream::server
