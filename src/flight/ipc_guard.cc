#include "flight/ipc_guard.h"

#include <arrow/buffer.h>
#include <arrow/flight/transport.h>
#include <arrow/ipc/message.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <cstring>
#include <limits>
#include <utility>

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

// Metadata versions that Arrow will not have for a long time: its reader names the one that it does not support.
constexpr std::int16_t kSwells = 31'001;
constexpr std::int16_t kNoHeader = 31'002;
constexpr std::string_view kVersionWords = "Unsupported future MetadataVersion: ";

template <class T>
T Load(const std::uint8_t* at) {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

// A table of a flatbuffer that Arrow has verified. A field that is not there is null.
class Table {
 public:
  explicit Table(const void* at) : at_(static_cast<const std::uint8_t*>(at)) {}

  const std::uint8_t* Field(int index) const {
    const auto* entries = at_ - Load<std::int32_t>(at_);
    const auto place = static_cast<std::uint16_t>(4 + 2 * index);
    if (place >= Load<std::uint16_t>(entries)) return nullptr;
    const auto offset = Load<std::uint16_t>(entries + place);
    return offset == 0 ? nullptr : at_ + offset;
  }
  // What the field refers to: a table or a vector.
  const std::uint8_t* Target(int index) const {
    const auto* field = Field(index);
    return field == nullptr ? nullptr : field + Load<std::uint32_t>(field);
  }

 private:
  const std::uint8_t* at_;
};

// Fields by the order of format/Message.fbs.
constexpr int kBuffersOfBatch = 2;
constexpr int kCompressionOfBatch = 3;
constexpr int kDataOfDictionary = 1;
constexpr std::int64_t kBufferEntryBytes = 16;  // offset and length

// What the buffers of a batch say that they take once decompressed; a batch that is not compressed takes nothing more.
std::int64_t SwollenBytes(const Table& batch, const arrow::Buffer& body) {
  const auto* buffers = batch.Target(kBuffersOfBatch);
  if (batch.Field(kCompressionOfBatch) == nullptr || buffers == nullptr) return 0;
  const auto count = Load<std::uint32_t>(buffers);
  const auto* entry = buffers + sizeof(std::uint32_t);
  std::int64_t total = 0;
  for (std::uint32_t i = 0; i < count; ++i, entry += kBufferEntryBytes) {
    const auto offset = Load<std::int64_t>(entry);
    const auto length = Load<std::int64_t>(entry + sizeof(std::int64_t));
    constexpr std::int64_t kPrefix = sizeof(std::int64_t);
    if (length < kPrefix || offset < 0 || offset > body.size() - kPrefix) continue;  // the reader refuses it
    const auto swollen = Load<std::int64_t>(body.data() + offset);
    if (swollen < 0) continue;  // not compressed after all
    if (swollen > std::numeric_limits<std::int64_t>::max() - total) return std::numeric_limits<std::int64_t>::max();
    total += swollen;
  }
  return total;
}

// The least message that Arrow's reader takes apart: a table with a version and an empty schema as its header.
std::shared_ptr<arrow::Buffer> HeaderOfVersion(std::int16_t version) {
  // root, then the vtable of Message {version, header_type, header}, its table, the vtable of Schema, its table
  std::string bytes(48, '\0');
  const auto put = [&](std::size_t at, auto value) { std::memcpy(bytes.data() + at, &value, sizeof(value)); };
  put(0, std::uint32_t{16});
  put(4, std::uint16_t{10});  // bytes of the vtable
  put(6, std::uint16_t{12});  // bytes of the table
  put(8, std::uint16_t{4});   // version
  put(10, std::uint16_t{6});  // header_type
  put(12, std::uint16_t{8});  // header
  put(16, std::int32_t{12});  // from the table back to its vtable
  put(20, version);
  put(22, std::uint8_t{1});    // a schema
  put(24, std::uint32_t{12});  // 36
  put(32, std::uint16_t{4});
  put(34, std::uint16_t{4});
  put(36, std::int32_t{4});
  return arrow::Buffer::FromString(std::move(bytes));
}

class GuardInterceptor final : public grpc::experimental::Interceptor {
 public:
  explicit GuardInterceptor(std::int64_t swollen_bytes_max) : guard_(swollen_bytes_max) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      // Flight reads into a FlightData of its own where gRPC believes in a protobuf message.
      auto* message = static_cast<fl::internal::FlightData*>(methods->GetRecvMessage());
      if (message != nullptr) guard_.Look(*message);
    }
    methods->Proceed();
  }

 private:
  IpcGuard guard_;
};

}  // namespace

void IpcGuard::Look(fl::internal::FlightData& message) {
  const bool expects_header = std::exchange(after_dictionary_, false);
  const bool first = std::exchange(first_, false);
  if (message.metadata == nullptr) {
    // A descriptor says something in the first message only: Flight takes a later one for the end of the stream.
    const bool says_nothing = message.app_metadata == nullptr && (message.descriptor == nullptr || !first);
    if (expects_header || says_nothing) message.metadata = HeaderOfVersion(kNoHeader);
    return;
  }
  const auto opened = arrow::ipc::Message::Open(message.metadata, message.body);
  if (!opened.ok()) return;  // the reader says so too
  const auto type = (*opened)->type();
  after_dictionary_ = type == arrow::ipc::MessageType::DICTIONARY_BATCH;
  if ((!after_dictionary_ && type != arrow::ipc::MessageType::RECORD_BATCH) || message.body == nullptr) return;
  if ((*opened)->header() == nullptr) return;
  const Table header((*opened)->header());
  const auto* data = after_dictionary_ ? header.Target(kDataOfDictionary) : nullptr;
  if (after_dictionary_ && data == nullptr) return;
  if (SwollenBytes(after_dictionary_ ? Table(data) : header, *message.body) > swollen_bytes_max_) {
    message.metadata = HeaderOfVersion(kSwells);
    message.body = nullptr;
  }
}

grpc::experimental::Interceptor* IpcGuardFactory::CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) {
  const std::string_view method = info->method();
  if (!method.ends_with("/DoPut") && !method.ends_with("/DoExchange")) return nullptr;
  return new GuardInterceptor(swollen_bytes_max_);
}

arrow::Status RefusalOf(const arrow::Status& status) {
  if (status.ok()) return status;
  const std::string& text = status.message();
  if (text.find(std::string(kVersionWords) + std::to_string(kSwells)) != std::string::npos) {
    return arrow::Status::Invalid(
        "A compressed batch would take more than batch_bytes_max once it is decompressed; send smaller batches");
  }
  if (text.find(std::string(kVersionWords) + std::to_string(kNoHeader)) != std::string::npos) {
    return arrow::Status::Invalid("Bad Arrow stream: a message has neither an Arrow header nor metadata");
  }
  return arrow::Status::OK();
}

}  // namespace hyprstream::flight
