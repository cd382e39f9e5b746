// The socket of a driver's connection, found and ended from outside: the one thing that frees a thread which waits in a
// driver for a database that says nothing any more.
//
// Thread safety: any thread. A socket that has gone meanwhile is none.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace hyprstream::backend {

// Of this process, and never used again; 0: none.
using SocketId = std::uint64_t;

struct ConnectionPorts {
  int local = 0;  // 0: it is none of TCP
  int peer = 0;
};

// The TCP socket that has both ports. 0, too, where something stands between that has ports of its own.
SocketId FindSocket(const ConnectionPorts& ports);

// Those that this process has connected to somewhere, over TCP or a Unix path; ascending.
std::vector<SocketId> OutgoingSockets();
// The outgoing one that has come since `before`. 0: there is none, or there are several.
SocketId OnlyNewSocket(const std::vector<SocketId>& before);

// Its driver sees the end. False: there is none.
bool ShutDownSocket(SocketId socket);
// Where it leads; empty: nowhere, or nowhere any more.
std::string PeerOf(SocketId socket);
// Ends every outgoing one that has come since `before` and leads to this peer. How many that were.
int ShutDownNewSockets(const std::vector<SocketId>& before, const std::string& peer);

}  // namespace hyprstream::backend
