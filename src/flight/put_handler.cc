#include "flight/put_handler.h"

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>
#include <utility>

#include "base/mutex.h"
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

arrow::Result<std::string> SelectFromPath(const std::vector<std::string>& path) {
  ARROW_ASSIGN_OR_RAISE(const auto table, TableOfPath(path));
  return "SELECT * FROM " + QuoteIdentifier(table.schema) + "." + QuoteIdentifier(table.name);
}

arrow::Result<bool> WantsCreate(std::string_view metadata) {
  if (metadata.empty()) return false;
  const auto json = nlohmann::json::parse(metadata, nullptr, /*allow_exceptions=*/false);
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
    at_once = CameAtOnce(Clock::now() - before, BufferBytes(*message.batch)) ? at_once + 1 : 0;
    ARROW_RETURN_NOT_OK(Write({std::move(message.batch)}));
    if (at_once >= kAtOnceNeeded) return RunReadingAhead();
  }
}

arrow::Status PutHandler::RunReadingAhead() {
  BoundedQueue<std::shared_ptr<arrow::RecordBatch>> queue(queue_bytes_max_);
  Mutex mutex;
  arrow::Status written;
  std::thread writer([&] {  // "put-writer"
    auto status = Guarded([&] { return Drain(queue); });
    queue.Close();
    if (!status.ok()) {  // the client may wait for an acknowledgement before it looks at anything else
      const auto text = nlohmann::json{{"rows", rows_}, {"error", status.message()}};
      ARROW_UNUSED(acknowledge_(text.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace)));
    }
    const MutexLock lock(mutex);
    written = std::move(status);
  });
  const auto read = Guarded([&]() -> arrow::Status {
    for (;;) {
      ARROW_ASSIGN_OR_RAISE(auto message, incoming_.Next());
      if (message.end) return arrow::Status::OK();
      if (message.batch == nullptr) continue;
      const auto bytes = BufferBytes(*message.batch);
      if (!queue.Push(std::move(message.batch), bytes)) return arrow::Status::OK();  // the writer says why
    }
  });
  queue.Close();
  writer.join();
  const MutexLock lock(mutex);
  return written.ok() ? read : written;
}

// Writes what the queue holds, together as far as that pays.
arrow::Status PutHandler::Drain(BoundedQueue<std::shared_ptr<arrow::RecordBatch>>& queue) {
  while (auto next = queue.Pop()) {
    Batches batches;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;
    while (next.has_value()) {
      // A batch that lies about its rows is refused when it is written; it must not overflow the sum.
      rows += std::min((*next)->num_rows(), stream_->rows_preferred());
      bytes += BufferBytes(**next);
      batches.push_back(*std::move(next));
      if (rows >= stream_->rows_preferred() || bytes >= stream_->bytes_preferred_max()) break;
      next = queue.TryPop();
    }
    ARROW_RETURN_NOT_OK(Write(batches));
  }
  return arrow::Status::OK();
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
