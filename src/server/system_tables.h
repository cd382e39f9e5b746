// What operators read with SQL: hyprstream.tables, .views, .windows, .watermarks, .queries, .sessions, .subscriptions,
// .backends and .settings.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "backend/backend_registry.h"
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

using BackendsNow = std::function<std::vector<backend::BackendInfo>()>;

// A user sees the statements and sessions of its own, an admin everybody's; backends are shown to admins, and to
// everybody where there are no users.
// The tables ask `commits` and `sessions` each time they are read; both must outlive the engine's connections. Settings
// are copied now; values that are paths of this machine are shown as ***, users not at all.
std::vector<engine::SystemTable> SystemTables(commit::CommitPath& commits, session::SessionRegistry& sessions,
                                              BackendsNow backends, const config::LoadedConfig& settings);

}  // namespace hyprstream::server
