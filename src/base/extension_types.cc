#include "base/extension_types.h"

#include <arrow/extension_type.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/util/macros.h>

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

namespace hyprstream {

namespace {

constexpr std::size_t kParameterBytesMax = 4096;

// Stands in the registry for `original`, which makes the types of columns as before.
class BoundedType final : public arrow::ExtensionType {
 public:
  explicit BoundedType(std::shared_ptr<arrow::ExtensionType> original)
      : arrow::ExtensionType(original->storage_type()), original_(std::move(original)) {}

  std::string extension_name() const override { return original_->extension_name(); }
  bool ExtensionEquals(const arrow::ExtensionType& other) const override { return original_->ExtensionEquals(other); }
  std::shared_ptr<arrow::Array> MakeArray(std::shared_ptr<arrow::ArrayData> data) const override {
    return original_->MakeArray(std::move(data));
  }
  std::string Serialize() const override { return original_->Serialize(); }
  arrow::Result<std::shared_ptr<arrow::DataType>> Deserialize(std::shared_ptr<arrow::DataType> storage,
                                                              const std::string& parameters) const override {
    if (parameters.size() <= kParameterBytesMax) return original_->Deserialize(std::move(storage), parameters);
    return arrow::Status::Invalid("The parameters of an extension type (", extension_name(), ") may have ",
                                  kParameterBytesMax, " bytes; these have ", parameters.size());
  }

 private:
  const std::shared_ptr<arrow::ExtensionType> original_;
};

}  // namespace

void BoundExtensionTypes() {
  for (const char* name : {"arrow.bool8", "arrow.fixed_shape_tensor", "arrow.json", "arrow.opaque",
                           "arrow.parquet.variant", "arrow.uuid", "arrow.variable_shape_tensor"}) {
    auto original = arrow::GetExtensionType(name);
    if (original == nullptr || dynamic_cast<const BoundedType*>(original.get()) != nullptr) continue;
    ARROW_UNUSED(arrow::UnregisterExtensionType(name));
    ARROW_UNUSED(arrow::RegisterExtensionType(std::make_shared<BoundedType>(std::move(original))));
  }
}

}  // namespace hyprstream
