// Looks at each Arrow IPC message before Arrow's reader does, and makes it fail there when it would do harm:
// a compressed body that says it swells beyond a bound (the reader allocates whatever it says), and a message without
// header where the reader expects one after a dictionary (it would go through a null pointer).
//
// Hangs in gRPC as an interceptor, because Flight hands nobody else the messages of a stream. What it refuses it
// replaces by a header that Arrow's reader refuses in words which RefusalOf understands.
//
// Thread safety: the factory from any thread; one interceptor belongs to one call.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace arrow {
class Buffer;
class Status;
}  // namespace arrow

namespace arrow::flight::internal {
struct FlightData;
}

namespace hyprstream::flight {

class IpcGuardFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `swollen_bytes_max`: what the buffers of one message may take once they are decompressed.
  explicit IpcGuardFactory(std::int64_t swollen_bytes_max) : swollen_bytes_max_(swollen_bytes_max) {}

  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* info) override;

 private:
  const std::int64_t swollen_bytes_max_;
};

// The messages of one stream, in order.
class IpcGuard {
 public:
  explicit IpcGuard(std::int64_t swollen_bytes_max) : swollen_bytes_max_(swollen_bytes_max) {}

  // Leaves `message` as it is, or replaces its header by one that is refused.
  void Look(arrow::flight::internal::FlightData& message);

 private:
  const std::int64_t swollen_bytes_max_;
  bool first_ = true;
  bool after_dictionary_ = false;
};

// What the guard had to say when Arrow's reader has failed with `status`; OK when it was not the guard.
arrow::Status RefusalOf(const arrow::Status& status);

}  // namespace hyprstream::flight
