#include "backend/host_protocol.h"

#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace hyprstream::backend {
namespace {

// Longer than any batch of a driver.
constexpr std::uint64_t kBodyBytesMax = std::uint64_t{1} << 31;
// What is made room for before it has come.
constexpr std::size_t kAheadBytesMax = std::size_t{1} << 20;

struct Header {
  std::uint32_t kind;
  std::uint32_t reserved;
  std::uint64_t body_bytes;
};

arrow::Status Gone() { return arrow::Status::IOError("The process of the driver has ended"); }

arrow::Status SendAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return Gone();
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return arrow::Status::OK();
}

arrow::Status ReceiveAll(int descriptor, char* bytes, std::size_t count) {
  while (count > 0) {
    const ssize_t received = recv(descriptor, bytes, count, 0);
    if (received < 0 && errno == EINTR) continue;
    if (received <= 0) return Gone();
    bytes += received;
    count -= static_cast<std::size_t>(received);
  }
  return arrow::Status::OK();
}

}  // namespace

HostSocket::~HostSocket() {
  if (descriptor_ >= 0) close(descriptor_);
}

arrow::Result<std::pair<HostSocket, HostSocket>> HostSocket::MakePair() {
  std::array<int, 2> ends{};
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    return arrow::Status::IOError("No pair of sockets: ", std::strerror(errno));
  }
  return std::pair(HostSocket(ends[0]), HostSocket(ends[1]));
}

