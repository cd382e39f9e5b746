#include "base/standard_output.h"

#include <arrow/status.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace hyprstream {

arrow::Status Print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  if (written && std::fflush(stdout) == 0) return arrow::Status::OK();
  return arrow::Status::IOError("Cannot write to standard output: ", std::strerror(errno));
}

}  // namespace hyprstream
