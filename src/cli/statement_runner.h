// Runs one statement at a time on the server and prints what comes back.
//
// Thread safety: Run() from one thread at a time; Cancel() from any. Ownership: the link outlives the runner.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "cli/result_printer.h"

namespace arrow::flight {
class FlightInfo;
class FlightStreamReader;
}  // namespace arrow::flight

namespace hyprstream::cli {

class ServerLink;

class StatementRunner {
 public:
  StatementRunner(ServerLink& link, PrinterOptions options) : link_(link), options_(options) {}

  // A query is printed; of any other statement the number of changed rows is said, when interactive. Interactive
  // statements all go the way of queries, as in stock drivers: Flight's updates cannot be cancelled.
  arrow::Status Run(const std::string& sql);
  // Ends the running statement with Cancelled. No effect when none runs.
  void Cancel();

  struct TableName {
    std::string schema;
    std::string name;
  };
  arrow::Result<std::vector<TableName>> Tables();
  // Empty when there is no such table.
  arrow::Result<std::shared_ptr<arrow::Schema>> SchemaOf(const std::string& table);

 private:
  class InfoCall;

  arrow::Result<arrow::flight::FlightInfo> Execute(const std::string& sql);
  arrow::Status RunQuery(const arrow::flight::FlightInfo& info);
  arrow::Status PrintStream(arrow::flight::FlightStreamReader& stream, std::unique_ptr<ResultPrinter>& printer);
  arrow::Status ReportChanges(std::int64_t rows);
  bool IsCancelled() const;
  void Watch(arrow::flight::FlightStreamReader* stream);

  ServerLink& link_;
  const PrinterOptions options_;
  mutable Mutex mutex_;
  bool cancelled_ GUARDED_BY(mutex_) = false;
  // What runs now.
  InfoCall* call_ GUARDED_BY(mutex_) = nullptr;
  arrow::flight::FlightStreamReader* stream_ GUARDED_BY(mutex_) = nullptr;
};

}  // namespace hyprstream::cli
