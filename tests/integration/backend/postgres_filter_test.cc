// Conditions that a scan sends to PostgreSQL give the rows that filtering afterwards gives.
#include <arrow/array.h>
#include <arrow/type.h>
#include <arrow/util/decimal.h>
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstdint>
#include <optional>
#include <random>
#include <set>

#include "postgres_backend.h"

namespace hyprstream::testing {
namespace {

using Op = ColumnFilter::Op;
using ScalarPtr = std::shared_ptr<arrow::Scalar>;

// As the engine compares: NaN is equal to itself and greater than anything.
std::strong_ordering CompareDoubles(double a, double b) {
  if (std::isnan(a) || std::isnan(b)) return std::isnan(a) <=> std::isnan(b);
  return a < b ? std::strong_ordering::less : a > b ? std::strong_ordering::greater : std::strong_ordering::equal;
}

std::strong_ordering Compare(const arrow::Scalar& a, const arrow::Scalar& b) {
  const auto number = [](const arrow::Scalar& value) -> std::optional<std::int64_t> {
    switch (value.type->id()) {
      case arrow::Type::BOOL:
        return static_cast<const arrow::BooleanScalar&>(value).value ? 1 : 0;
      case arrow::Type::INT16:
        return static_cast<const arrow::Int16Scalar&>(value).value;
      case arrow::Type::INT32:
      case arrow::Type::DATE32:
        return static_cast<const arrow::internal::PrimitiveScalar<arrow::Int32Type>&>(value).value;
      case arrow::Type::INT64:
      case arrow::Type::TIMESTAMP:
      case arrow::Type::TIME64:
        return static_cast<const arrow::internal::PrimitiveScalar<arrow::Int64Type>&>(value).value;
      default:
        return std::nullopt;
    }
  };
  if (const auto left = number(a)) return *left <=> *number(b);
  switch (a.type->id()) {
    case arrow::Type::FLOAT:
      return CompareDoubles(static_cast<const arrow::FloatScalar&>(a).value,
                            static_cast<const arrow::FloatScalar&>(b).value);
    case arrow::Type::DOUBLE:
      return CompareDoubles(static_cast<const arrow::DoubleScalar&>(a).value,
                            static_cast<const arrow::DoubleScalar&>(b).value);
    case arrow::Type::DECIMAL128: {
      const auto& left = static_cast<const arrow::Decimal128Scalar&>(a).value;
      const auto& right = static_cast<const arrow::Decimal128Scalar&>(b).value;
      return left < right   ? std::strong_ordering::less
             : left > right ? std::strong_ordering::greater
                            : std::strong_ordering::equal;
    }
    default:
      return std::string(static_cast<const arrow::BaseBinaryScalar&>(a).view()) <=>
             std::string(static_cast<const arrow::BaseBinaryScalar&>(b).view());
  }
}

bool Satisfies(const arrow::Scalar& value, const ColumnFilter& filter) {
  if (filter.op == Op::kIsNull) return !value.is_valid;
  if (!value.is_valid) return false;
  if (filter.op == Op::kIn) {
    return std::ranges::any_of(filter.values,
                               [&](const auto& one) { return one->is_valid && Compare(value, *one) == 0; });
  }
  if (!filter.value->is_valid) return false;
  const auto order = Compare(value, *filter.value);
  switch (filter.op) {
    case Op::kLess:
      return order < 0;
    case Op::kLessEqual:
      return order <= 0;
    case Op::kGreater:
      return order > 0;
    case Op::kGreaterEqual:
      return order >= 0;
    default:
      return order == 0;
  }
}

class PostgresFilters : public PostgresBackend {
 protected:
  static constexpr int kRows = 300;
  static constexpr std::uint64_t kSeedDefault = 1;

