// Databases that the server knows only by their ADBC drivers.
//
// What the driver says is believed: its names, its types, its rows. Of SQL only what every database means alike is
// used: columns of one table, and comparisons of integers with integers. The rest is done here.

#include <arrow/result.h>
#include <arrow/scalar.h>
#include <arrow/status.h>
#include <arrow/type.h>
#include <arrow/util/key_value_metadata.h>

#include <utility>

#include "backend/dialect.h"
#include "backend/driver_objects.h"
#include "backend/passed_on.h"
#include "backend/value_reading.h"
#include "core/table_ref.h"

namespace hyprstream::backend {
namespace {

// The extension types that the server hands on.
std::shared_ptr<const arrow::KeyValueMetadata> ExtensionOf(const arrow::Field& field) {
  if (field.type()->id() != arrow::Type::EXTENSION) return nullptr;
  const auto name = static_cast<const arrow::ExtensionType&>(*field.type()).extension_name();
  if (name != "arrow.uuid" && name != "arrow.json") return nullptr;
  return arrow::key_value_metadata({{"ARROW:extension:name", name}, {"ARROW:extension:metadata", ""}});
}

class GenericDialect : public Dialect {
 public:
  std::vector<std::string> SessionStatements() const override { return {}; }
  std::vector<std::pair<std::string, std::string>> StatementOptions() const override { return {}; }
  bool connects_late() const override { return true; }

  bool has_catalog() const override { return false; }
  bool names_schemas() const override { return true; }
  bool driver_tells_keys() const override { return true; }
  bool takes_expressions() const override { return false; }
  bool takes_limit() const override { return false; }
  std::size_t values_max() const override { return 1'000; }
  std::string SchemasQuery() const override { return {}; }
  std::string TablesQuery(const std::string&) const override { return {}; }
  std::string ColumnsQuery(const std::string&, const std::string&) const override { return {}; }
  arrow::Result<TableLayout> Layout(const std::string&, const std::string& table, const TextRows&) const override {
    return arrow::Status::NotImplemented("Table ", table, " is described by its driver");
  }

  std::string NameOf(const NamedSchema& schema, const std::string& table) const override {
    std::string name;
    for (const auto& part : {schema.catalog, schema.name}) {
      if (!part.empty()) name += QuoteIdentifier(part) + ".";
    }
    return name + QuoteIdentifier(table);
  }

  arrow::Result<TableLayout> LayoutAsDescribed(const std::string&, const arrow::Schema& schema) const override {
    TableLayout layout;
    arrow::FieldVector fields;
    for (const auto& field : schema.fields()) {
      ColumnLayout column{
          .name = field->name(), .expression = QuoteIdentifier(field->name()), .arriving = StorageType(field->type())};
      if (arrow::is_integer(column.arriving->id())) column.comparable = Comparable::kInteger;
      fields.push_back(arrow::field(field->name(), column.arriving, true, ExtensionOf(*field)));
      layout.columns.push_back(std::move(column));
    }
    layout.schema = arrow::schema(std::move(fields));
    return layout;
  }

  arrow::Status CheckPassedOn(const std::string& statement) const override { return CheckReadsOnce(statement); }
  arrow::Result<TableLayout> LayoutOfStatement(const arrow::Schema& schema) const override {
    auto layout = LayoutAsDescribed({}, schema);
    return layout;
  }

  std::optional<std::string> Literal(Comparable comparable, const arrow::Scalar& value) const override {
    const bool integers = comparable == Comparable::kInteger && arrow::is_integer(value.type->id());
    return integers ? std::optional(value.ToString()) : std::nullopt;
  }
};

}  // namespace

std::unique_ptr<const Dialect> MakeGenericDialect() { return std::make_unique<GenericDialect>(); }

}  // namespace hyprstream::backend
