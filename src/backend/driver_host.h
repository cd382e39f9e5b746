// The process in which the driver of an isolated backend runs (host_protocol.h).
#pragma once

namespace hyprstream::backend {

// Serves the control socket, descriptor 3, until its end, and then ends the process: a driver may hang in some of its
// threads. Returns the exit code where there is no such socket.
int RunDriverHost();

}  // namespace hyprstream::backend
