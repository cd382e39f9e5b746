// A client's condition over columns, apart from any statement.
#pragma once

#include <string_view>

#include "engine/engine.h"
#include "engine/parser_internal.h"

namespace duckdb {
class ClientContext;
}

namespace hyprstream::engine {

// See Engine::ParseCondition. Never throws.
arrow::Result<Condition> ParseConditionText(duckdb::ClientContext& context, std::string_view sql,
                                            const ParseLimits& limits);

}  // namespace hyprstream::engine
