#include "cli/row_source.h"

#include <arrow/io/file.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/reader.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <fcntl.h>
#include <parquet/arrow/reader.h>
#include <parquet/file_reader.h>
#include <parquet/properties.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <utility>

#include "cli/line_source.h"
#include "cli/pipe_stream.h"
#include "cli/sized_source.h"
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

// The file's bytes, and what its first ones say.
struct Input {
  std::string name;                                   // for messages
  std::shared_ptr<arrow::io::RandomAccessFile> file;  // null: it is a pipe
  std::shared_ptr<PipeStream> pipe;                   // null: it is a file
  std::string head;                                   // its first bytes, still to be read
  std::int64_t bytes = -1;
};

constexpr std::int64_t kHeadBytes = 4096;

arrow::Result<Input> OpenPipe(const std::string& path, const StopSignal* stop) {
  const int descriptor = path == "-" ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return arrow::Status::IOError("Cannot read ", path, ": ", std::strerror(errno));
  Input input;
  input.name = path == "-" ? "standard input" : path;
  input.pipe = std::make_shared<PipeStream>(descriptor, stop);
  ARROW_ASSIGN_OR_RAISE(input.head, input.pipe->Head());
  return input;
}

arrow::Result<Input> OpenInput(const std::string& path, const StopSignal* stop) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (path == "-" || std::filesystem::is_other(status) || std::filesystem::is_fifo(status) ||
      std::filesystem::is_character_file(status)) {
    return OpenPipe(path, stop);
  }
  if (error) return arrow::Status::IOError("Cannot read ", path, ": ", error.message());
  if (std::filesystem::is_directory(status)) {
    return arrow::Status::IOError("Cannot read ", path, ": it is a folder; name the files in it");
  }
  if (access(path.c_str(), R_OK) != 0) return arrow::Status::IOError("Cannot read ", path, ": ", std::strerror(errno));
  Input input;
  input.name = path;
  ARROW_ASSIGN_OR_RAISE(auto file, arrow::io::ReadableFile::Open(path));
  ARROW_ASSIGN_OR_RAISE(input.bytes, file->GetSize());
  ARROW_ASSIGN_OR_RAISE(const auto head, file->ReadAt(0, kHeadBytes));
  ARROW_RETURN_NOT_OK(file->Seek(0));  // Arrow forgets where a file stood at ReadAt()
  input.head = head->ToString();
  input.file = std::move(file);
  return input;
}

// Parquet and Arrow files are read at random: what comes by a pipe is taken into memory first.
arrow::Result<std::shared_ptr<arrow::io::RandomAccessFile>> AtRandom(const Input& input) {
  if (input.file != nullptr) return input.file;
  std::string bytes;
  constexpr std::int64_t kChunkBytes = 1 << 20;
  while (true) {
    ARROW_ASSIGN_OR_RAISE(const auto chunk, input.pipe->Read(kChunkBytes));
    if (chunk->size() == 0) break;
    bytes += std::string_view(*chunk);
  }
  return std::make_shared<arrow::io::BufferReader>(arrow::Buffer::FromString(std::move(bytes)));
}

std::shared_ptr<arrow::io::InputStream> StreamOf(const Input& input) {
  if (input.file != nullptr) return input.file;
  return input.pipe;
}

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
  if (head.starts_with("ARRO") || head.starts_with("\xFF\xFF\xFF\xFF")) return "arrow";
  return WithoutMargin(head).starts_with('{') ? "json" : "csv";
}

arrow::Result<std::unique_ptr<RowSource>> OpenArrow(const Input& input) {
  if (input.head.starts_with("ARRO")) {
    ARROW_ASSIGN_OR_RAISE(auto file, AtRandom(input));
    ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchFileReader::Open(file));
    return std::make_unique<ArrowFileSource>(std::move(reader));
  }
  ARROW_ASSIGN_OR_RAISE(auto reader, arrow::ipc::RecordBatchStreamReader::Open(StreamOf(input)));
  return std::make_unique<ArrowStreamSource>(std::move(reader));
}

arrow::Result<std::unique_ptr<RowSource>> OpenText(const std::string& format, const Input& input,
                                                   const RowSourceOptions& options) {
  if (input.pipe != nullptr) input.pipe->set_reads(PipeStream::Reads::kWhatIsThere);
  const bool csv = format == "csv";
  return LineSource::Open({.name = input.name,
                           .stream = StreamOf(input),
                           .bytes = input.bytes,
                           .format = csv ? MakeCsvFormat(options.table) : MakeJsonFormat(options.table),
                           .infers = options.table == nullptr,
                           .schema_when_empty = csv ? nullptr : options.table,
                           .on_error = options.on_error,
                           .on_skip = options.on_skip});
}

arrow::Result<std::unique_ptr<RowSource>> OpenAs(const std::string& format, const Input& input,
                                                 const RowSourceOptions& options) {
  if (format == "csv" || format == "json") return OpenText(format, input, options);
  if (format == "arrow") return OpenArrow(input);
  ARROW_ASSIGN_OR_RAISE(const auto file, AtRandom(input));
  return ParquetSource::Open(file, options);
}

// Says which file an error is about; texts do that themselves, down to the line.
class NamedSource final : public RowSource {
 public:
  NamedSource(std::string name, std::unique_ptr<RowSource> source)
      : name_(std::move(name)), source_(std::move(source)) {}

  const std::shared_ptr<arrow::Schema>& schema() const override { return source_->schema(); }
  double fraction() const override { return source_->fraction(); }
  arrow::Result<std::shared_ptr<arrow::RecordBatch>> Next() override {
    auto batch = source_->Next();
    if (!batch.ok()) return Name(name_, batch.status());
    return batch;
  }

 private:
  const std::string name_;
  const std::unique_ptr<RowSource> source_;
};

}  // namespace

arrow::Result<std::unique_ptr<RowSource>> RowSource::Open(RowSourceOptions options) {
  ARROW_ASSIGN_OR_RAISE(const Input input, OpenInput(options.path, options.stop));
  const std::string format = FormatOf(options, input.head);
  auto source = OpenAs(format, input, options);
  if (format != "csv" && format != "json") {
    if (!source.ok()) return Name(input.name, source.status());
    source = std::make_unique<NamedSource>(input.name, std::move(*source));
  }
  ARROW_RETURN_NOT_OK(source.status());
  return MakeSizedSource(std::move(*source), {.batch_rows = options.batch_rows, .join = input.file != nullptr});
}

}  // namespace hyprstream::cli
