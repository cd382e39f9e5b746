#include "core/backend.h"

#include <arrow/result.h>
#include <arrow/status.h>

namespace hyprstream {

arrow::Result<std::shared_ptr<const std::vector<BackendKey>>> Backend::Keys() const {
  return std::make_shared<const std::vector<BackendKey>>();
}

arrow::Result<RemotePlan> Backend::Plan(const RemoteRelation&) const {
  return arrow::Status::NotImplemented("it answers no queries, only scans of its tables");
}

arrow::Result<std::unique_ptr<BackendWriter>> Backend::BeginWriting(std::function<bool()>) const {
  return arrow::Status::NotImplemented("Backend ", name(),
                                       " can only be read: its tables are not changed, made or dropped from here");
}

}  // namespace hyprstream
