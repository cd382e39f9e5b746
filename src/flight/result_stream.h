// A DoGet's answer: sliced, counted, and with every error mapped and in words, in mid-stream as well.
//
// One batch is encoded when gRPC has room for the one before: a slow reader holds back its query.
// Thread safety: used by the call's thread alone.
#pragma once

#include <arrow/flight/server.h>

#include <memory>

#include "core/request_context.h"
#include "flight/batch_slicer.h"

namespace hyprstream::flight {

class ResultStream final : public arrow::flight::FlightDataStream {
 public:
  // `context` (null: none needed) lives as long as the rows.
  static std::unique_ptr<arrow::flight::FlightDataStream> Make(const arrow::flight::ServerCallContext& call,
                                                               std::unique_ptr<RequestContext> context,
                                                               std::unique_ptr<arrow::RecordBatchReader> rows,
                                                               const SliceBounds& bounds);

  std::shared_ptr<arrow::Schema> schema() override { return rows_->schema(); }
  arrow::Result<arrow::flight::FlightPayload> GetSchemaPayload() override;
  arrow::Result<arrow::flight::FlightPayload> Next() override;
  arrow::Status Close() override;

 private:
  ResultStream(std::unique_ptr<RequestContext> context, std::shared_ptr<arrow::RecordBatchReader> rows);

  std::unique_ptr<RequestContext> context_;  // first: the rows refer to it
  std::shared_ptr<arrow::RecordBatchReader> rows_;
  arrow::flight::RecordBatchStream encoder_;
};

// Batches that are there already, as metadata commands have them.
arrow::Result<std::unique_ptr<arrow::flight::FlightDataStream>> StreamOf(const arrow::flight::ServerCallContext& call,
                                                                         const std::shared_ptr<arrow::Schema>& schema,
                                                                         arrow::RecordBatchVector batches,
                                                                         const SliceBounds& bounds);

}  // namespace hyprstream::flight
