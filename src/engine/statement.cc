#include "engine/statement.h"

namespace hyprstream::engine {

bool ReturnsRows(StatementKind kind) {
  switch (kind) {
    case StatementKind::kQuery:
    case StatementKind::kExplain:
    case StatementKind::kExecute:
      return true;
    default:
      return false;
  }
}

std::string_view ToString(StatementKind kind) {
  switch (kind) {
    case StatementKind::kQuery:
      return "SELECT";
    case StatementKind::kExplain:
      return "EXPLAIN";
    case StatementKind::kInsert:
      return "INSERT";
    case StatementKind::kUpdate:
      return "UPDATE";
    case StatementKind::kDelete:
      return "DELETE";
    case StatementKind::kMerge:
      return "MERGE";
    case StatementKind::kCreate:
      return "CREATE";
    case StatementKind::kDrop:
      return "DROP";
    case StatementKind::kAlter:
      return "ALTER";
    case StatementKind::kComment:
      return "COMMENT";
    case StatementKind::kBegin:
      return "BEGIN";
    case StatementKind::kCommit:
      return "COMMIT";
    case StatementKind::kRollback:
      return "ROLLBACK";
    case StatementKind::kSet:
      return "SET";
    case StatementKind::kUse:
      return "USE";
    case StatementKind::kPrepare:
      return "PREPARE";
    case StatementKind::kExecute:
      return "EXECUTE";
    case StatementKind::kDeallocate:
      return "DEALLOCATE";
    case StatementKind::kCreateMaterializedView:
      return "CREATE MATERIALIZED VIEW";
    case StatementKind::kDropMaterializedView:
      return "DROP MATERIALIZED VIEW";
    case StatementKind::kAlterMaterializedView:
      return "ALTER MATERIALIZED VIEW";
    case StatementKind::kRefreshMaterializedView:
      return "REFRESH MATERIALIZED VIEW";
    case StatementKind::kInsertStates:
      return "INSERT";
    case StatementKind::kAttachBackend:
      return "ATTACH";
    case StatementKind::kDetachBackend:
      return "DETACH";
    case StatementKind::kRefreshBackend:
      return "REFRESH BACKEND";
    case StatementKind::kForbidden:
      return "FORBIDDEN";
  }
  return "UNKNOWN";
}

}  // namespace hyprstream::engine
