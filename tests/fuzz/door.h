// The ways into a server that a random test drives: sessions over the engine in this process, or the real server over
// its port.
//
// Thread safety: one thread at a time, but for Put.
#pragma once

#include <arrow/record_batch.h>
#include <arrow/result.h>
#include <arrow/table.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace hyprstream::fuzz {

using Batches = std::vector<std::shared_ptr<arrow::RecordBatch>>;

struct PutOutcome {
  std::int64_t rows = 0;  // accepted, from the first
  arrow::Status status;
};

// What the server says of a view's late rows.
struct LateFacts {
  std::int64_t updated = 0, dropped = 0, rejected = 0, expired = 0;
  std::int64_t all = 0;  // rows it has, and those that it left out or that went with their windows
  std::string mark;      // of its table; empty: none
};

enum class FillingFacts { kReady, kFilling, kBroken };

// In order, or as a crash does.
enum class Ending { kOrderly, kCrash };

// Put may be called from another thread, beside the others.
class Door {
 public:
  virtual ~Door() = default;
  // One statement of any kind without rows, in the session's transaction if SQL BEGIN opened one.
  virtual arrow::Status Update(const std::string& sql) = 0;
  virtual arrow::Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) = 0;
  // What the server said of the way that the last Query() went; empty when it was refused.
  const std::string& reason() const { return reason_; }
  // DoPut: every batch a commit of its own, whatever the session's transaction.
  virtual PutOutcome Put(const std::string& table, const Batches& batches) = 0;
  // Flight SQL ingest, in the session's transaction.
  virtual arrow::Status Ingest(const std::string& table, const Batches& batches) = 0;
  virtual arrow::Result<LateFacts> Late(const std::string& view) = 0;
  // How far a view is that is filled in the background.
  virtual arrow::Result<FillingFacts> Filling(const std::string& view) = 0;
  // Ends the server and starts it again on its data. False when it has none; after an error the door is of no use.
  virtual arrow::Result<bool> Restart(Ending ending) = 0;

 protected:
  std::string reason_;
};

// `folder`: for the database file; empty: in memory.
std::unique_ptr<Door> MakeLocalDoor(const std::string& folder);
std::unique_ptr<Door> MakeRemoteDoor(const std::string& folder);

}  // namespace hyprstream::fuzz
