#include "cli/result_printer.h"

#include <arrow/array/array_base.h>
#include <arrow/buffer.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/writer.h>
#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>
#include <utility>

#include "cli/cell_text.h"
#include "cli/table_layout.h"

namespace hyprstream::cli {
namespace {

arrow::Status WriteAll(std::FILE* out, std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), out) == text.size()) return arrow::Status::OK();
  return arrow::Status::IOError("Cannot write the result: ", std::strerror(errno));
}

arrow::Status Flush(std::FILE* out) {
  if (std::fflush(out) == 0) return arrow::Status::OK();
  return arrow::Status::IOError("Cannot write the result: ", std::strerror(errno));
}

class TablePrinter final : public ResultPrinter {
 public:
  TablePrinter(const PrinterOptions& options, const std::shared_ptr<arrow::Schema>& schema)
      : out_(options.out), layout_(*schema, options.interactive) {}

  arrow::Result<bool> Add(const arrow::RecordBatch& batch) override {
    const bool more = layout_.Add(batch);
    ARROW_RETURN_NOT_OK(WriteAll(out_, layout_.TakeLines()));
    return more;
  }
  arrow::Status Finish() override {
    ARROW_RETURN_NOT_OK(WriteAll(out_, layout_.Finish()));
    return Flush(out_);
  }

 private:
  std::FILE* out_;
  TableLayout layout_;
};

// What readers of CSV take for a null unless it is quoted.
bool ReadsAsNull(std::string_view text) {
  constexpr std::array kSpellings = {"NULL", "null",     "Null",   "NA",      "N/A",     "n/a",
                                     "NaN",  "nan",      "-NaN",   "-nan",    "<NA>",    "#N/A",
                                     "#NA",  "#N/A N/A", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"};
  return std::ranges::find(kSpellings, text) != kSpellings.end();
}

// RFC 4180, but for line ends; a null is an empty cell, empty text is "", as is in quotes whatever reads as a null, and
// blanks alone, which would make a blank line of one column.
class CsvPrinter final : public ResultPrinter {
 public:
  CsvPrinter(const PrinterOptions& options, std::shared_ptr<arrow::Schema> schema)
      : out_(options.out), schema_(std::move(schema)) {}

  arrow::Result<bool> Add(const arrow::RecordBatch& batch) override {
    std::string lines = TakeHeader();
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      for (int column = 0; column < batch.num_columns(); ++column) {
        if (column > 0) lines += ',';
        AppendCell(*batch.column(column), row, lines);
      }
      lines += '\n';
    }
    ARROW_RETURN_NOT_OK(WriteAll(out_, lines));
    return true;
  }
  arrow::Status Finish() override {
    ARROW_RETURN_NOT_OK(WriteAll(out_, TakeHeader()));
    return Flush(out_);
  }

 private:
  std::string TakeHeader() {
    std::string line;
    if (std::exchange(header_written_, true)) return line;
    for (const auto& field : schema_->fields()) {
      if (!line.empty()) line += ',';
      AppendQuoted(field->name(), line);
    }
    return line + '\n';
  }
  static void AppendQuoted(std::string_view text, std::string& line) {
    const bool blank = text.find_first_not_of(" \t") == std::string_view::npos;
    if (!blank && !ReadsAsNull(text) && text.find_first_of(",\"\r\n") == std::string_view::npos) {
      line += text;
      return;
    }
    line += '"';
    for (const char c : text) {
      if (c == '"') line += '"';
      line += c;
    }
    line += '"';
  }
  static void AppendCell(const arrow::Array& array, std::int64_t row, std::string& line) {
    if (array.IsNull(row) || array.type_id() == arrow::Type::NA) return;
    std::string text;
    AppendText(array, row, text);
    AppendQuoted(text, line);
  }

  std::FILE* out_;
  std::shared_ptr<arrow::Schema> schema_;
  bool header_written_ = false;
};

class JsonPrinter final : public ResultPrinter {
 public:
  explicit JsonPrinter(const PrinterOptions& options) : out_(options.out) {}

  arrow::Result<bool> Add(const arrow::RecordBatch& batch) override {
    std::string lines;
    for (std::int64_t row = 0; row < batch.num_rows(); ++row) {
      lines += '{';
      for (int column = 0; column < batch.num_columns(); ++column) {
        if (column > 0) lines += ',';
        AppendJsonString(batch.schema()->field(column)->name(), lines);
        lines += ':';
        AppendJson(*batch.column(column), row, lines);
      }
      lines += "}\n";
    }
    ARROW_RETURN_NOT_OK(WriteAll(out_, lines));
    return true;
  }
  arrow::Status Finish() override { return Flush(out_); }

 private:
  std::FILE* out_;
};

class ArrowPrinter final : public ResultPrinter {
 public:
  ArrowPrinter(const PrinterOptions& options, std::shared_ptr<arrow::Schema> schema)
      : out_(options.out), schema_(std::move(schema)) {}

  arrow::Result<bool> Add(const arrow::RecordBatch& batch) override {
    ARROW_RETURN_NOT_OK(Open());
    ARROW_RETURN_NOT_OK(writer_->WriteRecordBatch(batch));
    ARROW_RETURN_NOT_OK(PassOn());
    return true;
  }
  arrow::Status Finish() override {
    ARROW_RETURN_NOT_OK(Open());
    ARROW_RETURN_NOT_OK(writer_->Close());
    ARROW_RETURN_NOT_OK(PassOn());
    return Flush(out_);
  }

 private:
  arrow::Status Open() {
    if (writer_ != nullptr) return arrow::Status::OK();
    ARROW_ASSIGN_OR_RAISE(sink_, arrow::io::BufferOutputStream::Create());
    ARROW_ASSIGN_OR_RAISE(writer_, arrow::ipc::MakeStreamWriter(sink_, schema_));
    return arrow::Status::OK();
  }
  arrow::Status PassOn() {
    ARROW_ASSIGN_OR_RAISE(const auto bytes, sink_->Finish());
    ARROW_RETURN_NOT_OK(WriteAll(out_, std::string_view(*bytes)));
    return sink_->Reset();
  }

  std::FILE* out_;
  std::shared_ptr<arrow::Schema> schema_;
  std::shared_ptr<arrow::io::BufferOutputStream> sink_;
  std::shared_ptr<arrow::ipc::RecordBatchWriter> writer_;
};

}  // namespace

std::unique_ptr<ResultPrinter> ResultPrinter::Make(const PrinterOptions& options,
                                                   std::shared_ptr<arrow::Schema> schema) {
  switch (options.format) {
    case config::OutputFormat::kCsv:
      return std::make_unique<CsvPrinter>(options, std::move(schema));
    case config::OutputFormat::kJson:
      return std::make_unique<JsonPrinter>(options);
    case config::OutputFormat::kArrow:
      return std::make_unique<ArrowPrinter>(options, std::move(schema));
    case config::OutputFormat::kTable:
      break;
  }
  return std::make_unique<TablePrinter>(options, schema);
}

}  // namespace hyprstream::cli
