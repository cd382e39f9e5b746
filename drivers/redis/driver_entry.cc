// The C interface: handles to objects, statuses to errors, and the table of functions that AdbcDriverInit fills.

#include <arrow-adbc/adbc.h>
#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/util/utf8.h>

#include <charconv>
#include <cstring>
#include <exception>
#include <tuple>
#include <utility>

#include "driver_objects.h"
#include "exported_stream.h"
#include "failure.h"

namespace adbc_redis {
namespace {

template <class Handle>
struct ObjectOf;
template <>
struct ObjectOf<AdbcDatabase> {
  using type = Database;
};
template <>
struct ObjectOf<AdbcConnection> {
  using type = Connection;
};
template <>
struct ObjectOf<AdbcStatement> {
  using type = Statement;
};

template <class Body>
AdbcStatusCode Guarded(AdbcError* error, Body body) {
  try {
    return Report(body(), error);
  } catch (const std::exception& failure) {
    return Report(Fail(ADBC_STATUS_INTERNAL, failure.what()), error);
  }
}

// Calls `body` with the object behind a handle.
template <class Handle, class Body>
AdbcStatusCode With(Handle* handle, AdbcError* error, Body body) {
  return Guarded(error, [&]() -> arrow::Status {
    if (handle == nullptr || handle->private_data == nullptr) {
      return Fail(ADBC_STATUS_INVALID_STATE, "This handle was not made, or is released already");
    }
    return body(*static_cast<typename ObjectOf<Handle>::type*>(handle->private_data));
  });
}

template <class Handle>
AdbcStatusCode New(Handle* handle, AdbcError* error) {
  return Guarded(error, [&]() -> arrow::Status {
    if (handle->private_data != nullptr) return Fail(ADBC_STATUS_INVALID_STATE, "This handle is in use");
    handle->private_data = new typename ObjectOf<Handle>::type();
    return arrow::Status::OK();
  });
}

template <class Handle>
AdbcStatusCode Release(Handle* handle, AdbcError* error) {
  return With(handle, error, [&](auto& object) {
    delete &object;
    handle->private_data = nullptr;
    return arrow::Status::OK();
  });
}

template <class Handle>
AdbcStatusCode SetOption(Handle* handle, const char* name, const char* value, AdbcError* error) {
  return With(handle, error, [&](auto& object) { return object.SetOption(name, value == nullptr ? "" : value); });
}

template <class Handle>
AdbcStatusCode SetOptionInt(Handle* handle, const char* name, int64_t value, AdbcError* error) {
  return SetOption(handle, name, std::to_string(value).c_str(), error);
}

template <class Handle>
AdbcStatusCode SetOptionDouble(Handle* handle, const char* name, double, AdbcError* error) {
  return With(handle, error, [&](auto&) {
    return Fail(ADBC_STATUS_NOT_IMPLEMENTED, std::string("No option takes such a number: ") + name);
  });
}

template <class Handle>
AdbcStatusCode SetOptionBytes(Handle* handle, const char* name, const uint8_t*, size_t, AdbcError* error) {
  return With(handle, error,
              [&](auto&) { return Fail(ADBC_STATUS_NOT_IMPLEMENTED, std::string("No option takes bytes: ") + name); });
}

template <class Handle>
AdbcStatusCode GetOption(Handle* handle, const char* name, char* value, size_t* length, AdbcError* error) {
  return With(handle, error, [&](auto& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const std::string text, object.GetOption(name));
    if (text.size() + 1 <= *length) std::memcpy(value, text.c_str(), text.size() + 1);
    *length = text.size() + 1;
    return arrow::Status::OK();
  });
}

template <class Handle>
AdbcStatusCode GetOptionInt(Handle* handle, const char* name, int64_t* value, AdbcError* error) {
  return With(handle, error, [&](auto& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const std::string text, object.GetOption(name));
    const char* const end = text.data() + text.size();
    if (std::from_chars(text.data(), end, *value) == std::from_chars_result{end, std::errc()})
      return arrow::Status::OK();
    return Fail(ADBC_STATUS_NOT_FOUND, std::string("Option ") + name + " is no integer");
  });
}

