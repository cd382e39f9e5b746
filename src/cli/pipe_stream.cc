#include "cli/pipe_stream.h"

#include <arrow/buffer.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "cli/stop_signal.h"

namespace hyprstream::cli {

std::string_view WithoutMargin(std::string_view text) {
  constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
  if (text.starts_with(kByteOrderMark)) text.remove_prefix(kByteOrderMark.size());
  return text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

PipeStream::~PipeStream() { ARROW_UNUSED(Close()); }

arrow::Status PipeStream::Close() {
  const int descriptor = std::exchange(descriptor_, -1);
  if (descriptor > STDIN_FILENO) ::close(descriptor);
  return arrow::Status::OK();
}

arrow::Result<bool> PipeStream::WaitForBytes(bool patient) const {
  std::array<pollfd, 2> files = {
      pollfd{.fd = descriptor_, .events = POLLIN, .revents = 0},
      pollfd{.fd = stop_ == nullptr ? -1 : stop_->descriptor(), .events = POLLIN, .revents = 0}};
  while (poll(files.data(), files.size(), patient ? -1 : 0) < 0) {
    if (errno != EINTR) return arrow::Status::IOError(std::strerror(errno));
  }
  if (files[1].revents != 0) return arrow::Status::Cancelled("Interrupted");
  return files[0].revents != 0;
}

arrow::Result<std::int64_t> PipeStream::ReadOnce(std::int64_t bytes, char* out) const {
  while (true) {
    const ssize_t got = ::read(descriptor_, out, static_cast<std::size_t>(bytes));
    if (got >= 0) return got;
    if (errno != EINTR) return arrow::Status::IOError(std::strerror(errno));
  }
}

arrow::Result<std::string> PipeStream::Head() {
  const auto size = [this] { return static_cast<std::int64_t>(head_.size()); };
  while (size() < kHeadBytes || (size() < kHeadBytesMax && WithoutMargin(head_).empty())) {
    std::array<char, kHeadBytes> bytes;
    ARROW_RETURN_NOT_OK(WaitForBytes(true).status());
    ARROW_ASSIGN_OR_RAISE(const std::int64_t got, ReadOnce(kHeadBytes, bytes.data()));
    if (got == 0) break;
    head_.append(bytes.data(), static_cast<std::size_t>(got));
  }
  return head_;
}

arrow::Result<std::int64_t> PipeStream::Read(std::int64_t bytes, void* out) {
  char* const to = static_cast<char*>(out);
  std::int64_t got = std::min<std::int64_t>(bytes, static_cast<std::int64_t>(head_.size()));
  std::copy_n(head_.data(), got, to);
  head_.erase(0, static_cast<std::size_t>(got));
  while (got < bytes) {
    const bool patient = reads_ == Reads::kWhole || got == 0;
    ARROW_ASSIGN_OR_RAISE(const bool there, WaitForBytes(patient));
    if (!there) break;
    ARROW_ASSIGN_OR_RAISE(const std::int64_t more, ReadOnce(bytes - got, to + got));
    if (more == 0) break;
    got += more;
  }
  position_ += got;
  return got;
}

arrow::Result<std::shared_ptr<arrow::Buffer>> PipeStream::Read(std::int64_t bytes) {
  ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes));
  ARROW_ASSIGN_OR_RAISE(const std::int64_t got, Read(bytes, buffer->mutable_data()));
  ARROW_RETURN_NOT_OK(buffer->Resize(got));
  return std::shared_ptr<arrow::Buffer>(std::move(buffer));
}

}  // namespace hyprstream::cli
