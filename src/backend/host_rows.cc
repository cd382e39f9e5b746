#include "backend/host_rows.h"

#include <arrow/c/bridge.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

namespace hyprstream::backend {

arrow::Result<std::unique_ptr<FedRows>> FedRows::Make(ArrowArrayStream* stream) {
  ARROW_ASSIGN_OR_RAISE(auto rows, arrow::ImportRecordBatchReader(stream));
  return std::unique_ptr<FedRows>(new FedRows(std::move(rows)));
}

arrow::Result<std::string> FedRows::Schema() const { return WriteBatch(rows_->schema(), nullptr); }

arrow::Result<std::string> FedRows::Piece() {
  if (ended_) return std::string();
  while (batch_ == nullptr || sent_ == batch_->num_rows()) {
    sent_ = 0;
    ARROW_RETURN_NOT_OK(rows_->ReadNext(&batch_));
    if (batch_ != nullptr) continue;
    ended_ = true;
    if (any_) return std::string();
    ARROW_ASSIGN_OR_RAISE(batch_, arrow::RecordBatch::MakeEmpty(rows_->schema()));
    break;
  }
  any_ = true;
  ARROW_ASSIGN_OR_RAISE(const auto bytes, arrow::util::ReferencedBufferSize(*batch_));
  const auto pieces = std::max<std::int64_t>(1, (bytes + kPieceBytesMax - 1) / kPieceBytesMax);
  const auto rows = std::max<std::int64_t>(1, batch_->num_rows() / pieces);
  const auto piece = batch_->Slice(sent_, rows);
  sent_ += piece->num_rows();
  return WriteBatch(rows_->schema(), piece);
}

arrow::Status FedRows::Answer(const HostSocket& socket) {
  const auto piece = Piece();
  if (!piece.ok()) return socket.Send(static_cast<std::uint32_t>(HostCall::kRowsFailed), {});
  return socket.Send(static_cast<std::uint32_t>(HostCall::kRows), *piece);
}

class RowsLine::Rows final : public arrow::RecordBatchReader {
 public:
  Rows(std::shared_ptr<RowsLine> line, std::shared_ptr<arrow::Schema> schema)
      : line_(std::move(line)), schema_(std::move(schema)) {}

  std::shared_ptr<arrow::Schema> schema() const override { return schema_; }

  arrow::Status ReadNext(std::shared_ptr<arrow::RecordBatch>* batch) override {
    batch->reset();
    if (ended_) return status_;
    auto given = line_->Ask();
    status_ = given.status();
    if (given.ok()) *batch = std::move(given).ValueUnsafe();
    if (*batch == nullptr) ended_ = true;
    return status_;
  }

 private:
  const std::shared_ptr<RowsLine> line_;
  const std::shared_ptr<arrow::Schema> schema_;
  bool ended_ = false;
  arrow::Status status_;
};

void RowsLine::Open(const HostSocket& socket) {
  const MutexLock lock(mutex_);
  socket_ = &socket;
}

void RowsLine::Close() {
  const MutexLock lock(mutex_);
  socket_ = nullptr;
}

arrow::Status RowsLine::Export(const std::shared_ptr<arrow::Schema>& schema, ArrowArrayStream* out) {
  return arrow::ExportRecordBatchReader(std::make_shared<Rows>(shared_from_this(), schema), out);
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> RowsLine::Ask() {
  const MutexLock lock(mutex_);
  if (socket_ == nullptr) return arrow::Status::IOError("Rows are there only while their statement executes");
  ARROW_RETURN_NOT_OK(socket_->Send(kRowsWanted, {}));
  ARROW_ASSIGN_OR_RAISE(auto frame, socket_->Receive());
  if (frame.descriptor >= 0) close(frame.descriptor);
  if (frame.kind != static_cast<std::uint32_t>(HostCall::kRows)) {
    return arrow::Status::IOError("The rows ended with an error");
  }
  if (frame.body.empty()) return nullptr;
  return ReadBatchOf(std::move(frame.body));
}

}  // namespace hyprstream::backend
