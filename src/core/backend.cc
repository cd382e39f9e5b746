#include "core/backend.h"

#include <arrow/result.h>
#include <arrow/status.h>

namespace hyprstream {

arrow::Result<RemotePlan> Backend::Plan(const RemoteRelation&) const {
  return arrow::Status::NotImplemented("it answers no queries, only scans of its tables");
}

}  // namespace hyprstream
