// Another Hyprstream: DuckDB's tables, changed through the port that its clients use.

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <string_view>

#include "backend/driver.h"
#include "backend/duckdb_writing.h"

namespace hyprstream::backend {
namespace {

class HyprstreamWriting final : public DuckdbWriting {
 public:
  // An ingest there takes columns by their names.
  bool ingests_by_position() const override { return false; }
  arrow::Result<WriteTarget> Target(const TableRef& table, const TextRows& columns) const override {
    ARROW_ASSIGN_OR_RAISE(auto target, DuckdbWriting::Target(table, columns));
    // Arrow has no 24:00:00, and the server looks at what comes in.
    for (auto& column : target.columns) {
      if (column.type != nullptr && column.type->id() == arrow::Type::TIME64) --column.bounds.greatest;
    }
    return target;
  }
  Options IngestOptions(const TableRef& table) const override {
    return InTransaction(DuckdbWriting::IngestOptions(table));
  }
  Options StageOptions(const std::string& stage) const override {
    return InTransaction(DuckdbWriting::StageOptions(stage));
  }

  // The driver has a code for whatever ends a call. A server that refuses a COMMIT says INVALID_ARGUMENT (a conflict,
  // say) or NOT_FOUND (it does not know the transaction, having been started anew).
  // TRAP: the driver's Commit() begins the next transaction as well, and gives an error of that as its own.
  bool IsRefusal(const arrow::Status& of_commit) const override {
    const auto* detail = DriverErrorDetail::Of(of_commit);
    if (detail == nullptr || of_commit.message().contains("; BeginTransaction")) return false;
    return detail->code() == ADBC_STATUS_INVALID_ARGUMENT || detail->code() == ADBC_STATUS_NOT_FOUND;
  }

  // The server there says which it knows.
  arrow::Result<std::string> TableOptions(const arrow::KeyValueMetadata& options) const override {
    std::string text;
    for (std::int64_t i = 0; i < options.size(); ++i) {
      text += (text.empty() ? "WITH (" : ", ") + options.key(i) + " = " + QuoteLiteral(options.value(i));
    }
    return text + ")";
  }

 private:
  // TRAP: the driver leaves the transaction out of an ingest. The server takes the only one of the session, and one
  // that has lost it (its connection was made anew, say) would commit the rows at once, which this header forbids.
  static Options InTransaction(Options options) {
    options.emplace_back("adbc.flight.sql.rpc.call_header.hyprstream-transaction", "required");
    return options;
  }
};

}  // namespace

std::unique_ptr<const WritingDialect> MakeHyprstreamWriting() { return std::make_unique<HyprstreamWriting>(); }

}  // namespace hyprstream::backend