template <class Handle>
AdbcStatusCode GetOptionDouble(Handle* handle, const char* name, double*, AdbcError* error) {
  return With(handle, error,
              [&](auto&) { return Fail(ADBC_STATUS_NOT_FOUND, std::string("No option is such a number: ") + name); });
}

template <class Handle>
AdbcStatusCode GetOptionBytes(Handle* handle, const char* name, uint8_t*, size_t*, AdbcError* error) {
  return With(handle, error,
              [&](auto&) { return Fail(ADBC_STATUS_NOT_FOUND, std::string("No option is bytes: ") + name); });
}

AdbcStatusCode DatabaseInit(AdbcDatabase* database, AdbcError* error) {
  return With(database, error, [](Database& object) { return object.Init(); });
}

AdbcStatusCode ConnectionInit(AdbcConnection* connection, AdbcDatabase* database, AdbcError* error) {
  return With(connection, error, [&](Connection& object) -> arrow::Status {
    if (database == nullptr || database->private_data == nullptr)
      return Fail(ADBC_STATUS_INVALID_STATE, "The database was not made");
    return object.Init(*static_cast<Database*>(database->private_data));
  });
}

AdbcStatusCode Commit(AdbcConnection* connection, AdbcError* error) {
  return With(connection, error, [](Connection& object) { return object.Commit(); });
}

AdbcStatusCode Rollback(AdbcConnection* connection, AdbcError* error) {
  return With(connection, error, [](Connection& object) { return object.Rollback(); });
}

AdbcStatusCode ConnectionCancel(AdbcConnection* connection, AdbcError* error) {
  return With(connection, error, [](Connection& object) {
    object.Cancel();
    return arrow::Status::OK();
  });
}

AdbcStatusCode GetInfo(AdbcConnection* connection, const uint32_t* codes, size_t count, ArrowArrayStream* out,
                       AdbcError* error) {
  return With(connection, error, [&](Connection& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto batch,
                          object.Info(codes == nullptr ? std::span<const uint32_t>() : std::span(codes, count)));
    return ExportBatch(std::move(batch), out);
  });
}

std::optional<std::string> Optional(const char* text) {
  return text == nullptr ? std::nullopt : std::optional<std::string>(text);
}

AdbcStatusCode GetObjects(AdbcConnection* connection, int depth, const char* catalog, const char* db_schema,
                          const char* table, const char** types, const char* column, ArrowArrayStream* out,
                          AdbcError* error) {
  return With(connection, error, [&](Connection& object) -> arrow::Status {
    if (depth < ADBC_OBJECT_DEPTH_ALL || depth > ADBC_OBJECT_DEPTH_TABLES) {
      return Fail(ADBC_STATUS_INVALID_ARGUMENT, "GetObjects has no depth " + std::to_string(depth));
    }
    ObjectsFilter filter{.depth = depth,
                         .catalog = Optional(catalog),
                         .db_schema = Optional(db_schema),
                         .table = Optional(table),
                         .column = Optional(column),
                         .types = std::nullopt};
    if (types != nullptr) {
      filter.types.emplace();
      for (; *types != nullptr; ++types) filter.types->emplace_back(*types);
    }
    ARROW_ASSIGN_OR_RAISE(auto batch, object.Objects(filter));
    return ExportBatch(std::move(batch), out);
  });
}

AdbcStatusCode GetTableSchema(AdbcConnection* connection, const char* catalog, const char* db_schema, const char* table,
                              ArrowSchema* out, AdbcError* error) {
  return With(connection, error, [&](Connection& object) -> arrow::Status {
    const auto elsewhere = [](const char* name) {
      return name != nullptr && *name != '\0' && std::strcmp(name, "main") != 0;
    };
    if (table == nullptr) return Fail(ADBC_STATUS_INVALID_ARGUMENT, "GetTableSchema needs a table's name");
    if (elsewhere(catalog) || elsewhere(db_schema))
      return Fail(ADBC_STATUS_NOT_FOUND, "There are no catalogs and schemas here");
    ARROW_ASSIGN_OR_RAISE(const auto schema, object.TableSchema(table));
    return arrow::ExportSchema(*schema, out);
  });
}

AdbcStatusCode GetTableTypes(AdbcConnection* connection, ArrowArrayStream* out, AdbcError* error) {
  return With(connection, error, [&](Connection&) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto batch, TableTypesBatch());
    return ExportBatch(std::move(batch), out);
  });
}

