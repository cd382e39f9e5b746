#include "fuzz/door.h"

#include <arrow/flight/client.h>
#include <arrow/flight/sql/client.h>
#include <arrow/scalar.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "commit/commit_path.h"
#include "engine/engine.h"
#include "fuzz/crash_files.h"
#include "session/session_registry.h"
#include "support/server_process.h"
#include "support/sql_client.h"

namespace hyprstream::fuzz {

namespace {

// What never opened is no finding.
void MustOpen(const arrow::Status& opened) {
  if (!opened.ok()) opened.Abort();
}

class LocalDoor : public Door {
 public:
  explicit LocalDoor(std::string folder) : folder_(std::move(folder)) { MustOpen(Open()); }

  arrow::Status Update(const std::string& sql) override { return session_->Update(context_, sql, {}).status(); }

  arrow::Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override {
    reason_.clear();
    ARROW_ASSIGN_OR_RAISE(const auto started, session_->Start(context_, sql, {}));
    reason_ = started.reason;
    ARROW_ASSIGN_OR_RAISE(const auto reader, session_->Fetch(context_, started.ticket));
    return reader->ToTable();
  }

  PutOutcome Put(const std::string& table, const Batches& batches) override {
    const auto stream = session_->OpenPut(context_, {.table = {.name = table}}, batches[0]->schema());
    if (!stream.ok()) return {.rows = 0, .status = stream.status()};
    const auto outcome = (*stream)->Write(batches);
    return {.rows = outcome.accepted.empty() ? 0 : outcome.accepted.back().rows_accepted,
            .status = outcome.error != nullptr ? *outcome.error : arrow::Status::OK()};
  }

  arrow::Status Ingest(const std::string& table, const Batches& batches) override {
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::RecordBatchReader::Make(batches, batches[0]->schema()));
    return session_->Ingest(context_, {.table = {.name = table}}, *reader).status();
  }

  arrow::Result<LateFacts> Late(const std::string& view) override {
    for (const auto& info : commits_->Views()) {
      if (info.view.name != view) continue;
      const auto& late = info.late;
      LateFacts facts{.updated = late.updated,
                      .dropped = late.dropped,
                      .rejected = late.rejected,
                      .expired = late.expired,
                      .all = info.rows + late.dropped + late.expired + late.gone,
                      .mark = ""};
      for (const auto& table : commits_->Tables()) {
        if (table.table == info.base && table.mark.has_value()) facts.mark = commit::ToText(*table.mark);
      }
      return facts;
    }
    return arrow::Status::KeyError("no view ", view);
  }

  arrow::Result<FillingFacts> Filling(const std::string& view) override {
    for (const auto& info : commits_->Views()) {
      if (info.view.name != view) continue;
      return info.status == commit::ViewStatus::kReady     ? FillingFacts::kReady
             : info.status == commit::ViewStatus::kFilling ? FillingFacts::kFilling
                                                           : FillingFacts::kBroken;
    }
    return arrow::Status::KeyError("no view ", view);
  }

  arrow::Result<bool> Restart(Ending ending) override {
    if (folder_.empty()) return false;
    session_.reset();
    registry_.reset();
    if (ending == Ending::kCrash) {
      CopyFiles(folder_, folder_ + "/crashed");
      commits_.reset();
      engine_.reset();
      CopyFiles(folder_ + "/crashed", folder_);
    } else {
      ARROW_RETURN_NOT_OK(commits_->SaveStates(commit::Saving::kAtEnd));
    }
    ARROW_RETURN_NOT_OK(Open());
    return true;
  }

 private:
  arrow::Status Open() {
    registry_.reset();
    commits_.reset();
    engine_.reset();
    const std::string path = folder_.empty() ? "" : folder_ + "/data.duckdb";
    ARROW_ASSIGN_OR_RAISE(engine_, engine::Engine::Make({.path = path, .threads = 2}));
    ARROW_ASSIGN_OR_RAISE(commits_, commit::CommitPath::Make(*engine_));
    // Between two uses of a door others may run for long.
    const session::SessionLimits limits{.idle_max = std::chrono::hours(24), .grace_max = std::chrono::hours(24)};
    ARROW_ASSIGN_OR_RAISE(registry_, session::SessionRegistry::Make(*engine_, *commits_, limits));
    return registry_->Open({.value = "fuzz"}, {}, "fuzz").Value(&session_);
  }

