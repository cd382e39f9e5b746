// For this driver's unit tests: what a status or result should be.
#pragma once

#include <arrow/result.h>
#include <gmock/gmock.h>

#include <string>

#include "failure.h"

namespace adbc_redis {

inline const arrow::Status& StatusOf(const arrow::Status& status) { return status; }
template <class T>
const arrow::Status& StatusOf(const arrow::Result<T>& result) {
  return result.status();
}

MATCHER(IsOk, "succeeds") {
  *result_listener << StatusOf(arg).ToString();
  return StatusOf(arg).ok();
}

MATCHER_P2(FailsWith, code, text, "fails with that code and text") {
  *result_listener << StatusOf(arg).ToString();
  return CodeOf(StatusOf(arg)) == code && StatusOf(arg).message().find(text) != std::string::npos;
}

}  // namespace adbc_redis
