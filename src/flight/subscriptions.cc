#include "flight/subscriptions.h"

#include <arrow/buffer.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/options.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <deque>
#include <nlohmann/json.hpp>
#include <utility>

#include "flight/batch_slicer.h"
#include "flight/client_json.h"
#include "flight/put_handler.h"
#include "flight/rpc_middleware.h"
#include "flight/status_mapping.h"

namespace hyprstream::flight {

namespace fl = arrow::flight;

namespace {

using nlohmann::json;

arrow::Status WrongKey(const std::string& key, const char* wanted) {
  return arrow::Status::Invalid("\"", key, "\" of a subscription must be ", wanted);
}

arrow::Status TakeText(const std::string& key, const json& value, std::string& text) {
  if (!value.is_string()) return WrongKey(key, "a text");
  text = value.get<std::string>();
  return arrow::Status::OK();
}

arrow::Status TakeView(const json& value, session::SubscriptionRequest& request) {
  std::vector<std::string> path;
  if (value.is_string()) path.push_back(value.get<std::string>());
  if (value.is_array()) {
    for (const auto& part : value) {
      if (!part.is_string()) return WrongKey("view", "a name, or [schema, name]");
      path.push_back(part.get<std::string>());
    }
  }
  if (path.empty()) return WrongKey("view", "a name, or [schema, name]");
  ARROW_ASSIGN_OR_RAISE(request.view, TableOfPath(path));
  request.schema_given = path.size() == 2;
  return arrow::Status::OK();
}

arrow::Result<session::SubscriptionRequest> ReadRequest(const json& document, bool names_view) {
  if (!document.is_object()) {
    return arrow::Status::Invalid("\"subscribe\" must be an object, such as {\"on\": \"update\"}");
  }
  session::SubscriptionRequest request;
  for (const auto& [key, value] : document.items()) {
    if (key == "view" && names_view) {
      ARROW_RETURN_NOT_OK(TakeView(value, request));
    } else if (key == "on") {
      ARROW_RETURN_NOT_OK(TakeText(key, value, request.on));
    } else if (key == "rows") {
      ARROW_RETURN_NOT_OK(TakeText(key, value, request.rows));
    } else if (key == "where") {
      ARROW_RETURN_NOT_OK(TakeText(key, value, request.where));
    } else if (key == "resume") {
      if (!value.is_null()) ARROW_RETURN_NOT_OK(TakeText(key, value, request.resume));
    } else if (key == "snapshot") {
      if (!value.is_boolean()) return WrongKey(key, "true or false");
      request.snapshot = value.get<bool>();
    } else {
      return arrow::Status::Invalid("Unknown key in \"subscribe\": ", key, " (known: ", names_view ? "view, " : "",
                                    "on, rows, where, resume, snapshot)");
    }
  }
  if (names_view && request.view.name.empty()) {
    return arrow::Status::Invalid("\"subscribe\" must name a materialized view: {\"subscribe\": {\"view\": ...}}");
  }
  return request;
}

// Messages cut to what clients accept, each with its metadata.
class Sliced {
 public:
  Sliced(SessionCall call, SliceBounds bounds, Rpc& rpc) : call_(std::move(call)), bounds_(bounds), rpc_(rpc) {}

  arrow::Status Open(const session::SubscriptionRequest& request) {
    return call_.session->Subscribe(call_.context, request).Value(&stream_);
  }
  const std::shared_ptr<arrow::Schema>& schema() const { return stream_->schema(); }

  struct Piece {
    std::shared_ptr<arrow::RecordBatch> batch;
    std::shared_ptr<arrow::Buffer> metadata;
  };
  arrow::Result<Piece> Next() {
    if (batches_.empty()) {
      ARROW_ASSIGN_OR_RAISE(message_, stream_->Next());
      ARROW_ASSIGN_OR_RAISE(const auto batches, SliceBatch(message_.batch, bounds_));
      batches_.assign(batches.begin(), batches.end());
      if (batches_.empty()) batches_.push_back(message_.batch);
      message_.batch.reset();
    }
    auto batch = std::move(batches_.front());
    batches_.pop_front();
    rpc_.AddRows(batch->num_rows());
    return Piece{.batch = std::move(batch), .metadata = Metadata(batches_.empty())};
  }