bool HostSocket::Await(std::chrono::milliseconds wait) const {
  const auto until = std::chrono::steady_clock::now() + wait;
  while (true) {
    const auto rest = std::chrono::ceil<std::chrono::milliseconds>(until - std::chrono::steady_clock::now()).count();
    pollfd waiting{.fd = descriptor_, .events = POLLIN, .revents = 0};
    const int ready = poll(&waiting, 1, static_cast<int>(std::clamp<std::int64_t>(rest, 0, 1'000'000'000)));
    if (ready != 0 && !(ready < 0 && errno == EINTR)) return true;
    if (ready == 0) return false;
  }
}

void HostSocket::ShutDown() const { shutdown(descriptor_, SHUT_RDWR); }

// A descriptor travels beside the first byte of the header.
arrow::Status HostSocket::Send(std::uint32_t kind, std::string_view body, int descriptor) const {
  if (body.size() > kBodyBytesMax) {
    return arrow::Status::CapacityError(body.size(), " bytes are more than the process of a driver takes at once");
  }
  Header header{.kind = kind, .reserved = 0, .body_bytes = body.size()};
  iovec part{.iov_base = &header, .iov_len = sizeof(header)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> beside{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  if (descriptor >= 0) {
    message.msg_control = beside.data();
    message.msg_controllen = beside.size();
    auto* control = CMSG_FIRSTHDR(&message);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &descriptor, sizeof(int));
  }
  ssize_t sent = -1;
  do sent = sendmsg(descriptor_, &message, MSG_NOSIGNAL);
  while (sent < 0 && errno == EINTR);
  if (sent <= 0) return Gone();
  const std::string_view rest(reinterpret_cast<const char*>(&header), sizeof(header));
  ARROW_RETURN_NOT_OK(SendAll(descriptor_, rest.substr(static_cast<std::size_t>(sent))));
  return SendAll(descriptor_, body);
}

arrow::Result<HostFrame> HostSocket::Receive() const {
  Header header{};
  iovec part{.iov_base = &header, .iov_len = sizeof(header)};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> beside{};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = beside.data();
  message.msg_controllen = beside.size();
  ssize_t received = -1;
  do received = recvmsg(descriptor_, &message, MSG_CMSG_CLOEXEC);
  while (received < 0 && errno == EINTR);
  if (received <= 0) return Gone();
  HostFrame frame;
  for (auto* control = CMSG_FIRSTHDR(&message); control != nullptr; control = CMSG_NXTHDR(&message, control)) {
    if (control->cmsg_level == SOL_SOCKET && control->cmsg_type == SCM_RIGHTS) {
      std::memcpy(&frame.descriptor, CMSG_DATA(control), sizeof(int));
    }
  }
  const auto begun = static_cast<std::size_t>(received);
  ARROW_RETURN_NOT_OK(ReceiveAll(descriptor_, reinterpret_cast<char*>(&header) + begun, sizeof(header) - begun));
  if (header.body_bytes > kBodyBytesMax) return arrow::Status::IOError("The process of the driver sends no frames");
  frame.kind = header.kind;
  while (frame.body.size() < header.body_bytes) {
    const std::size_t begin = frame.body.size();
    const std::size_t more = std::min<std::size_t>(header.body_bytes - begin, std::max(begin, kAheadBytesMax));
    frame.body.resize(begin + more);
    ARROW_RETURN_NOT_OK(ReceiveAll(descriptor_, frame.body.data() + begin, more));
  }
  return frame;
}

HostBody& HostBody::Number(std::int64_t number) {
  bytes_.append(reinterpret_cast<const char*>(&number), sizeof(number));
  return *this;
}

HostBody& HostBody::Text(std::string_view text) {
  Number(static_cast<std::int64_t>(text.size()));
  bytes_ += text;
  return *this;
}

HostBody& HostBody::Maybe(const char* text) {
  Number(text == nullptr ? 0 : 1);
  return text == nullptr ? *this : Text(text);
}

arrow::Result<std::optional<std::string>> HostBodyReader::Maybe() {
  ARROW_ASSIGN_OR_RAISE(const auto given, Number());
  if (given == 0) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto text, Text());
  return text;
}

arrow::Result<std::int64_t> HostBodyReader::Number() {
  std::int64_t number = 0;
  if (rest_.size() < sizeof(number)) return arrow::Status::Invalid("A frame is too short");
  std::memcpy(&number, rest_.data(), sizeof(number));
  rest_.remove_prefix(sizeof(number));
  return number;
}

arrow::Result<std::string> HostBodyReader::Text() {
  ARROW_ASSIGN_OR_RAISE(const auto size, Number());
  if (size < 0 || static_cast<std::uint64_t>(size) > rest_.size())
    return arrow::Status::Invalid("A frame is too short");
  std::string text(rest_.substr(0, static_cast<std::size_t>(size)));
  rest_.remove_prefix(text.size());
  return text;
}

std::string WriteError(std::string_view message, std::string_view sqlstate) {
  return HostBody().Text(message).Text(sqlstate).bytes();
}

void ReadError(std::string_view body, AdbcError* error) {
  if (error == nullptr) return;
  HostBodyReader reader(body);
  const std::string message = reader.Text().ValueOr("The process of the driver sent no words");
  const std::string sqlstate = reader.Text().ValueOr("");
  error->message = new char[message.size() + 1];
  std::memcpy(error->message, message.c_str(), message.size() + 1);
  std::memset(error->sqlstate, 0, sizeof(error->sqlstate));
  std::memcpy(error->sqlstate, sqlstate.data(), std::min(sqlstate.size(), sizeof(error->sqlstate)));
  error->release = [](AdbcError* released) {
    delete[] released->message;
    released->message = nullptr;
    released->release = nullptr;
  };
}

arrow::Result<std::string> WriteBatch(const std::shared_ptr<arrow::Schema>& schema,
                                      const std::shared_ptr<arrow::RecordBatch>& batch) {
  ARROW_ASSIGN_OR_RAISE(const auto sink, arrow::io::BufferOutputStream::Create());
  ARROW_ASSIGN_OR_RAISE(const auto writer, arrow::ipc::MakeStreamWriter(sink, schema));
  if (batch != nullptr) ARROW_RETURN_NOT_OK(writer->WriteRecordBatch(*batch));
  ARROW_RETURN_NOT_OK(writer->Close());
  ARROW_ASSIGN_OR_RAISE(const auto buffer, sink->Finish());
  return buffer->ToString();
}

arrow::Result<std::shared_ptr<arrow::Schema>> ReadSchemaOf(const std::string& bytes) {
  arrow::io::BufferReader source(arrow::Buffer::FromString(bytes));
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(&source));
  return reader->schema();
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> ReadBatchOf(std::string bytes, const arrow::Schema* of) {
  const auto source = std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
  ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::ipc::RecordBatchStreamReader::Open(source));
  ARROW_ASSIGN_OR_RAISE(auto batch, reader->Next());
  if (batch == nullptr) return arrow::Status::Invalid("A frame has no batch");
  if (of != nullptr && !batch->schema()->Equals(*of, false)) {
    return arrow::Status::Invalid("A batch has other columns than its stream");
  }
  ARROW_RETURN_NOT_OK(batch->ValidateFull());  // what a driver's broken process sends is not trusted
  return batch;
}

}  // namespace hyprstream::backend
