// `hyprstream serve`: from settings to exit code.
#pragma once

namespace hyprstream::config {
struct LoadedConfig;
}

namespace hyprstream::server {

// Runs until SIGTERM, SIGINT or SIGHUP. 0 after an orderly end, 2 when it could not start (one line on stderr says
// why), 1 when something could not be saved at the end. Call it before any thread is started.
int Serve(const config::LoadedConfig& settings);

}  // namespace hyprstream::server
