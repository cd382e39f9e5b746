#include "flight/put_handler.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/batch_bytes.h"
#include "flight/client_json.h"
#include "flight/status_mapping.h"

namespace hyprstream::flight {

namespace {

using Clock = std::chrono::steady_clock;

// Was this read's message on its way already? Then it took no round trip, only the copies out of the socket and the
// message, about 1 ns a byte when the page is fresh. To take a client that waits for one that does not costs it little:
// an error reaches it as an acknowledgement first.
bool CameAtOnce(Clock::duration waited, std::int64_t bytes) {
  return waited < std::chrono::microseconds(25) + std::chrono::nanoseconds(bytes);
}

}  // namespace

arrow::Result<TableRef> TableOfPath(const std::vector<std::string>& path) {
  if (path.empty() || path.size() > 2 || path.back().empty() || path.front().empty()) {
    return arrow::Status::Invalid("A path is [table] or [schema, table]; this one has ", path.size(), " parts");
  }
  TableRef table;
  if (path.size() == 2) table.schema = path.front();
  table.name = path.back();
  return table;
}

arrow::Result<bool> WantsCreate(std::string_view metadata) {
  if (metadata.empty()) return false;
  ARROW_ASSIGN_OR_RAISE(const auto json, ParseClientJson(metadata));
  if (!json.is_object()) {
    return arrow::Status::Invalid("The first message's metadata must be a JSON object, such as {\"create\": true}");
  }
  bool create = false;
  for (const auto& [key, value] : json.items()) {
    if (key != "create") {
      return arrow::Status::Invalid("Unknown key in the first message's metadata: ", key, " (known: create)");
    }
    if (!value.is_boolean()) return arrow::Status::Invalid("\"create\" must be true or false");
    create = value.get<bool>();
  }
  return create;
}

std::string AckText(const session::PutStream::Ack& ack) {
  return nlohmann::json{{"rows", ack.rows_accepted}, {"lsn", ack.position.ToString()}}.dump();
}

PutHandler::PutHandler(SessionCall call, IncomingBatches incoming, Acknowledge acknowledge,
                       std::int64_t queue_bytes_max)
    : call_(std::move(call)),
      incoming_(std::move(incoming)),
      acknowledge_(std::move(acknowledge)),
      queue_bytes_max_(queue_bytes_max) {}

arrow::Status PutHandler::Run(const std::vector<std::string>& path, const std::function<void(std::int64_t)>& on_rows) {
  on_rows_ = on_rows;
  ARROW_RETURN_NOT_OK(Open(path));
  if (first_.end) return arrow::Status::OK();
  ARROW_RETURN_NOT_OK(Write({std::move(first_.batch)}));
  return RunInLockStep();
}

arrow::Status PutHandler::Open(const std::vector<std::string>& path) {
  session::PutOptions options;
  ARROW_ASSIGN_OR_RAISE(options.table, TableOfPath(path));
  std::string metadata;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(first_, incoming_.Next());
    if (metadata.empty()) metadata = std::move(first_.metadata);
    if (first_.batch != nullptr || first_.end) break;
  }
  ARROW_ASSIGN_OR_RAISE(options.create, WantsCreate(metadata));
  options.first = first_.batch;
  ARROW_ASSIGN_OR_RAISE(const auto schema, incoming_.Schema());
  ARROW_ASSIGN_OR_RAISE(stream_, call_.session->OpenPut(call_.context, options, schema));
  return arrow::Status::OK();
}

// Reads, writes and acknowledges one batch after the other until the client turns out not to wait.
arrow::Status PutHandler::RunInLockStep() {
  constexpr int kAtOnceNeeded = 2;
  int at_once = 0;
  for (;;) {
    const auto before = Clock::now();
    ARROW_ASSIGN_OR_RAISE(auto message, incoming_.Next());
    if (message.end) return arrow::Status::OK();
    if (message.batch == nullptr) continue;
    at_once = CameAtOnce(Clock::now() - before, BatchBytes(*message.batch)) ? at_once + 1 : 0;
    ARROW_RETURN_NOT_OK(Write({std::move(message.batch)}));
    if (at_once >= kAtOnceNeeded) return RunReadingAhead();
  }
}

arrow::Status PutHandler::RunReadingAhead() {
  BatchReadAhead ahead({.next = [this] { return NextBatch(); }, .interrupt = {}}, queue_bytes_max_);
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto next, ahead.Pop());
    if (next == nullptr) return arrow::Status::OK();
    const auto written = Guarded([&] { return Write(Waiting(ahead, std::move(next))); });
    if (written.ok()) continue;
    // The client may wait for an acknowledgement before it looks at anything else.
    const auto text = nlohmann::json{{"rows", rows_}, {"error", written.message()}};
    ARROW_UNUSED(acknowledge_(text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
    return written;
  }
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> PutHandler::NextBatch() {
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto message, incoming_.Next());
    if (message.end || message.batch != nullptr) return std::move(message.batch);
  }
}

// What has been read already, as far as writing it together pays.
PutHandler::Batches PutHandler::Waiting(BatchReadAhead& ahead, std::shared_ptr<arrow::RecordBatch> next) const {
  Batches batches;
  std::int64_t rows = 0;
  std::int64_t bytes = 0;
  while (next != nullptr) {
    // A batch that lies about its rows is refused when it is written; it must not overflow the sum.
    rows += std::min(next->num_rows(), stream_->rows_preferred());
    bytes += BatchBytes(*next);
    batches.push_back(std::move(next));
    if (rows >= stream_->rows_preferred() || bytes >= stream_->bytes_preferred_max()) break;
    next = ahead.TryPop();
  }
  return batches;
}

arrow::Status PutHandler::Write(const Batches& batches) {
  auto outcome = stream_->Write(batches);
  for (const auto& ack : outcome.accepted) {
    on_rows_(ack.rows_accepted - rows_);
    rows_ = ack.rows_accepted;
    ARROW_RETURN_NOT_OK(acknowledge_(AckText(ack)));
  }
  return outcome.error == nullptr ? arrow::Status::OK() : *outcome.error;
}

}  // namespace hyprstream::flight
