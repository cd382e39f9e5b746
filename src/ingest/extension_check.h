// Arrow's extension types, where DuckDB reads a column's bytes as values of its own and trusts them.
//
// DuckDB takes an `arrow.opaque` of its own name (`bit`, `bignum`, ...) as that type without a look at the storage or
// at what the bytes say, and reads and writes outside of them when they lie.
//
// Thread safety: all functions, from any thread.
#pragma once

namespace arrow {
class RecordBatch;
class Schema;
class Status;
}  // namespace arrow

namespace hyprstream::ingest {

// Invalid, and names the column, when a field or one within it has an extension type that is not taken, has two at
// once, or has DuckDB's name on other storage than DuckDB's.
arrow::Status CheckExtensionTypes(const arrow::Schema& schema);

// The same, and Invalid when a value of such a column is none that DuckDB makes. Only for batches that are valid.
arrow::Status CheckExtensions(const arrow::RecordBatch& batch);

}  // namespace hyprstream::ingest