 private:
  std::shared_ptr<arrow::Buffer> Metadata(bool is_last) const {
    json metadata{{"position", message_.position.ToString()}, {"snapshot", message_.is_snapshot}};
    metadata["complete"] = is_last && !message_.resume.empty();
    if (metadata["complete"]) metadata["resume"] = message_.resume;
    return arrow::Buffer::FromString(metadata.dump());
  }

  const SessionCall call_;  // the stream refers to its context
  const SliceBounds bounds_;
  Rpc& rpc_;
  std::unique_ptr<session::ChangeStream> stream_;
  session::ChangeStream::Message message_;
  std::deque<std::shared_ptr<arrow::RecordBatch>> batches_;
};

class SubscriptionDataStream final : public fl::FlightDataStream {
 public:
  explicit SubscriptionDataStream(std::unique_ptr<Sliced> messages) : messages_(std::move(messages)) {}

  std::shared_ptr<arrow::Schema> schema() override { return messages_->schema(); }
  arrow::Result<fl::FlightPayload> GetSchemaPayload() override {
    fl::FlightPayload payload;
    ARROW_RETURN_NOT_OK(Guarded([&] {
      return arrow::ipc::GetSchemaPayload(*schema(), options_, arrow::ipc::DictionaryFieldMapper(*schema()),
                                          &payload.ipc_message);
    }));
    return payload;
  }
  arrow::Result<fl::FlightPayload> Next() override {
    fl::FlightPayload payload;
    ARROW_RETURN_NOT_OK(Guarded([&]() -> arrow::Status {
      ARROW_ASSIGN_OR_RAISE(auto piece, messages_->Next());
      payload.app_metadata = std::move(piece.metadata);
      return arrow::ipc::GetRecordBatchPayload(*piece.batch, options_, &payload.ipc_message);
    }));
    return payload;
  }

 private:
  const std::unique_ptr<Sliced> messages_;
  const arrow::ipc::IpcWriteOptions options_ = arrow::ipc::IpcWriteOptions::Defaults();
};

arrow::Result<std::unique_ptr<Sliced>> OpenSliced(const SessionAccess& access, const fl::ServerCallContext& context,
                                                  const session::SubscriptionRequest& request) {
  ARROW_ASSIGN_OR_RAISE(auto call, access.Open(context));
  auto sliced = std::make_unique<Sliced>(std::move(call), access.bounds(), Rpc::Of(context));
  ARROW_RETURN_NOT_OK(sliced->Open(request));
  return sliced;
}

}  // namespace

arrow::Result<std::optional<json>> SubscriptionIn(std::string_view text) {
  if (!text.starts_with('{')) return std::nullopt;
  ARROW_ASSIGN_OR_RAISE(auto document, ParseClientJson(text));
  if (!document.is_object() || document.size() != 1 || !document.contains("subscribe")) return std::nullopt;
  return std::optional<json>(std::move(document["subscribe"]));
}

arrow::Result<std::unique_ptr<fl::FlightDataStream>> SubscriptionData(const SessionAccess& access,
                                                                      const fl::ServerCallContext& context,
                                                                      const json& request) {
  ARROW_ASSIGN_OR_RAISE(const auto wanted, ReadRequest(request, /*names_view=*/true));
  ARROW_ASSIGN_OR_RAISE(auto messages, OpenSliced(access, context, wanted));
  return std::make_unique<SubscriptionDataStream>(std::move(messages));
}

arrow::Status SubscriptionExchange(const SessionAccess& access, const fl::ServerCallContext& context,
                                   const std::vector<std::string>& path, const json& request,
                                   fl::FlightMessageWriter& answer) {
  ARROW_ASSIGN_OR_RAISE(auto wanted, ReadRequest(request, /*names_view=*/false));
  ARROW_ASSIGN_OR_RAISE(wanted.view, TableOfPath(path));
  wanted.schema_given = true;
  ARROW_ASSIGN_OR_RAISE(const auto messages, OpenSliced(access, context, wanted));
  ARROW_RETURN_NOT_OK(answer.Begin(messages->schema(), arrow::ipc::IpcWriteOptions::Defaults()));
  for (;;) {
    ARROW_ASSIGN_OR_RAISE(auto piece, messages->Next());
    ARROW_RETURN_NOT_OK(answer.WriteWithMetadata(*piece.batch, std::move(piece.metadata)));
  }
}

}  // namespace hyprstream::flight
