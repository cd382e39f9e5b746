// SIGTERM and SIGINT as something to wait for, so that no code ever runs inside a signal handler.
#pragma once

namespace hyprstream::server {

// Blocks both in the calling thread, hence in every thread it starts later, and ignores SIGPIPE. Call it before the
// first thread is started.
void BlockShutdownSignals();

// Waits for one of them; its number.
int WaitForShutdownSignal();

}  // namespace hyprstream::server
