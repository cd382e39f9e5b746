// `hyprstream backends check`: does every database of the configuration file answer, and what becomes of its tables?
//
// Runs without a server, with the same drivers and options.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace hyprstream::backend {
struct BackendReport;
struct BackendSpec;
}  // namespace hyprstream::backend
namespace hyprstream::config {
struct BackendsCheckCommand;
}

namespace hyprstream::server {

// Prints a report of each backend, or of those that are named. 0: all of them answered and all of their tables that
// were looked at can be read; 1: not so, and one line a backend on stderr says why; 2: the configuration is wrong.
int CheckBackends(const config::BackendsCheckCommand& command);

// What a person reads. Nothing of the spec's options is in it.
std::string RenderReport(const backend::BackendSpec& spec, const backend::BackendReport& report);

}  // namespace hyprstream::server
