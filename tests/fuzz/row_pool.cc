#include "fuzz/row_pool.h"

#include <arrow/array.h>
#include <arrow/array/builder_primitive.h>
#include <arrow/compute/api_vector.h>
#include <arrow/datum.h>
#include <arrow/table.h>
#include <arrow/type.h>

#include <algorithm>
#include <utility>

namespace hyprstream::fuzz {

namespace {

constexpr int kRowsOfALoad = 40;
constexpr int kRowsOfAPool = 60;
constexpr int kDraws = 4;

// Text as a dictionary, as many clients send it.
std::shared_ptr<arrow::RecordBatch> WithDictionaries(const arrow::RecordBatch& batch) {
  arrow::ArrayVector columns;
  arrow::FieldVector fields;
  for (int i = 0; i < batch.num_columns(); ++i) {
    auto column = batch.column(i);
    if (column->type_id() == arrow::Type::STRING) {
      column = arrow::compute::DictionaryEncode(arrow::Datum(column)).ValueOrDie().make_array();
    }
    fields.push_back(arrow::field(batch.column_name(i), column->type()));
    columns.push_back(std::move(column));
  }
  return arrow::RecordBatch::Make(arrow::schema(std::move(fields)), batch.num_rows(), std::move(columns));
}

arrow::Result<std::shared_ptr<arrow::RecordBatch>> Taken(const std::shared_ptr<arrow::RecordBatch>& batch,
                                                         const std::vector<std::int64_t>& rows) {
  arrow::Int64Builder builder;
  ARROW_RETURN_NOT_OK(builder.AppendValues(rows));
  ARROW_ASSIGN_OR_RAISE(const auto indices, builder.Finish());
  ARROW_ASSIGN_OR_RAISE(const auto taken, arrow::compute::Take(arrow::Datum(batch), arrow::Datum(indices)));
  return taken.record_batch();
}

}  // namespace

arrow::Result<Load> RowPool::Draw(Random& random, Door& door, const RandomTable& table) {
  auto& pool = rows_[table.name];
  if (pool.draws_left == 0) {
    pool.texts = RowTexts(random, table, table.has_key ? kRowsOfALoad : kRowsOfAPool);
    ARROW_ASSIGN_OR_RAISE(const auto made, door.Query(table.SelectSql(Joined(pool.texts, 0, pool.texts.size()))));
    ARROW_ASSIGN_OR_RAISE(pool.batch, made->CombineChunksToBatch());
    pool.draws_left = table.has_key ? 1 : kDraws;  // no key twice
  }
  --pool.draws_left;
  Load load{.batches = {}, .texts = pool.texts};
  auto whole = pool.batch;
  if (!table.has_key) {
    std::vector<std::int64_t> rows;
    load.texts.clear();
    for (int i = 0; i < kRowsOfALoad; ++i) {
      rows.push_back(random.Below(kRowsOfAPool));
      load.texts.push_back(pool.texts[static_cast<std::size_t>(rows.back())]);
    }
    ARROW_ASSIGN_OR_RAISE(whole, Taken(whole, rows));
  }
  if (random.Chance(40)) whole = WithDictionaries(*whole);
  for (std::int64_t at = 0; at < whole->num_rows();) {
    const auto count = std::min(random.Below(20), whole->num_rows() - at);
    load.batches.push_back(whole->Slice(at, count));
    at += count;
  }
  return load;
}

}  // namespace hyprstream::fuzz
