// Engine, commit path, sessions and door of a server in this process, over a free port.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "commit/commit_path.h"
#include "commit/subscription.h"
#include "config/credentials.h"
#include "engine/engine.h"
#include "flight/flight_server.h"
#include "session/session_registry.h"

namespace hyprstream::testing {

// The real commit path, with a step of the test's own before the next commit that changes anything: after its rows are
// appended and checked, before DuckDB commits them.
class InterruptedCommits final : public commit::CommitPath {
 public:
  explicit InterruptedCommits(commit::CommitPath& path) : path_(path) {}

  // Once; not thread safe.
  void BeforeNextCommit(std::function<void()> step) { step_ = std::move(step); }

  arrow::Status Begin(engine::Connection& connection) override { return path_.Begin(connection); }
  arrow::Result<commit::CommitReceipt> Commit(engine::Connection& connection, int batches) override {
    ARROW_ASSIGN_OR_RAISE(const auto facts, connection.Facts());
    if (step_ && facts.changes) std::exchange(step_, nullptr)();
    return path_.Commit(connection, batches);
  }
  arrow::Result<bool> CreateView(engine::Connection& connection, const engine::CreateMaterializedView& create,
                                 const std::string& time_zone) override {
    return path_.CreateView(connection, create, time_zone);
  }
  arrow::Result<bool> DropView(engine::Connection& connection, const engine::DropMaterializedView& drop) override {
    return path_.DropView(connection, drop);
  }
  arrow::Result<bool> AlterView(engine::Connection& connection, const engine::AlterMaterializedView& alter) override {
    return path_.AlterView(connection, alter);
  }
  arrow::Status RefreshView(engine::Connection& connection, const engine::RefreshMaterializedView& refresh) override {
    return path_.RefreshView(connection, refresh);
  }
  arrow::Result<std::int64_t> MergeStates(engine::Connection& connection, const engine::InsertStates& insert,
                                          arrow::RecordBatchReader& rows) override {
    return path_.MergeStates(connection, insert, rows);
  }
  arrow::Status SetTableOptions(engine::Connection& connection, const engine::CreateTableOptions& options) override {
    return path_.SetTableOptions(connection, options);
  }
  arrow::Status CarryOptions(engine::Connection& connection, const engine::Renaming& renaming) override {
    return path_.CarryOptions(connection, renaming);
  }
  arrow::Status CheckStatement(const engine::Statement& statement, const engine::PreparedInfo& info) override {
    return path_.CheckStatement(statement, info);
  }
  bool KeepsRows(const TableRef& table) const override { return path_.KeepsRows(table); }
  bool IsView(const TableRef& table) const override { return path_.IsView(table); }
  Position position() const override { return path_.position(); }
  std::uint64_t catalog_version() const override { return path_.catalog_version(); }
  std::vector<commit::TableInfo> Tables() const override { return path_.Tables(); }
  std::vector<commit::ViewInfo> Views() const override { return path_.Views(); }
  std::vector<commit::WindowInfo> Windows() const override { return path_.Windows(); }
  arrow::Result<std::unique_ptr<commit::Subscription>> Subscribe(const commit::SubscribeOptions& options) override {
    return path_.Subscribe(options);
  }
  arrow::Status SaveStates(commit::Saving saving) override { return path_.SaveStates(saving); }

 private:
  commit::CommitPath& path_;
  std::function<void()> step_;
};

struct RoomsInProcess {
  RoomsInProcess() {
    engine = engine::Engine::Make({.threads = 2}).ValueOrDie();
    path = commit::CommitPath::Make(*engine).ValueOrDie();
    commits = std::make_unique<InterruptedCommits>(*path);
    sessions = session::SessionRegistry::Make(*engine, *commits, {}).ValueOrDie();
    server = flight::FlightServer::Make({.port = 0}, {.sessions = *sessions, .credentials = everybody, .clock = clock})
                 .ValueOrDie();
    if (!server->Start().ok()) std::abort();
  }

  std::shared_ptr<session::Session> Session(const std::string& key) const {
    return sessions->Open({.value = key}, {}, "test").ValueOrDie();
  }

  SystemClock clock;
  config::Credentials everybody{{}};
  std::unique_ptr<engine::Engine> engine;
  std::unique_ptr<commit::CommitPath> path;
  std::unique_ptr<InterruptedCommits> commits;
  std::unique_ptr<session::SessionRegistry> sessions;
  std::unique_ptr<flight::FlightServer> server;
};

}  // namespace hyprstream::testing
