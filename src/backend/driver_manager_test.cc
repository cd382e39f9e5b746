// Proves that the driver manager we compile loads a pinned driver by absolute path and runs a statement with it.

#include <arrow-adbc/adbc.h>
#include <arrow-adbc/adbc_driver_manager.h>
#include <arrow/array/array_primitive.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace hyprstream {
namespace {

// An open connection to an in-memory SQLite database; every call is expected to succeed.
class SqliteConnection {
 public:
  explicit SqliteConnection(const std::string& driver) {
    Expect(AdbcDatabaseNew(&database_, &error_));
    Expect(AdbcDatabaseSetOption(&database_, "driver", driver.c_str(), &error_));
    Expect(AdbcDatabaseSetOption(&database_, "uri", ":memory:", &error_));
    Expect(AdbcDatabaseInit(&database_, &error_));
    Expect(AdbcConnectionNew(&connection_, &error_));
    Expect(AdbcConnectionInit(&connection_, &database_, &error_));
  }
  SqliteConnection(const SqliteConnection&) = delete;
  SqliteConnection& operator=(const SqliteConnection&) = delete;

  ~SqliteConnection() {
    Expect(AdbcConnectionRelease(&connection_, &error_));
    Expect(AdbcDatabaseRelease(&database_, &error_));
  }

  // The first value of a statement whose first column is int64.
  int64_t SelectInteger(const char* sql) {
    AdbcStatement statement{};
    ArrowArrayStream stream{};
    Expect(AdbcStatementNew(&connection_, &statement, &error_));
    Expect(AdbcStatementSetSqlQuery(&statement, sql, &error_));
    Expect(AdbcStatementExecuteQuery(&statement, &stream, nullptr, &error_));
    int64_t value = -1;
    {
      const auto reader = arrow::ImportRecordBatchReader(&stream).ValueOrDie();
      const auto batch = reader->Next().ValueOrDie();
      value = static_cast<const arrow::Int64Array&>(*batch->column(0)).Value(0);
    }
    Expect(AdbcStatementRelease(&statement, &error_));
    return value;
  }

 private:
  void Expect(AdbcStatusCode code) {
    EXPECT_EQ(code, ADBC_STATUS_OK) << (error_.message != nullptr ? error_.message : "no message");
    if (error_.release != nullptr) error_.release(&error_);
  }

  AdbcError error_{};
  AdbcDatabase database_{};
  AdbcConnection connection_{};
};

TEST(DriverManager, LoadsADriverByAbsolutePathAndSelects) {
  const char* drivers = std::getenv("HYPRSTREAM_ADBC_DRIVERS");
  ASSERT_NE(drivers, nullptr) << "HYPRSTREAM_ADBC_DRIVERS must name the folder of the drivers; CTest and ./dev set it";
  SqliteConnection connection(std::string(drivers) + "/libadbc_driver_sqlite.so");
  EXPECT_EQ(connection.SelectInteger("SELECT 1"), 1);
}

}  // namespace
}  // namespace hyprstream
