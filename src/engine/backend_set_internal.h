// The backends that statements can name, by their names.
//
// Thread safety: all methods, from any thread. Ownership: shared by the engine's catalogs and table functions.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "base/mutex.h"
#include "core/backend.h"
#include "core/table_ref.h"

namespace hyprstream::engine {

class BackendSet {
 public:
  // False: there is one of that name already.
  bool Add(std::shared_ptr<const Backend> backend) {
    const MutexLock lock(mutex_);
    return backends_.try_emplace(FoldIdentifier(backend->name()), std::move(backend)).second;
  }
  // Null: there is none.
  std::shared_ptr<const Backend> Remove(const std::string& name) {
    const MutexLock lock(mutex_);
    auto found = backends_.extract(FoldIdentifier(name));
    return found.empty() ? nullptr : std::move(found.mapped());
  }
  std::shared_ptr<const Backend> Find(const std::string& name) const {
    const MutexLock lock(mutex_);
    const auto found = backends_.find(FoldIdentifier(name));
    return found == backends_.end() ? nullptr : found->second;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<const Backend>> backends_ GUARDED_BY(mutex_);
};

}  // namespace hyprstream::engine
