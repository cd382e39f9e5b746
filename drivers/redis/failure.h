// Errors of this driver: arrow::Status inside, AdbcStatusCode and text at the C interface.
#pragma once

#include <arrow-adbc/adbc.h>
#include <arrow/status.h>

#include <string>

namespace adbc_redis {

// A status whose ADBC code is `code`. `message` says what, the value, and what to do; never a secret.
arrow::Status Fail(AdbcStatusCode code, std::string message);

// The code given to Fail(); of a status made elsewhere the nearest.
AdbcStatusCode CodeOf(const arrow::Status& status);

// Writes the status into `error` (which may be null; what it held is released) and returns its code.
AdbcStatusCode Report(const arrow::Status& status, AdbcError* error);

}  // namespace adbc_redis
