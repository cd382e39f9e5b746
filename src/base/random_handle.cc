#include "base/random_handle.h"

#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

namespace hyprstream {

std::string RandomHandle() {
  constexpr char kDigits[] = "0123456789abcdef";
  std::array<unsigned char, 16> bytes;
  std::size_t filled = 0;
  while (filled < bytes.size()) {
    const ssize_t got = getrandom(bytes.data() + filled, bytes.size() - filled, 0);
    if (got < 0 && errno != EINTR) std::abort();
    if (got > 0) filled += static_cast<std::size_t>(got);
  }
  std::string handle;
  handle.reserve(2 * bytes.size());
  for (const unsigned char byte : bytes) {
    handle += kDigits[byte >> 4];
    handle += kDigits[byte & 15];
  }
  return handle;
}

}  // namespace hyprstream
