#include "flight/ipc_guard.h"

#include <arrow/array.h>
#include <arrow/buffer.h>
#include <arrow/builder.h>
#include <arrow/flight/transport.h>
#include <arrow/ipc/message.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/compression.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>

namespace hyprstream::flight {
namespace {

using arrow::flight::internal::FlightData;
using ::testing::HasSubstr;

constexpr std::int64_t kBytesMax = 1'000'000;

// A batch of `rows` zeros, compressed.
FlightData Compressed(std::int64_t rows) {
  auto zeros = arrow::Buffer::FromString(std::string(static_cast<std::size_t>(rows) * 8, '\0'));
  auto column = arrow::MakeArray(arrow::ArrayData::Make(arrow::int64(), rows, {nullptr, zeros}));
  auto batch = arrow::RecordBatch::Make(arrow::schema({arrow::field("a", arrow::int64())}), rows, {column});
  auto options = arrow::ipc::IpcWriteOptions::Defaults();
  options.codec = arrow::util::Codec::Create(arrow::Compression::ZSTD).ValueOrDie();
  arrow::ipc::IpcPayload payload;
  EXPECT_TRUE(arrow::ipc::GetRecordBatchPayload(*batch, options, &payload).ok());
  std::string body;
  for (const auto& buffer : payload.body_buffers) {
    if (buffer != nullptr) body.append(buffer->ToString());
    body.resize((body.size() + 7) / 8 * 8);
  }
  FlightData data;
  data.metadata = payload.metadata;
  data.body = arrow::Buffer::FromString(body);
  return data;
}

std::string RefusalFor(FlightData& data) {
  const auto opened = data.OpenMessage();
  return opened.ok() ? "" : RefusalOf(opened.status()).message();
}

TEST(IpcGuard, LetsCompressedBatchesPassUpToTheBound) {
  IpcGuard guard(kBytesMax);
  auto data = Compressed(kBytesMax / 8);
  guard.Look(data);
  EXPECT_TRUE(data.OpenMessage().ok());
}

TEST(IpcGuard, RefusesABodyThatSwellsBeyondTheBound) {
  IpcGuard guard(kBytesMax);
  auto data = Compressed(kBytesMax / 8 + 1);
  guard.Look(data);
  EXPECT_THAT(RefusalFor(data), HasSubstr("batch_bytes_max"));
}

TEST(IpcGuard, RefusesABodyThatOnlySaysItSwells) {
  for (const std::int64_t said : {std::int64_t{1} << 40, std::numeric_limits<std::int64_t>::max()}) {
    IpcGuard guard(kBytesMax);
    auto data = Compressed(10);
    std::string body = data.body->ToString();
    std::memcpy(body.data(), &said, sizeof(said));
    data.body = arrow::Buffer::FromString(body);
    guard.Look(data);
    EXPECT_THAT(RefusalFor(data), HasSubstr("batch_bytes_max"));
  }
}

TEST(IpcGuard, RefusesAMessageOfNothing) {
  IpcGuard guard(kBytesMax);
  FlightData data;
  data.body = arrow::Buffer::FromString("rows without a header");
  guard.Look(data);
  ASSERT_NE(data.metadata, nullptr);
  EXPECT_THAT(RefusalFor(data), HasSubstr("neither"));
}

TEST(IpcGuard, LetsDescriptorsAndMetadataPass) {
  IpcGuard guard(kBytesMax);
  FlightData described;
  described.descriptor = std::make_unique<arrow::flight::FlightDescriptor>();
  guard.Look(described);
  EXPECT_EQ(described.metadata, nullptr);
  FlightData noted;
  noted.app_metadata = arrow::Buffer::FromString("{}");
  guard.Look(noted);
  EXPECT_EQ(noted.metadata, nullptr);
}

TEST(IpcGuard, RefusesADescriptorAloneAfterTheFirstMessage) {
  IpcGuard guard(kBytesMax);
  auto first = Compressed(1);
  guard.Look(first);
  FlightData described;
  described.descriptor = std::make_unique<arrow::flight::FlightDescriptor>();
  guard.Look(described);
  ASSERT_NE(described.metadata, nullptr);
  EXPECT_THAT(RefusalFor(described), HasSubstr("neither"));
}

TEST(IpcGuard, LeavesGarbageToTheReader) {
  for (const auto& bytes : {std::string(), std::string(4, '\0'), std::string(400, '\xff')}) {
    IpcGuard guard(kBytesMax);
    FlightData data;
    data.metadata = arrow::Buffer::FromString(bytes);
    guard.Look(data);
    EXPECT_FALSE(data.OpenMessage().ok());
  }
}

}  // namespace
}  // namespace hyprstream::flight
