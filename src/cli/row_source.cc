#include "cli/row_source.h"

#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/io/stdio.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>

#include <algorithm>
#include <utility>

#include "cli/line_source.h"
#include "cli/text_format.h"

namespace hyprstream::cli {
namespace {

arrow::Status Name(const std::string& path, const arrow::Status& status) {
  return status.ok() ? status : status.WithMessage(path, ": ", status.message());
}

class ParquetSource final : public RowSource {
 public:
  static arrow::Result<std::unique_ptr<RowSource>> Open(const std::shared_ptr<arrow::io::RandomAccessFile>& file,
                                                        const RowSourceOptions& options) {
    parquet::arrow::FileReaderBuilder builder;
    ARROW_RETURN_NOT_OK(builder.Open(file));
    parquet::ArrowReaderProperties properties;
    properties.set_batch_size(options.batch_rows);
    properties.set_use_threads(true);
    ARROW_ASSIGN_OR_RAISE(auto reader, builder.properties(properties)->Build());
    auto source = std::make_unique<ParquetSource>();
    source->rows_total_ = reader->parquet_reader()->metadata()->num_rows();
    source->file_ = std::move(reader);
    ARROW_ASSIGN_OR_RAISE(source->batches_, source->file_->GetRecordBatchReader());
    source->schema_ = source->batches_->schema();
    return source;
  }

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    ARROW_ASSIGN_OR_RAISE(auto batch, batches_->Next());
    if (batch != nullptr) rows_ += batch->num_rows();
    return batch;
  }
  double fraction() const override {
    return rows_total_ == 0 ? 1.0 : static_cast<double>(rows_) / static_cast<double>(rows_total_);
  }

 private:
  std::unique_ptr<parquet::arrow::FileReader> file_;
  std::unique_ptr<arrow::RecordBatchReader> batches_;
  std::shared_ptr<arrow::Schema> schema_;
  std::int64_t rows_total_ = 0;
  std::int64_t rows_ = 0;
};

class ArrowFileSource final : public RowSource {
 public:
  explicit ArrowFileSource(std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader)
      : reader_(std::move(reader)), schema_(reader_->schema()) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    if (next_ == reader_->num_record_batches()) return nullptr;
    return reader_->ReadRecordBatch(next_++);
  }
  double fraction() const override {
    return static_cast<double>(next_) / static_cast<double>(std::max(1, reader_->num_record_batches()));
  }

 private:
  std::shared_ptr<arrow::ipc::RecordBatchFileReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
  int next_ = 0;
};

class ArrowStreamSource final : public RowSource {
 public:
  explicit ArrowStreamSource(std::shared_ptr<arrow::RecordBatchReader> reader)
      : reader_(std::move(reader)), schema_(reader_->schema()) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return schema_; }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override { return reader_->Next(); }
  double fraction() const override { return -1; }

 private:
  std::shared_ptr<arrow::RecordBatchReader> reader_;
  std::shared_ptr<arrow::Schema> schema_;
};

// The file's bytes, and what its first ones say. Standard input gives its first bytes back through `head`.
struct Input {
  std::shared_ptr<arrow::io::InputStream> stream;
  std::shared_ptr<arrow::io::RandomAccessFile> file;  // null: it cannot be read at random
  std::string head;                                   // bytes already taken from `stream`
  std::int64_t bytes = -1;
};

constexpr std::int64_t kHeadBytes = 8;

arrow::Result<Input> OpenInput(const std::string& path) {
  Input input;
  if (path == "-") {
    input.stream = std::make_shared<arrow::io::StdinStream>();
    ARROW_ASSIGN_OR_RAISE(const auto head, input.stream->Read(kHeadBytes));
    input.head = head->ToString();
    return input;
  }
  ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(input.bytes, file->GetSize());
  ARROW_ASSIGN_OR_RAISE(const auto head, file->ReadAt(0, kHeadBytes));
  ARROW_RETURN_NOT_OK(file->Seek(0));  // Arrow forgets where a file stood at ReadAt()
  input.head = head->ToString();
  input.file = file;
  input.stream = file;
  return input;
}

// Parquet and Arrow files are read at random: what comes by a pipe is taken into memory first.
arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> AtRandom(Input& input) {
  if (input.file != nullptr) return input.file;
  std::string bytes = std::exchange(input.head, {});
  constexpr std::int64_t kChunkBytes = 1 << 20;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto chunk, input.stream->Read(kChunkBytes));
    if (chunk->size() == 0) break;
    bytes += std::string_view(*chunk);
  }
  return std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
}

