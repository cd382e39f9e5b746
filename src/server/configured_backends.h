// The backends that the configuration file names, attached when the server starts.
//
// One that cannot be reached is unavailable until it answers, and keeps nobody from starting; so does one that cannot
// be attached at all (no such driver, an option that its driver refuses), but it is not tried again. An unknown option
// of ours is an error of the configuration.
#pragma once

#include <string>
#include <vector>

namespace arrow {
class Status;
template <class T>
class Result;
}  // namespace arrow
namespace hyprstream {
class Logger;
namespace backend {
struct BackendInfo;
struct BackendSpec;
}  // namespace backend
namespace config {
struct BackendSettings;
struct ServerConfig;
}  // namespace config
namespace session {
class BackendAttachments;
}
}  // namespace hyprstream

namespace hyprstream::server {

// Invalid, naming the backend, for an unknown option or a value out of bounds.
arrow::Result<std::vector<backend::BackendSpec>> SpecsOf(const std::vector<config::BackendSettings>& backends);

// What cannot be attached is logged and left out; it is returned, unavailable, with the error.
std::vector<backend::BackendInfo> AttachAll(const std::vector<backend::BackendSpec>& specs,
                                            session::BackendAttachments& attachments, Logger& log);

// Where drivers that are known by name are: as configured, else where an installation beside the program has them.
std::string DriverFolder(const config::ServerConfig& config);

}  // namespace hyprstream::server
