#include "backend/sqlite_stop.h"

#include <arrow-adbc/adbc.h>
#include <dlfcn.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

// clang-format off
__asm__(".section .rodata\n"
        ".global hyprstream_sqlite_stop_begin\n"
        "hyprstream_sqlite_stop_begin:\n"
        ".incbin \"" HYPRSTREAM_SQLITE_STOP "\"\n"
        ".global hyprstream_sqlite_stop_end\n"
        "hyprstream_sqlite_stop_end:\n"
        ".previous\n");
// clang-format on

extern "C" {
extern const char hyprstream_sqlite_stop_begin[];
extern const char hyprstream_sqlite_stop_end[];
}

namespace hyprstream::backend {
namespace {

struct Extension {
  std::string path;  // empty: it cannot be loaded here
  void (*stop_by)(std::atomic<bool>*) = nullptr;
};

// Stays as long as the process does, as connections may.
Extension Load() {
  const std::string_view bytes(hyprstream_sqlite_stop_begin,
                               static_cast<std::size_t>(hyprstream_sqlite_stop_end - hyprstream_sqlite_stop_begin));
  const int file = memfd_create("hyprstream_sqlite_stop", MFD_CLOEXEC);
  if (file < 0) return {};
  if (write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) {
    close(file);
    return {};
  }
  Extension extension{.path = "/proc/self/fd/" + std::to_string(file)};
  void* library = dlopen(extension.path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {};
  extension.stop_by = reinterpret_cast<void (*)(std::atomic<bool>*)>(dlsym(library, "hyprstream_sqlite_stop_by"));
  return extension.stop_by == nullptr ? Extension() : extension;
}

bool Set(AdbcConnection& connection, const char* option, const char* value) {
  AdbcError error{};
  const bool set = AdbcConnectionSetOption(&connection, option, value, &error) == ADBC_STATUS_OK;
  if (error.release != nullptr) error.release(&error);
  return set;
}

}  // namespace

bool IsSqliteDriver(const std::string& library) {
  return std::filesystem::path(library).filename().string().contains("adbc_driver_sqlite");
}

std::shared_ptr<std::atomic<bool>> InstallSqliteStop(AdbcConnection& connection) {
  static const Extension kExtension = Load();
  if (kExtension.path.empty()) return nullptr;
  auto flag = std::make_shared<std::atomic<bool>>(false);
  if (!Set(connection, "adbc.sqlite.load_extension.enabled", "true")) return nullptr;
  kExtension.stop_by(flag.get());
  const bool loaded = Set(connection, "adbc.sqlite.load_extension.path", kExtension.path.c_str()) &&
                      Set(connection, "adbc.sqlite.load_extension.entrypoint", "hyprstream_sqlite_stop_init");
  kExtension.stop_by(nullptr);
  // SQL must not load any.
  if (!Set(connection, "adbc.sqlite.load_extension.enabled", "false") || !loaded) return nullptr;
  return flag;
}

}  // namespace hyprstream::backend