// Bytes already read, then the stream's.
class HeadFirst final : public arrow::io::InputStream {
 public:
  HeadFirst(std::string head, std::shared_ptr<arrow::io::InputStream> rest)
      : head_(std::move(head)), rest_(std::move(rest)) {}

  arrow::Status Close() override { return rest_->Close(); }
  bool closed() const override { return rest_->closed(); }
  arrow::Result<std::int64_t> Tell() const override { return position_; }
  arrow::Result<std::int64_t> Read(std::int64_t bytes, void* out) override {
    const auto from_head = std::min<std::int64_t>(bytes, static_cast<std::int64_t>(head_.size()));
    std::copy_n(head_.data(), from_head, static_cast<char*>(out));
    head_.erase(0, static_cast<std::size_t>(from_head));
    std::int64_t got = from_head;
    while (got < bytes) {
      ARROW_ASSIGN_OR_RAISE(const std::int64_t more, rest_->Read(bytes - got, static_cast<char*>(out) + got));
      if (more == 0) break;
      got += more;
    }
    position_ += got;
    return got;
  }
  arrow::Result<std::shared_ptr<arrow::Buffer>> Read(std::int64_t bytes) override {
    ARROW_ASSIGN_OR_RAISE(auto buffer, arrow::AllocateResizableBuffer(bytes));
    ARROW_ASSIGN_OR_RAISE(const std::int64_t got, Read(bytes, buffer->mutable_data()));
    ARROW_RETURN_NOT_OK(buffer->Resize(got));
    return std::shared_ptr<arrow::Buffer>(std::move(buffer));
  }

 private:
  std::string head_;
  std::shared_ptr<arrow::io::InputStream> rest_;
  std::int64_t position_ = 0;
};

std::string FormatOf(const RowSourceOptions& options, const std::string& head) {
  if (!options.format.empty()) return options.format;
  for (const auto& [ending, format] : {std::pair{".parquet", "parquet"},
                                       {".csv", "csv"},
                                       {".json", "json"},
                                       {".jsonl", "json"},
                                       {".ndjson", "json"},
                                       {".arrow", "arrow"},
                                       {".arrows", "arrow"},
                                       {".feather", "arrow"},
                                       {".ipc", "arrow"}}) {
    if (options.path.ends_with(ending)) return format;
  }
  if (head.starts_with("PAR1")) return "parquet";
  if (head.starts_with("ARROW1") || head.starts_with("\xFF\xFF\xFF\xFF")) return "arrow";
  return head.starts_with('{') ? "json" : "csv";
}

arrow::Result<std::unique_ptr<RowSource>> OpenArrow(Input input) {
  if (input.head.starts_with("ARROW1")) {
    ARROW_ASSIGN_OR_RAISE(auto file, AtRandom(input));
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
    return std::make_unique<ArrowFileSource>(std::move(reader));
  }
  if (input.file == nullptr) input.stream = std::make_shared<HeadFirst>(std::move(input.head), std::move(input.stream));
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(input.stream));
  return std::make_unique<ArrowStreamSource>(std::move(reader));
}

arrow::Result<std::unique_ptr<RowSource>> OpenAs(const std::string& format, Input input, RowSourceOptions options) {
  if (format == "parquet") {
    ARROW_ASSIGN_OR_RAISE(const auto file, AtRandom(input));
    return ParquetSource::Open(file, options);
  }
  if (format == "arrow") return OpenArrow(std::move(input));
  if (input.file == nullptr) input.stream = std::make_shared<HeadFirst>(std::move(input.head), std::move(input.stream));
  auto text = format == "csv" ? MakeCsvFormat(options.table) : MakeJsonFormat(options.table);
  return LineSource::Open({.name = options.path == "-" ? "standard input" : options.path,
                           .stream = std::move(input.stream),
                           .bytes = input.bytes,
                           .format = std::move(text),
                           .on_error = options.on_error,
                           .on_skip = std::move(options.on_skip)});
}

}  // namespace

arrow::Result<std::unique_ptr<RowSource>> RowSource::Open(RowSourceOptions options) {
  auto input = OpenInput(options.path);
  ARROW_RETURN_NOT_OK(input.status());
  const std::string format = FormatOf(options, input->head);
  const std::string path = options.path;
  auto source = OpenAs(format, std::move(*input), std::move(options));
  if (source.ok() || format == "csv" || format == "json") return source;
  return Name(path, source.status());
}

}  // namespace hyprstream::cli
