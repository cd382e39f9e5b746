#include "server/backend_check.h"

#include <arrow/type.h>
#include <gtest/gtest.h>

#include <chrono>

#include "backend/backend_report.h"
#include "backend/backend_spec.h"

namespace hyprstream::server {
namespace {

using namespace std::chrono_literals;

TEST(BackendCheck, AlignsColumnsAndLeavesOptionsOut) {
  const backend::BackendSpec spec{
      .name = "shop", .driver = "sqlite", .entrypoint = {}, .driver_options = {{"uri", "file:/hidden?key=hunter2"}}};
  const backend::BackendReport report{
      .version = "3.53.1",
      .answered_in = 1250us,
      .cancels = false,
      .describes_statements = true,
      .statistics = false,
      .tables = {{.schema = "main",
                  .name = "orders",
                  .is_view = false,
                  .rows = 12,
                  .columns = {{"id", "integer", arrow::int64(), false, true}, {"note", "", arrow::utf8(), true, false}},
                  .problem = arrow::Status::Invalid("column note is odd")}},
      .tables_left_out = 3};
  const auto text = RenderReport(spec, report);
  EXPECT_EQ(text.find("hunter2"), std::string::npos);
  EXPECT_EQ(text.substr(text.find('\n') + 1),
            "  version 3.53.1; answers in 1.2 ms; statements cannot be cancelled; their columns are known before they "
            "run; the driver has no statistics\n"
            "  main.orders, about 12 rows: cannot be read: column note is odd\n"
            "    id    integer  int64   never NULL\n"
            "    note           string  conditions are evaluated here\n"
            "  and 3 more (--tables)\n");
}

}  // namespace
}  // namespace hyprstream::server
