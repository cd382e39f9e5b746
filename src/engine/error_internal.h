// DuckDB's errors in Arrow's codes: where exceptions of DuckDB end.
//
// KeyError for what does not exist, AlreadyExists, Cancelled for an interrupt, OutOfMemory, NotImplemented, IOError,
// Invalid for everything the caller can put right (syntax, binding, conversion, constraint, conflict), CapacityError
// when the database takes no more statements, UnknownError for the rest. The message is DuckDB's without its echo of
// the statement, at most kErrorBytesMax bytes of valid UTF-8.
#pragma once

#include <arrow/status.h>

#include <cstddef>
#include <exception>
#include <string>
#include <string_view>

namespace duckdb {
class ErrorData;
}

namespace hyprstream::engine {

inline constexpr std::size_t kErrorBytesMax = 4096;

// What another room failed with, on its way through DuckDB: StatusFrom() gives it back, code and all. The first is for
// rows on their way, and aborts the transaction; the second for binding, when nothing has been done yet.
void ThrowIfNotOk(const arrow::Status& status);
void RefuseIfNotOk(const arrow::Status& status);

arrow::Status StatusFrom(const duckdb::ErrorData& error);
arrow::Status StatusFrom(const std::exception& error);

// `text` cut to `bytes_max` at a character's edge, with an ellipsis when something was cut.
std::string CutText(std::string_view text, std::size_t bytes_max = kErrorBytesMax);

}  // namespace hyprstream::engine
