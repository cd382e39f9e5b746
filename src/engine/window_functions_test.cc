#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <duckdb.hpp>
#include <duckdb/main/valid_checker.hpp>
#include <memory>
#include <string>
#include <string_view>

#include "engine/order_keys_internal.h"
#include "engine/state_reading_internal.h"
#include "engine/window_functions_internal.h"

namespace hyprstream::engine {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The functions that rewritten queries are made of, given what no rewriting gives them.
class OwnFunctionsTest : public ::testing::Test {
 protected:
  OwnFunctionsTest() {
    database_ = std::make_unique<duckdb::DuckDB>(nullptr);
    connection_ = std::make_unique<duckdb::Connection>(*database_);
    connection_->BeginTransaction();
    RegisterWindowFunctions(*connection_);
    RegisterOrderKeys(*connection_);
    RegisterStateOf(*connection_);
    connection_->Commit();
    connection_->Query(
        "CREATE TABLE t AS SELECT TIMESTAMP '2020-01-01' AS ts, INTERVAL '1 hour' AS w, INTERVAL '0 s' AS z, "
        "NULL::INTERVAL "
        "AS n, 'hop' AS f, 1 AS i");
  }

  std::string ErrorOf(const std::string& sql) { return connection_->Query(sql)->GetError(); }

  std::unique_ptr<duckdb::DuckDB> database_;
  std::unique_ptr<duckdb::Connection> connection_;
};

TEST_F(OwnFunctionsTest, HopStartsTakesWidthsAboveZero) {
  EXPECT_EQ(ErrorOf("SELECT hyprstream_hop_starts(ts, w, w) FROM t"), "");
  for (const char* widths :
       {"INTERVAL '0 s', w", "INTERVAL '0 s', INTERVAL '1 hour'", "z, w", "w, z", "z, z", "n, w", "w, n",
        "NULL, INTERVAL '1 hour'", "INTERVAL '1 hour', NULL", "INTERVAL '-1 s', INTERVAL '1 hour'",
        "INTERVAL '-2 hours', INTERVAL '-1 hour'", "-w, -w", "-w, w"}) {
    for (const char* time : {"ts", "TIMESTAMPTZ '2020-01-01 00:00:00+00'"}) {
      const auto sql = "SELECT hyprstream_hop_starts(" + std::string(time) + ", " + widths + ") FROM t";
      EXPECT_THAT(ErrorOf(sql), HasSubstr("must be longer than nothing")) << sql;
    }
  }
}

TEST_F(OwnFunctionsTest, NothingTheyAreGivenIsAFailureOfTheDatabase) {
  for (const char* call : {
           "hyprstream_event_time(f, ts, t)",
           "hyprstream_event_time(NULL, NULL, NULL)",
           "hyprstream_event_time(f, f, f)",
           "hyprstream_event_time('hop', ts, NULL)",
           "hyprstream_event_time('hop', make_timestamp(-9223372036854775000), t)",
           "hyprstream_window_width(f, f, w)",
           "hyprstream_window_width(f, f, INTERVAL '1 hour')",
           "hyprstream_window_width('hop', f, i)",
           "hyprstream_window_width(NULL, NULL, NULL)",
           "hyprstream_window_width('tumble', 'size', to_months(2147483647))",
           "hyprstream_window_width('tumble', 'size', to_days(2147483647))",
           "hyprstream_window_end(ts, n)",
           "hyprstream_window_end(NULL, NULL)",
           "hyprstream_window_end(ts, -w)",
           "hyprstream_window_end(ts, to_days(2147483647))",
           "hyprstream_window_end(ts, to_months(2147483647))",
           "hyprstream_window_end(ts, to_months(-2147483648))",
           "hyprstream_window_end(make_timestamp(-9223372036854775000), to_months(-1))",
           "hyprstream_window_end('infinity'::TIMESTAMP, w)",
           "hyprstream_hop_starts(ts, to_days(2147483647), to_days(2147483647))",
           "hyprstream_hop_starts(ts, to_years(100000000), to_years(100000000))",
           "hyprstream_hop_starts(ts, to_microseconds(9223372036854775807), to_microseconds(9223372036854775807))",
           "hyprstream_hop_starts(make_timestamp(-9223372036854775000), w, w)",
           "hyprstream_hop_starts('infinity'::TIMESTAMP, w, w)",
           "hyprstream_hop_starts(ts, INTERVAL '1 us', to_microseconds(9223372036854775807))",
           "hyprstream_order_key(NULL)",
           "hyprstream_order_key([t])",
           "hyprstream_order_key('1'::VARIANT)",
           "hyprstream_order_key(1::BIGNUM)",
           "hyprstream_order_key([to_years(100000000)])",
           "hyprstream_order_key(MAP {'a': 1})",
           "hyprstream_order_key(union_value(a := 1))",
           "hyprstream_value_key(NULL)",
           "hyprstream_value_key(i)",
           "hyprstream_value_key([i])",
           "hyprstream_present(NULL)",
           "hyprstream_present(t)",
           "hyprstream_state(NULL)",
           "hyprstream_state(i)",
       }) {
    for (const std::string from : {" FROM t", " FROM t, range(3000)", " FROM t WHERE i > 5"}) {
      const auto sql = std::string("SELECT ") + call + from;
      EXPECT_THAT(ErrorOf(sql), Not(HasSubstr("INTERNAL"))) << sql;
      EXPECT_FALSE(duckdb::ValidChecker::IsInvalidated(*database_->instance)) << sql;
    }
  }
  EXPECT_EQ(ErrorOf("SELECT 1"), "");
}

TEST_F(OwnFunctionsTest, ParametersAreTakenOrRefused) {
  for (const char* sql :
       {"SELECT hyprstream_event_time(?, ?, ?)", "SELECT hyprstream_event_time('hop', ?, NULL)",
        "SELECT hyprstream_window_width(?, ?, ?)", "SELECT hyprstream_window_width('hop', 'size', ?)",
        "SELECT hyprstream_window_end(?, ?)", "SELECT hyprstream_hop_starts(?, ?, ?)",
        "SELECT hyprstream_hop_starts(TIMESTAMP '2020-01-01', ?, ?)", "SELECT hyprstream_order_key(?)",
        "SELECT hyprstream_value_key(?)", "SELECT hyprstream_present(?)", "SELECT hyprstream_state(?)"}) {
    std::string values;
    for (const char c : std::string_view(sql)) values += c != '?' ? "" : values.empty() ? "NULL" : ", NULL";
    EXPECT_THAT(ErrorOf(std::string("PREPARE p AS ") + sql), Not(HasSubstr("INTERNAL"))) << sql;
    EXPECT_THAT(ErrorOf("EXECUTE p(" + values + ")"), Not(HasSubstr("INTERNAL"))) << sql;
    ErrorOf("DEALLOCATE p");
  }
  EXPECT_EQ(ErrorOf("SELECT 1"), "");
}

}  // namespace
}  // namespace hyprstream::engine
