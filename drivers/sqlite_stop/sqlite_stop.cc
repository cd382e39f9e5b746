// An extension of SQLite that lets a connection be stopped: it looks at a flag now and then while a statement runs.
//
// SQLite's ADBC driver has no cancel and shows its connection to nobody, but to the extensions that it loads.
#include <sqlite3ext.h>

#include <atomic>
#include <utility>

SQLITE_EXTENSION_INIT1

namespace {

constexpr int kStepsBetweenLooks = 1'000;  // of SQLite's machine, some tens of microseconds

thread_local const std::atomic<bool>* next = nullptr;

int IsStopped(void* flag) {
  return static_cast<const std::atomic<bool>*>(flag)->load(std::memory_order_relaxed) ? 1 : 0;
}

}  // namespace

extern "C" {

// The flag of the connection that this thread makes load the extension next. It must outlive the connection.
__attribute__((visibility("default"))) void hyprstream_sqlite_stop_by(std::atomic<bool>* flag) { next = flag; }

__attribute__((visibility("default"))) int hyprstream_sqlite_stop_init(sqlite3* connection, char**,
                                                                       const sqlite3_api_routines* api) {
  SQLITE_EXTENSION_INIT2(api);
  const auto* flag = std::exchange(next, nullptr);
  if (flag == nullptr) return SQLITE_ERROR;
  sqlite3_progress_handler(connection, kStepsBetweenLooks, IsStopped, const_cast<std::atomic<bool>*>(flag));
  return SQLITE_OK;
}

}  // extern "C"
