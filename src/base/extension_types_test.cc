#include "base/extension_types.h"

#include <arrow/buffer.h>
#include <arrow/extension/opaque.h>
#include <arrow/extension_type.h>
#include <arrow/io/memory.h>
#include <arrow/ipc/dictionary.h>
#include <arrow/ipc/reader.h>
#include <arrow/ipc/writer.h>
#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace hyprstream {
namespace {

using ::testing::HasSubstr;

arrow::Result<std::shared_ptr<arrow::Schema>> Received(const char* extension, const std::string& parameters,
                                                       std::shared_ptr<arrow::DataType> storage) {
  const auto metadata =
      arrow::key_value_metadata({{"ARROW:extension:name", extension}, {"ARROW:extension:metadata", parameters}});
  const auto sent = arrow::schema({arrow::field("a", std::move(storage), true, metadata)});
  arrow::io::BufferReader bytes(arrow::ipc::SerializeSchema(*sent).ValueOrDie());
  arrow::ipc::DictionaryMemo dictionaries;
  return arrow::ipc::ReadSchema(&bytes, &dictionaries);
}

// A million levels of recursion end a process whose threads have 8 MiB of stack.
TEST(ExtensionTypes, TakeNoLongParameters) {
  BoundExtensionTypes();
  const std::string nested =
      R"({"type_name": "x", "vendor_name": )" + std::string(1'000'000, '[') + std::string(1'000'000, ']') + "}";
  for (const char* name : {"arrow.opaque", "arrow.fixed_shape_tensor", "arrow.uuid", "arrow.bool8", "arrow.json"}) {
    const auto received = Received(name, nested, arrow::binary());
    ASSERT_TRUE(received.status().IsInvalid()) << name;
    EXPECT_THAT(received.status().message(), HasSubstr("may have 4096 bytes; these have 2000035")) << name;
  }
}

TEST(ExtensionTypes, AreAsBeforeOtherwise) {
  BoundExtensionTypes();
  BoundExtensionTypes();
  const auto opaque = Received("arrow.opaque", R"({"type_name": "bit", "vendor_name": "DuckDB"})", arrow::binary());
  const auto* type = dynamic_cast<const arrow::extension::OpaqueType*>(opaque.ValueOrDie()->field(0)->type().get());
  ASSERT_NE(type, nullptr);
  EXPECT_EQ(type->type_name(), "bit");
  EXPECT_EQ(type->vendor_name(), "DuckDB");
  const auto tensor =
      Received("arrow.fixed_shape_tensor", R"({"shape": [2]})", arrow::fixed_size_list(arrow::float32(), 2))
          .ValueOrDie();
  EXPECT_EQ(tensor->field(0)->type()->id(), arrow::Type::EXTENSION);
  EXPECT_TRUE(Received("arrow.opaque", "{}", arrow::binary()).status().IsInvalid());
  EXPECT_EQ(Received("of.others", std::string(5000, '['), arrow::binary()).ValueOrDie()->field(0)->type()->id(),
            arrow::Type::BINARY);
}

}  // namespace
}  // namespace hyprstream
