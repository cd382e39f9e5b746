#include "cli/sized_source.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/byte_size.h>

#include <algorithm>
#include <deque>
#include <utility>

namespace hyprstream::cli {
namespace {

using Batch = std::shared_ptr<arrow::RecordBatch>;

std::int64_t BytesOf(const arrow::RecordBatch& batch) {
  return arrow::util::ReferencedBufferSize(batch).ValueOr(arrow::util::TotalBufferSize(batch));
}

class SizedSource final : public RowSource {
 public:
  SizedSource(std::unique_ptr<RowSource> source, SizedSourceOptions options)
      : source_(std::move(source)), options_(options) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return source_->schema(); }
  double fraction() const override { return source_->fraction(); }

  arrow::Result<Batch> Next() override {
    Collect();
    if (waiting_.empty()) {
      ARROW_RETURN_NOT_OK(failure_);
      return nullptr;
    }
    arrow::RecordBatchVector parts;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    while (!waiting_.empty() && rows < options_.batch_rows) {
      Waiting& front = waiting_.front();
      if (!parts.empty() && !front.batch->schema()->Equals(*parts.front()->schema())) break;
      const bool whole =
          rows + front.batch->num_rows() <= options_.batch_rows && bytes + front.bytes <= options_.batch_bytes_max;
      if (whole) {
        rows += front.batch->num_rows();
        bytes += front.bytes;
        parts.push_back(std::move(front.batch));
        waiting_.pop_front();
        if (!options_.join) break;
        continue;
      }
      if (parts.empty() || rows + front.batch->num_rows() > options_.batch_rows) {
        parts.push_back(CutFront(front, options_.batch_rows - rows, options_.batch_bytes_max - bytes));
        if (front.batch->num_rows() == 0) waiting_.pop_front();
      }
      break;
    }
    total_rows_ -= RowsOf(parts);
    return parts.size() == 1 ? parts.front() : arrow::ConcatenateRecordBatches(parts);
  }

 private:
  struct Waiting {
    Batch batch;  // with rows
    std::int64_t bytes;
  };

  static std::int64_t RowsOf(const arrow::RecordBatchVector& batches) {
    std::int64_t rows = 0;
    for (const Batch& batch : batches) rows += batch->num_rows();
    return rows;
  }

  void Collect() {
    std::int64_t bytes = 0;
    for (const Waiting& each : waiting_) bytes += each.bytes;
    while (!ended_ && total_rows_ < options_.batch_rows && bytes < options_.batch_bytes_max) {
      if (!options_.join && !waiting_.empty()) return;
      auto batch = source_->Next();
      if (!batch.ok()) failure_ = batch.status();
      ended_ = !batch.ok() || *batch == nullptr;
      if (ended_ || (*batch)->num_rows() == 0) continue;
      const std::int64_t size = BytesOf(**batch);
      bytes += size;
      total_rows_ += (*batch)->num_rows();
      waiting_.push_back({std::move(*batch), size});
    }
  }

  // At least one row of it, which stays at the front with the rest.
  static Batch CutFront(Waiting& front, std::int64_t rows_max, std::int64_t bytes_max) {
    const std::int64_t all = front.batch->num_rows();
    const double share = static_cast<double>(bytes_max) / static_cast<double>(std::max<std::int64_t>(front.bytes, 1));
    const auto fitting = static_cast<std::int64_t>(static_cast<double>(all) * std::min(share, 1.0));
    const std::int64_t rows = std::clamp<std::int64_t>(std::min(rows_max, fitting), 1, all);
    Batch cut = front.batch->Slice(0, rows);
    front.bytes -= front.bytes * rows / all;
    front.batch = front.batch->Slice(rows);
    return cut;
  }

  const std::unique_ptr<RowSource> source_;
  const SizedSourceOptions options_;
  std::deque<Waiting> waiting_;
  std::int64_t total_rows_ = 0;  // of waiting_
  bool ended_ = false;
  arrow::Status failure_;
};

}  // namespace

std::unique_ptr<RowSource> MakeSizedSource(std::unique_ptr<RowSource> source, SizedSourceOptions options) {
  return std::make_unique<SizedSource>(std::move(source), options);
}

}  // namespace hyprstream::cli
