#include "backend/host_protocol.h"

#include <arrow/array/builder_primitive.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>
#include <gmock/gmock.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <array>
#include <future>

#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using ::testing::HasSubstr;

std::int64_t HighestMemoryKib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_maxrss;
}

TEST(HostProtocol, AFrameArrivesWhole) {
  ASSERT_OK_AND_ASSIGN(auto pair, HostSocket::MakePair());
  std::string body;
  for (int i = 0; i < 1'000'000; ++i) body += std::to_string(i);
  auto sent = std::async(std::launch::async, [&] { return pair.first.Send(7, body); });
  ASSERT_OK_AND_ASSIGN(const auto frame, pair.second.Receive());
  EXPECT_OK(sent.get());
  EXPECT_EQ(frame.kind, 7);
  EXPECT_EQ(frame.body, body);
}

TEST(HostProtocol, AHeaderAloneTakesNoMemory) {
  ASSERT_OK_AND_ASSIGN(const auto pair, HostSocket::MakePair());
  // Kind, nothing, and the bytes that are to follow.
  const std::array<std::uint64_t, 2> header = {0, std::uint64_t{1} << 31};
  ASSERT_EQ(send(pair.first.descriptor(), header.data(), sizeof(header), 0), static_cast<ssize_t>(sizeof(header)));
  pair.first.ShutDown();
  const auto before = HighestMemoryKib();
  EXPECT_TRUE(pair.second.Receive().status().IsIOError());
  EXPECT_LT(HighestMemoryKib() - before, 256 * 1'024);
}

TEST(HostProtocol, ABatchIsOneOfItsStream) {
  arrow::Int64Builder numbers;
  ASSERT_OK(numbers.Append(7));
  const auto schema = arrow::schema({arrow::field("n", arrow::int64())});
  const auto batch = arrow::RecordBatch::Make(schema, 1, {numbers.Finish().ValueOrDie()});
  ASSERT_OK_AND_ASSIGN(const auto bytes, WriteBatch(schema, batch));
  ASSERT_OK_AND_ASSIGN(const auto read, ReadBatchOf(bytes, schema.get()));
  EXPECT_TRUE(read->Equals(*batch));
  for (const auto& other : {arrow::schema({arrow::field("n", arrow::utf8())}), arrow::schema({}),
                            arrow::schema({schema->field(0), arrow::field("m", arrow::int64())})}) {
    EXPECT_THAT(ReadBatchOf(bytes, other.get()).status().ToString(), HasSubstr("other columns than its stream"));
  }
}

}  // namespace
}  // namespace hyprstream::backend
