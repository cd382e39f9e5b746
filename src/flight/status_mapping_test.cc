#include "flight/status_mapping.h"

#include <arrow/flight/types.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

namespace hyprstream::flight {
namespace {

namespace fl = arrow::flight;

fl::FlightStatusCode CodeOf(const arrow::Status& status) {
  const auto detail = fl::FlightStatusDetail::UnwrapStatus(status);
  return detail == nullptr ? fl::FlightStatusCode::Failed : detail->code();
}

TEST(StatusMapping, KeepsTheCodesThatFlightKnows) {
  for (const auto& status :
       {arrow::Status::Invalid("x"), arrow::Status::KeyError("x"), arrow::Status::AlreadyExists("x"),
        arrow::Status::NotImplemented("x"), arrow::Status::Cancelled("x")}) {
    EXPECT_EQ(ToFlightStatus(status).code(), status.code());
    EXPECT_EQ(ToFlightStatus(status).detail(), nullptr);
  }
  EXPECT_TRUE(ToFlightStatus(arrow::Status::OK()).ok());
}

TEST(StatusMapping, GivesTheOthersAFlightCode) {
  EXPECT_TRUE(ToFlightStatus(arrow::Status::TypeError("x")).IsInvalid());
  EXPECT_EQ(CodeOf(ToFlightStatus(arrow::Status::CapacityError("x"))), fl::FlightStatusCode::Unavailable);
  EXPECT_EQ(CodeOf(ToFlightStatus(arrow::Status::OutOfMemory("x"))), fl::FlightStatusCode::Unavailable);
  EXPECT_EQ(CodeOf(ToFlightStatus(arrow::Status::UnknownError("x"))), fl::FlightStatusCode::Internal);
  EXPECT_EQ(CodeOf(ToFlightStatus(Unauthenticated("x"))), fl::FlightStatusCode::Unauthenticated);
  EXPECT_EQ(CodeOf(ToFlightStatus(Unauthorized("x"))), fl::FlightStatusCode::Unauthorized);
}

TEST(StatusMapping, StopsExceptions) {
  const auto failed = Guarded([]() -> arrow::Status { throw std::runtime_error("boom"); });
  EXPECT_EQ(CodeOf(failed), fl::FlightStatusCode::Internal);
  EXPECT_THAT(failed.message(), testing::HasSubstr("boom"));
  EXPECT_EQ(CodeOf(Guarded([]() -> arrow::Status { throw std::bad_alloc(); })), fl::FlightStatusCode::Unavailable);
  EXPECT_FALSE(Guarded([]() -> arrow::Status { throw 7; }).ok());
}

TEST(BoundedText, CutsLongTextSoThatBothCopiesFitIntoHeaders) {
  const auto cut = BoundedText(std::string(100'000, 'x'));
  EXPECT_LT(cut.size(), 4096u);
  EXPECT_TRUE(cut.ends_with("..."));
  std::string umlauts;
  for (int i = 0; i < 10'000; ++i) umlauts += "\u00e4";
  EXPECT_LT(BoundedText(umlauts).size(), cut.size());  // percent-encoding triples them
  EXPECT_EQ(BoundedText("short"), "short");
}

TEST(BoundedText, MakesValidUtf8) {
  EXPECT_EQ(BoundedText("a\xFFz"), "a\xEF\xBF\xBDz");
  EXPECT_EQ(BoundedText("\xC3"), "\xEF\xBF\xBD");
  EXPECT_EQ(BoundedText("\xED\xA0\x80"), "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(BoundedText("\u00e4\u20ac\U0001F600"), "\u00e4\u20ac\U0001F600");
  EXPECT_EQ(BoundedText(std::string_view("a\0b", 3)), "a b");
}

}  // namespace
}  // namespace hyprstream::flight