  PostgresFilters() {
    const char* seed = std::getenv("HYPRSTREAM_SEED");
    seed_ = seed == nullptr ? kSeedDefault : std::strtoull(seed, nullptr, 10);
    random_.seed(seed_);
    Sql("DROP TABLE IF EXISTS filtered; CREATE TABLE filtered (id int NOT NULL, i2 int2, i4 int4, i8 int8, f4 float4, "
        "f8 float8,"
        "n numeric(20,4), b bool, s text, v varchar(9) COLLATE \"C\", c char(3), d date, t time, ts timestamp, tz "
        "timestamptz,"
        "u uuid, m mood_of_filters, x numeric, l int[])");
    std::string rows;
    for (int id = 0; id < kRows; ++id) {
      rows += (id == 0 ? "(" : ", (") + std::to_string(id);
      for (const auto& pool : kPools)
        rows += ", " + (random_() % 8 == 0 ? std::string("NULL") : pool[random_() % pool.size()]);
      rows += ")";
    }
    Sql("INSERT INTO filtered VALUES " + rows);
  }

  static void SetUpTestSuite() {
    ASSERT_OK(SharedPostgres().Run("CREATE TYPE mood_of_filters AS ENUM ('sad', 'ok', 'glad')"));
  }

  ColumnFilter RandomFilter(const arrow::Table& rows) {
    ColumnFilter filter{.column = static_cast<int>(random_() % (kPools.size() - 1)),
                        .op = static_cast<Op>(random_() % 7)};
    const auto any = [&] {
      return rows.column(filter.column)->GetScalar(static_cast<std::int64_t>(random_() % kRows)).ValueOrDie();
    };
    if (filter.op == Op::kIn) {
      for (auto left = random_() % 4; left > 0; --left) filter.values.push_back(any());
    } else if (filter.op != Op::kIsNull) {
      filter.value = any();
    }
    return filter;
  }

  static std::set<std::string> Ids(const arrow::Table& rows, const std::vector<ColumnFilter>& filters) {
    std::set<std::string> ids;
    for (std::int64_t row = 0; row < rows.num_rows(); ++row) {
      const bool satisfies = std::ranges::all_of(filters, [&](const auto& filter) {
        return Satisfies(*rows.column(filter.column)->GetScalar(row).ValueOrDie(), filter);
      });
      if (satisfies) ids.insert(rows.column(0)->GetScalar(row).ValueOrDie()->ToString());
    }
    return ids;
  }

  // Values of each column but the first, as PostgreSQL writes them.
  static inline const std::vector<std::vector<std::string>> kPools = {
      {"-32768", "-1", "0", "1", "32767"},
      {"-2147483648", "0", "7", "2147483647"},
      {"-9223372036854775808", "-1", "0", "9007199254740993", "9223372036854775807"},
      {"'NaN'", "'-Infinity'", "'Infinity'", "0", "'-0'", "0.1", "16777217", "1e-40"},
      {"'NaN'", "'-Infinity'", "'Infinity'", "0", "'-0'", "0.1", "5e-324", "9007199254740993"},
      {"0", "-0.0001", "1234567890123456.7890", "9999999999999999.9999", "1.5"},
      {"true", "false"},
      {"''", "'a'", "'A'", "'a '", "'ä'", "E'it\\'s'", "E'back\\\\slash'", "'%'"},
      {"''", "'a'", "'A'", "'a '", "'ä'"},
      {"''", "'a'", "'a  '", "'b'"},
      {"'infinity'", "'-infinity'", "'1970-01-01'", "'0044-03-15 BC'", "'5874897-12-31'", "'2024-02-29'",
       "'4714-11-24 BC'"},
      {"'00:00'", "'24:00'", "'12:34:56.000001'", "'23:59:59.999999'"},
      {"'infinity'", "'-infinity'", "'1969-12-31 23:59:59.999999'", "'1970-01-01'", "'10000-01-01'", "'0001-12-31 BC'",
       "'4714-11-24 BC'"},
      {"'infinity'", "'-infinity'", "'1970-01-01 00:00+00'", "'2013-01-01 02:00+02'", "'0001-12-31 12:00+00 BC'"},
      {"'00000000-0000-0000-0000-000000000000'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
       "'7fffffff-0000-4000-8000-000000000001'"},
      {"'sad'", "'ok'", "'glad'"},
      {"'NaN'", "1.5", "1e30"},
      {"'{1,2}'", "'{}'"}};

