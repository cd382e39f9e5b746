// A view's SELECT with everything of the user's making written out.
//
// Macros and types can be replaced and dropped, temporary ones belong to a session, and names mean what the search path
// says: a SELECT that mentions none of them means the same for ever and to everyone.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/table_ref.h"

namespace arrow {
template <class T>
class Result;
}

namespace duckdb {
class ClientContext;
}

namespace hyprstream::engine {

// The SELECT with the bodies of scalar macros in the place of their calls, and types by their definition; nullopt when
// it mentions neither, or is no SELECT that can be maintained anyway. Columns keep their names. Inside a transaction.
// Throws DuckDB's exceptions; Invalid when the text that comes out is not one that DuckDB reads back.
arrow::Result<std::optional<std::string>> WriteOut(duckdb::ClientContext& context, std::string_view select);

}  // namespace hyprstream::engine
