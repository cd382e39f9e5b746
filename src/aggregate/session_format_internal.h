// The bytes of sessions, as docs/state_format.md describes them.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "aggregate/session_table_internal.h"

namespace arrow {
class Buffer;
}

namespace hyprstream::aggregate {

// All sessions of the tables: of each key ascending, when the tables are.
std::shared_ptr<arrow::Buffer> SaveSessions(const SessionSpec& spec,
                                            const std::vector<std::shared_ptr<const SessionTable>>& tables);

// Invalid when the bytes are damaged, of another version or of another definition.
arrow::Result<std::shared_ptr<SessionTable>> LoadSessions(const std::shared_ptr<const SessionSpec>& spec,
                                                          std::string_view bytes);

}  // namespace hyprstream::aggregate
