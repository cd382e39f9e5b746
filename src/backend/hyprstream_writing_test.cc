#include <arrow/result.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>

#include "backend/driver.h"
#include "backend/writing_dialect.h"
#include "support/status_assertions.h"

namespace hyprstream::backend {
namespace {

using ::testing::Contains;
using ::testing::Pair;

arrow::Status Error(AdbcStatusCode code, const std::string& message) {
  return {arrow::StatusCode::Invalid, message, std::make_shared<DriverErrorDetail>(code, "")};
}

TEST(HyprstreamWriting, OnlyTheServersOwnWordMeansThatACommitWasNotCarriedOut) {
  const auto writing = MakeHyprstreamWriting();
  EXPECT_TRUE(
      writing->IsRefusal(Error(ADBC_STATUS_INVALID_ARGUMENT, "[FlightSQL] conflict (InvalidArgument; Commit)")));
  EXPECT_TRUE(writing->IsRefusal(Error(ADBC_STATUS_NOT_FOUND, "[FlightSQL] Unknown transaction (NotFound; Commit)")));
  for (const int code : {ADBC_STATUS_IO, ADBC_STATUS_TIMEOUT, ADBC_STATUS_UNKNOWN, ADBC_STATUS_INTERNAL,
                         ADBC_STATUS_CANCELLED, ADBC_STATUS_UNAUTHENTICATED}) {
    const auto lost = Error(static_cast<AdbcStatusCode>(code), "[FlightSQL] transport is closing (Commit)");
    EXPECT_FALSE(writing->IsRefusal(lost)) << code;
  }
  EXPECT_FALSE(writing->IsRefusal(arrow::Status::Invalid("of no driver's")));
}

TEST(HyprstreamWriting, AnErrorOfTheNextTransactionIsNoneOfTheCommit) {
  const auto writing = MakeHyprstreamWriting();
  EXPECT_FALSE(writing->IsRefusal(
      Error(ADBC_STATUS_INVALID_ARGUMENT, "[FlightSQL] no more of them (InvalidArgument; BeginTransaction)")));
}

TEST(HyprstreamWriting, EveryIngestBelongsToATransaction) {
  const auto writing = MakeHyprstreamWriting();
  const auto required = Contains(Pair("adbc.flight.sql.rpc.call_header.hyprstream-transaction", "required"));
  EXPECT_THAT(writing->IngestOptions({.schema = "s", .name = "t"}), required);
  EXPECT_THAT(writing->StageOptions("stage"), required);
  EXPECT_THAT(writing->StageOptions("stage"), Contains(Pair("adbc.ingest.temporary", "true")));
}

TEST(HyprstreamWriting, OptionsOfATableAreTheServersToKnow) {
  const auto writing = MakeHyprstreamWriting();
  const auto options = arrow::key_value_metadata({"time", "retention"}, {"t's", "7 days"});
  ASSERT_OK_AND_ASSIGN(const auto text, writing->TableOptions(*options));
  EXPECT_EQ(text, "WITH (time = 't''s', retention = '7 days')");
}

}  // namespace
}  // namespace hyprstream::backend
