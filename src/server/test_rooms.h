// The rooms below as a test wants them: they report what it put in, and do nothing.
#pragma once

#include <arrow/result.h>
#include <arrow/status.h>

#include <memory>
#include <string>
#include <vector>

#include "commit/commit_path.h"
#include "commit/subscription.h"
#include "session/session_registry.h"

namespace hyprstream::server {

class FakeCommitPath final : public commit::CommitPath {
 public:
  arrow::Status Begin(engine::Connection&) override { return NotHere(); }
  arrow::Result<commit::CommitReceipt> Commit(engine::Connection&, int) override { return NotHere(); }
  arrow::Result<bool> CreateView(engine::Connection&, const engine::CreateMaterializedView&,
                                 const std::string&) override {
    return NotHere();
  }
  arrow::Result<bool> DropView(engine::Connection&, const engine::DropMaterializedView&) override { return NotHere(); }
  arrow::Result<bool> AlterView(engine::Connection&, const engine::AlterMaterializedView&) override {
    return NotHere();
  }
  arrow::Result<std::int64_t> MergeStates(engine::Connection&, const engine::InsertStates&,
                                          arrow::RecordBatchReader&) override {
    return NotHere();
  }
  arrow::Status RefreshView(engine::Connection&, const engine::RefreshMaterializedView&) override { return NotHere(); }
  arrow::Status SetTableOptions(engine::Connection&, const engine::CreateTableOptions&) override { return NotHere(); }
  arrow::Status CarryOptions(engine::Connection&, const engine::Renaming&) override { return NotHere(); }
  arrow::Status CheckStatement(const engine::Statement&, const engine::PreparedInfo&) override { return NotHere(); }
  bool KeepsRows(const TableRef&) const override { return true; }
  bool IsView(const TableRef&) const override { return false; }
  Position position() const override { return Position(5); }
  std::uint64_t catalog_version() const override { return 0; }
  std::vector<commit::TableInfo> Tables() const override { return tables; }
  std::vector<commit::ViewInfo> Views() const override { return views; }
  std::vector<commit::WindowInfo> Windows() const override { return windows; }
  arrow::Result<std::unique_ptr<commit::Subscription>> Subscribe(const commit::SubscribeOptions&) override {
    return NotHere();
  }
  arrow::Status SaveStates(commit::Saving) override { return arrow::Status::OK(); }

  std::vector<commit::TableInfo> tables;
  std::vector<commit::ViewInfo> views;
  std::vector<commit::WindowInfo> windows;

 private:
  static arrow::Status NotHere() { return arrow::Status::NotImplemented("not in this test"); }
};

class FakeSessionRegistry final : public session::SessionRegistry {
 public:
  arrow::Result<std::shared_ptr<session::Session>> Open(const session::SessionKey&, const Identity&,
                                                        const std::string&) override {
    return arrow::Status::NotImplemented("not in this test");
  }
  arrow::Result<std::shared_ptr<session::Session>> Find(const session::SessionKey&, const Identity&,
                                                        const std::string&) override {
    return nullptr;
  }
  bool Close(const session::SessionKey&) override { return false; }
  void Connected(const std::string&) override {}
  void Disconnected(const std::string&) override {}
  arrow::Result<std::shared_ptr<session::Session>> FindTicket(const Identity&, const session::Handle&) override {
    return arrow::Status::KeyError("not in this test");
  }
  std::vector<session::SessionInfo> Sessions() const override { return sessions; }
  std::vector<session::QueryInfo> Queries() const override { return queries; }
  std::vector<session::SubscriptionInfo> Subscriptions() const override { return subscriptions; }
  session::SubscriptionTotals TotalsOfSubscriptions() const override { return {}; }
  void Drain(std::chrono::milliseconds) override {}

  std::vector<session::SessionInfo> sessions;
  std::vector<session::QueryInfo> queries;
  std::vector<session::SubscriptionInfo> subscriptions;
};

}  // namespace hyprstream::server
