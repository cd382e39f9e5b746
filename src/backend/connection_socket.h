// The TCP connection of a driver, ended from outside: the one thing that frees a thread which waits in a driver for a
// database that says nothing any more.
//
// Thread safety: any thread, while the driver's connection lives.
#pragma once

namespace hyprstream::backend {

struct ConnectionPorts {
  int local = 0;  // 0: it is none of TCP, or something stands between that has ports of its own
  int peer = 0;
};

// Shuts the socket of this process down that has both ports; the driver sees its end. False: there is none.
bool ShutDownSocket(const ConnectionPorts& ports);

}  // namespace hyprstream::backend
