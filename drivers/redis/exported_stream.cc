#include "exported_stream.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/type.h>

#include <cerrno>
#include <exception>
#include <utility>

#include "failure.h"

namespace adbc_redis {
namespace {

struct Exported {
  std::unique_ptr<RowStream> rows;
  AdbcError error = ADBC_ERROR_INIT;
  AdbcStatusCode code = ADBC_STATUS_OK;
};

Exported& Of(ArrowArrayStream* stream) { return *static_cast<Exported*>(stream->private_data); }

int ErrnoOf(AdbcStatusCode code) {
  switch (code) {
    case ADBC_STATUS_OK:
      return 0;
    case ADBC_STATUS_CANCELLED:
      return ECANCELED;
    case ADBC_STATUS_TIMEOUT:
      return ETIMEDOUT;
    case ADBC_STATUS_NOT_IMPLEMENTED:
      return ENOTSUP;
    case ADBC_STATUS_INVALID_ARGUMENT:
    case ADBC_STATUS_INVALID_DATA:
    case ADBC_STATUS_INVALID_STATE:
      return EINVAL;
    default:
      return EIO;
  }
}

template <class Step>
int Guarded(ArrowArrayStream* stream, Step step) {
  Exported& exported = Of(stream);
  arrow::Status status;
  try {
    status = step(exported);
  } catch (const std::exception& failure) {
    status = Fail(ADBC_STATUS_INTERNAL, failure.what());
  }
  exported.code = Report(status, &exported.error);
  return ErrnoOf(exported.code);
}

int GetSchema(ArrowArrayStream* stream, ArrowSchema* out) {
  return Guarded(stream, [&](Exported& exported) { return arrow::ExportSchema(*exported.rows->schema(), out); });
}

int GetNext(ArrowArrayStream* stream, ArrowArray* out) {
  return Guarded(stream, [&](Exported& exported) -> arrow::Status {
    ARROW_ASSIGN_OR_RAISE(const auto batch, exported.rows->Next());
    if (batch != nullptr) return arrow::ExportRecordBatch(*batch, out);
    *out = {};
    return arrow::Status::OK();
  });
}

const char* LastError(ArrowArrayStream* stream) { return Of(stream).error.message; }

void Release(ArrowArrayStream* stream) {
  Exported* exported = &Of(stream);
  if (exported->error.release != nullptr) exported->error.release(&exported->error);
  delete exported;
  *stream = {};
}

}  // namespace

void ExportStream(std::unique_ptr<RowStream> rows, ArrowArrayStream* out) {
  auto exported = std::make_unique<Exported>();
  exported->rows = std::move(rows);
  *out = {.get_schema = GetSchema,
          .get_next = GetNext,
          .get_last_error = LastError,
          .release = Release,
          .private_data = exported.release()};
}

arrow::Status ExportBatch(std::shared_ptr<arrow::RecordBatch> batch, ArrowArrayStream* out) {
  auto schema = batch->schema();
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make({std::move(batch)}, std::move(schema)));
  return arrow::ExportRecordBatchReader(std::move(reader), out);
}

arrow::Status ExportEmpty(ArrowArrayStream* out) {
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::RecordBatchReader::Make({}, arrow::schema({})));
  return arrow::ExportRecordBatchReader(std::move(reader), out);
}

const AdbcError* StreamError(ArrowArrayStream* stream, AdbcStatusCode* status) {
  if (stream == nullptr || stream->release != Release || Of(stream).code == ADBC_STATUS_OK) return nullptr;
  if (status != nullptr) *status = Of(stream).code;
  return &Of(stream).error;
}

}  // namespace adbc_redis
