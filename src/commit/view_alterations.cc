// ALTER MATERIALIZED VIEW; see commit_path.h for the contract.
#include <arrow/result.h>
#include <arrow/status.h>

#include <utility>

#include "base/nearest_name.h"
#include "commit/commit_path_internal.h"

namespace hyprstream::commit {

std::shared_ptr<MaintainedView> CommitPathImpl::FindView(const TransactionSnapshot& ddl, const TableRef& view) const {
  if (const auto own = ddl.created.find(view); own != ddl.created.end()) return own->second.view;
  return ddl.dropped.contains(view) ? nullptr : registry_.Find(view);
}

arrow::Status CommitPathImpl::CheckSeen(const TransactionSnapshot& ddl, const TableRef& view) const {
  if (ddl.created.contains(view)) return arrow::Status::OK();
  const auto found = registry_.Find(view);
  if (found == nullptr || found->since <= ddl.position()) return arrow::Status::OK();
  return arrow::Status::Invalid("Materialized view ", view.ToString(),
                                " was created by another transaction after this one began; begin again");
}

arrow::Status CommitPathImpl::UnknownView(const TableRef& view) const {
  for (const auto& refused : registry_.Refused()) {
    if (!(refused.stored.view == view)) continue;
    return arrow::Status::Invalid("Materialized view ", view.ToString(), " cannot be read: ", refused.problem);
  }
  return arrow::Status::KeyError("Unknown materialized view: ", view.ToString(),
                                 DidYouMean(view.ToString(), registry_.ViewNames()));
}

ViewOptions CommitPathImpl::OptionsIn(const TransactionSnapshot& ddl, const MaintainedView& view) {
  const auto altered = ddl.altered.find(view.query->view);
  return altered != ddl.altered.end() ? altered->second : view.options;
}

arrow::Result<bool> CommitPathImpl::AlterView(engine::Connection& connection,
                                              const engine::AlterMaterializedView& alter) {
  ARROW_ASSIGN_OR_RAISE(const auto ref, CompleteName(connection, alter.view, alter.schema_given));
  auto ddl = CopyDdl(connection);
  const auto view = FindView(*ddl, ref);
  if (view == nullptr) {
    if (alter.if_exists) return false;
    return UnknownView(ref);
  }
  ARROW_RETURN_NOT_OK(CheckSeen(*ddl, ref));
  auto before = ViewOptions();
  {
    const std::shared_lock gate(gate_);
    before = OptionsIn(*ddl, *view);
  }
  ARROW_ASSIGN_OR_RAISE(const auto options, AlterViewOptions(connection, before, alter.set, alter.reset));
  std::string why;
  const auto& query = *view->query;
  ARROW_ASSIGN_OR_RAISE(const auto ends,
                        WindowEnds::Make(connection, query, TableOptionsIn(*ddl, query.base).time_column, why));
  if (ends == nullptr && options.NeedTime()) {
    return arrow::Status::Invalid("Materialized view ", ref.ToString(),
                                  " cannot have lateness, late or retention: ", why);
  }
  ARROW_RETURN_NOT_OK(StoreViewOptions(connection, query.view, options));
  if (ddl->created.contains(ref)) {
    view->options = options;  // nobody but this transaction reads them yet
  } else {
    ddl->altered[ref] = options;
  }
  connection.Attach(std::move(ddl));
  return true;
}

}  // namespace hyprstream::commit
