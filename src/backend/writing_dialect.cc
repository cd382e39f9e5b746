#include "backend/writing_dialect.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include "backend/driver.h"

namespace hyprstream::backend {

bool IsExtension(const arrow::Field& field, const char* name) {
  return field.metadata() != nullptr && field.metadata()->Get("ARROW:extension:name").ValueOr("") == name;
}

TableLayout WritingDialect::WithRowNames(TableLayout layout) const {
  layout.columns.insert(layout.columns.begin(),
                        {.name = kRowNameColumn, .expression = RowName(), .arriving = arrow::utf8()});
  auto fields = layout.schema->fields();
  fields.insert(fields.begin(), arrow::field(kRowNameColumn, arrow::utf8(), false));
  layout.schema = arrow::schema(std::move(fields));
  return layout;
}

bool WritingDialect::IsRefusal(const arrow::Status& of_commit) const { return !IsConnectionFailure(of_commit); }

arrow::Result<std::string> WritingDialect::TableOptions(const arrow::KeyValueMetadata& options) const {
  return arrow::Status::NotImplemented("takes no CREATE TABLE ... WITH (", options.key(0), " = ...)");
}

std::vector<std::pair<std::string, std::string>> WritingDialect::StageOptions(const std::string& stage) const {
  return {{"adbc.ingest.target_table", stage},
          {"adbc.ingest.temporary", "true"},
          {"adbc.ingest.mode", "adbc.ingest.mode.append"}};
}

}  // namespace hyprstream::backend