AdbcStatusCode StatementNew(AdbcConnection* connection, AdbcStatement* statement, AdbcError* error) {
  return With(connection, error, [&](Connection& object) -> arrow::Status {
    ARROW_RETURN_NOT_OK(object.tables().status());
    statement->private_data = new Statement(object);
    return arrow::Status::OK();
  });
}

AdbcStatusCode SetSqlQuery(AdbcStatement* statement, const char* query, AdbcError* error) {
  return With(statement, error, [&](Statement& object) { return object.SetQuery(query); });
}

AdbcStatusCode Prepare(AdbcStatement* statement, AdbcError* error) {
  return With(statement, error, [](Statement& object) { return object.Prepare(); });
}

AdbcStatusCode Bind(AdbcStatement* statement, ArrowArray* values, ArrowSchema* schema, AdbcError* error) {
  return With(statement, error, [&](Statement& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto rows, BoundRows::Of(values, schema));
    object.Bind(std::move(rows));
    return arrow::Status::OK();
  });
}

AdbcStatusCode BindStream(AdbcStatement* statement, ArrowArrayStream* stream, AdbcError* error) {
  return With(statement, error, [&](Statement& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(auto rows, BoundRows::Of(stream));
    object.Bind(std::move(rows));
    return arrow::Status::OK();
  });
}

AdbcStatusCode ExecuteQuery(AdbcStatement* statement, ArrowArrayStream* out, int64_t* rows_affected, AdbcError* error) {
  return With(statement, error, [&](Statement& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(Statement::Outcome outcome, object.Execute());
    if (rows_affected != nullptr) *rows_affected = outcome.rows;
    if (out == nullptr) return arrow::Status::OK();
    if (outcome.stream == nullptr) return ExportEmpty(out);
    ExportStream(std::move(outcome.stream), out);
    return arrow::Status::OK();
  });
}

AdbcStatusCode ExecuteSchema(AdbcStatement* statement, ArrowSchema* out, AdbcError* error) {
  return With(statement, error, [&](Statement& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto schema, object.ExecuteSchema());
    return arrow::ExportSchema(*schema, out);
  });
}

AdbcStatusCode GetParameterSchema(AdbcStatement* statement, ArrowSchema* out, AdbcError* error) {
  return With(statement, error, [&](Statement& object) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto schema, object.Parameters());
    return arrow::ExportSchema(*schema, out);
  });
}

AdbcStatusCode StatementCancel(AdbcStatement* statement, AdbcError* error) {
  return With(statement, error, [](Statement& object) {
    object.Cancel();
    return arrow::Status::OK();
  });
}

// A function of the table that this driver has not.
template <class... Arguments>
AdbcStatusCode NotHere(Arguments... arguments) {
  AdbcError* error = std::get<sizeof...(Arguments) - 1>(std::make_tuple(arguments...));
  return Report(Fail(ADBC_STATUS_NOT_IMPLEMENTED, "This driver does not have this function of ADBC"), error);
}

void Fill10(AdbcDriver& driver) {
  driver.release = [](AdbcDriver* released, AdbcError*) -> AdbcStatusCode {
    released->private_data = nullptr;
    released->release = nullptr;
    return ADBC_STATUS_OK;
  };
  driver.DatabaseNew = New<AdbcDatabase>;
  driver.DatabaseInit = DatabaseInit;
  driver.DatabaseSetOption = SetOption<AdbcDatabase>;
  driver.DatabaseRelease = Release<AdbcDatabase>;
  driver.ConnectionNew = New<AdbcConnection>;
  driver.ConnectionInit = ConnectionInit;
  driver.ConnectionSetOption = SetOption<AdbcConnection>;
  driver.ConnectionRelease = Release<AdbcConnection>;
  driver.ConnectionCommit = Commit;
  driver.ConnectionRollback = Rollback;
  driver.ConnectionGetInfo = GetInfo;
  driver.ConnectionGetObjects = GetObjects;
  driver.ConnectionGetTableSchema = GetTableSchema;
  driver.ConnectionGetTableTypes = GetTableTypes;
  driver.ConnectionReadPartition = NotHere;
  driver.StatementNew = StatementNew;
  driver.StatementSetOption = SetOption<AdbcStatement>;
  driver.StatementRelease = Release<AdbcStatement>;
  driver.StatementSetSqlQuery = SetSqlQuery;
  driver.StatementSetSubstraitPlan = NotHere;
  driver.StatementPrepare = Prepare;
  driver.StatementBind = Bind;
  driver.StatementBindStream = BindStream;
  driver.StatementExecuteQuery = ExecuteQuery;
  driver.StatementExecutePartitions = NotHere;
  driver.StatementGetParameterSchema = GetParameterSchema;
}

