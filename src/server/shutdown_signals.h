// SIGTERM, SIGINT and SIGHUP as something to wait for, so that no code ever runs inside a signal handler. A SIGHUP that
// the process was started to ignore (nohup) stays ignored.
#pragma once

namespace hyprstream::server {

// Blocks them in the calling thread, hence in every thread it starts later, and ignores SIGPIPE. Call it before the
// first thread is started.
void BlockShutdownSignals();

// Waits for one of them; its number.
int WaitForShutdownSignal();

}  // namespace hyprstream::server
