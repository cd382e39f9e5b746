#include "core/vector_summary.h"

#include "arrow/status.h"

namespace hyprstream {

arrow::Status VectorLengths::Check(std::string_view function) const {
  if (!other) return arrow::Status::OK();
  return arrow::Status::Invalid(function, " needs vectors of one length, and some have ", length, " numbers, others ",
                                *other, ": delete or correct those rows, or keep vectors in a column of type FLOAT[",
                                length, "], which takes no others");
}

}  // namespace hyprstream