void Fill11(AdbcDriver& driver) {
  driver.ErrorGetDetailCount = [](const AdbcError*) { return 0; };
  driver.ErrorGetDetail = [](const AdbcError*, int) { return AdbcErrorDetail{nullptr, nullptr, 0}; };
  driver.ErrorFromArrayStream = StreamError;
  driver.DatabaseGetOption = GetOption<AdbcDatabase>;
  driver.DatabaseGetOptionBytes = GetOptionBytes<AdbcDatabase>;
  driver.DatabaseGetOptionDouble = GetOptionDouble<AdbcDatabase>;
  driver.DatabaseGetOptionInt = GetOptionInt<AdbcDatabase>;
  driver.DatabaseSetOptionBytes = SetOptionBytes<AdbcDatabase>;
  driver.DatabaseSetOptionDouble = SetOptionDouble<AdbcDatabase>;
  driver.DatabaseSetOptionInt = SetOptionInt<AdbcDatabase>;
  driver.ConnectionCancel = ConnectionCancel;
  driver.ConnectionGetOption = GetOption<AdbcConnection>;
  driver.ConnectionGetOptionBytes = GetOptionBytes<AdbcConnection>;
  driver.ConnectionGetOptionDouble = GetOptionDouble<AdbcConnection>;
  driver.ConnectionGetOptionInt = GetOptionInt<AdbcConnection>;
  driver.ConnectionGetStatistics = NotHere;
  driver.ConnectionGetStatisticNames = NotHere;
  driver.ConnectionSetOptionBytes = SetOptionBytes<AdbcConnection>;
  driver.ConnectionSetOptionDouble = SetOptionDouble<AdbcConnection>;
  driver.ConnectionSetOptionInt = SetOptionInt<AdbcConnection>;
  driver.StatementCancel = StatementCancel;
  driver.StatementExecuteSchema = ExecuteSchema;
  driver.StatementGetOption = GetOption<AdbcStatement>;
  driver.StatementGetOptionBytes = GetOptionBytes<AdbcStatement>;
  driver.StatementGetOptionDouble = GetOptionDouble<AdbcStatement>;
  driver.StatementGetOptionInt = GetOptionInt<AdbcStatement>;
  driver.StatementSetOptionBytes = SetOptionBytes<AdbcStatement>;
  driver.StatementSetOptionDouble = SetOptionDouble<AdbcStatement>;
  driver.StatementSetOptionInt = SetOptionInt<AdbcStatement>;
}

}  // namespace
}  // namespace adbc_redis

extern "C" {

// The name that driver managers look for in any library, and the one that they derive from this library's.
__attribute__((visibility("default"))) AdbcStatusCode AdbcDriverInit(int version, void* raw_driver, AdbcError* error) {
  if (version != ADBC_VERSION_1_0_0 && version != ADBC_VERSION_1_1_0) {
    return adbc_redis::Report(adbc_redis::Fail(ADBC_STATUS_NOT_IMPLEMENTED,
                                               "This driver speaks ADBC 1.0 and 1.1, not " + std::to_string(version)),
                              error);
  }
  auto& driver = *static_cast<AdbcDriver*>(raw_driver);
  std::memset(raw_driver, 0, version == ADBC_VERSION_1_0_0 ? ADBC_DRIVER_1_0_0_SIZE : ADBC_DRIVER_1_1_0_SIZE);
  arrow::util::InitializeUTF8();
  adbc_redis::Fill10(driver);
  if (version == ADBC_VERSION_1_1_0) adbc_redis::Fill11(driver);
  return ADBC_STATUS_OK;
}

__attribute__((visibility("default"))) AdbcStatusCode AdbcDriverRedisInit(int version, void* raw_driver,
                                                                          AdbcError* error) {
  return AdbcDriverInit(version, raw_driver, error);
}
}
