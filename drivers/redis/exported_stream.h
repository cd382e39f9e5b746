// Results at the C interface.
#pragma once

#include <arrow-adbc/adbc.h>
#include <arrow/result.h>

#include <memory>

#include "row_stream.h"

namespace adbc_redis {

// The stream's rows; its errors keep their ADBC codes (see StreamError).
void ExportStream(std::unique_ptr<RowStream> rows, ArrowArrayStream* out);
// One batch, or none but a schema.
arrow::Status ExportBatch(std::shared_ptr<arrow::RecordBatch> batch, ArrowArrayStream* out);
arrow::Status ExportEmpty(ArrowArrayStream* out);

// The error that ended a stream of ExportStream(), or null; `status` may be null.
const AdbcError* StreamError(ArrowArrayStream* stream, AdbcStatusCode* status);

}  // namespace adbc_redis