  std::string folder_;
  RequestContext context_{.request_id = "fuzz", .identity = {}, .cancelled = {}};
  std::unique_ptr<engine::Engine> engine_;
  std::unique_ptr<commit::CommitPath> commits_;
  std::unique_ptr<session::SessionRegistry> registry_;
  std::shared_ptr<session::Session> session_;
};

// Of an acknowledgement, {"rows": 5, ...}.
std::int64_t RowsIn(const std::string& acknowledgement) {
  constexpr std::string_view kKey = "\"rows\":";
  const auto at = acknowledgement.find(kKey);
  return at == std::string::npos ? 0 : std::strtoll(acknowledgement.c_str() + at + kKey.size(), nullptr, 10);
}

class RemoteDoor : public Door {
 public:
  explicit RemoteDoor(std::string folder) : folder_(std::move(folder)) { MustOpen(Open()); }

  arrow::Status Update(const std::string& sql) override { return client_->sql().ExecuteUpdate({}, sql).status(); }

  arrow::Result<std::shared_ptr<arrow::Table>> Query(const std::string& sql) override {
    reason_.clear();
    ARROW_ASSIGN_OR_RAISE(const auto info, client_->sql().Execute({}, sql));
    reason_ = info->app_metadata();
    return client_->Read(*info);
  }

  PutOutcome Put(const std::string& table, const Batches& batches) override {
    PutOutcome outcome;
    const auto descriptor = arrow::flight::FlightDescriptor::Path({table});
    auto put = client_->flight().DoPut(descriptor, batches[0]->schema());
    if (!put.ok()) return {.rows = 0, .status = put.status()};
    for (const auto& batch : batches) {  // a refused batch may end the stream before all are written
      if (!put->writer->WriteRecordBatch(*batch).ok()) break;
    }
    ARROW_UNUSED(put->writer->DoneWriting());
    for (std::shared_ptr<arrow::Buffer> acknowledged;;) {
      if (!put->reader->ReadMetadata(&acknowledged).ok() || acknowledged == nullptr) break;
      outcome.rows = std::max(outcome.rows, RowsIn(acknowledged->ToString()));
    }
    outcome.status = put->writer->Close();
    return outcome;
  }

  arrow::Status Ingest(const std::string& table, const Batches& batches) override {
    using Definition = arrow::flight::sql::TableDefinitionOptions;
    ARROW_ASSIGN_OR_RAISE(const auto reader, arrow::RecordBatchReader::Make(batches, batches[0]->schema()));
    const Definition definition{.if_not_exist = arrow::flight::sql::TableDefinitionOptionsTableNotExistOption::kFail,
                                .if_exists = arrow::flight::sql::TableDefinitionOptionsTableExistsOption::kAppend};
    return client_->sql().ExecuteIngest({}, reader, definition, table, std::nullopt, std::nullopt, false).status();
  }

  arrow::Result<LateFacts> Late(const std::string&) override {
    return arrow::Status::NotImplemented("asked of the server in this process only");
  }

  arrow::Result<FillingFacts> Filling(const std::string& view) override {
    ARROW_ASSIGN_OR_RAISE(const auto rows,
                          Query("SELECT status FROM hyprstream.views WHERE view_name = '" + view + "'"));
    if (rows->num_rows() == 0) return arrow::Status::KeyError("no view ", view);
    ARROW_ASSIGN_OR_RAISE(const auto status, rows->column(0)->GetScalar(0));
    return status->ToString() == "ready"     ? FillingFacts::kReady
           : status->ToString() == "filling" ? FillingFacts::kFilling
                                             : FillingFacts::kBroken;
  }

  arrow::Result<bool> Restart(Ending ending) override {
    if (folder_.empty()) return false;
    client_.reset();
    if (ending == Ending::kCrash) {
      server_->Kill();
    } else if (const int code = server_->Terminate(); code != 0) {
      return arrow::Status::IOError("it ended with ", code);
    }
    ARROW_RETURN_NOT_OK(Open());
    return true;
  }

 private:
  arrow::Status Open() {
    const auto arguments = folder_.empty() ? std::vector<std::string>{} : std::vector<std::string>{"--data", folder_};
    server_.reset();
    ARROW_ASSIGN_OR_RAISE(server_, testing::ServerProcess::Start(arguments));
    client_ = std::make_unique<testing::SqlClient>(*server_);
    return arrow::Status::OK();
  }

  std::string folder_;
  std::unique_ptr<testing::ServerProcess> server_;
  std::unique_ptr<testing::SqlClient> client_;
};

}  // namespace

std::unique_ptr<Door> MakeLocalDoor(const std::string& folder) { return std::make_unique<LocalDoor>(folder); }
std::unique_ptr<Door> MakeRemoteDoor(const std::string& folder) { return std::make_unique<RemoteDoor>(folder); }

}  // namespace hyprstream::fuzz