  std::uint64_t seed_ = kSeedDefault;
  std::mt19937_64 random_;
};

TEST_F(PostgresFilters, GiveTheRowsThatFilteringAfterwardsGives) {
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "filtered"));
  ASSERT_OK_AND_ASSIGN(const auto all, Read(*source));
  ASSERT_EQ(all->num_rows(), kRows);
  int exact = 0;
  int fewer = 0;
  for (int turn = 0; turn < 400; ++turn) {
    auto request = WholeOf(*source);
    for (auto left = 1 + random_() % 3; left > 0; --left) request.filters.push_back(RandomFilter(*all));
    ASSERT_OK_AND_ASSIGN(const auto rows, Read(*source, request));
    const auto expected = Ids(*all, request.filters);
    const auto words = [&] {
      std::string text = "seed " + std::to_string(seed_) + " turn " + std::to_string(turn);
      for (const auto& filter : request.filters) {
        text += "; " + source->schema()->field(filter.column)->name() + " op " +
                std::to_string(static_cast<int>(filter.op));
        if (filter.value != nullptr) text += " " + filter.value->ToString();
      }
      return text;
    };
    ASSERT_EQ(Ids(*rows, request.filters), expected) << words();
    if (source->FindsExactly(request.filters)) {
      ++exact;
      ASSERT_EQ(static_cast<std::size_t>(rows->num_rows()), expected.size()) << words();
      // Then a most number of rows counts rows that satisfy them.
      request.rows_max = 1 + static_cast<std::int64_t>(random_() % 5);
      ASSERT_OK_AND_ASSIGN(const auto few, Read(*source, request));
      ASSERT_EQ(few->num_rows(), std::min<std::int64_t>(*request.rows_max, rows->num_rows())) << words();
    } else if (rows->num_rows() < kRows) {
      ++fewer;
    }
  }
  EXPECT_GT(exact, 100) << "most conditions are sent";
  EXPECT_GT(fewer, 10) << "and those that can be, beside others";
}

TEST_F(PostgresFilters, AreLeftToTheEngineWhereTheyMayMeanSomethingElse) {
  Sql("CREATE COLLATION IF NOT EXISTS loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
      "CREATE TABLE IF NOT EXISTS collated (s text COLLATE loose, c char(3), x numeric, j jsonb, e inet, l int[], "
      "plain text)");
  ASSERT_OK_AND_ASSIGN(const auto backend, Attach());
  ASSERT_OK_AND_ASSIGN(const auto source, backend->Table("public", "collated"));
  const auto text = arrow::MakeScalar("a");
  for (const int column : {0, 1, 2, 3, 4, 5}) {
    EXPECT_FALSE(source->FindsExactly({{.column = column, .op = Op::kEqual, .value = text}})) << column;
    EXPECT_TRUE(source->FindsExactly({{.column = column, .op = Op::kIsNull}})) << column;
  }
  EXPECT_TRUE(source->FindsExactly({{.column = 6, .op = Op::kEqual, .value = text}}));
  EXPECT_FALSE(source->FindsExactly({{.column = 6, .op = Op::kLess, .value = text}})) << "collations order";
  const auto zero = std::make_shared<arrow::StringScalar>(std::string("a\0b", 3));
  EXPECT_FALSE(source->FindsExactly({{.column = 6, .op = Op::kEqual, .value = zero}}));
  EXPECT_TRUE(source->FindsExactly({}));
}

}  // namespace
}  // namespace hyprstream::testing
