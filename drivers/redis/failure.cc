#include "failure.h"

#include <cstring>
#include <memory>
#include <utility>

namespace adbc_redis {
namespace {

class AdbcCode : public arrow::StatusDetail {
 public:
  explicit AdbcCode(AdbcStatusCode code) : code_(code) {}
  const char* type_id() const override { return "adbc_redis::AdbcCode"; }
  std::string ToString() const override { return "ADBC status " + std::to_string(code_); }
  AdbcStatusCode code() const { return code_; }

 private:
  AdbcStatusCode code_;
};

void ReleaseError(AdbcError* error) {
  delete[] error->message;
  error->message = nullptr;
  error->release = nullptr;
}

}  // namespace

arrow::Status Fail(AdbcStatusCode code, std::string message) {
  return {arrow::StatusCode::UnknownError, std::move(message), std::make_shared<AdbcCode>(code)};
}

AdbcStatusCode CodeOf(const arrow::Status& status) {
  if (status.ok()) return ADBC_STATUS_OK;
  if (const auto* code = dynamic_cast<const AdbcCode*>(status.detail().get())) return code->code();
  switch (status.code()) {
    case arrow::StatusCode::Invalid:
    case arrow::StatusCode::TypeError:
      return ADBC_STATUS_INVALID_ARGUMENT;
    case arrow::StatusCode::IOError:
      return ADBC_STATUS_IO;
    case arrow::StatusCode::Cancelled:
      return ADBC_STATUS_CANCELLED;
    case arrow::StatusCode::NotImplemented:
      return ADBC_STATUS_NOT_IMPLEMENTED;
    default:
      return ADBC_STATUS_INTERNAL;
  }
}

AdbcStatusCode Report(const arrow::Status& status, AdbcError* error) {
  if (status.ok()) return ADBC_STATUS_OK;
  if (error != nullptr) {
    if (error->release != nullptr) error->release(error);
    const std::string text = "[Redis] " + status.message();
    error->message = new char[text.size() + 1];
    std::memcpy(error->message, text.c_str(), text.size() + 1);
    // A caller of ADBC 1.1 has said with the vendor code that the struct has the newer fields.
    if (error->vendor_code == ADBC_ERROR_VENDOR_CODE_PRIVATE_DATA) error->private_data = nullptr;
    error->vendor_code = 0;
    std::memset(error->sqlstate, 0, sizeof(error->sqlstate));
    error->release = ReleaseError;
  }
  return CodeOf(status);
}

}  // namespace adbc_redis
