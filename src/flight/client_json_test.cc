#include "flight/client_json.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>

#include "flight/put_handler.h"
#include "flight/subscriptions.h"

namespace hyprstream::flight {
namespace {

using ::testing::HasSubstr;

std::string Nested(std::size_t depth, const std::string& open, const std::string& inner, const std::string& close) {
  std::string text;
  for (std::size_t i = 0; i < depth; ++i) text += open;
  text += inner;
  for (std::size_t i = 0; i < depth; ++i) text += close;
  return text;
}

std::string Arrays(std::size_t depth) { return Nested(depth, "[", "", "]"); }
std::string Objects(std::size_t depth) { return Nested(depth, "{\"a\":", "1", "}"); }

TEST(ClientJson, IsTheDocument) {
  const auto document = ParseClientJson(R"({"a": [1, {"b": null}], "c": "ä"})").ValueOrDie();
  EXPECT_EQ(document["a"][0], 1);
  EXPECT_TRUE(document["a"][1]["b"].is_null());
  EXPECT_EQ(document["c"], "ä");
  for (const auto& depth : {Arrays(8), Objects(8)}) {
    EXPECT_EQ(ParseClientJson(depth).ValueOrDie().dump(), depth);
  }
}

TEST(ClientJson, WhatIsNoneIsDiscarded) {
  for (const char* text :
       {"", "{", "[", "nothing", "\xFF\xFE", "1e400", R"({"a": 1e400})", R"({"a": -1e400, "b": [)"}) {
    EXPECT_TRUE(ParseClientJson(text).ValueOrDie().is_discarded()) << text;
  }
}

TEST(ClientJson, HasBounds) {
  for (const std::size_t depth : {9, 1000, 100'000}) {
    for (const auto& text :
         {Arrays(depth), Objects(depth).substr(0, 1 << 20), "{\"b\": [" + Arrays(depth) + ", 2], \"c\": 3}"}) {
      const auto document = ParseClientJson(text);
      EXPECT_TRUE(document.status().IsInvalid());
      EXPECT_THAT(document.status().message(), HasSubstr("nested 8 deep")) << depth;
    }
  }
  EXPECT_TRUE(ParseClientJson("\"" + std::string((1 << 20) - 2, 'x') + "\"").ok());
  const auto longer = ParseClientJson("\"" + std::string((1 << 20) - 1, 'x') + "\"");
  EXPECT_THAT(longer.status().message(), HasSubstr("may have 1048576 bytes; this has 1048577"));
}

TEST(ClientJson, BoundsTicketsAndMetadata) {
  EXPECT_TRUE(SubscriptionIn("{\"subscribe\": " + Arrays(100'000) + "}").status().IsInvalid());
  EXPECT_TRUE(SubscriptionIn("{\"subscribe\": {\"view\": " + Arrays(100'000) + "}}").status().IsInvalid());
  EXPECT_TRUE(WantsCreate("{\"create\": " + Arrays(100'000) + "}").status().IsInvalid());
}

TEST(Subscriptions, AreFoundInTicketsAndMetadata) {
  EXPECT_EQ(SubscriptionIn(R"({"subscribe": {"view": "v"}})").ValueOrDie(), nlohmann::json({{"view", "v"}}));
  EXPECT_TRUE(SubscriptionIn(R"({"subscribe": null})").ValueOrDie().has_value());
  for (const char* text : {"", "{", "{}", R"({"create": true})", R"({"subscribe": {}, "create": true})",
                           R"(["subscribe"])", R"({"subscribe": 1e400})", "protobuf"}) {
    EXPECT_FALSE(SubscriptionIn(text).ValueOrDie().has_value()) << text;
  }
}

}  // namespace
}  // namespace hyprstream::flight
