#include "flight/exchange_handler.h"

#include <arrow/buffer.h>
#include <arrow/ipc/options.h>
#include <arrow/result.h>
#include <arrow/status.h>

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "flight/incoming_batches.h"
#include "flight/put_handler.h"
#include "flight/rpc_middleware.h"
#include "flight/subscriptions.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

std::shared_ptr<arrow::Buffer> ProvenanceOf(const session::Started& started) {
  nlohmann::json metadata{{"route", started.route}, {"reason", started.reason}};
  if (!started.is_query) metadata["rows_changed"] = started.rows_changed;
  return arrow::Buffer::FromString(metadata.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

arrow::Status AnswerQuery(const SessionAccess& access, const fl::ServerCallContext& context, const std::string& sql,
                          fl::FlightMessageWriter& answer) {
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  ARROW_ASSIGN_OR_RAISE(const auto started, call.session->Start(call.context, sql, {}));
  ARROW_ASSIGN_OR_RAISE(auto fetched, call.session->Fetch(call.context, started.ticket));
  SlicedReader rows(std::move(fetched), access.bounds());
  ARROW_RETURN_NOT_OK(answer.Begin(rows.schema(), arrow::ipc::IpcWriteOptions::Defaults()));
  // With the first batch: a message of metadata alone ends a stock client's read_all().
  auto provenance = ProvenanceOf(started);
  for (;;) {
    std::shared_ptr<arrow::RecordBatch> batch;
    ARROW_RETURN_NOT_OK(rows.ReadNext(&batch));
    if (batch == nullptr) {
      if (provenance != nullptr) ARROW_RETURN_NOT_OK(answer.WriteMetadata(std::move(provenance)));
      return rows.Close();
    }
    Rpc::Of(context).AddRows(batch->num_rows());
    if (provenance != nullptr) {
      ARROW_RETURN_NOT_OK(answer.WriteWithMetadata(*batch, std::exchange(provenance, nullptr)));
    } else {
      ARROW_RETURN_NOT_OK(answer.WriteRecordBatch(*batch));
    }
  }
}

// In lock step: an exchange answers each batch before it reads the next.
arrow::Status TakeBatches(const SessionAccess& access, const fl::ServerCallContext& context,
                          const std::vector<std::string>& path, fl::FlightMessageReader& messages,
                          fl::FlightMessageWriter& answer) {
  session::PutOptions options;
  ARROW_ASSIGN_OR_RAISE(options.table, TableOfPath(path));
  ARROW_ASSIGN_OR_RAISE(const auto call, access.Open(context));
  IncomingBatches incoming(context, messages);
  std::unique_ptr<session::PutStream> stream;
  std::string metadata;
  std::int64_t accepted = 0;
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto message, incoming.Next());
    if (stream == nullptr) {
      if (metadata.empty()) {
        metadata = std::move(message.metadata);
        ARROW_ASSIGN_OR_RAISE(const auto request, SubscriptionIn(metadata));
        if (request) return SubscriptionExchange(access, context, path, *request, answer);
      }
      if (message.batch == nullptr && !message.end) continue;
      ARROW_ASSIGN_OR_RAISE(options.create, WantsCreate(metadata));
      options.first = message.batch;
      ARROW_ASSIGN_OR_RAISE(const auto schema, incoming.Schema());
      ARROW_ASSIGN_OR_RAISE(stream, call.session->OpenPut(call.context, options, schema));
      options.first = nullptr;  // not kept while the others come
    }
    if (message.end) return arrow::Status::OK();
    if (message.batch == nullptr) continue;
    const auto outcome = stream->Write({message.batch});
    for (const auto& ack : outcome.accepted) {
      Rpc::Of(context).AddRows(ack.rows_accepted - accepted);
      accepted = ack.rows_accepted;
      ARROW_RETURN_NOT_OK(answer.WriteMetadata(arrow::Buffer::FromString(AckText(ack))));
    }
    if (outcome.error != nullptr) return *outcome.error;
  }
}

}  // namespace

arrow::Status Exchange(const SessionAccess& access, const fl::ServerCallContext& context,
                       fl::FlightMessageReader& messages, fl::FlightMessageWriter& answer) {
  const auto& descriptor = messages.descriptor();
  switch (descriptor.type) {
    case fl::FlightDescriptor::CMD:
      return AnswerQuery(access, context, descriptor.cmd, answer);
    case fl::FlightDescriptor::PATH:
      return TakeBatches(access, context, descriptor.path, messages, answer);
    default:
      return arrow::Status::Invalid("DoExchange needs a descriptor: SQL text as command, or a table as path");
  }
}

}  // namespace hyprstream::flight
