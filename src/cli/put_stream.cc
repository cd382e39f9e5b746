#include "cli/put_stream.h"

#include <arrow/buffer.h>
#include <arrow/flight/client.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/type.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "cli/server_link.h"

namespace hyprstream::cli {

namespace flight = arrow::flight;

PutStream::PutStream(PutStreamOptions options) : options_(std::move(options)) {}

arrow::Result<std::unique_ptr<PutStream>> PutStream::Open(ServerLink& link, PutStreamOptions options) {
  std::unique_ptr<PutStream> stream(new PutStream(std::move(options)));
  const auto descriptor = flight::FlightDescriptor::Path(stream->options_.path);
  ARROW_ASSIGN_OR_RAISE(auto put, link.flight().DoPut(link.options(), descriptor, stream->options_.schema));
  stream->writer_ = std::move(put.writer);
  stream->reader_ = std::move(put.reader);
  stream->acknowledgements_ = std::thread([self = stream.get()] { self->ReadAcknowledgements(); });
  return stream;
}

PutStream::~PutStream() {
  if (writer_ != nullptr) ARROW_UNUSED(Finish());
}

bool PutStream::Send(const arrow::RecordBatch& batch) { return Write(batch).ok(); }

arrow::Status PutStream::Write(const arrow::RecordBatch& batch) {
  if (std::exchange(begun_, true) || !options_.create) return writer_->WriteRecordBatch(batch);
  return writer_->WriteWithMetadata(batch, arrow::Buffer::FromString(R"({"create": true})"));
}

arrow::Status PutStream::Finish() {
  if (finished_) return *finished_;
  if (!begun_) {  // the request to make the table travels with a batch, be it empty
    auto empty = arrow::RecordBatch::MakeEmpty(options_.schema);
    if (empty.ok()) ARROW_UNUSED(Write(**empty));
  }
  ARROW_UNUSED(writer_->DoneWriting());  // an error here shows in Close, too
  acknowledgements_.join();
  finished_ = writer_->Close();
  return *finished_;
}

void PutStream::ReadAcknowledgements() {
  while (true) {
    std::shared_ptr<arrow::Buffer> message;
    if (!reader_->ReadMetadata(&message).ok() || message == nullptr) return;
    const auto json = nlohmann::json::parse(std::string_view(*message), nullptr, /*allow_exceptions=*/false);
    if (!json.is_object() || !options_.on_accepted) continue;
    if (const auto rows = json.find("rows"); rows != json.end() && rows->is_number_integer()) {
      options_.on_accepted(rows->get<std::int64_t>());
    }
  }
}

}  // namespace hyprstream::cli
