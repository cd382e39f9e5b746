#include "server/serve.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <malloc.h>
#include <sys/prctl.h>

#include <cstdio>
#include <cstdlib>

#include "base/log.h"
#include "config/load_config.h"
#include "server/server.h"
#include "server/shutdown_signals.h"

namespace hyprstream::server {
namespace {

constexpr int kCannotStart = 2;
constexpr int kCannotSave = 1;

// Batches come and go by the megabyte; giving each back to the kernel costs a third of the ingest rate.
void KeepFreedMemory() {
  constexpr int kGiB = 1 << 30;
  mallopt(M_TRIM_THRESHOLD, kGiB);
  mallopt(M_MMAP_THRESHOLD, kGiB);
}

// Memory holds what no file should: passwords, keys, clients' rows. Nor may another process of the same user read it.
void KeepMemoryPrivate() { prctl(PR_SET_DUMPABLE, 0); }

int Refuse(const arrow::Status& status) {
  std::fprintf(stderr, "hyprstream: %s\n", status.message().c_str());
  return kCannotStart;
}

}  // namespace

int Serve(const config::LoadedConfig& settings) {
  KeepFreedMemory();
  if (!settings.values.core_dumps) KeepMemoryPrivate();
  BlockShutdownSignals();
  Logger log(settings.values.log_format, settings.values.log_level);
  auto server = Server::Make(settings, log);
  if (!server.ok()) return Refuse(server.status());
  if (const arrow::Status started = (*server)->Start(); !started.ok()) return Refuse(started);
  std::printf("%s\n", (*server)->announcement().c_str());
  std::fflush(stdout);

  const int signal = WaitForShutdownSignal();
  log.Info("drain", {{"signal", signal}, {"drain_ms", settings.values.drain_ms}});
  const arrow::Status drained = (*server)->Drain();
  if ((*server)->stuck()) {
    log.Error("stop", {{"error", drained.message()}});
    std::_Exit(kCannotSave);
  }
  server->reset();
  if (!drained.ok()) {
    log.Error("stop", {{"error", drained.message()}});
    return kCannotSave;
  }
  log.Info("stop");
  return 0;
}

}  // namespace hyprstream::server
