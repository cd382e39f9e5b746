// The socket of a driver's connection, found and ended from outside: the one thing that frees a thread which waits in a
// driver for a database that says nothing any more.
//
// No driver tells its socket, and its ports tell nothing over a Unix path or through a relay. But a driver in this
// process connects on the thread that calls it: connection_socket.cc stands before the C library's connect(), for the
// whole process, and notes what a thread connects that wants it noted.
//
// Thread safety: any thread. A socket that has gone meanwhile is none.
#pragma once

#include <cstdint>
#include <optional>

#include "base/clock.h"
#include "base/mutex.h"

namespace hyprstream::backend {

// Of this process, and never used again; 0: none.
using SocketId = std::uint64_t;

// Its driver sees the end. False: there is none.
bool ShutDownSocket(SocketId socket);

// The stream socket that was connected last.
class ConnectedSocket {
 public:
  explicit ConnectedSocket(const Clock& clock) : clock_(clock) {}
  ConnectedSocket(const ConnectedSocket&) = delete;
  ConnectedSocket& operator=(const ConnectedSocket&) = delete;

  void Note(int descriptor) EXCLUDES(mutex_);
  // From before its connect() on; 0: none was.
  SocketId id() const EXCLUDES(mutex_);
  // Since its connect() began; none where none was.
  std::optional<Clock::TimePoint::duration> age() const EXCLUDES(mutex_);
  bool ShutDown() const { return ShutDownSocket(id()); }

 private:
  const Clock& clock_;
  mutable Mutex mutex_;
  SocketId id_ GUARDED_BY(mutex_) = 0;
  Clock::TimePoint connected_ GUARDED_BY(mutex_);
};

// What the thread that makes it connects goes into `socket`, until it ends. One at a time in a thread.
class NotesConnects {
 public:
  explicit NotesConnects(ConnectedSocket& socket);
  ~NotesConnects();
  NotesConnects(const NotesConnects&) = delete;
  NotesConnects& operator=(const NotesConnects&) = delete;
};

}  // namespace hyprstream::backend
