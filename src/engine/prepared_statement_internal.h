// What a connection has prepared: DuckDB's own prepared statement, what it is and touches, and how it can be answered
// without its plan.
//
// Thread safety: none; its connection's. Stays inside the room.
#pragma once

#include <algorithm>
#include <cstdint>
#include <duckdb/main/prepared_statement.hpp>
#include <duckdb/parser/sql_statement.hpp>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/backend_pushdown_internal.h"
#include "engine/backend_write_internal.h"
#include "engine/connection.h"
#include "engine/gate_internal.h"
#include "engine/look_up_internal.h"
#include "engine/plain_read_internal.h"
#include "engine/plan_rows_internal.h"
#include "engine/rollup_internal.h"
#include "engine/window_bounds_internal.h"

namespace hyprstream::engine {

class PreparedStatement : public Prepared {
 public:
  PreparedStatement(duckdb::unique_ptr<duckdb::PreparedStatement> statement, PreparedInfo info, Trust trust)
      : statement_(std::move(statement)), info_(std::move(info)), trust_(trust) {}

  // What its plan owes to views; DuckDB plans some statements only when they are executed.
  void NotePlan(RollUpFacts facts) {
    if (!facts.bounds.empty()) bounds_ = std::move(facts.bounds);
    if (facts.answered.empty() && facts.unanswered.empty()) return;
    roll_ups_ = std::move(facts.answered);
    info_.roll_ups.clear();
    for (const auto& answered : roll_ups_) {
      const bool known = std::ranges::find(info_.roll_ups, answered.how) != info_.roll_ups.end();
      if (!known) info_.roll_ups.push_back(answered.how);
    }
    info_.no_roll_ups = std::move(facts.unanswered);
  }
  void NotePushdown(PushdownFacts facts) {
    info_.pushed = std::move(facts.pushed);
    info_.not_pushed = std::move(facts.kept);
  }
  // To plan it again when views no longer answer.
  void KeepText(duckdb::unique_ptr<duckdb::SQLStatement> text) { text_ = std::move(text); }
  void ForgetPlan() {
    roll_ups_.clear();
    bounds_.clear();
  }
  void KeepWrite(BackendWrite write) { write_ = std::move(write); }
  const std::optional<BackendWrite>& write() const { return write_; }
  // What can be answered without the plan.
  void KeepShortcuts(PlanFacts& facts) {
    look_up_ = std::move(facts.look_up);
    plain_read_ = std::move(facts.plain_read);
  }
  const std::optional<LookUp>& look_up() const { return look_up_; }
  const std::optional<PlainRead>& plain_read() const { return plain_read_; }
  bool IsStale(duckdb::ClientContext& context) const {
    return text_ &&
           (std::ranges::any_of(roll_ups_, [&](const auto& rolled_up) { return !StillAnswers(context, rolled_up); }) ||
            std::ranges::any_of(bounds_, [&](const auto& bound) { return !StillHolds(context, bound); }));
  }
  const duckdb::SQLStatement& text() const { return *text_; }
  void PlanAgain(duckdb::unique_ptr<duckdb::PreparedStatement> statement) { statement_ = std::move(statement); }

  const PreparedInfo& info() const override { return info_; }
  duckdb::PreparedStatement& statement() { return *statement_; }
  bool has_plan() const { return statement_ != nullptr; }
  Trust trust() const { return trust_; }
  const Executions& executions() const { return executions_; }

 private:
  duckdb::unique_ptr<duckdb::PreparedStatement> statement_;
  PreparedInfo info_;
  Trust trust_;
  std::vector<RolledUp> roll_ups_;
  std::vector<WindowBound> bounds_;
  std::optional<LookUp> look_up_;
  std::optional<PlainRead> plain_read_;
  std::optional<BackendWrite> write_;
  duckdb::unique_ptr<duckdb::SQLStatement> text_;
  const Executions executions_ = std::make_shared<std::uint64_t>(0);
};

}  // namespace hyprstream::engine
