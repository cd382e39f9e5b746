// DuckDB: what its columns take, and how its tables are changed, in a file or behind another Hyprstream.
//
// The driver of files appends columns by their places and checks little, so that rows go straight into a table only
// where they have all of its columns in their order; others go through the stage, and an INSERT says where. JSON and
// enums are made of staged texts, each of which is looked at first. All connections may write; a transaction has one
// snapshot, and what another has changed meanwhile is an error.
// Thread safety: immutable; all methods, from any thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "backend/writing_dialect.h"

namespace hyprstream::backend {

class DuckdbWriting : public WritingDialect {
 public:
  using Options = std::vector<std::pair<std::string, std::string>>;

  std::vector<std::string> BeginStatements() const override { return {}; }
  std::vector<std::string> EndStatements() const override { return {}; }
  std::string TargetQuery(const TableRef& table) const override;
  arrow::Result<WriteTarget> Target(const TableRef& table, const TextRows& columns) const override;
  arrow::Result<std::string> TypeName(const arrow::Field& column) const override;
  bool ingests_by_position() const override { return true; }
  Options IngestOptions(const TableRef& table) const override;
  std::string CreateStage(const std::string& stage, const std::string& columns) const override;
  std::string StageName(const std::string& stage) const override;
  std::string StageType(const WrittenColumn& column) const override;
  std::string FromStage(const WrittenColumn& column) const override;
  std::string MisfitQuery(const std::string& stage, const WrittenColumn& column) const override;
  std::string RowCondition() const override;

 private:
  std::string RowName() const override;
};

}  // namespace hyprstream::backend
